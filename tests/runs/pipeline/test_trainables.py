"""A study in which one variant trains all weights: it is measured as an adapter is, and the difference is shown."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import pytest
import safetensors.torch
import torch

from holdfast.config.loading import load as load_study
from holdfast.config.loading import parse
from holdfast.config.study import ModelSpec
from holdfast.config.study_runs import variants
from holdfast.evals.subject import SubjectRow
from holdfast.interop import model_card, transformed
from holdfast.models import adapters, merge
from holdfast.models.network import load
from holdfast.report.reading import Findings, read
from holdfast.report.sections import fairness, methods_text
from holdfast.report.sections.section import render
from holdfast.runs import pipeline, stages
from holdfast.runs.plan import expand
from holdfast.store.folder import StudyFolder
from holdfast.store.tables import read_rows
from holdfast.types import UserError
from tests.runs.pipeline.conftest import SMALL, Here, no_page

pytestmark = pytest.mark.slow  # a study of all weights; that they train, are kept and read: ``training``, ``models``
EXAMPLE = Path(__file__).parents[3] / "examples/lora-and-full.yaml"
CHANGED = """
objectives:
  - {label: KL, objective: kl}
  - {label: KL LoRA, objective: kl, controls: {trainable: lora}}
controls: {trainable: full, head: full, batch_rows: 4, warmup_steps: 2, learning_rate: 1.0e-3}
"""
STUDY = "\n".join(x for x in SMALL.splitlines() if not x.startswith(("objectives", "  - {label", "controls"))) + CHANGED
DIFFER = {
    "lora_init",
    "trainable",
    "trainable_parameters",
    *(f"lora.{k}" for k in ("rank", "alpha", "dropout", "targets")),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(stages.STAGES, "report", no_page)
        patch.setattr(pipeline, "make", Here)
        return StudyFolder(pipeline.run(parse(STUDY), tmp_path_factory.mktemp("study") / "out", quiet=True))


@pytest.fixture(scope="module")
def findings(folder: StudyFolder) -> Findings:
    return read(folder)


def rows(folder: StudyFolder) -> dict[tuple[str, int], SubjectRow]:
    return {(r.label, r.budget): r for r in read_rows(folder.subjects, "subjects", SubjectRow)}


def test_every_subject_was_measured_and_the_no_op_is_the_base_in_every_answer(folder: StudyFolder, findings: Findings):
    found = rows(folder)
    assert len({r.subject for r in found.values()}) == len(found) == 6
    assert (folder.root / found["KL", 1200].adapter / "trained.safetensors").is_file()
    assert (folder.root / found["KL LoRA", 1200].adapter / "adapter_model.safetensors").is_file()
    assert (folder.root / found["noop", 600].adapter / "trained.safetensors").is_file()
    (shown,) = fairness.known(findings).to_dict("records")
    assert (shown["run"], shown["shown"]) == ("noop", "yes")
    points = findings.checkpoints[findings.checkpoints["budget"] == 1200].set_index("label")
    assert (points["kl_base"] > 0).all()
    assert points["forward_tokens"].nunique() == 1  # the same tokens
    assert set(findings.estimates["label"]) >= {"KL", "KL LoRA"}


def test_the_difference_is_shown_as_one_that_the_study_asks_for(findings: Findings) -> None:
    found = fairness.controls(findings)
    assert fairness.differing(findings) == []
    assert {c.name for c in found if not c.equal} == DIFFER
    by_name = {c.name: c.values for c in found}
    assert by_name["lora.rank"] == {"KL": "full", "KL LoRA": "16"}
    more, fewer = (int(by_name["trainable_parameters"][label]) for label in ("KL", "KL LoRA"))
    assert more > 5 * fewer
    page = "".join(render(block, "") for block in fairness.side_by_side(found, ""))
    assert "LoRA initialisation" not in page
    assert 'class="alarm"' in page
    assert f"KL trains {more:,} numbers (all weights), KL LoRA trains {fewer:,} numbers (an adapter)" in page
    text = methods_text.paragraphs(findings)["Training"]
    assert "with all weights trained, in float32, under" in text
    assert "LoRA (rank 16, alpha 32, no dropout, on all linear layers)" in text


def test_cards_and_merged_folders_say_what_was_trained(folder: StudyFolder, tmp_path: Path) -> None:
    model_card.write(folder.root, budget=1200)
    found = rows(folder)
    for label, said, not_said in (
        ("KL", "All weights, trained", "PeftModel"),
        ("KL LoRA", "A LoRA adapter", "trained.s"),
    ):
        text = (folder.root / found[label, 1200].adapter / "README.md").read_text()
        assert said in text
        assert not_said not in text
    base, at = ModelSpec(name="m", path="package:holdfast.miniature/model"), folder.root / found["KL", 1200].adapter
    assert merge.merge(base, str(at), tmp_path / "merged").difference < 1e-4
    whole = load(base.model_copy(update={"path": str(tmp_path / "merged")}), threads=1).model.state_dict()
    alone = load(base, threads=1)
    adapters.load(alone, at)
    for name, tensor in adapters.trainable(alone).items():
        assert torch.equal(whole[name], tensor), name


def test_a_second_run_does_nothing(folder: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(stages.STAGES, "report", no_page)
    monkeypatch.setattr(pipeline, "make", Here)
    Here.ran.clear()
    pipeline.run(parse(STUDY), folder.root, quiet=True)
    assert not [job for job in Here.ran if job.startswith(("train", "respond"))]


def test_the_example_trains_the_same_rows_and_tokens_by_lora_and_by_all_weights() -> None:
    study = load_study(EXAMPLE)
    plan = expand(study)
    own = {t.label: t for t in plan.runs if t.role.is_study}
    trainable = {label: v.controls(study.controls).trainable for label, v in variants(study).items()}
    assert {label: trainable[label] for label in own} == {
        f"{o} {how}": which for o in ("SFT", "DPO") for how, which in (("full", "full"), ("LoRA", "lora"))
    }
    assert trainable["noop"] == "full"
    for o in ("SFT", "DPO"):
        full, lora = own[f"{o} full"], own[f"{o} LoRA"]
        assert (full.order, full.budgets) == (lora.order, lora.budgets)
        assert [c.forward_tokens for c in full.checkpoints] == [c.forward_tokens for c in lora.checkpoints]
        assert full.id != lora.id


def test_scaled_checkpoints_are_measured_beside_those_that_they_come_from(
    folder: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stages.STAGES, "report", no_page)
    monkeypatch.setattr(pipeline, "make", Here)
    root = StudyFolder(shutil.copytree(folder.root, tmp_path / "copy"))
    half, beyond = transformed.Scaled(0.5), transformed.Scaled(1.5)
    given = transformed.write(root.root, [half, beyond], tmp_path / "scaled", budget=1200)
    assert [g.label for g in given] == ["KL x 0.5", "KL x 1.5", "KL LoRA x 0.5", "KL LoRA x 1.5"]
    more = STUDY + (tmp_path / "scaled" / transformed.GIVEN).read_text()
    pipeline.run(parse(more), root.root, quiet=True)
    found = rows(root)
    assert len({r.subject for r in found.values()}) == 6 + 4
    assert {label for label, _ in found} >= {g.label for g in given}
    there = read(root).estimates
    assert set(there[there["budget"] == 1200]["label"]) >= {g.label for g in given}
    refused = [
        ([1.0], "KL", "above 0 other than 1"),
        ([0.0], "KL", "above 0"),
        ([0.5], "SFT", "labels are KL, KL LoRA"),
    ]
    for bad, label, said in refused:
        with pytest.raises(UserError, match=said):
            transformed.write(root.root, [transformed.Scaled(f) for f in bad], tmp_path / "other", label)
    assert not (tmp_path / "other").exists()
    with pytest.raises(UserError, match="there already"):
        transformed.write(root.root, [half], tmp_path / "scaled")


def test_checkpoints_are_projected_onto_what_alignment_changed(folder: StudyFolder, tmp_path: Path) -> None:
    base = load(ModelSpec(name="miniature", path="package:holdfast.miniature/model"))
    with torch.no_grad():
        for p in base.model.parameters():
            p.add_(0.01 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    unaligned = shutil.copytree(Path(str(files("holdfast.miniature") / "model")), tmp_path / "unaligned")
    base.model.save_pretrained(unaligned)
    change = transformed.SafeLoRA(ModelSpec(name="unaligned", path=str(unaligned)), 1.0)
    given = transformed.write(folder.root, [change], tmp_path / "safe", "KL LoRA", 1200)
    assert [g.label for g in given] == ["KL LoRA Safe LoRA 1"]
    before, after = (
        safetensors.torch.load_file(Path(at) / "adapter_model.safetensors")
        for at in (folder.root / rows(folder)["KL LoRA", 1200].adapter, given[0].adapter)
    )
    assert all(torch.equal(before[k], after[k]) == ("lora_A" in k) for k in before)
    with pytest.raises(UserError, match="changes LoRA adapters"):
        transformed.write(folder.root, [change], tmp_path / "full", "KL", 1200)
    assert not (tmp_path / "full").exists()
