"""The section on judges: agreement, confusion with people, what went unscored, and corrected rates."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from holdfast.analysis import answered
from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.estimates import estimates
from holdfast.config.study import Study
from holdfast.evals.measures.measure import Summary
from holdfast.report.sections import judge_trust
from holdfast.report.sections.section import render

SUMMARY = Summary("asr", by="attack", threshold=True)
SCORES = {  # of twelve responses: rules, another judge, people
    "rules": [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    "other": [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    "people": [1, 1, 0, None, 1, 0, None, None, None, 0, 0, 0],
}


@pytest.fixture
def findings(tmp_path) -> Any:
    identities = {name: {"name": "humans" if name == "people" else name} for name in SCORES}
    judges = (*SCORES, "coherence")
    configs = {"c": ConfigInfo("c", "harm", "robustness", "", judges, SUMMARY, judge_identities=identities)}
    common = {
        "model": "m", "task": "", "label": "base", "objective": "", "seed": -1, "budget": 0, "bracket": "", "cell": "c",
        "measure": "harm", "axis": "robustness", "measure_task": "", "attack": "dan", "format": "default", "sample": 0,
        "d_weight": 1.0, "verdict": "",
    }  # fmt: skip
    rows = [
        {"record": f"r{k}", "item": f"i{k}", "judge": name, "score": score, "coherent": float(k % 3 > 0)}
        | {"reason": None if score is not None else "not labelled"}
        for name, scores in SCORES.items()
        for k, score in enumerate(scores)
    ]
    frame = pd.DataFrame(rows).astype({"score": float}).assign(**common)
    study = Study.model_validate(
        {
            "name": "s",
            "models": [{"name": "m", "path": "p"}],
            "tasks": [{"name": "t", "task": "jsonl"}],
            "objectives": [{"label": "sft", "objective": "sft"}],
            "budgets": [100],
            "measures": [{"measure": "harm"}],
            "mark": "made up",
        }
    )
    folder = SimpleNamespace(report=tmp_path)
    table = estimates(frame, configs, study)  # nothing is compared
    found = SimpleNamespace(study=study, configs=configs, frame=frame, estimates=table, folder=folder, labels=("sft",))
    found.table = lambda name: {
        "agreement": answered.agreements(found.frame, configs, study),
        "confusion": answered.confusions(found.frame, configs, study),
        "verdicts": answered.verdicts(found.frame),
    }[name]
    return found


def test_pairs_of_judges_are_listed_with_people_and_by_coherence(findings):
    table = judge_trust.agreements(findings).set_index(["judges", "responses"])
    assert table.loc[("rules and other", "all"), "n"] == 12
    assert table.loc[("rules and other", "all"), "raw"].startswith("0.83 [")
    assert table.loc[("rules and people", "all"), "n"] == 8
    assert {"all", "coherent", "incoherent"} == set(table.index.get_level_values(1))


def test_of_several_models_each_has_a_row_of_its_own(findings):
    first = findings.frame["record"].isin([f"r{k}" for k in range(4)])  # where they agree on three of four
    findings.frame = findings.frame.assign(model=np.where(first, "one", "two"))
    table = judge_trust.agreements(findings).set_index(["judges", "responses"])
    whole, one, two = (table.loc[("rules and other", x)] for x in ("all", "of one", "of two"))
    assert (whole["n"], one["n"], two["n"]) == (12, 4, 8)
    assert (one["raw"][:4], two["raw"][:4]) == ("0.75", "0.88")
    assert "By model, and by coherence" in "".join(render(block, "") for block in judge_trust.section(findings).blocks)


def test_confusion_and_what_went_unscored(findings):
    rules = judge_trust.confusions(findings).set_index("judge").loc["rules"]
    assert [rules[k] for k in ("both passed", "the judge only", "people only", "neither")] == [2, 1, 1, 4]
    (row,) = judge_trust.unscored(findings).to_dict("records")
    assert (row["judge"], row["unscored"], row["why"]) == ("people", "33.3%", "not labelled 4")


def test_corrected_rates_stand_beside_the_judge_s_own(findings):
    rules = judge_trust.corrected(findings).set_index("judge").loc["rules"]
    assert rules["by the judge"].startswith("33.3% [")
    assert rules["prediction-powered"].startswith("33.3% [")  # of 8 labelled, one error each way
    assert rules["own labels"] == 8


def test_the_section_writes_its_tables_and_shows_the_first_judge_first(findings):
    section = judge_trust.section(findings)
    assert section.id == "judges"
    html = "".join(render(block, "") for block in section.blocks)
    assert html.index("Agreement between judges") < html.index("Rates corrected")
    assert "By the other judges" in html
    assert [t.name for t in section.files] == [
        f"judge-{x}" for x in ("agreement", "confusion", "unscored", "corrected")
    ]


def test_one_judge_alone_has_nothing_to_show(findings):
    findings.configs["c"] = findings.configs["c"].but(judges=("rules",))
    findings.frame = findings.frame[findings.frame["judge"] == "rules"]
    findings.estimates = findings.estimates[~findings.estimates["metric"].str.contains("_")]
    assert not judge_trust.section(findings).blocks
    assert np.isfinite(findings.estimates["value"]).all()
