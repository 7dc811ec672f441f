"""What was said before there were results stays said, and what was not is never called so."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from holdfast.analysis import declaration
from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.declaration import Standing, confirmed, look, record, standing
from holdfast.config.loading import parse
from holdfast.config.study import Study
from holdfast.report.sections.declaration_text import sentences
from holdfast.store.files import read_json, write_json, write_text
from holdfast.store.folder import StudyFolder

STUDY = """
name: small
models: [{name: miniature, path: "package:holdfast.miniature/model"}]
tasks: [{name: arithmetic, task: miniature_arithmetic}]
objectives: [{label: SFT, objective: sft}, {label: DPO, objective: dpo}]
budgets: [600, 1200]
seeds: [0, 1]
measures:
  - {measure: task_accuracy, items: 6}
  - {measure: miniature_robustness, items: 3, judges: [rules, miniature_oracle]}
declared: {interest: {robustness: 0.05}, estimands: [last]}
"""
CONFIGS = {"c": ConfigInfo("c" * 64, "task_accuracy", "capability", judge_identities={"own": {"version": "1"}})}


def changed(old: str, new: str) -> Study:
    assert old in STUDY
    return parse(STUDY.replace(old, new))


def begin(root: Path, looked: bool = True) -> StudyFolder:
    """Declared, with a checkpoint and, where it was looked at, an analysis of 10 responses."""
    folder = StudyFolder(root)
    assert record(parse(STUDY), folder)
    folder.run("t").checkpoint(600).mkdir(parents=True)
    if looked:
        look(parse(STUDY), folder, 10, CONFIGS)
    return folder


def findings() -> pd.DataFrame:
    rows = [
        ("last", "SFT", "task_accuracy", 600), ("last", "DPO", "task_accuracy", 1200),
        ("slope", "DPO", "miniature_robustness", -1), ("last", "IP", "miniature_robustness", 2400),
        ("coupling", "DPO", "miniature_robustness × task_accuracy", -1),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["estimand", "label", "measure", "budget"])
    return table.assign(declared=True, model="miniature", task="arithmetic", family="declared: " + table["estimand"])


def stands(folder: StudyFolder, study: Study) -> Standing:
    return standing(study, folder, CONFIGS)


def test_a_study_that_did_not_change_is_declared(tmp_path: Path) -> None:
    found = stands(begin(tmp_path), parse(STUDY))
    assert found.kind == "recorded"
    assert confirmed(findings(), found)["declared"].all()
    assert "recorded before there were results" in " ".join(sentences(found))


@pytest.mark.parametrize(
    ("old", "new", "place", "was", "now"),
    [
        ("robustness: 0.05", "robustness: 0.2", "declared.interest.robustness", "0.05", "0.2"),
        ("estimands: [last]", "estimands: [last, slope]", "declared.estimands", "last", "last, slope"),
        ("seeds: [0, 1]", "seeds: [0, 1]\nalpha: 0.1", "alpha", "0.05", "0.1"),
        ("seeds: [0, 1]", "seeds: [0, 1]\nthreshold: 0.9", "threshold", "0.5", "0.9"),
        ("seeds: [0, 1]", "seeds: [1]", "seeds", "0, 1", "1"),
        ("seeds: [0, 1]", "seeds: [0, 2]", "seeds", "0, 1", "0, 2"),
        ("budgets: [600, 1200]", "budgets: [600]", "budgets", "600, 1200", "600"),
        (", {label: DPO, objective: dpo}", "", "objectives", "SFT, DPO", "SFT"),
        ("items: 6", "items: 4", "measures.task_accuracy.items", "6", "4"),
        ("items: 6", "items: 6, seed: 3, temperature: 1.0", "measures.task_accuracy.seed", "0", "3"),
        ("[rules, miniature_oracle]", "[miniature_oracle, rules]", "judges", "rules, mini", "miniature_oracle, rules"),
        ("estimands: [last]", "estimands: [last], prompts: fixed", "declared.prompts", "sampled", "fixed"),
        ("estimands: [last]", "estimands: [last], references: [base]", "declared.references", "base, sft", "base"),
        ("seeds: [0, 1]", "seeds: [0, 1]\ncontrols: {learning_rate: 0.1}", "controls.learning_rate", "0.0002", "0.1"),
    ],
)
def test_what_is_changed_after_results_makes_all_exploratory_and_both_are_printed(
    old: str, new: str, place: str, was: str, now: str, tmp_path: Path
) -> None:
    found = stands(begin(tmp_path, looked=False), changed(old, new))
    assert found.kind == "changed"
    after = confirmed(findings(), found)
    assert not after["declared"].any()
    assert not after["family"].str.startswith("declared").any()
    said = " ".join(sentences(found))
    assert all(part in said for part in (place, was, now))
    assert "exploratory" in said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("path:", "device: cpu, path:"), ("name: small\n", "name: small\nabout: words\nworkers: 3\n"),
        ("package:holdfast.miniature/model", "/elsewhere/model"),
        ("estimands: [last]", "estimands: [last], power: 0.9"),
    ],
)  # fmt: skip
def test_what_decides_no_verdict_may_change(old: str, new: str, tmp_path: Path) -> None:
    assert stands(begin(tmp_path), changed(old, new)).kind == "recorded"


def test_a_declaration_is_replaced_before_there_are_results_and_never_after(tmp_path: Path) -> None:
    folder, other = StudyFolder(tmp_path), changed("0.05", "0.1")
    first = record(parse(STUDY), folder)
    assert record(parse(STUDY), folder) == ""  # the same again
    second = record(other, folder)
    assert second not in ("", first)
    folder.run("t").checkpoint(600).mkdir(parents=True)
    before = folder.declaration_json.read_bytes()
    assert record(parse(STUDY), folder) == ""
    assert folder.declaration_json.read_bytes() == before


def test_a_folder_with_results_and_no_declaration_is_exploratory(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    folder.run("t").checkpoint(600).mkdir(parents=True)
    assert record(parse(STUDY), folder) == ""
    found = stands(folder, parse(STUDY))
    assert found.kind == "none"
    assert not confirmed(findings(), found)["declared"].any()
    assert "No declaration was recorded" in " ".join(sentences(found))


def test_an_altered_declaration_is_believed_in_nothing(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    said = read_json(folder.declaration_json)
    said["study"]["declared"]["interest"]["robustness"] = 0.2
    write_json(folder.declaration_json, said)
    for file in (said, {}, [], {**said, "study": 3}):
        write_json(folder.declaration_json, file)
        found = stands(folder, changed("robustness: 0.05", "robustness: 0.2"))
        assert (found.kind, [c.what for c in found.changes]) == ("changed", ["declaration.json"])


# -- growing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "what", "still"),
    [
        ("seeds: [0, 1]", "seeds: [0, 1, 2]", "seeds: 0, 1 → 0, 1, 2", []),
        ("budgets: [600, 1200]", "budgets: [600, 1200, 2400]", "budgets", [0, 1]),
        ("items: 3", "items: 9", "measures.miniature_robustness.items: 3 → 9", [0, 1]),
        ("items: 6", "samples: 2, temperature: 1.0", None, []),
        (
            "{label: DPO, objective: dpo}",
            "{label: DPO, objective: dpo}, {label: IP, objective: ip}",
            "IP",
            [0, 1, 2, 4],
        ),
        ("seeds: [0, 1]", "seeds: [0, 1]\ncontrol_runs: [{kind: noop}]", "brackets.noop", [0, 1, 2, 3, 4]),
        ("[rules, miniature_oracle]", "[rules, miniature_oracle, coherence]", "judges.coherence", [0, 1, 2, 3, 4]),
    ],
)
def test_what_is_added_after_a_look_is_exploratory_where_it_touches(
    old: str, new: str, what: str | None, still: list[int], tmp_path: Path
) -> None:
    found = stands(begin(tmp_path), changed(old, new))
    assert list(confirmed(findings(), found).query("declared").index) == still
    if what is not None:
        said = " ".join(sentences(found))
        assert found.kind == "recorded"
        assert what in said
        assert "optional stopping" in said


def test_what_is_added_before_the_first_look_stays_declared(tmp_path: Path) -> None:
    folder, more = begin(tmp_path, looked=False), changed("seeds: [0, 1]", "seeds: [0, 1, 2]")
    for _ in range(2):  # before the first look, and after it
        found = stands(folder, more)
        assert ([c.what for c in found.early], found.late) == (["seeds"], ())
        assert confirmed(findings(), found)["declared"].all()
        look(more, folder, 10, CONFIGS)


def test_another_instrument_after_a_look_is_said(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    raised = {"c": CONFIGS["c"].but(judge_identities={"own": {"version": "2"}})}
    found = standing(parse(STUDY), folder, raised)
    assert [c.what for c in found.late] == ["measures.task_accuracy.judge own"]
    assert list(confirmed(findings(), found).query("declared").index) == [2, 3]


def test_people_go_on_labelling(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    humans = {"c": CONFIGS["c"].but(judge_identities={"own": {"version": "1"}, "h": {"name": "humans", "labels": "x"}})}
    assert standing(parse(STUDY), folder, humans).late == ()


# -- looks and defaults ------------------------------------------------------------------------------------------------


def test_every_analysis_is_logged_and_counted(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    look(parse(STUDY), folder, 0, CONFIGS)  # of nothing: no look
    look(parse(STUDY), folder, 10, CONFIGS)
    look(parse(STUDY), folder, 20, CONFIGS)
    found = stands(folder, parse(STUDY))
    assert (found.looks, found.states) == (3, 2)
    assert "analysed 3 times, in 2 states" in " ".join(sentences(found))
    assert {"time", "study", "records", "holdfast"} <= declaration.looks(folder)[0].keys()


def test_a_damaged_log_is_one_sentence(tmp_path: Path) -> None:
    folder = begin(tmp_path)
    write_text(folder.looks_jsonl, "{}\n")
    with pytest.raises(declaration.UserError, match=r"looks\.jsonl is damaged"):
        stands(folder, parse(STUDY))


def test_defaults_that_nobody_declared_are_called_defaults(tmp_path: Path) -> None:
    found = stands(begin(tmp_path), parse(STUDY))
    assert {"alpha", "threshold", "declared.references", "declared.interest.persona"} <= set(found.defaults)
    assert not {"declared.estimands", "declared.interest.robustness"} & set(found.defaults)
    assert "defaults, which the study file did not state: declared.references" in " ".join(sentences(found))


def test_defaults_stay_known_when_the_run_goes_on_from_its_folder(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    record(parse(STUDY), folder)
    from holdfast.config.loading import dump

    record(parse(dump(parse(STUDY))), folder)  # as the folder's study.yaml has it: with every default written out
    assert "alpha" in stands(folder, parse(STUDY)).defaults
