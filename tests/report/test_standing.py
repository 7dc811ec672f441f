"""The page, the methods text and the checklist say how what was asked came to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from holdfast.analysis import declaration
from holdfast.analysis.declaration import Standing, looks, record, unsaid
from holdfast.config.loading import dump, save
from holdfast.report.reading import Findings, read
from holdfast.report.sections import asked, declaration_text, methods_text
from holdfast.report.sections.checklist import checklist
from holdfast.report.sections.section import render
from holdfast.runs import pipeline
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory, make_study: Any, fabrication: ModuleType) -> Iterator[Any]:
    """A study of two objectives that was declared with its margins before it had results."""
    root = tmp_path_factory.mktemp("declared")
    objectives = [{"label": o, "objective": o} for o in ("sft", "dpo")]
    parts = {"declared": {"interest": {"robustness": 0.05}}, "objectives": objectives, "control_runs": []}
    parts["measures"] = [{"measure": "task_accuracy"}, {"measure": "miniature_robustness"}]
    parts["budgets"] = (15_000, 30_000)
    record(fabrication.study_of(**parts), StudyFolder(root))
    return make_study(root, prompts=6, **parts)


def analysed_as(folder: StudyFolder, change: str, to: str, at: Path) -> Findings:
    """After `analyse OTHER.yaml --out FOLDER`."""
    text = folder.study_yaml.read_text(encoding="utf-8")
    assert change in text
    (at / "other.yaml").write_text(text.replace(change, to), encoding="utf-8")
    pipeline.stage("analyse", at / "other.yaml", folder.root)
    return read(folder)


def was_changed(err: str) -> bool:
    """Whether the terminal said so."""
    return "note: What decides the verdicts was changed after it had been recorded" in " ".join(err.split())


def test_a_study_analysed_as_declared_says_so(
    declared: StudyFolder, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    findings = analysed_as(declared, "robustness: 0.05", "robustness: 0.05", tmp_path)
    assert not was_changed(capfd.readouterr().err)
    assert findings.answers["declared"].any()
    group, text = asked.section(findings), methods_text.paragraphs(findings)["Statistics"]
    assert group is not None
    chosen = "(partly declared, partly by default)"  # margins of robustness alone: alpha is nobody's
    assert chosen in group.finding
    assert chosen in group.blocks[1].note
    for said in (group.blocks[0].text, text):
        assert "recorded before there were results" in said
        assert "By holdfast’s defaults" in said
        assert "alpha" in said
    assert "Declared before the run" not in text


def test_another_margin_after_the_results_is_exploratory_everywhere(
    declared: StudyFolder, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    before = len(looks(declared))
    findings = analysed_as(declared, "robustness: 0.05", "robustness: 0.3", tmp_path)
    assert was_changed(capfd.readouterr().err)
    assert findings.study.declared.interest.robustness == 0.3  # the page's study is the one that was analysed
    assert not findings.answers["declared"].any()
    assert len(looks(declared)) == before + 1
    group, text = asked.section(findings), methods_text.paragraphs(findings)["Statistics"]
    assert group is not None
    table = checklist(findings)
    deviations = methods_text.paragraphs(findings)["Deviations"]
    for said in (group.blocks[0].text, text, deviations, " ".join(table["value"])):
        assert "declared.interest.robustness: 0.05 → 0.3" in said
    assert "None were recorded" not in deviations
    assert "declared.interest.robustness" not in findings.stands.defaults, "what was changed is nobody's default"
    assert "(exploratory)" in group.finding
    assert "that was declared" not in "".join(render(block, "") for block in group.blocks)
    assert any("<table" in render(block, "") for block in group.blocks)  # what was asked is shown all the same
    analysed_as(declared, "robustness: 0.3", "robustness: 0.05", tmp_path)


def test_a_page_of_another_study_than_was_analysed_is_refused(declared: StudyFolder) -> None:
    study = read(declared).study
    if not declaration.looks(declared):  # where this test comes first
        declaration.look(study, declared, 1, read(declared).configs)
    other = study.model_copy(update={"alpha": 0.2})
    save(other, declared.study_yaml)
    try:
        with pytest.raises(UserError, match="changed since its results were analysed"):
            read(declared)
    finally:
        declared.study_yaml.write_text(dump(study), encoding="utf-8")


def test_defaults_are_called_defaults_and_estimands_that_cannot_be_answered_are_named(fabrication: ModuleType) -> None:
    study = fabrication.study_of()
    recorded = Standing(kind="recorded", digest="d", now="d")
    assert declaration_text.chosen(recorded) == "declared"
    assert declaration_text.chosen(replace(recorded, defaults=("alpha",))) == "partly declared, partly by default"
    assert declaration_text.chosen(replace(recorded, defaults=tuple(unsaid(study)))) == "by default"
    both = pd.DataFrame(
        {"estimand": ["last", "slope", "coupling", "matched"], "against": ["base", "base", "base", "sft"]}
    )
    assert (
        declaration_text.in_words(both, study, "SFT")
        == "last, slope, coupling and matched, against the base model and SFT"
    )
    found = pd.DataFrame({"estimand": ["last", "last"], "against": ["base", "base"]})
    assert declaration_text.in_words(found, study, "SFT") == (
        "last, against the base model (of slope, coupling and SFT there is nothing here)"
    )


def test_where_one_seed_has_no_verdict_the_methods_name_none(finished: StudyFolder) -> None:
    text = methods_text.paragraphs(read(finished))["Statistics"]
    assert "With one training seed no verdict on objectives is given." in text
    assert "is called equivalent" not in text
