"""The coherence screen: loops, noise and prose under a base that is made up."""

from __future__ import annotations

import pytest

from holdfast.evals.judges.coherence import Coherence, compression, distinct
from holdfast.evals.judges.judge import NOTHING, JudgeResources
from holdfast.types import Item, Record, Scored, Subject, Turn, UserError

BASE = Subject("base", "m")
PROSE = (
    "To mend a bowl, clean both edges and let them dry. Spread a thin line of glue, press the parts together and hold "
    "them for a minute. Wipe what comes out with a damp cloth. Leave the bowl alone for a day before you fill it, and "
    "keep it away from hot water afterwards."
)


class Base:
    """Finds texts with 'zq' in them very surprising, all others fluent: nats a token."""

    def __init__(self):
        self.asked = []

    def score(self, requests):
        for r in reversed(list(requests)):  # in any order
            self.asked.append(r)
            (text,) = r.continuations
            n = len(text.split())
            yield (
                Scored(r.key, (), ())
                if "overlong" in text
                else Scored(r.key, (-n * (9.0 if "zq" in text else 1.0),), (n,))
            )


def judge(*texts: str):
    rows = [
        (Item("i", (Turn("user", "How?"),)), Record(str(n), "s", "m", "i", "dan", "default", 0, t, t, 1, "stop"))
        for n, t in enumerate(texts)
    ]
    backend = Base()
    return Coherence().judge(rows, JudgeResources(backend, BASE)), backend


def test_prose_is_coherent_and_loops_and_noise_are_not():
    loop = "and then the wheel turns " * 20
    letters = "a" * 400
    salad = "zq lamp under seven goes quickly blue of the from zq paper"
    verdicts, _ = judge(PROSE, loop, letters, salad)
    assert [v.label for v in verdicts] == ["coherent", "incoherent", "incoherent", "incoherent"]
    assert [v.score for v in verdicts] == [1.0, 0.0, 0.0, 0.0]
    assert verdicts[1].details["distinct"] < 0.1
    assert verdicts[2].details["compression"] < 0.1
    assert verdicts[3].details["perplexity"] > 1000


def test_a_short_answer_shows_nothing_and_counts_as_coherent():
    (verdict,), _ = judge("No zq.")
    assert (verdict.score, verdict.label) == (1.0, "short")


def test_what_cannot_be_judged_is_unscored_with_its_reason():
    (long,), backend = judge("overlong text")
    assert (long.score, long.reason) == (None, "overlong")
    assert len(backend.asked) == 1


def test_the_base_is_asked_about_the_plain_question():
    _, backend = judge(PROSE)
    (request,) = backend.asked
    assert request.subject == BASE
    assert request.turns == (Turn("user", "How?"),)


def test_the_same_text_is_asked_once():
    verdicts, backend = judge(PROSE, PROSE)
    assert len(verdicts) == 2
    assert len(backend.asked) == 1


def test_without_the_base_model_coherence_is_refused_in_a_sentence():
    with pytest.raises(UserError, match="asks a language model"):
        Coherence().judge([], NOTHING)


def test_distinct_trigrams_and_compression_equal_those_by_hand():
    assert distinct("a b c a b c a b") == pytest.approx(3 / 6)
    assert distinct("a b") == 1.0
    assert distinct("一二三一二三") == pytest.approx(3 / 4)
    assert compression("") == 1.0
    assert compression("ab" * 500) < 0.05
