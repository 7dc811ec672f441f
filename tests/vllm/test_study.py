"""A study whose models are answered by vLLM, through the commands' own stages and worker processes."""

from pathlib import Path

import pytest

from holdfast.evals.subject import SubjectRow
from holdfast.runs import pipeline
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.types import Judgement, Record

pytestmark = pytest.mark.vllm

STUDY = """
name: served
models: [{name: miniature, path: "package:holdfast.miniature/model"}]
tasks: [{name: arithmetic, task: miniature_arithmetic}]
objectives: [{label: SFT, objective: sft}, {label: DPO, objective: dpo}]
budgets: [1500]
controls: {batch_rows: 4, warmup_steps: 2, learning_rate: 1.0e-3}
measures:
  - {measure: miniature_robustness, items: 4, max_new_tokens: 24, judges: [rules, coherence]}
  - {measure: miniature_dark_triad, items: 12}
control_runs: [{kind: noop}]
workers: 1
"""
SERVED = STUDY.replace('model"}]', 'model", backend: vllm}]')


def measured(root: Path) -> dict[tuple[str, ...], Record]:
    """Records that stand in the study now, by all that tells them apart but the backend."""
    files = [f for f in StudyFolder(root).records.rglob("*.parquet") if ".unplanned" not in f.parts]
    found = [r for f in files if f.name != "items.parquet" for r in tables.read_rows(f, "records", Record)]
    return {(r.subject, r.measure, r.item, r.attack, r.format, str(r.sample)): r for r in found}


def test_a_study_is_measured_anew_by_another_backend_and_says_the_same(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    out = tmp_path / "out"
    for stage in ("train", "respond"):
        pipeline.stage(stage, tmp_path / "study.yaml", out)
    ours = measured(out)
    trained = {p: p.stat().st_mtime_ns for p in out.rglob("*.safetensors")}
    (tmp_path / "study.yaml").write_text(SERVED)
    for stage in ("train", "respond", "judge"):
        pipeline.stage(stage, tmp_path / "study.yaml", out)
    theirs = measured(out)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*.safetensors")} == trained, "nothing is trained again"
    assert len(tables.read_rows(StudyFolder(out).subjects, "subjects", SubjectRow)) == 4  # base, two objectives, noop

    assert theirs.keys() == ours.keys()
    assert not {r.id for r in theirs.values()} & {r.id for r in ours.values()}
    generated = [k for k, r in ours.items() if not r.logps]
    same = sum(theirs[k].response == ours[k].response for k in generated)
    assert len(generated) - same <= len(generated) / 50, "more than near-ties can explain"
    for key, record in ours.items():
        assert theirs[key].logps == pytest.approx(record.logps, abs=1e-3)
    judgements = [
        j
        for f in StudyFolder(out).judgements.rglob("*.parquet")
        if ".unplanned" not in f.parts
        for j in tables.read_rows(f, "judgements", Judgement)
    ]
    assert {j.judge for j in judgements} >= {"rules", "coherence"}
    assert any("perplexity" in j.details for j in judgements)
