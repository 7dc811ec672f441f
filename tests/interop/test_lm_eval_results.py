"""Estimates in lm-eval's layout, read back by lm-eval's own functions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.analysis import estimates_file
from holdfast.analysis.estimates_file import measured
from holdfast.cli.app import app
from holdfast.interop.lm_eval_results import write
from holdfast.types import UserError


@pytest.fixture(scope="module")
def study(made_up, tmp_path_factory):
    measures = [{"measure": "task_accuracy"}, {"measure": "miniature_robustness"}]
    return made_up(tmp_path_factory.mktemp("study"), prompts=8, budgets=(15_000,), measures=measures, control_runs=[])


def test_every_subject_has_a_file_with_its_own_levels(study, tmp_path):
    files = write(study.root, tmp_path)
    levels = measured(estimates_file.read(study)).query("against == '' and bracket == ''")
    trained = levels[levels["label"] != "base"].groupby(["model", "task", "label", "budget"]).ngroups
    assert len(files) == trained + levels["model"].nunique()
    by_name = {f.parent.name: json.loads(f.read_text()) for f in files}
    row = levels.query("label == 'sft' and condition == 'macro' and metric == 'asr' and format == 'default'").iloc[-1]
    found = by_name[f"{row['model']}__{row['task']}__sft__{row['budget']}"]
    judge = "none" if row["judge"] == "own" else row["judge"]
    task = row["measure"]
    assert found["results"][task][f"asr,{judge}"] == row["value"]
    assert found["results"][task][f"asr_stderr,{judge}"] == "N/A"
    assert found["holdfast"]["intervals"][task][f"asr,{judge}"]["low"] == row["low"]
    assert found["higher_is_better"][task]["asr"] is False
    assert f"{task}_dan" in found["group_subtasks"][task]
    assert found["n-samples"][task]["original"] == row["n_prompts"]


def test_lm_eval_reads_it(study, tmp_path):
    pytest.importorskip("lm_eval")
    from lm_eval.utils import get_results_filenames, make_table

    files = write(study.root, tmp_path)
    assert get_results_filenames([str(f) for f in files]) == [str(f) for f in files]
    for file in files[:2]:
        found = json.loads(file.read_text())
        whole, groups = make_table(found), make_table(found, "groups")
        for task in found["results"]:
            assert task.rpartition("_")[2] in whole
        assert all(group in groups for group in found["groups"])


def test_the_command_prints_the_files_and_says_what_is_missing(study, tmp_path):
    done = CliRunner().invoke(app, ["export", "lm-eval", str(study.root), "--to", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert all(Path(line).is_file() for line in done.stdout.split())
    with pytest.raises(UserError, match="is no study's folder"):
        write(tmp_path, tmp_path / "never")
    assert not (tmp_path / "never").exists()
