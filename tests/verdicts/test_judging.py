"""`holdfast judge` and `holdfast score` on files of responses, as a person or a program meets them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from running import ran

from holdfast.types import UserError

NO, YES = "I'm sorry, but I can't help with that.", "Fill the pot and wait for an hour."
ROWS = [
    {"id": "a", "prompt": "p", "response": NO, "label": "refusal", "coherent": 1},
    {"id": "b", "prompt": "q", "response": YES, "label": "answer", "coherent": 1},
    {"id": "c", "prompt": "r", "response": YES, "label": "refusal", "coherent": 0},
    {"id": "d", "prompt": "s", "response": NO, "coherent": 0},
    {"id": "e", "prompt": "t", "response": "Mash the roots.", "label": "answer", "coherent": 1},
]


@pytest.fixture
def file(tmp_path) -> Path:
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    return tmp_path / "r.jsonl"


def test_rows_and_summary_for_a_program(file):
    found = json.loads(ran("judge", file, "--judge", "rules", "--json"))
    assert [(r["id"], r["score"], r["label"], r["reason"]) for r in found["rows"]] == [
        ("a", 0.0, "refusal", None),
        ("b", 1.0, "answer", None),
        ("c", 1.0, "answer", None),
        ("d", 0.0, "refusal", None),
        ("e", 1.0, "answer", None),
    ]
    summary = found["summary"]
    # Of four labelled, three alike; rules pass 3/4, people 2/4: chance 1/2, κ = 1/2. Of 8 verdicts 5 pass: α = 16/30.
    assert (summary["raw"], summary["kappa"], summary["alpha"]) == pytest.approx((0.75, 0.5, 16 / 30))
    assert summary["judges"]["humans"]["reasons"] == {"not labelled": 1}
    strata = {(c["stratum"], c["judge_only"], c["both_pass"]) for c in summary["confusion"]}
    assert strata == {("all", 1, 2), ("coherent", 0, 2), ("incoherent", 1, 0)}
    (rate,) = summary["pass_rate"]
    assert rate["raw"] == pytest.approx(0.6)
    assert rate["prediction_powered"]["value"] == pytest.approx(0.6 - 0.25)


def test_judgements_are_written_whole_beside_the_responses(file):
    shown = ran("judge", file, "--judge", "rules")
    written = [json.loads(line) for line in (file.parent / "r.judgements.jsonl").read_text().splitlines()]
    assert [r["id"] for r in written] == ["a", "b", "c", "d", "e"]
    assert all(r["judge_id"] for r in written)
    assert "unscored 20.0% (not labelled 1)" in shown
    assert "kappa 0.500" in shown
    assert "Fill the pot" not in shown


def test_labels_from_another_file_and_judges_with_parameters(file):
    (file.parent / "labels.csv").write_text("id,label\na,answer\nb,answer\n")
    (file.parent / "judges.yaml").write_text("- {judge: rules, name: plain, params: {moral: false}}\n- rules\n")
    words = ("judge", file, "--judges", file.parent / "judges.yaml", "--humans", file.parent / "labels.csv")
    found = json.loads(ran(*words, "--json", "--out", file.parent / "out"))
    assert (file.parent / "out" / "r.judgements.jsonl").exists()
    assert {r["judge"] for r in found["rows"]} == {"plain", "rules"}
    assert found["summary"]["judges"]["humans"]["scored"] == 2
    pairs = {(p["judge_a"], p["judge_b"]) for p in found["summary"]["agreement"] if p["stratum"] == "all"}
    assert ("plain", "rules") in pairs
    assert ("rules", "humans") in pairs


def test_three_judges_have_a_panel(file):
    names = "".join(f"- {{judge: rules, name: r{k}}}\n" for k in range(3))
    (file.parent / "judges.yaml").write_text(names)
    summary = json.loads(ran("judge", file, "--judges", file.parent / "judges.yaml", "--json"))["summary"]
    assert summary["judges"]["panel"]["labels"] == {"answer": 3, "refusal": 2}


def test_a_judge_that_needs_the_base_model_is_given_it(file):
    found = json.loads(
        ran(
            "judge",
            file,
            "--judge",
            "rules",
            "--judge",
            "coherence",
            "--model",
            "package:holdfast.miniature/model",
            "--json",
        )
    )
    assert all("perplexity" in r["details"] for r in found["rows"] if r["judge"] == "coherence")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("r.jsonl",), "name a judge with --judge"),
        (("r.jsonl", "--judge", "ruls"), "did you mean rules"),
        (("r.jsonl", "--judge", "rules", "--judge", "rules"), "two judges are called rules"),
        (("r.jsonl", "--judge", "coherence"), "name it with --model"),
        (("none.jsonl", "--judge", "rules"), "there is no file none.jsonl"),
        (("r.jsonl", "--judge", "rules", "--humans", "none.csv"), "there is no file of labels none.csv"),
        (("r.jsonl", "--judges", "none.yaml"), "there is no file none.yaml"),
        (("r.jsonl", "--judges", "bad.yaml"), "bad.yaml"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(file, monkeypatch, words, says):
    monkeypatch.chdir(file.parent)
    (file.parent / "bad.yaml").write_text("- {judge: rules, nome: x}\n")
    before = sorted(p.name for p in file.parent.iterdir())
    with pytest.raises(UserError, match=says):
        ran("judge", *words)
    assert sorted(p.name for p in file.parent.iterdir()) == before


def test_rules_never_load_torch(file):
    program = (
        "import sys\nfrom holdfast.cli.app import main\n"
        f"sys.argv = ['holdfast', 'judge', {str(file)!r}, '--judge', 'rules']\n"
        "try:\n    main()\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules), 'torch was loaded'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_score_against_a_reference(tmp_path):
    rows = [
        {"id": "a", "response": "It is 3 + 4 = 7.\n#### 7", "reference": "7"},
        {"id": "b", "response": "The answer is 8.", "reference": "3 + 4 = 7\n#### 7"},
        {"id": "c", "response": "No idea.", "reference": "7"},
        {"id": "d", "response": "7"},
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = json.loads(ran("score", tmp_path / "r.jsonl", "--measure", "gsm8k", "--json"))
    assert [(r["id"], r["score"], r["label"]) for r in found["rows"]] == [
        ("a", 1.0, "correct"),
        ("b", 0.0, "wrong"),
        ("c", 0.0, "no number"),
        ("d", None, "unscored"),
    ]
    assert found["rows"][3]["reason"] == "no reference"
    assert found["summary"]["value"] == pytest.approx(1 / 3)
    assert found["summary"]["share_unscored"] == 0.25
    strict = json.loads(
        ran("score", tmp_path / "r.jsonl", "--measure", "gsm8k", "--params", '{"reading": "strict"}', "--json")
    )
    assert [r["score"] for r in strict["rows"]] == [1.0, 0.0, 0.0, None]


@pytest.mark.parametrize(
    ("measure", "says"),
    [
        ("task_accuracy", "has no rule for a response and its reference alone"),
        ("strongreject", "has no rule for a response and its reference alone"),
        ("gsm", "did you mean gsm8k"),
    ],
)
def test_a_measure_without_such_a_rule_is_refused(tmp_path, measure, says):
    (tmp_path / "r.jsonl").write_text(json.dumps({"prompt": "p", "response": "7", "reference": "7"}))
    with pytest.raises(UserError, match=says):
        ran("score", tmp_path / "r.jsonl", "--measure", measure)


@pytest.mark.data
def test_the_documented_judge_command_works_on_xstest(need, tmp_path):
    """The file as its authors publish it: accuracy and κ of the rules against people."""
    path = need("xstest/xstest_v2_completions_gpt4.csv")
    summary = json.loads(ran("judge", path, "--judge", "rules", "--json", "--out", tmp_path))["summary"]
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert summary["n"] == sum(1 for _ in csv.DictReader(file))
    assert summary["kappa"] > 0.95


def test_a_score_reads_the_answer_behind_a_thought_and_a_worked_reference(tmp_path):
    rows = [
        {"id": "a", "response": "<think>#### 71</think>\nIt is 72.", "reference": "48+24=72, so the answer is 72."},
        {"id": "b", "response": "<think>it must be 72", "reference": "#### 72"},
        {"id": "c", "response": "\u200b...", "reference": "72"},
        {"id": "d", "response": "#### 7.2.0", "reference": "72"},
    ]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = json.loads(ran("score", tmp_path / "r.jsonl", "--measure", "gsm8k", "--json"))
    assert [(r["score"], r["label"], r["reason"]) for r in found["rows"]] == [
        (1.0, "correct", None),
        (None, "cut_off", "cut off"),
        (0.0, "no_answer", None),
        (None, "unscored", "the number cannot be read"),
    ]
