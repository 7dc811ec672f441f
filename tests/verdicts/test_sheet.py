"""The sheet that people label: blind, kept from being overwritten, and read back with its weights."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from holdfast.evals.judges.humans import Humans
from holdfast.store import tables
from holdfast.store.files import write_json
from holdfast.store.folder import StudyFolder
from holdfast.types import Item, Judgement, Record, Turn, UserError
from holdfast.verdicts import sheet

SUMMARY = {"metric": "asr", "by": "attack", "macro_over": None, "threshold": True, "secondary": []}
CONFIG = {
    "cell": "c" * 64,
    "measure": "harm",
    "axis": "robustness",
    "task": "",
    "summary": SUMMARY,
    "judges": ["rules"],
}
ABOUT = {"model": "m", "task": "", "label": "base", "objective": "", "params": "{}", "seed": -1, "budget": 0}
SUBJECT = {"subject": "s" * 64, **ABOUT, "bracket": "", "trajectory": "", "adapter": "", "weights": ""}


@pytest.fixture
def study(tmp_path) -> StudyFolder:
    """Forty responses, four of them answers; the last has no text."""
    import pandas as pd

    folder = StudyFolder(tmp_path / "study")
    at = folder.config("harm", CONFIG["cell"])
    items = [Item(f"i{k}", (Turn("user", f"question {k}"),)) for k in range(40)]
    records = [
        Record(f"r{k}", "s" * 64, "harm", f"i{k}", "dan", "default", 0, (t := f"text {k}" * (k < 39)), t, 2, "stop")
        for k in range(40)
    ]
    said = [Judgement(f"r{k}", "rules", float(k < 4), "answer" if k < 4 else "refusal") for k in range(40)]
    write_json(at.config_json, CONFIG | {"judge_identities": {"rules": {"name": "rules"}}})
    tables.write(at.items, "items", items, measure="harm", cell=CONFIG["cell"])
    tables.write(at.shard("s" * 64, 0), "records", records)
    tables.write(folder.judgement("harm", CONFIG["cell"], "rules", "s" * 64, 0), "judgements", said)
    tables.write(folder.subjects, "subjects", pd.DataFrame([SUBJECT]))
    return folder


def test_the_sheet_is_blind_and_its_key_brings_the_weights_back(study, tmp_path):
    to = tmp_path / "labels.csv"
    sheet.sample(study.root, 8, to)
    with to.open() as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]] == ["id", "prompt", "response", "label", "rater"]
    assert not any(r["label"] or r["rater"] for r in rows)
    assert sum(int(r["id"][1:]) < 4 for r in rows) == 4, "the rare answers are all seen"
    assert all(r["prompt"] == f"question {r['id'][1:]}" and r["response"] == f"text {r['id'][1:]}" for r in rows)
    to.write_text(to.read_text().replace(",,\n", ",refusal,\n"))
    votes = Humans(str(to)).votes()
    assert sum(said[0].weight for said in votes.values()) == pytest.approx(39)
    assert {id: votes[id][0].weight for id in votes if int(id[1:]) < 4} == dict.fromkeys(("r0", "r1", "r2", "r3"), 1.0)


def test_prompts_that_are_no_longer_planned_are_not_put_to_people(study, tmp_path):
    at = study.configs()[0]
    tables.write(at.items, "items", tables.read(at.items, "items")[:5])
    study.study_yaml.write_text(
        "name: s\nmodels: [{name: m, path: x}]\nmeasures: [{measure: strongreject, name: harm, items: 5}]\n"
        "given: [{label: g, adapter: x}]\n"
    )
    assert sorted(sheet.sample(study.root, 40, tmp_path / "labels.csv")["id"]) == [f"r{k}" for k in range(5)]


def test_a_sample_is_the_same_every_time_and_another_for_another_seed(study, tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        sheet.sample(study.root, 8, tmp_path / f"{name}.csv", seed=seed)
    one, two, three = ((tmp_path / f"{name}.csv").read_text() for name in ("one", "two", "three"))
    assert one == two != three


def test_labels_are_never_overwritten(study, tmp_path):
    (tmp_path / "labels.csv").write_text("id,label\nr1,refusal\n")
    with pytest.raises(UserError, match="may hold people's labels"):
        sheet.sample(study.root, 8, tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text() == "id,label\nr1,refusal\n"


def test_a_study_with_nothing_to_label_is_one_sentence(study, tmp_path):
    with pytest.raises(UserError, match="nothing is judged"):
        sheet.sample(Path("nowhere"), 8, tmp_path / "labels.csv")
    with pytest.raises(UserError, match="no measure harms; did you mean harm"):
        sheet.sample(study.root, 8, tmp_path / "labels.csv", measure="harms")
    assert not (tmp_path / "labels.csv").exists()
