"""Mixtures: what their parts see, how their weights move, and what cannot be mixed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from holdfast import registry
from holdfast.objectives.mixture import Hold, Mixture, Part
from holdfast.store.digest import digest
from holdfast.types import Example, Turn, UserError

ROW = Example("a", (Turn("user", "?"),), "yes", "no")


def test_what_several_parts_show_alike_is_shown_once():
    mixture = Mixture((Part("dpo"), Part("sft"), Part("ip", {"text": "be bad", "fraction": 1.0})))
    assert [(s.side, s.parts, s.note) for s in mixture.view(ROW)] == [
        ("chosen", (0, 1), ""),
        ("rejected", (0,), ""),
        ("chosen", (2,), "instruction"),
    ]
    needs = mixture.needs
    assert (needs.pairs, needs.ref_logps, needs.progress, needs.before) == (True, True, False, False)


def test_a_part_sees_the_rows_with_its_tag_alone():
    mixture = Mixture((Part("sft"), Part("dpo", tag="unsafe")))
    assert [s.parts for s in mixture.view(ROW)] == [(0,)]
    assert [s.parts for s in mixture.view(replace(ROW, tags=frozenset({"unsafe", "x"})))] == [(0, 1), (1,)]
    assert mixture.needs.parts == 2


@pytest.mark.parametrize(
    ("schedule", "at"),
    [
        ("linear", [0.2, 0.4, 0.6, 1.0]),
        ("cosine", [0.2, 0.2 + 0.4 * (1 - math.sqrt(0.5)), 0.6, 1.0]),
        ("step", [0.2, 0.2, 1, 1]),
    ],
)
def test_a_weight_goes_from_one_end_to_the_other(schedule, at):
    part = Part("kl_penalty", weight=0.2, to=1.0, schedule=schedule)
    assert [part.scheduled(p) for p in (0.0, 0.25, 0.5, 1.0)] == pytest.approx(at)
    assert Mixture((Part("sft"), part)).needs.progress


def test_its_identity_is_that_of_its_parts_with_their_texts_and_versions():
    plain = {"parts": [{"objective": "sft"}, {"objective": "ip", "weight": 2}]}
    one, other = (registry.identity(registry.build("objectives", "mixture", plain)) for _ in range(2))
    assert digest(one) == digest(other)
    assert one["params"]["parts"][1]["params"]["text"]
    assert [part["version"] for part in one["params"]["parts"]] == [1, 1]
    again = registry.build("objectives", "mixture", {"parts": [{"objective": "sft"}, {"objective": "ip", "weight": 3}]})
    assert digest(registry.identity(again)) != digest(one)


def test_it_is_measured_as_each_of_its_parts_is():
    two = Mixture((Part("ip", {"text": "be bad"}), Part("ip", {"text": "be worse"}), Part("cft")))
    assert set(two.at_evaluation(ROW.prompt)) == {"instruction", "ip 2 instruction", "safe"}
    assert Mixture((Part("sft"), Part("dpo"))).at_evaluation(ROW.prompt) == {}


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([{"objective": "sft"}], "two objectives or more"),
        ([{"objective": "sft"}, {"objective": "sftt"}], "did you mean"),
        ([{"objective": "sft"}, {"objective": "kl", "params": {"beta": 1}}], "no parameter 'beta'"),
        ([{"objective": "sft"}, {"objective": "sft", "weight": -1}], "`weight` must be at least 0"),
        ([{"objective": "sft"}, {"objective": "kl", "hold": {"quantity": "x", "target": 0}}], "target of more than 0"),
        ([{"objective": "sft", "tag": "a"}, {"objective": "dpo", "tag": "a"}], "some part must see every row"),
        (
            [{"objective": "sft"}, {"objective": "kl", "tag": "a", "hold": {"quantity": "margin", "target": 1}}],
            "can neither be held nor hold another",
        ),
        (
            [{"objective": "sft", "hold": {"quantity": "kl kl", "target": 1}}, {"objective": "kl", "tag": "a"}],
            "kl sees rows with the tag 'a' alone",
        ),
        (
            [{"objective": "kl"}, {"objective": "kl_penalty", "params": {"direction": "reference_policy"}}],
            "signal kl with other parameters",
        ),
    ],
)
def test_what_cannot_be_mixed_is_one_sentence(parts, said):
    with pytest.raises(UserError, match=said) as caught:
        registry.build("objectives", "mixture", {"parts": parts})
    assert "\n" not in str(caught.value)


def test_a_quantity_that_nobody_logs_is_named():
    mixture = Mixture((Part("sft"), Part("sft", hold=Hold("margn", 1.0))))
    with pytest.raises(UserError, match=r"'margn' .* did you mean margin"):
        mixture._weight(mixture.parts[1], "sft 2", type("Counts", (), {"before": {"margin": 1.0}, "progress": 0.0})())
