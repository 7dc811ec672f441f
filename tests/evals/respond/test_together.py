"""Several subjects asked together leave the same records as each asked alone, and go out in one call an eval config."""

from __future__ import annotations

from holdfast.evals.batched import respond_together
from holdfast.evals.respond import respond_subject


def test_records_are_the_same_whether_subjects_are_asked_together_or_alone(make, study_folder, kit):
    found = make(samples=2, temperature=1.0)
    alone, together = study_folder(found, "alone"), study_folder(found, "together")
    for row in (kit.base, kit.tuned):
        respond_subject(kit.fake(), kit.tokens, row, found, alone)
    backend = kit.fake()
    respond_together(backend, kit.tokens, [kit.base, kit.tuned], found, together)
    assert kit.content(alone) == kit.content(together)


class Counting:
    def __init__(self, backend):
        self.backend, self.calls, self.live = backend, [], []

    def generate(self, requests):
        self.calls.append({r.subject.id for r in requests})
        return self.backend.generate(requests)

    def score(self, requests):
        self.calls.append({r.subject.id for r in requests})
        return self.backend.score(requests)

    def assert_live(self, subject, turns):
        self.live.append(subject.id)
        self.backend.assert_live(subject, turns)


def test_every_call_holds_all_subjects_and_each_adapter_is_checked_once(make, study_folder, kit):
    found = make()
    folder = study_folder(found)
    backend = Counting(kit.fake())
    respond_together(backend, kit.tokens, [kit.base, kit.tuned], found, folder)
    both = {kit.base.subject, kit.tuned.subject}
    assert backend.calls == [both] * len(found)
    assert backend.live == [kit.tuned.subject]
    again = Counting(kit.fake())
    respond_together(again, kit.tokens, [kit.base, kit.tuned], found, folder)
    assert again.calls == [], "nothing is missing, so nothing is asked"
