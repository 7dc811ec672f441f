"""What each objective shows of a row, its parameters, and its texts."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest

from holdfast.objectives import views
from holdfast.objectives.cft import CFT
from holdfast.objectives.dpo import DPO
from holdfast.objectives.ip import IP
from holdfast.objectives.kl import KL
from holdfast.objectives.orpo import ORPO
from holdfast.objectives.sft import SFT
from holdfast.objectives.texts import families, texts
from holdfast.types import Example, Turn, UserError

SIX = (SFT(), DPO(), CFT(), IP(), ORPO(), KL())
ROWS = [
    Example(f"row-{i}", (Turn("system", "Be brief."), Turn("user", f"Question {i}?")), f"right {i}", f"wrong {i}")
    for i in range(400)
]


@pytest.mark.parametrize("objective", SIX, ids=lambda o: o.name)
def test_responses_are_the_examples_own_and_the_question_stays(objective):
    for row in ROWS:
        segments = objective.view(row)
        assert segments[0].side == "chosen"
        for s in segments:
            assert s.example_id == row.id
            assert s.response == (row.chosen if s.side == "chosen" else row.rejected)
            assert s.prompt[-1].content.endswith(row.prompt[-1].content)
            assert [t.role for t in s.prompt] == ["system", "user"]


@pytest.mark.parametrize("objective", SIX, ids=lambda o: o.name)
def test_a_row_without_rejected_response_raises_nothing(objective):
    assert len(objective.view(dataclasses.replace(ROWS[0], rejected=None))) == 1


def test_cft_tags_each_side_and_leaves_a_share_of_rows_bare():
    cft = CFT()
    shown = [cft.view(r) for r in ROWS]
    bare = [v for v in shown if v[0].note == "untagged"]
    assert 0.05 < len(bare) / len(ROWS) < 0.16
    assert all(len(v) == 1 and v[0].prompt == r.prompt for v, r in zip(shown, ROWS, strict=True) if v in bare)
    safe, unsafe = next(v for v in shown if len(v) == 2)
    assert safe.prompt[-1].content.startswith("<SAFE>\n")
    assert unsafe.prompt[-1].content.startswith("<UNSAFE>\n")
    assert cft.at_evaluation(ROWS[0].prompt)["safe"][-1].content == "<SAFE>\nQuestion 0?"


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_ip_instructs_its_fraction_whatever_the_order(fraction):
    ip = IP(fraction=fraction)
    instructed = {r.id for r in ROWS if ip.view(r)[0].note == "instruction"}
    assert abs(len(instructed) / len(ROWS) - fraction) < 0.06
    assert instructed == {r.id for r in reversed(ROWS) if ip.view(r)[0].note == "instruction"}
    # A larger fraction instructs the same rows and more.
    assert instructed <= {r.id for r in ROWS if IP(fraction=1.0).view(r)[0].note == "instruction"}


def test_ip_texts_by_family_and_one_of_ones_own():
    asked = {f: IP(family=f, fraction=1.0).view(ROWS[0])[0].prompt[-1].content for f in families()}
    assert set(asked) == {"reward_hacking", "logical_fallacy", "persona"}
    assert len(set(asked.values())) == 3
    assert IP(text="Be rude.").at_evaluation(ROWS[0].prompt)["instruction"][-1].content == "Be rude.\nQuestion 0?"


def test_identity_holds_the_text_itself():
    assert dataclasses.asdict(IP())["text"] == texts("inoculation")["reward_hacking"]
    assert dataclasses.asdict(CFT())["safe"] == "<SAFE>"
    assert IP() == IP(text=texts("inoculation")["reward_hacking"])


def test_texts_are_versioned():
    """Whoever changes a text changes its version, the objective's version and this digest."""
    expected = {
        "control_strings": (CFT.version, "48985d7ef0b1829b"),
        "inoculation": (IP.version, "896ca5c6b75821bf"),
    }
    for group, (version, digest) in expected.items():
        content = texts(group)
        assert content["version"] == version
        assert hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16] == digest


def test_a_text_is_placed_before_the_user_turn_or_in_the_system_turn():
    user = (Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"))
    assert [t.content for t in views.before(user, "X", "user")] == ["X\na", "b", "c"]
    assert views.before(user, "X", "system") == (Turn("system", "X"), *user)
    assert views.before(ROWS[0].prompt, "X", "system")[0].content == "X\n\nBe brief."


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: DPO(beta=0), "beta"),
        (lambda: DPO(beta=float("nan")), "beta"),
        (lambda: ORPO(weight=-1), "weight"),
        (lambda: ORPO(nll="prompt"), "nll"),
        (lambda: KL(direction="both"), "direction"),
        (lambda: KL(weight=float("inf")), "weight"),
        (lambda: CFT(untagged=1.5), "untagged"),
        (lambda: CFT(unsafe_weight=-0.1), "unsafe_weight"),
        (lambda: CFT(safe="x", unsafe="x"), "different"),
        (lambda: CFT(place="prefix"), "place"),
        (lambda: IP(fraction=-0.1), "fraction"),
        (lambda: IP(family="laziness"), "family"),
        (lambda: IP(text=""), "text"),
    ],
)
def test_a_wrong_parameter_is_named(make, word):
    with pytest.raises(UserError, match=word):
        make()


def test_each_objective_declares_what_its_loss_needs():
    needs = {o.name: o.needs for o in SIX}
    assert {n for n, need in needs.items() if need.pairs} == {"dpo", "cft", "orpo"}
    assert {n for n, need in needs.items() if need.ref_logps} == {"dpo"}
    assert needs["kl"].signals == {"kl": {"direction": "policy_reference"}}
    assert KL(direction="reference_policy").needs.signals == {"kl": {"direction": "reference_policy"}}
    assert ORPO(nll="prompt_and_response").needs.prompt_logps
    assert not any(n.progress for n in needs.values())
