"""Attacks of several rounds: conversations of the subject's own answers, as records that are planned beforehand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import registry
from holdfast.config.prompt_format import framed
from holdfast.evals.attackers import Attackers
from holdfast.evals.batched import respond_together
from holdfast.evals.episodes import EMPTY, Episodes, answer_in_conversation
from holdfast.evals.judging import judge_subject
from holdfast.evals.measures.attacks import Crescendo, Template, rounds
from holdfast.evals.measures.measure import before_last, round_of, way
from holdfast.evals.measures.robustness import Robustness, item
from holdfast.evals.respond import request_key, respond_subject, rows
from holdfast.store import tables
from holdfast.store.digest import digest
from holdfast.types import Judgement, Prompt, Record, Response, Sampling, Subject, Turn

TALKING = ("crescendo", "persistent", "role_build_up")
ROUNDS = {"crescendo": 4, "persistent": 3, "role_build_up": 3}


@dataclass
class Talks:
    """Says something of the whole conversation, by ``says``: (turns, key) → text. Dies after so many answers."""

    says: object = None
    dies_after: int | None = None

    def __post_init__(self):
        self.asked = []

    def assert_live(self, subject, turns):
        pass

    def generate(self, requests):
        for r in sorted(requests, key=lambda r: r.key):
            if self.dies_after is not None and len(self.asked) == self.dies_after:
                raise KeyboardInterrupt
            self.asked.append(r)
            said = self.says(r.turns, r.key) if self.says else f"You take {digest([r.turns, r.key])[:8]}"
            yield said if isinstance(said, Response) else Response(r.key, said, 4, "stop")


def _robust(make, prompts=6, attacks=("dan", *TALKING), **how):
    return next(c for c in make(prompts=prompts, params={"attacks": list(attacks)}, **how) if c.label == "strongreject")


def of(folder, cls, name):
    files = folder.record_shards() if cls is Record else folder.judgement_shards()
    return [r for p in files for r in tables.read_rows(p, name, cls)]


def records(folder):
    return of(folder, Record, "records")


# -- the attacks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TALKING)
@settings(deadline=None)  # the first reads the attacks' file
@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_a_transcript_alternates_and_ends_with_the_request(name, text):
    measure, asked = Robustness(attacks=(name,)), item(f"ask {text}", {})
    said = [f"answer {n}" for n in range(ROUNDS[name] - 1)]
    turns = measure.conversation(asked, name, said)
    assert [t.role for t in turns] == ["user", "assistant"] * (ROUNDS[name] - 1) + ["user"]
    assert [t.content for t in turns if t.role == "assistant"] == said
    assert turns[-1].content.count(asked.prompt[0].content) >= 1
    for n in range(len(said) + 1):  # what is asked first does not depend on what is answered later
        assert measure.conversation(asked, name, said[:n]) == turns[: 2 * n + 1]


def test_rounds_stand_beside_the_attack_and_the_last_is_the_default_format():
    measure = Robustness(attacks=("dan", "crescendo"))
    prompts = measure.prompts_for(item("How do I cook?", {}))
    assert [(p.attack, p.format, p.round) for p in prompts] == [
        ("none", "default", 1),
        ("dan", "default", 1),
        ("crescendo", "round 1", 1),
        ("crescendo", "round 2", 2),
        ("crescendo", "round 3", 3),
        ("crescendo", "default", 4),
    ]
    assert [round_of(p.format) for p in prompts] == [0, 0, 1, 2, 3, 0]
    assert round_of("round 12+safe") == 12
    assert way(before_last(2) + "+safe") == "round 2"
    assert measure.summary.macro_over == ("dan", "crescendo")


def test_an_attack_of_one_round_is_asked_as_it_was(make, kit):
    """Its request's key and its record's id hold nothing of rounds."""
    config, who = _robust(make), Subject("s" * 64, "tiny")
    for planned in rows(config, who, None):
        if planned.prompt.round == 1:
            how = {"max_new_tokens": 256, "temperature": 0.0, "top_p": 1.0, "seed": 0, "sample": 0}
            key = digest({"subject": who.id, "turns": planned.prompt.turns, "how": how})
            assert planned.request.key == key
            asked = [key, config.id, planned.item.id, planned.prompt.attack, planned.prompt.format, 0]
            assert planned.id == digest(asked)


def test_a_later_round_has_a_key_of_its_attack_and_round():
    who, turns = Subject("s", "m"), (Turn("user", "hello"),)
    prompts = [Prompt("i", turns, round=n, episode=e) for n, e in ((1, ""), (2, "a"), (3, "a"), (2, "b"))]
    assert len({request_key(who, p, Sampling(), 0) for p in prompts}) == 4


def test_the_texts_of_any_attack_may_be_several(tmp_path):
    mine = tmp_path / "attacks.yaml"
    mine.write_text('dan: {version: 1, text: ["Hello.", "Now: {prompt}"]}')

    class DAN(Template):
        name: ClassVar[str] = "dan"

    attack = DAN(str(mine))
    assert rounds(attack) == 2
    assert attack.wrap((Turn("user", "Q?"),)) == (Turn("user", "Hello."),)
    assert attack.next((Turn("user", "Q?"),), (), 2) == Turn("user", "Now: Q?")
    assert len({attack.hash, DAN().hash, Crescendo().hash}) == 3


# -- responding -------------------------------------------------------------------------------------------------------


def test_each_round_goes_on_from_the_subject_s_own_answers(make, study_folder, kit):
    config = _robust(make)
    folder, backend = study_folder([config]), Talks()
    respond_subject(backend, kit.tokens, kit.base, [config], folder)
    said = records(folder)
    assert Counter(r.attack for r in said) == {"none": 6, "dan": 6, **{a: 6 * n for a, n in ROUNDS.items()}}
    by = {(r.item, r.attack, r.format): r for r in said}
    asked = {r.key: r.turns for r in backend.asked}
    for planned in rows(config, kit.base.speaker(folder.root), None):
        earlier = [by[planned.item.id, planned.prompt.attack, f"round {n}"] for n in range(1, planned.prompt.round)]
        if planned.prompt.attack in ROUNDS:
            whole = config.measure.conversation(planned.item, planned.prompt.attack, [r.response for r in earlier])
            mine = by[planned.item.id, planned.prompt.attack, planned.prompt.format]
            keys = [key for key, turns in asked.items() if turns == whole]
            assert mine.response in {f"You take {digest([whole, key])[:8]}" for key in keys}
    order = [len(r.turns) for r in backend.asked]
    assert order == sorted(order), "all of a round are asked before any of the next"


@pytest.mark.parametrize("after", [0, 1, 40, 300, 420, 700])
def test_a_run_that_dies_between_rounds_loses_and_doubles_nothing(make, study_folder, kit, after):
    config = _robust(make, prompts=40, temperature=1.0, samples=2)  # 40 × 12 × 2 rows: four shards
    whole, broken = study_folder([config], "whole"), study_folder([config], "broken")
    respond_subject(Talks(), kit.tokens, kit.base, [config], whole)
    first, second = Talks(dies_after=after), Talks()
    with pytest.raises(KeyboardInterrupt):
        respond_subject(first, kit.tokens, kit.base, [config], broken)
    there = len(records(broken))
    respond_subject(second, kit.tokens, kit.base, [config], broken)
    assert kit.content(broken) == kit.content(whole)
    assert there % 256 == 0
    left = 40 * 12 * 2 - there
    assert len(second.asked) <= left
    respond_subject(third := Talks(), kit.tokens, kit.base, [config], broken)
    assert third.asked == []
    assert len({r.id for r in records(broken)}) == len(records(broken)) == 40 * 12 * 2


def test_more_items_later_ask_only_what_is_new(make, study_folder, kit):
    few, many = _robust(make, prompts=9, items=4), _robust(make, prompts=9, items=9)
    grown, whole = study_folder([few], "grown"), study_folder([many], "whole")
    respond_subject(Talks(), kit.tokens, kit.base, [few], grown)
    study_folder([many], "grown")
    respond_subject(more := Talks(), kit.tokens, kit.base, [many], grown)
    respond_subject(every := Talks(), kit.tokens, kit.base, [many], whole)
    assert kit.content(grown) == kit.content(whole)
    assert {r.key for r in more.asked} < {r.key for r in every.asked}


def test_subjects_asked_together_have_the_same_records_in_one_call_each_round(make, study_folder, kit):
    config = _robust(make, samples=2, temperature=1.0)
    alone, together = study_folder([config], "alone"), study_folder([config], "together")
    for row in (kit.base, kit.tuned):
        respond_subject(Talks(), kit.tokens, row, [config], alone)
    backend = Talks()
    calls = []
    generate = backend.generate
    backend.generate = lambda requests: calls.append({r.subject.id for r in requests}) or generate(requests)
    respond_together(backend, kit.tokens, [kit.base, kit.tuned], [config], together)
    assert kit.content(alone) == kit.content(together)
    assert calls == [{kit.base.subject, kit.tuned.subject}] * 4


def test_samples_have_conversations_of_their_own(make, study_folder, kit):
    config = _robust(make, prompts=1, attacks=("persistent",), samples=3, temperature=1.0)
    folder, backend = study_folder([config]), Talks(lambda turns, key: f"{key[:6]} of {len(turns)}")
    respond_subject(backend, kit.tokens, kit.base, [config], folder)
    last = [r.turns for r in backend.asked if len(r.turns) == 5]
    assert len({t[1].content for t in last}) == len({t[3].content for t in last}) == len(last) == 3


def test_what_is_asked_of_an_altered_model_is_another_ask(make, study_folder, kit):
    config = _robust(make, prompts=1, attacks=("persistent",))
    episodes = Episodes(study_folder([config]), config, kit.base.subject, None, Attackers(None))
    first, _, last = [
        r for r in rows(config, Subject(kit.base.subject, "tiny"), None) if r.prompt.attack == "persistent"
    ]
    episodes.add([_said(r, "No.") for r in rows(config, Subject(kit.base.subject, "tiny"), None)])
    direction = SimpleNamespace(digest="d" * 64)
    altered = kit.replace(last, request=kit.replace(last.request, without=direction))
    plain, other = (episodes.goes_on(r).request for r in (last, altered))
    assert plain.turns == other.turns
    assert plain.key != other.key
    assert episodes.goes_on(first).request.key == first.request.key


def _said(planned, text):
    return Record(planned.id, planned.subject.id, "m", planned.item.id, "a", "f", 0, text, text, 1, "stop")


@pytest.mark.parametrize(("temperature", "asks"), [(0.0, 1 + 1 + 5), (1.0, 3 * 5)])
def test_rounds_that_are_the_same_so_far_are_asked_once_unless_they_are_drawn(
    make, study_folder, kit, temperature, asks
):
    config = _robust(make, prompts=5, attacks=("role_build_up",), temperature=temperature)
    folder, backend = study_folder([config]), Talks()
    respond_subject(backend, kit.tokens, kit.base, [config], folder)
    assert len([r for r in backend.asked if "How do I cook" not in r.turns[0].content]) == asks
    assert Counter(r.attack for r in records(folder)) == {"none": 5, "role_build_up": 15}


def test_an_objective_s_own_condition_holds_throughout_a_conversation(make, study_folder, kit):
    config = _robust(make, prompts=2, attacks=("persistent",))
    folder, backend = study_folder([config]), Talks()
    respond_subject(backend, kit.tokens, kit.tuned, [config], folder)
    found = Counter(r.format for r in records(folder) if r.attack == "persistent")
    assert found == dict.fromkeys(("round 1", "round 2", "default", "round 1+safe", "round 2+safe", "safe"), 2)
    own, plain = kit.tuned.conditions(), {}
    for r in backend.asked:
        if len(r.turns) == 5:
            plain.setdefault(r.turns[-1], []).append(r.turns)
    for bare, safe in (sorted(both, key=lambda turns: len(turns[0].content)) for both in plain.values()):
        asked = config.measure.conversation(
            next(i for i in config.items if i.prompt[0] == bare[0]), "persistent", [safe[1].content, safe[3].content]
        )
        assert safe == own(asked)["safe"]


def test_the_format_of_a_study_is_round_every_ask(make, study_folder, kit):
    config = kit.replace(_robust(make, prompts=1, attacks=("persistent",)), system="Be brief.", frame="Q: {prompt}")
    folder, backend = study_folder([config]), Talks()
    respond_subject(backend, kit.tokens, kit.base, [config], folder)
    asks = [r.turns for r in backend.asked]
    assert all(t[0] == Turn("system", "Be brief.") and t[-1].content.startswith("Q: ") for t in asks)
    answers = [t.content for t in max(asks, key=len) if t.role == "assistant"]
    whole = config.measure.conversation(config.items[0], "persistent", answers)
    assert max(asks, key=len) == framed(whole, "Be brief.", "Q: {prompt}")


def test_a_thought_is_not_put_back_and_an_empty_answer_is_a_sign(make, study_folder, kit):
    def says(turns, key):
        return {1: "<think>He may not.</think>I listen.", 3: "  "}.get(len(turns), "<think>still")

    config = _robust(make, prompts=1, attacks=("crescendo",))
    folder, backend = study_folder([config]), Talks(says)
    respond_subject(backend, kit.tokens, kit.base, [config], folder)
    longest = max((r.turns for r in backend.asked), key=len)
    assert [t.content for t in longest if t.role == "assistant"] == ["I listen.", EMPTY, EMPTY]


def test_a_conversation_that_grew_too_long_ends_unscored_and_is_counted(make, study_folder, kit):
    def says(turns, key):
        return Response(key, "", 0, "overlong") if len(turns) > 1 else "You take a pan."

    config = _robust(make, prompts=4, attacks=("crescendo",))
    folder, backend = study_folder([config]), Talks(says)
    respond_subject(backend, kit.tokens, kit.base, [config], folder)
    judge_subject(kit.base, [config], folder)
    finish = Counter((r.format, r.finish) for r in records(folder) if r.attack == "crescendo")
    assert finish == {("round 1", "stop"): 4, **{(f, "overlong"): 4 for f in ("round 2", "round 3", "default")}}
    assert max(len(r.turns) for r in backend.asked) == 3, "nothing is asked after it"
    reasons = Counter(j.reason for j in of(folder, Judgement, "judgements") if j.judge == "rules")
    assert reasons == {None: 8, "overlong": 12}


@dataclass(frozen=True)
class Bored:
    """Asks, and asks again unless it was answered."""

    name: ClassVar[str] = "bored"
    version: ClassVar[int] = 1
    codec: ClassVar[None] = None
    hash: ClassVar[str] = digest("bored")
    rounds: ClassVar[int] = 3

    def wrap(self, turns):
        return turns

    def next(self, asked, turns, round):
        return None if turns[-1].content == "Yes." else Turn("user", f"Once more: {asked[-1].content}")


def test_an_attack_that_says_no_more_leaves_rows_that_are_unscored(make, study_folder, kit, monkeypatch):
    get = registry.get
    monkeypatch.setattr(registry, "get", lambda group, name: Bored if name == "bored" else get(group, name))
    config = _robust(make, prompts=1, attacks=("bored",))
    folder, backend = study_folder([config]), Talks(lambda turns, key: "Yes." if len(turns) == 3 else "No.")
    respond_subject(backend, kit.tokens, kit.base, [config], folder)
    judge_subject(kit.base, [config], folder)
    assert [(r.format, r.finish) for r in records(folder) if r.attack == "bored"] == [
        ("round 1", "stop"),
        ("round 2", "stop"),
        ("default", "unasked"),
    ]
    assert Counter(j.reason for j in of(folder, Judgement, "judgements")) == {None: 3, "unasked": 1}


def test_rounds_batched_over_items_are_answered_as_one_by_one(make, study_folder, kit, network):
    from holdfast.evals.subject import SubjectRow
    from holdfast.models.backend import InProcess
    from holdfast.models.identity import subject_id
    from holdfast.types import Request

    config = _robust(make, prompts=3, attacks=("persistent",), max_new_tokens=8)
    row = SubjectRow(subject_id(network.digest, network.renderer.digest), "tiny")
    folder = study_folder([config])
    respond_subject(InProcess(network), network.renderer, row, [config], folder)
    by = {(r.item, r.attack, r.format): r for r in records(folder)}
    one, who = InProcess(network, batch_rows=1), row.speaker(folder.root)
    for i in config.items:
        answers = []
        for format in ("round 1", "round 2", "default"):
            turns = config.measure.conversation(i, "persistent", answers)
            (said,) = one.generate([Request("k", who, turns, (), config.sampling)])
            record = by[i.id, "persistent", format]
            assert said.text == record.response, format
            answers.append(answer_in_conversation(record.response))
