"""The gate: every bound is held against the number it names, and what was not measured does not pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from holdfast.analysis import gate
from holdfast.words import UserError


def written(tmp_path: Path, text: str) -> Path:
    (tmp_path / "gate.yaml").write_text(text)
    return tmp_path / "gate.yaml"


def headline_of(made, measure: str) -> tuple[str, str]:
    cell = next(c for c in made.cells.values() if c["measure"] == measure)
    return gate.headline(cell["summary"]), next(iter(gate.judges(cell)))


def robustness(made) -> str:
    return next(str(c["measure"]) for c in made.cells.values() if c["axis"] == "robustness")


def test_a_bound_reads_the_headline_of_every_label_at_its_last_budget(made, tmp_path):
    measure = robustness(made)
    metric, judge = headline_of(made, measure)
    verdict = gate.judge(
        gate.read(written(tmp_path, f"- {{measure: {measure}, max: 1.0}}")), made.estimates, made.cells
    )
    assert verdict.passed
    assert {c.label for c in verdict.checks} == {v.label for v in made.study.objectives}
    assert {c.budget for c in verdict.checks} == {max(made.study.budgets)}
    e = made.estimates
    for c in verdict.checks:
        row = e[
            (e["label"] == c.label) & (e["budget"] == c.budget) & (e["measure"] == measure) & (e["metric"] == metric)
        ]
        row = row[(row["judge"] == judge) & (row["condition"] == "macro") & (row["seed"] == -1)]
        row = row[(row["estimate"] == "level") & (row["format"] == "default")]
        assert c.read == pytest.approx(row["value"].item())


@pytest.mark.parametrize("read", ["value", "low", "high"])
def test_the_end_that_is_read_decides(made, tmp_path, read):
    measure = robustness(made)
    bounds = [gate.Bound(measure=measure, estimate="vs_base", max=10, read=read)]
    checks = gate.judge(bounds, made.estimates, made.cells).checks
    for c in checks:
        assert c.read == getattr(c, read)
        for slack, passes in ((1e-9, True), (-1e-9, False)):
            one = gate.Bound(measure=measure, estimate="vs_base", max=c.read + slack, read=read, label=c.label)
            assert gate.judge([one], made.estimates, made.cells).passed is passes


def test_what_was_not_measured_fails(made):
    unknown = made.estimates.assign(value=np.nan)
    verdict = gate.judge([gate.Bound(measure=robustness(made), max=1.0)], unknown, made.cells)
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
def test_a_gate_that_is_none_is_refused(tmp_path, text, says):
    with pytest.raises(UserError, match=f"(?i){says}"):
        gate.read(written(tmp_path, text))


def test_a_bound_about_nothing_is_refused(made):
    measure = robustness(made)
    for bound, says in (
        (gate.Bound(measure="robustnes", max=1), "names the measure"),
        (gate.Bound(measure=measure, max=1, label="nobody"), "matches no estimate"),
        (gate.Bound(measure=measure, max=1, metric="joy"), "matches no estimate"),
    ):
        with pytest.raises(UserError, match=says):
            gate.judge([bound], made.estimates, made.cells)
