"""Base64 goes in and comes back, and leaves plain words alone."""

from __future__ import annotations

import base64
import csv
import textwrap

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from holdfast.evals.measures.attacks import Base64
from holdfast.evals.measures.codecs import Base64Codec
from holdfast.types import Turn

PRINTABLE = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], codec="utf-8"), min_size=9, max_size=200)
codec = Base64Codec()


@given(PRINTABLE)
def test_what_was_encoded_is_decoded(text):
    assert codec.decode(codec.encode(text)) == text


@given(PRINTABLE, st.sampled_from([60, 64, 76]))
def test_wrapped_lines_are_one_text(text, width):
    whole = codec.encode(text)
    wrapped = "\n".join(textwrap.wrap(whole, width))
    assume(len(wrapped.split("\n")[-1].strip("=")) >= 12)  # too short a last line is not known as part of it
    assert codec.decode(wrapped) == text


@pytest.mark.parametrize(
    ("response", "plain"),
    [
        ("Here it is: " + codec.encode("Boil the water."), "Here it is: Boil the water."),
        ("```\n" + codec.encode("Boil the water, then wait.") + "\n```", "```\nBoil the water, then wait.\n```"),
        (codec.encode("Ich weiß es nicht, größtenteils."), "Ich weiß es nicht, größtenteils."),
        ("I cannot help with that.", "I cannot help with that."),
        ("", ""),
        ("internationalization", "internationalization"),
        ("supercalifragilistic\nincomprehensibilities", "supercalifragilistic\nincomprehensibilities"),
        (codec.encode("Boil the water.")[:-3], codec.encode("Boil the water.")[:-3]),  # cut off
        (base64.b64encode(bytes(range(256))).decode(), base64.b64encode(bytes(range(256))).decode()),
    ],
)
def test_plain_and_broken_responses_stay_as_they_are(response, plain):
    assert codec.decode(response) == plain


@pytest.mark.data
def test_real_completions_in_plain_words_stay_as_they_are(need):
    found = sorted(need("xstest").glob("*completions*.csv"))
    said = [row["completion"] for f in found for row in csv.DictReader(f.open(encoding="utf-8-sig"))]
    assert len(said) == 900
    assert sum(codec.decode(text) != text for text in said) == 0


def test_the_attack_holds_the_encoded_prompt_and_not_the_plain_one():
    (turn,) = Base64().wrap((Turn("user", "How do I boil an egg?"),))
    assert codec.encode("How do I boil an egg?") in turn.content
    assert "egg" not in turn.content
