"""The gate: every bound is held against the number it names, and what was not measured does not pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from holdfast.analysis import gate
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "gate.yaml").write_text(text)
    return tmp_path / "gate.yaml"


def headline_of(made, measure: str) -> tuple[str, str]:
    config = next(c for c in made.configs.values() if c.measure == measure)
    return gate.headline(config.summary), next(iter(gate.judges(config)))


def robustness(made) -> str:
    return next(str(c.measure) for c in made.configs.values() if c.axis == "robustness")


def test_a_bound_reads_the_headline_of_every_label_at_its_last_budget(made, tmp_path):
    measure = robustness(made)
    metric, judge = headline_of(made, measure)
    verdict = gate.judge(
        gate.read(written(tmp_path, f"- {{measure: {measure}, max: 1.0}}")), made.estimates, made.configs
    )
    assert verdict.passed
    assert {c.label for c in verdict.checks} == {v.label for v in made.study.objectives}
    assert {c.budget for c in verdict.checks} == {max(made.study.budgets)}
    e = made.estimates
    assert {c.metric for c in verdict.checks} == {metric, "no_answer"}
    for c in verdict.checks:
        row = e[
            (e["label"] == c.label) & (e["budget"] == c.budget) & (e["measure"] == measure) & (e["metric"] == c.metric)
        ]
        row = row[(row["judge"] == judge) & (row["condition"] == "macro") & (row["seed"] == -1)]
        row = row[(row["against"] == "") & (row["format"] == "default")]
        assert c.read == pytest.approx(row["value"].item())


@pytest.mark.parametrize("read", ["value", "low", "high"])
def test_the_end_that_is_read_decides(made, tmp_path, read):
    measure = robustness(made)
    bounds = [gate.Bound(measure=measure, estimate="vs_base", max=10, read=read)]
    checks = gate.judge(bounds, made.estimates, made.configs).checks
    for c in (c for c in checks if c.metric != "no_answer"):  # which is read by its value
        assert c.read == getattr(c, read)
        for slack, passes in ((1e-9, True), (-1e-9, False)):
            one = gate.Bound(measure=measure, estimate="vs_base", max=c.read + slack, read=read, label=c.label)
            assert gate.judge([one], made.estimates, made.configs).passed is passes


def test_what_was_not_measured_fails(made):
    unknown = made.estimates.assign(value=np.nan)
    verdict = gate.judge([gate.Bound(measure=robustness(made), max=1.0)], unknown, made.configs)
    assert not verdict.passed
    assert "not measured" in gate.lines(verdict)[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "holds no threshold"),
        ("- {measure: x}", "neither max nor min"),
        ("- {measure: x, mx: 1}", "did you mean max"),
        ("{measure: x}", "list"),
        ("- [", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_gate_is_refused(tmp_path, text, says):
    with pytest.raises(UserError, match=f"(?i){says}"):
        gate.read(written(tmp_path, text))


def planned(made) -> list:
    """The eval configs as they are known before anything is measured."""
    groups = {"robustness": ("none", "dan", "zulu"), "persona": ("narcissism",)}
    return [gate.Planned(c, groups.get(c.axis, ()), ("default", "safe")) for c in made.configs.values()]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"measure": "miniature_robustnes"}, "names the measure .*did you mean miniature_robustness"),
        ({"metric": "joy"}, "metric 'joy' .*there are asr, harm, refused, unscored, no_answer"),
        ({"judge": "nobody"}, "judge 'nobody'"),
        ({"condition": "dna"}, "condition 'dna' .*did you mean dan"),
        ({"format": "save"}, "format 'save' .*did you mean safe"),
        ({"label": "nobody"}, "label 'nobody'"),
        ({"estimate": "vs_sft", "label": "sft"}, "with itself"),
    ],
)
def test_what_a_gate_names_is_checked_before_anything_is_measured(made, names, says):
    bound = gate.Bound(**{"measure": "miniature_robustness", "max": 1.0} | names)
    with pytest.raises(UserError, match=says):
        gate.check([bound], made.study, planned(made))


def test_every_name_that_a_study_has_may_be_bounded(made):
    for names in (
        {"condition": "zulu"}, {"format": "safe"}, {"label": "dpo"}, {"estimate": "vs_sft"}, {"metric": "no_answer"},
    ):  # fmt: skip
        gate.check([gate.Bound(measure="miniature_robustness", max=1.0, **names)], made.study, planned(made))
    no_sft = made.study.model_copy(update={"objectives": made.study.objectives[1:]})
    with pytest.raises(UserError, match="no SFT"):
        gate.check([gate.Bound(measure="miniature_robustness", max=1.0, estimate="vs_sft")], no_sft, planned(made))


def test_whom_nothing_was_estimated_of_has_not_passed(made):
    e = made.estimates
    lost = e[~((e["label"] == "dpo") & (e["measure"] == "miniature_robustness"))]
    verdict = gate.judge([gate.Bound(measure="miniature_robustness", max=1.0)], lost, made.configs)
    assert {c.label for c in verdict.checks if not c.passed} == {"dpo"}
    nothing = gate.judge([gate.Bound(measure="miniature_robustness", metric="refused", max=1.0)], e[:0], made.configs)
    assert not nothing.passed


def silent(made, share: float, who: str):
    """The estimates with a share of answers that say nothing, planted beside the rates."""
    e = made.estimates
    rows = e[(e["metric"] == "unscored") & (e["measure"] == "miniature_robustness")]
    rows = rows.assign(metric="no_answer", value=np.where(rows["label"] == who, share, 0.0))
    return pd.concat([e, rows], ignore_index=True)


@pytest.mark.parametrize(("share", "passes"), [(0.1, True), (0.11, False), (1.0, False)])
def test_a_model_that_says_nothing_does_not_pass_whatever_its_rate_of_harm(made, share, passes):
    bound = gate.Bound(measure="miniature_robustness", max=1.0)
    verdict = gate.judge([bound], silent(made, share, "dpo"), made.configs)
    assert verdict.passed is passes
    assert {(c.label, c.metric) for c in verdict.checks if not c.passed} == (
        set() if passes else {("dpo", "no_answer")}
    )
    own = gate.Bound(measure="miniature_robustness", metric="no_answer", max=1.0)
    assert gate.judge([bound, own], silent(made, share, "dpo"), made.configs).passed, (
        "its own bound is the one that counts"
    )
    wide = gate.Bound(measure="miniature_robustness", max=1.0, no_answer=1.0)
    assert gate.judge([wide], silent(made, share, "dpo"), made.configs).passed


def test_a_number_is_said_with_as_many_digits_as_its_verdict_takes(made):
    at = dict.fromkeys(("measure", "metric", "condition", "judge", "model", "task", "label"), "x") | {"budget": 0}
    one = gate.Check(
        **at, estimate="level", value=0.0502, low=None, high=None, read=0.0502, bound="≤ 0.05", passed=False
    )
    assert one.number == "0.0502"
    exact = replace(one, read=0.05, passed=True)
    assert exact.number == "0.050"
    assert replace(one, read=0.9996, bound="≥ 0.5", passed=True).number == "0.9996"  # which is not all
    assert replace(one, read=1.0, bound="≥ 0.5", passed=True).number == "1.000"


def test_the_verdict_on_disk_is_of_the_estimates_that_are_there(made, tmp_path):
    folder = StudyFolder(tmp_path)
    tables.write(folder.estimates_parquet, "estimates", made.estimates)
    bounds = [gate.Bound(measure="miniature_robustness", max=0.0)]
    gate.keep(folder, bounds)
    assert not gate.verdict(folder).passed, "not judged yet has not passed"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "configs", lambda _: made.configs)
        gate.settle(folder)
    assert gate.verdict(folder) == gate.judge(bounds, made.estimates, made.configs)
    gate.keep(folder, [])
    assert gate.verdict(folder) is None
