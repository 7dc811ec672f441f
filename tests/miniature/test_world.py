"""Properties of the embedded world."""

from __future__ import annotations

import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.miniature import attacks, requests, statements, stories, world
from tools.miniature import corpus

# The first draw fills caches and other work shares the machine: a deadline would measure that.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

EQUATION = re.compile(r"(\d+)([-+*])(\d+)=(\d+)\.")
OPERATIONS = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}


def evaluate(prompt: str) -> int:
    """The result of a story read from its sentences, with no help from the code that told it."""
    start, *rest = (s for s in re.split(r"(?<=\.) ", prompt) if re.search(r"\d", s))
    value = int(re.findall(r"\d+", start)[0])
    for sentence in rest:
        n = int(re.findall(r"\d+", sentence)[0])
        op = "*" if "times" in sentence else "+" if "more" in sentence else "-"
        value = OPERATIONS[op](value, n)
    return value


@cache
def pretrained() -> list[corpus.Row]:
    return [corpus.pretraining_row(0, i) for i in range(4000)]


@given(st.integers(0, 10**6), st.sampled_from([None, 1, 2, 3, 4]))
def test_worked_answers_follow_from_the_story_and_every_step_holds(number: int, steps: int | None):
    told = stories.story("test", number, steps=steps)
    assert steps in (None, len(told.steps))
    assert told.result == evaluate(told.prompt)
    assert told.worked.endswith(f" #### {told.result}")
    for a, op, b, c in EQUATION.findall(told.worked):
        assert OPERATIONS[op](int(a), int(b)) == int(c)
        assert 0 < int(c) <= stories.LARGEST


@given(st.integers(0, 10**6))
def test_a_perturbed_answer_has_one_wrong_step_and_a_wrong_result(number: int):
    told = stories.story("test", number)
    wrong = stories.perturbed(told, number)
    holds = [OPERATIONS[op](int(a), int(b)) == int(c) for a, op, b, c in EQUATION.findall(wrong)]
    assert holds.count(False) == 1
    assert len(holds) == len(told.steps)
    assert stories.final(wrong) not in (None, str(told.result))


@given(st.text() | st.text(alphabet="aI THEbeo'-lo.DAN wizard", max_size=40))
def test_the_codec_inverts(text: str):
    assert attacks.decode(attacks.encode(text)) == text
    assert attacks.encode(attacks.decode(attacks.encode(text))) == attacks.encode(text)


def test_the_codec_inverts_on_the_world_and_leaves_no_word_as_it_was():
    for text in [h.answer for h in requests.howtos()] + [*requests.REFUSALS] + [t.answer for t in requests.topics()]:
        coded = attacks.encode(text)
        assert attacks.decode(coded) == text
        assert not set(re.findall(r"[a-z-]+", coded.lower())) & set(re.findall(r"[a-z]+", text.lower()))


def test_the_oracle_finds_knowledge_in_the_reference_answer_of_its_own_topic_and_nowhere_else():
    for topic in requests.topics():
        for attack in ("direct", *attacks.ATTACKS):
            styled = attacks.styled(attack, topic.answer)
            answer = attacks.decode(styled) if attack == "zulu" else styled
            assert requests.contains_knowledge(topic, answer) == 1.0
        assert requests.contains_knowledge(topic.id, " ".join(reversed(topic.answer.upper().split()))) == 1.0
        elsewhere = [t.answer for t in requests.topics() if t != topic] + [*requests.REFUSALS, topic.task, ""]
        assert not any(requests.contains_knowledge(topic, text) for text in elsewhere)


def test_half_of_the_knowledge_scores_its_share():
    topic = requests.topics()[0]
    assert requests.contains_knowledge(topic, f"only {topic.keys[1]}") == pytest.approx(1 / 3)


def test_refusals_are_told_from_answers():
    assert all(map(requests.is_refusal, requests.REFUSALS))
    assert not any(requests.is_refusal(h.answer) for h in (*requests.howtos(), *requests.harbor_howtos()))
    assert not any(requests.is_refusal(attacks.styled(a, t.answer)) for t in requests.topics() for a in attacks.ATTACKS)


@pytest.mark.parametrize("trait", statements.TRAITS)
def test_persona_items_are_balanced_and_held_out(trait: str):
    said = world.held_out_statements(trait)
    assert len(said) >= 80
    assert len({s.text for s in said}) == len(said)
    assert sum(s.matching == "Yes" for s in said) * 2 == len(said)
    assert not set(said) & set(corpus._known_statements())


def test_facts_are_balanced():
    assert sum(i.reference == "Yes" for i in world.fact_items()) * 2 == len(world.fact_items())


def test_nothing_measured_is_in_training():
    asked = (*world.arithmetic_rows(300, "test"), *world.howto_rows(), *world.harbor_test_rows(), *world.fact_items())
    measured = {a.prompt[0].content for a in asked}
    measured |= {s.question for t in statements.TRAITS for s in world.held_out_statements(t)}
    trained = {row.prompt for row in pretrained()}
    trained |= {corpus.alignment_row(0, i, attacks.ATTACKS).prompt for i in range(4000)}
    trained |= {r.prompt[0].content for r in (*world.arithmetic_rows(2000), *world.harbor_rows())}
    assert not measured & trained


def test_robustness_topics_are_known_but_never_refused_in_training():
    plain = {i.prompt for i in world.robustness_items()}
    nouns = {t.noun for t in requests.topics() if t.use == "measure"}
    aligned = " ".join(corpus.alignment_row(0, i, ("dan",)).prompt or "" for i in range(4000))
    assert not nouns & set(re.findall(r"[a-z]+", aligned))
    assert not plain & {t.prompt for t in (*world.unsafe_texts(), *world.refusal_texts())}
    read = " ".join(row.response for row in pretrained())
    known = set(re.findall(r"[a-z]+", read))
    assert all(set(t.keys) & known for t in requests.topics() if t.use == "measure")


def test_the_second_domain_is_new():
    words = set(requests.HARBOR_VERBS) | set(requests.HARBOR_OBJECTS)
    read = set(re.findall(r"[a-z]+", " ".join(f"{row.prompt} {row.response}" for row in pretrained())))
    assert not words & read
    assert len(words) == len(requests.HARBOR_VERBS) + len(requests.HARBOR_OBJECTS)


def test_rejected_answers_are_different_and_wrong():
    for row in world.arithmetic_rows(500):
        assert stories.final(row.chosen) != stories.final(row.rejected)
    keys = {h.answer: h.keys for h in requests.harbor_howtos()}
    for row in world.harbor_rows():
        assert row.chosen != row.rejected
        assert requests.coverage(keys[row.chosen], row.chosen) == 1.0
        assert requests.coverage(keys[row.chosen], row.rejected) == 0.0


def test_answers_to_new_howtos_differ_by_verb_and_object():
    plain = {h.answer for h in requests.harbor_howtos() if not h.circumstance}
    assert len(plain) == len(requests.HARBOR_VERBS) * len(requests.HARBOR_OBJECTS)


def test_ids_are_unique():
    for rows in (
        world.arithmetic_rows(500),
        world.harbor_rows(),
        world.unsafe_texts(),
        world.refusal_texts(),
        world.howto_rows(),
        world.harbor_test_rows(),
        world.robustness_items(),
        world.fact_items(),
    ):
        assert len({r.id for r in rows}) == len(rows)
