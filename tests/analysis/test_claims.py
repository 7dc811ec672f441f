"""A published finding is decided by verdicts alone, by its rule."""

from __future__ import annotations

import pandas as pd
import planted
import pytest

from holdfast.analysis.claims import CLAIMS, claims
from holdfast.analysis.findings import NAMES

STUDY = planted.asked("sft", "dpo", "ip", "orpo", "kl", budgets=(25_000, 100_000, 400_000), seeds=1)
SUBJECTS = pd.DataFrame([{"label": x, "objective": x, "bracket": ""} for x in STUDY.labels])
PERSONA = {"axis": "persona", "measure": "persona", "against": "base"}


def table(*rows: dict) -> pd.DataFrame:
    blank = dict.fromkeys(NAMES, "") | {"model": "m", "task": "t", "value": 0.1, "low": 0.0, "high": 0.2, "budget": -1}
    blank |= {"low_all": 0.05, "high_all": 0.15, "interest": 0.03}
    return pd.DataFrame([blank | r for r in rows], columns=list(NAMES))


def said(rows: pd.DataFrame, claim: str) -> str:
    found = claims(rows, SUBJECTS, STUDY, {})
    assert len(found) == len(CLAIMS)
    (verdict,) = found.loc[found["claim"] == claim, "verdict"]
    return str(verdict)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("equivalent", "equivalent"), "reproduced"),
        (("equivalent", "inconclusive"), "inconclusive"),
        (("equivalent", "worse"), "contradicted"),
        ((), "not asked"),
    ],
)
def test_no_drift_requires_every_budget_to_be_equivalent(verdicts, expected):
    near = {"low_all": -0.01, "high_all": 0.01}
    levels = [
        {"estimand": "level", "label": "kl", "budget": b, "verdict": v, **PERSONA, **(near if v != "worse" else {})}
        for b, v in zip((25_000, 100_000), verdicts, strict=False)
    ]
    other = {"estimand": "level", "label": "sft", "budget": 25_000, "verdict": "worse", **PERSONA}
    assert said(table(other, *levels), "kl-no-drift") == expected


def test_a_drift_at_the_last_budget_is_a_drift_at_some_budget():
    """The level at the last budget is the finding ``last``."""
    near = {"low_all": -0.01, "high_all": 0.01, "interest": 0.03}
    early = {"estimand": "level", "label": "kl", "budget": 25_000, "verdict": "equivalent", **PERSONA, **near}
    late = {"estimand": "last", "label": "kl", "budget": 50_000, "verdict": "worse", **PERSONA}
    assert said(table(early), "kl-no-drift") == "reproduced"
    assert (
        said(table(early, late | {"low_all": 0.05, "high_all": 0.09, "interest": 0.03}), "kl-no-drift")
        == "contradicted"
    )


@pytest.mark.parametrize(
    ("early", "late", "expected"),
    [
        ("equivalent", "differs", "reproduced"),
        ("small but real", "differs", "reproduced"),
        ("differs", "differs", "contradicted"),
        ("equivalent", "equivalent", "inconclusive"),  # that nothing at all is there cannot be shown
        ("inconclusive", "differs", "inconclusive"),
    ],
)
def test_similar_then_apart_needs_both_ends_of_the_ladder(early, late, expected):
    at = {"estimand": "apart", "axis": "robustness", "measure": "robust"}
    wide = {"low_all": -0.1, "high_all": 0.1} if early == "inconclusive" else {}
    rows = table({**at, **wide, "budget": 25_000, "verdict": early}, {**at, "budget": 400_000, "verdict": late})
    assert said(rows, "similar-then-apart") == expected
    assert said(rows[rows["budget"] == 25_000], "similar-then-apart") == "not asked"


@pytest.mark.parametrize(
    ("claim", "finding", "axis", "against", "verdict", "low", "high", "expected"),
    [
        # Lower than SFT: a small fall is a fall, and only what is shown not to be one stands against it.
        ("ip-asr", "last", "robustness", "sft", "small but real", -0.03, -0.01, "reproduced"),
        ("ip-asr", "last", "robustness", "sft", "equivalent", -0.03, 0.01, "inconclusive"),
        ("ip-asr", "last", "robustness", "sft", "small but real", 0.01, 0.03, "contradicted"),
        # No capability lost, by the margin: a loss that is real and may be less than that leaves it open.
        ("ip-capability", "last", "capability", "sft", "worse", -0.08, -0.01, "inconclusive"),
        ("ip-capability", "last", "capability", "sft", "worse", -0.12, -0.06, "contradicted"),
        ("ip-capability", "last", "capability", "sft", "small but real", -0.04, -0.01, "reproduced"),
        ("ip-asr", "last", "robustness", "sft", "one seed", -0.3, -0.2, "inconclusive"),
    ],
)
def test_a_claim_is_refuted_at_its_own_threshold(claim, finding, axis, against, verdict, low, high, expected):
    row = {"estimand": finding, "axis": axis, "measure": axis, "metric": "asr", "label": "ip", "against": against}
    row |= {"verdict": verdict, "value": (low + high) / 2, "low_all": low, "high_all": high, "interest": 0.05}
    assert said(table(row), claim) == expected


@pytest.mark.parametrize(("low", "high", "expected"), [(0.01, 0.09, "inconclusive"), (0.04, 0.09, "contradicted")])
def test_a_drift_that_is_real_but_may_be_small_does_not_contradict_that_there_is_none_that_matters(low, high, expected):
    row = {"estimand": "level", "label": "kl", "budget": 25_000, "verdict": "worse", "low_all": low, "high_all": high}
    assert said(table(row | PERSONA), "kl-no-drift") == expected


def test_a_claim_is_checked_on_an_objectives_first_label():
    subjects = pd.DataFrame([{"label": x, "objective": "ip", "bracket": ""} for x in ("ip2", "ip")])
    rows = table(
        {"estimand": "dissociation", "axis": "robustness", "label": "ip", "against": "sft", "verdict": "shown"}
    )
    found = claims(rows, subjects, STUDY, {})
    assert found.loc[found["claim"] == "ip-dissociates", "verdict"].tolist() == ["reproduced"]
    assert found["source"].str.contains("2601.12639").all()


def test_what_was_planted_decides_the_claims_about_it():
    import numpy as np

    from holdfast.analysis.analyse import comparisons

    up, flat = (1.2, 2.4), (0.0, 0.0)
    truth = {
        "accurate": dict.fromkeys(("sft", "ip", "kl"), up),
        "robust": {"sft": up, "ip": (0.1, 0.2), "kl": flat},
        "persona": {"sft": (0.5, 0.9), "ip": (0.5, 0.9), "kl": flat},
        "facts": dict.fromkeys(("sft", "ip", "kl"), flat),
    }
    study = planted.asked("sft", "ip", "kl", budgets=(100, 400), seeds=5)
    rows = planted.frame(truth, np.random.default_rng(5), budgets=(100, 400), seeds=5, prompts=250, seed_sd=0.1)
    found = claims(comparisons(rows, planted.configs(), study), SUBJECTS, study, planted.configs()).set_index("claim")[
        "verdict"
    ]
    assert found["sft-couples-asr"] == found["sft-couples-drift"] == "reproduced"
    assert found["ip-asr"] == found["ip-dissociates"] == found["kl-no-drift"] == "reproduced"
    assert found["normative-stable"] == "reproduced"
    assert found["dpo-couples-asr"] == found["similar-then-apart"] == found["orpo-no-drift"] == "not asked"
