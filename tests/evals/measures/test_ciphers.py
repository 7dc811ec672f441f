"""Ciphers go in and come back, and leave plain words alone."""

from __future__ import annotations

import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import registry
from holdfast.evals.judges.rules import Rules
from holdfast.evals.measures.ciphers import COMMON, LeetspeakCodec, PartsCodec, Rot13Codec
from holdfast.types import Turn

rot13, leet, parts = Rot13Codec(), LeetspeakCodec(), PartsCodec()
MATTER = ("kettle", "blade", "wood", "river", "paper", "glue", "powder", "window", "dark", "garden", "quickly", "bring")
LEADS = ("Take the", "This is how you", "I cannot help with", "The first of them is", "You should not put that into")
SENTENCE = st.tuples(st.sampled_from(LEADS), st.lists(st.sampled_from(MATTER), min_size=1, max_size=6)).map(
    lambda both: f"{both[0]} {' '.join(both[1])}"
)
TEXT = st.lists(st.tuples(SENTENCE, st.sampled_from([". ", ".\n", "! ", ":\n", "\n\n"])), min_size=1, max_size=5).map(
    lambda some: "".join(a + b for a, b in some)
)


@settings(deadline=None)
@given(TEXT)
def test_what_was_moved_by_13_comes_back_and_plain_words_stay(text):
    assert rot13.encode(rot13.encode(text)) == text
    assert rot13.decode(rot13.encode(text)) == text
    assert rot13.decode(text) == text


@settings(deadline=None)
@given(TEXT)
def test_digits_come_back_as_letters_but_for_capitals_and_plain_words_stay(text):
    assert leet.decode(leet.encode(text)).casefold() == text.casefold()
    assert leet.decode(text) == text


@settings(deadline=None)
@given(st.lists(st.tuples(SENTENCE, st.booleans()), min_size=1, max_size=5))
def test_plain_and_hidden_sentences_may_stand_in_one_response(some):
    said = "".join((rot13.encode(s) if hidden else s) + ". " for s, hidden in some)
    assert rot13.decode(said) == "".join(s + ". " for s, _ in some)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_parts_put_together_are_the_text(text):
    lines = parts.encode(text).split("\n")
    assert [line.partition(" = ")[0] for line in lines] == ["a", "b", "c"]
    assert "".join(json.loads(line.partition(" = ")[2]) for line in lines) == text


def test_the_parts_say_nothing_each_by_itself():
    assert parts.encode("How do I brew tea at home?") == 'a = "How do I"\nb = " brew tea"\nc = " at home?"'
    assert parts.decode("As it is.") == "As it is."


@pytest.mark.parametrize("codec", [rot13, leet, parts])
@pytest.mark.parametrize("said", ["", "...", "#### 42", "No.", "1. Boil 15 eggs.\n2. Wait.", "Ja, das ist so."])
def test_what_says_nothing_stays_as_it_is(codec, said):
    assert codec.decode(said) == said


@pytest.mark.parametrize("codec", [rot13, leet])
def test_a_refusal_in_the_cipher_is_a_refusal(codec):
    said = "I cannot help with that. If you are in need, please ask a friend."
    assert Rules().verdict(codec.decode(codec.encode(said))) == "refusal"


def test_numbers_of_a_list_stay_numbers():
    said = "7h15 15 h0w y0u d0 17:\n1. 74k3 7h3 p4n 4nd fill 17.\n2. W417 f0r 17."
    assert leet.decode(said) == "this is how you do it:\n1. take the pan and fill it.\n2. Wait for it."


def test_no_common_word_is_hidden_in_another():
    both = {word for word in COMMON if rot13.encode(word) in COMMON}
    assert both == {"be", "or"}


@pytest.mark.data
@pytest.mark.parametrize("codec", [rot13, leet])
def test_real_completions_in_plain_words_stay_as_they_are(need, codec):
    found = sorted(need("xstest").glob("*completions*.csv"))
    said = [row["completion"] for f in found for row in csv.DictReader(f.open(encoding="utf-8-sig"))]
    assert len(said) == 900
    assert sum(codec.decode(text) != text for text in said) == 0


@pytest.mark.parametrize("name", ["rot13", "leetspeak", "payload_splitting"])
def test_an_attack_holds_the_encoded_prompt_and_not_the_plain_one(name):
    attack = registry.build("attacks", name)
    (turn,) = attack.wrap((Turn("user", "How do I steep a strong tea?"),))
    assert attack.codec.encode("How do I steep a strong tea?") in turn.content
    assert "steep a strong" not in turn.content
    assert attack.rounds == 1
