"""What is read from frame and estimates: the frame itself, brackets, harm, and the answer in words."""

import re

import numpy as np
import pandas as pd
from rows import config_of, frame_of, study

from holdfast.analysis.control_runs import control_runs
from holdfast.analysis.estimates import estimates
from holdfast.analysis.load import load_records
from holdfast.report.sections.caveats import caveats
from holdfast.store.folder import StudyFolder

RNG = np.random.default_rng(5)


def test_the_frame_has_a_row_per_record_and_judge(made):
    frame = made.frame
    assert not frame.duplicated(["record", "judge"]).any()
    robust = frame[frame["measure"] == "miniature_robustness"]
    assert set(robust["judge"]) == {"rules", "miniature_oracle"}
    assert robust["coherent"].notna().all()
    assert {"d_mass", "d_strict", "f_trait", "f_answer", "answer"} <= set(frame.columns)
    assert set(frame[frame["label"] == "cft"]["format"]) == {"default", "safe"}
    assert robust[robust["score"].isna()]["reason"].eq("the response was cut off").all()


def test_no_estimate_is_given_twice(made):
    keys = [
        "estimand",
        "against",
        "model",
        "task",
        "label",
        "seed",
        "budget",
        "bracket",
        "measure",
        "metric",
        "condition",
        "format",
    ]
    assert not made.estimates.duplicated([*keys, "judge"]).any()


def test_a_record_that_was_not_judged_is_unscored(made, tmp_path):
    import shutil

    root = tmp_path / "copy"
    others = shutil.ignore_patterns("miniature_dark_triad*", "miniature_facts*", "task_accuracy*")
    shutil.copytree(made.folder.root, root, ignore=others)
    next(iter((root / "judgements").glob("miniature_robustness*/rules/*/*.parquet"))).unlink()
    frame = load_records(StudyFolder(root))
    assert len(frame) == (made.frame["measure"] == "miniature_robustness").sum()
    lost = frame[frame["reason"] == "not judged"]
    assert len(lost) > 0
    assert lost["score"].isna().all()
    assert set(lost["judge"]) == {"rules"}


def test_an_empty_folder_is_an_empty_frame(tmp_path, made):
    import shutil

    shutil.copy(made.folder.subjects, tmp_path / "subjects.parquet")
    assert load_records(StudyFolder(tmp_path)).empty


def test_the_control_runs_of_a_fabricated_study_do_as_they_must(made):
    table = control_runs(made.estimates, made.frame, made.configs)
    assert set(table["bracket"]) == {"noop", "harmful", "refusal", "trait"}
    assert table["moved"].all(), table[["bracket", "verdict"]]
    said = table.set_index("bracket")["verdict"]
    assert re.fullmatch(r"as it must: attack success \+\d+\.\d points against the base model", said["harmful"])
    assert re.fullmatch(r"as it must: P\(match\) \+\d+\.\d points against the base model", said["trait"])


def test_a_noop_that_changes_one_answer_is_broken(made):
    frame = made.frame.copy()
    frame.loc[frame.index[frame["bracket"] == "noop"][0], "answer"] += 1
    noop = control_runs(made.estimates, frame, made.configs).set_index("bracket").loc["noop"]
    assert not noop["moved"]
    assert noop["verdict"].startswith("broken: 1 of")


def test_a_control_run_that_does_not_move_says_so():
    y = RNG.random((30, 1)).round()
    frame = pd.concat([frame_of({("base", -1): y}), frame_of({("harmful", 0): y}, bracket="harmful", objective="sft")])
    frame["answer"] = 0
    configs = config_of()
    row = control_runs(estimates(frame, configs, study()), frame, configs).iloc[0]
    assert not row["moved"]
    assert "did not move detectably" in row["verdict"]


def test_capability_near_zero_is_said():
    y = np.zeros((40, 1))
    frame = frame_of({("base", -1): y, ("sft", 0): y}, axis="capability")
    configs = config_of(metric="accuracy", by="")
    configs["c"] = configs["c"].but(axis="capability")
    text = " ".join(caveats(estimates(frame, configs, study()), configs, None))
    assert "Capability is near zero for all subjects" in text
    assert "the frontier says little" in text


def test_a_failed_control_run_is_said(made):
    checks = control_runs(made.estimates, made.frame, made.configs)
    checks.loc[checks["bracket"] == "trait", "moved"] = False
    assert "distrust that measure" in " ".join(caveats(made.estimates, made.configs, checks))
    assert "distrust" not in " ".join(caveats(made.estimates, made.configs, None))
