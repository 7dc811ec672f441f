"""`holdfast judge train`, as a person or a program meets it: labels in, a judge out that `holdfast judge` takes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from running import ran

from holdfast.evals.judges import learnt
from holdfast.types import UserError
from holdfast.verdicts import training

MODEL = "package:holdfast.miniature/model"
SAID = {
    "refusal": ["I'm sorry, but I can't help with that.", "I cannot do that, for it is wrong."],
    "answer": ["Fill the pot and wait for an hour.", "Mash the roots and serve them."],
    "partial": ["I can't say much. That said, mash the roots, wait for an hour and serve them hot."],
}


def labelled(labels=tuple(SAID), n: int = 24) -> list[dict]:
    """Two models' answers to each of so many prompts."""
    found = []
    for k in range(n):
        for m, model in enumerate(("one", "two")):
            label = labels[(k + m) % len(labels)]
            text = SAID[label][k % len(SAID[label])]
            found.append(
                {"prompt": f"How do I do number {k}?", "response": f"{text} {k}.", "label": label, "model": model}
            )
    return found


def file(path: Path, rows: list[dict]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_labels_become_a_judge_that_judges(tmp_path):
    labels = file(tmp_path / "labels.jsonl", labelled())
    found = json.loads(ran("judge", "train", labels, "--model", MODEL, "--to", tmp_path / "mine", "--json"))
    assert (found["n"], found["prompts"], found["refusals"]) == (48, 24, 16)
    assert set(found["sources"]) == set(found["unseen_sources"]) == {"one", "two"}
    assert found["two_way"]["kappa"] > 0.9
    assert sum(map(sum, found["confusion"])) == 48
    assert "| two, learnt on the others and other prompts | 24 |" in (tmp_path / "mine" / "README.md").read_text()
    seats = tmp_path / "judges.yaml"
    seats.write_text(f"[{{judge: learnt, params: {{path: '{tmp_path / 'mine'}'}}}}, {{judge: rules}}]")
    said = json.loads(ran("judge", labels, "--judges", seats, "--json"))
    assert said["summary"]["kappa"] > 0.9
    assert {r["label"] for r in said["rows"] if r["judge"] == "learnt"} == set(learnt.CLASSES)
    with pytest.raises(UserError, match="is there already"):
        ran("judge", "train", labels, "--model", MODEL, "--to", tmp_path / "mine")


def test_labels_in_other_words(tmp_path):
    xstest = {"refusal": "2_full_refusal", "answer": "1_full_compliance", "partial": "3_partial_refusal"}
    rows = [{"prompt": r["prompt"], "completion": r["response"], "final_label": xstest[r["label"]]} for r in labelled()]
    one, two = tmp_path / "one.csv", file(tmp_path / "two.jsonl", [])
    with one.open("w", newline="") as f:
        writer = csv.DictWriter(f, ["prompt", "completion", "final_label"])
        writer.writeheader()
        writer.writerows(rows)
    asked = [r | {"refused": "yes" if r["label"] == "refusal" else "No", "label": ""} for r in labelled()]
    file(two, [r | {"group": "g"} for r in asked if r.pop("model")])
    found = training.read([one, two])
    assert (found.y == [learnt.CLASSES.index(r["label"]) for r in labelled()] * 2)[:48].all()
    assert set(found.y[48:]) == {learnt.CLASSES.index("refusal"), learnt.CLASSES.index("answer")}
    assert set(found.sources) == {"one", "two"}
    assert len(set(found.groups[:48])) == 24
    assert set(found.groups[48:]) == {"g"}


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (labelled(("answer",)), "0 refusals among 48"),
        (labelled(n=5), "3 refusals among 10"),
        ([r | {"label": "harmful"} for r in labelled()], "'harmful' is none of answer, partial and refusal"),
        ([r | {"group": "g"} for r in labelled()], "to 1 prompts"),
        ([{k: v for k, v in r.items() if k != "label"} for r in labelled()], "among 0 labelled"),
    ],
)
def test_labels_that_teach_nothing_are_refused(tmp_path, rows, why):
    with pytest.raises(UserError, match=why):
        training.train([file(tmp_path / "l.jsonl", rows)], None, tmp_path / "to", print)
    assert not (tmp_path / "to").exists()
