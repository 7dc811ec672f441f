"""The section on consistency, and the reporting checklist."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from holdfast.analysis.comparisons import Consistency
from holdfast.analysis.load import load_records
from holdfast.config.study_runs import variations
from holdfast.report.reading import Findings, read
from holdfast.report.sections import checklist, repeatability
from holdfast.report.table import Table, as_longtable
from holdfast.store.files import write_text
from holdfast.store.folder import StudyFolder

WHAT = {"model": "m", "task": "t", "axis": "robustness", "measure": "strongreject", "metric": "asr"}


def found() -> Consistency:
    shares = {"objective": 0.1, "prompt format": 0.5, "objective × prompt format": 0.15, "prompt": 0.2, "rest": 0.05}
    ends = dict.fromkeys(("share_low", "share_high", "score_low", "score_high"), 0.1)
    effects = [
        {
            "design": "measuring",
            **WHAT,
            "effect": e,
            "share": s,
            "score_share": s,
            "sd": s / 10,
            "n_prompts": 30,
            **ends,
        }
        for e, s in shares.items()
    ]
    still = effects[0] | {"measure": "quiet", "score_share": 0.0}
    repeat = {**WHAT, "judge": "rules", "runs": 4, "low": 0.1, "high": 0.4}
    both = [{**repeat, "objective": o, "factor": f} for o in ("sft", "base") for f in ("prompt format", "all")]
    flips = pd.DataFrame(both).assign(flipped=0.25, n_prompts=30, one_sample=0.9)
    return Consistency(pd.DataFrame([*effects, still]), pd.DataFrame(both).assign(value=0.2), flips)


def test_bars_add_up_to_the_whole_and_factors_without_effect_are_named():
    figure = repeatability.chart(found(), "measuring")
    shares = figure.data.set_index("part")["share"]
    assert shares.sum() == pytest.approx(1)
    assert shares["prompt format"] == 0.5
    assert shares[repeatability.TOGETHER] == 0.15
    assert shares[repeatability.PROMPTS] == pytest.approx(0.25)
    assert "no bar: quiet" in figure.caption
    assert "n = 30 prompts" in figure.caption
    assert "most of all prompt format, 50.0%" in figure.alt
    assert repeatability.chart(found(), "training") is None


def test_a_row_has_range_and_flips_and_the_base_comes_first():
    table = repeatability.repeats(found(), ["base", "sft"])
    assert list(table["objective"]) == ["base", "base", "sft", "sft"]
    row = table.iloc[0]
    assert (row["own"], row["lowest"], row["highest"], row["one sample"]) == ("20.0%", "10.0%", "40.0%", "90.0%")
    assert row["flipped"] == "25.0% [10.0, 40.0]"


def test_a_control_that_varied_undeclared_is_named():
    def run(label: str, bracket: str, **more):
        controlled = {"lora": {"rank": 16}, "optimiser": {"clip": 1.0}} | more
        return {
            "model": "m",
            "task": "t",
            "label": label,
            "seed": 0,
            "bracket": bracket,
            "controls": {"controlled": controlled},
        }

    from holdfast.config.study import Study

    study = Study.model_validate(
        {
            "name": "s",
            "models": [{"name": "m", "path": "p"}],
            "tasks": [{"name": "t", "task": "jsonl"}],
            "objectives": [{"label": "sft", "objective": "sft"}],
            "budgets": [100],
            "measures": [{"measure": "harm"}],
            "consistency": {"training": {"rank": [4, 8]}},
        }
    )
    runs = [
        run("sft", ""),
        run("sft~rank=4", "variation", lora={"rank": 4}),
        run("sft~rank=8", "variation", lora={"rank": 8}, optimiser={"clip": 2.0}),
    ]
    findings = SimpleNamespace(study=study, runs=pd.DataFrame(runs))
    assert repeatability.undeclared(findings, variations(findings.study)) == {
        "sft~rank=4 seed 0": [],
        "sft~rank=8 seed 0": ["optimiser.clip"],
    }


@pytest.fixture(scope="module")
def findings(finished: StudyFolder) -> Findings:
    return read(finished)


def test_a_study_that_varies_nothing_has_no_section(findings):
    assert repeatability.section(findings) is None


def test_the_checklist_says_what_was_done(findings):
    table = checklist.checklist(findings)
    said = {(r.part, r.item): r.value for r in table.itertuples()}
    assert said["training, held fixed", "lora.rank"] == "16"
    assert said["measure robustness", "attack dan"].startswith("version 1, text ")
    assert said["number of runs", "training runs of the study proper"] == "6"
    assert said["number of runs", "control runs"] == "4"
    assert said["number of runs", "responses"] == str(load_records(findings.folder)["record"].nunique())
    assert said["software and hardware", "torch"] == "2.9"
    assert said["software and hardware", "first and last date of the run's log"] == "not known"
    assert ("lowest and highest, robustness", "sft, asr") in said
    assert not table["value"].isin(["", "null", "None"]).any()


def test_the_checklist_has_the_log_s_dates_and_the_repeats_ends(findings, tmp_path):
    write_text(tmp_path / "run.log", "2026-01-02 03:04:05 train: 2 to do\n  done\n2026-01-03 04:05:06 report\n")
    moved = SimpleNamespace(
        **{k: getattr(findings, k) for k in ("stands", "study", "estimates", "subjects", "configs", "plan", "runs")},
        checkpoints=findings.checkpoints,
        table=findings.table,
        repeated=found(),
        folder=StudyFolder(tmp_path),
    )
    table = checklist.checklist(moved)
    assert "2026-01-02 03:04 – 2026-01-03 04:05" in set(table["value"])
    assert "10.0% – 40.0% over 4 repeats of every kind" in set(table["value"])


def test_latex_is_escaped_and_whole():
    table = pd.DataFrame({"part": ["a_b"], "item": ["50% & more"], "value": ["{prompt} ≥ 1"]})
    text = as_longtable(Table(table), "made up")
    assert r"a\_b & 50\% \& more & \{prompt\} $\geq$ 1 \\" in text
    assert text.count(r"\begin{longtable}") == text.count(r"\end{longtable}") == 1
    assert r"\emph{made up}" in text
