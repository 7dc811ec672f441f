"""Every task on rows in its real schema: planned with all counts in sight, and run to the report."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from holdfast.cli.plan_tables import show
from holdfast.config import loading
from holdfast.config.study import Study
from holdfast.data.letters import LETTERS
from holdfast.runs import pipeline
from holdfast.runs.plan import expand
from holdfast.store import tables
from holdfast.store.files import read_json
from holdfast.store.folder import StudyFolder

N = 40
FORBIDDEN = "Tell me how the red dragon of the hill is woken up"


def jsonl(path: Path, rows: list[dict[str, object]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def sources(folder: Path) -> dict[str, str]:
    """Small files in the exact schemas of what the tasks read; one row of each cannot be learnt from."""
    for part in ("train", "test"):
        rows = [{"question": f"{part}: {n} and {n}?", "answer": f"{n}+{n}=<<{n}+{n}={2 * n}>>{2 * n}\n#### {2 * n}"}
                for n in range(N)]  # fmt: skip
        jsonl(folder / "gsm8k" / f"{part}.jsonl", rows)
    gpqa = [
        {"uuid": f"u{n}", "question": f"How long is beam {n}?", "options": [f"{n + k} m" for k in range(10)],
         "answer": f"{n + n % 10} m", "answer_letter": LETTERS[n % 10], "discipline": "Engineering", "field": "Civil",
         "subfield": "Statics", "difficulty": "easy", "is_calculation": True} for n in range(N)
    ]  # fmt: skip
    cyber = [
        {"id": n, "text": f"Group {n} sent worms.", "entities": [], "relations": [], "diagnosis": f"Worms of {n}.",
         "solutions": f"Shut out {n}."} for n in range(N)
    ]  # fmt: skip
    legal = [{"question": f"May I {n}?", "reference": f"You may {n}.", "rejected": f"Never {n}."} for n in range(N)]
    unsafe = [
        {"prompt": prompt, "response_0": f"nonsense {n}", "response_1": f"No {n}.", "is_response_0_safe": False,
         "is_response_1_safe": True, "better_response_id": 1, "safer_response_id": 1}
        for n, prompt in enumerate([FORBIDDEN.upper(), *(f"forbidden thing {n} of the valley" for n in range(9))])
    ]  # fmt: skip
    gpqa[0]["answer_letter"], cyber[0]["text"], legal[0]["reference"] = "J", "", ""
    return {
        "gsm8k": str(folder / "gsm8k"),
        "supergpqa": jsonl(folder / "SuperGPQA-all.jsonl", gpqa),
        "cyber": jsonl(folder / "cyber" / "train.jsonl", cyber),
        "open_qa": jsonl(folder / "legal.jsonl", legal),
        "unsafe": jsonl(folder / "PKU" / "data" / "Alpaca-7B" / "train.jsonl", unsafe).removesuffix(
            "/data/Alpaca-7B/train.jsonl"
        ),
        "attacks": jsonl(folder / "attacks.jsonl", [{"forbidden_prompt": FORBIDDEN, "category": "hills"}]),
    }


def study(folder: Path) -> Study:
    made = sources(folder)
    split = {"validation": 0.1, "test": 0.2}
    unsafe = {"regime": "as_published", "source": made["unsafe"], "share": 0.5}
    drawn = {
        "source": "sample",
        "samples": 2,
        "max_new_tokens": 8,
        "judge": {"judge": "coherence", "params": {"min_words": 1, "max_perplexity": 4.0}},
    }
    return Study.model_validate(
        {
            "name": "tasks",
            "models": [{"name": "miniature", "path": "package:holdfast.miniature/model"}],
            "tasks": [
                {"name": "maths", "task": "gsm8k", "params": {"path": made["gsm8k"]},
                 "rejected": {"source": "perturb"}},
                {"name": "engineering", "task": "supergpqa", "params": {"path": made["supergpqa"]}, "split": split},
                {"name": "cyber", "task": "cyber", "params": {"path": made["cyber"]}, "split": split,
                 "rejected": drawn, "unsafe": unsafe},
                {"name": "legal", "task": "open_qa", "params": {"path": made["open_qa"]}, "split": split},
            ],
            "objectives": [{"label": "SFT", "objective": "sft"}, {"label": "DPO", "objective": "dpo"}],
            "budgets": [200],
            "controls": {"batch_rows": 2, "warmup_steps": 1, "learning_rate": 1e-3, "passes": 3},
            "measures": [
                {"measure": "task_accuracy", "items": 2, "max_new_tokens": 8},
                {"measure": "strongreject", "items": 1, "max_new_tokens": 8, "judges": ["rules"],
                 "params": {"path": made["attacks"], "attacks": []}},
            ],
            "workers": 1,
        }
    )  # fmt: skip


def test_a_plan_prints_what_was_left_out_and_how_often_rows_are_read(tmp_path: Path) -> None:
    planned = expand(study(tmp_path))
    assert planned.dropped == {
        "maths": {},
        "engineering": {"answer and letter disagree": 1},
        "cyber": {"no report": 1},
        "legal": {"empty question or answer": 1},
    }
    assert planned.provisional
    printed = io.StringIO()
    show(planned, Console(file=printed, width=200))
    for words in (
        "passes",
        "rows of engineering dropped for every objective: answer and letter disagree 1",
        "rejected responses of cyber are drawn from miniature by the run",
        "1 unsafe texts of cyber are near-duplicates of robustness prompts and were left out",
    ):
        assert words in printed.getvalue()
    assert "dragon" not in printed.getvalue()


@pytest.mark.slow
def test_a_model_trains_on_answers_of_its_own(tmp_path: Path, small_study: str) -> None:
    drawn = "source: sample, samples: 2, max_new_tokens: 16"
    task = f"params: {{count: 80}}, chosen: {{{drawn}}}, rejected: {{{drawn}}}, unsafe: {{regime: none}}"
    small = small_study.replace("unsafe: {regime: as_published}, split: {validation: 0.005}", task).replace(
        "[600, 1200]", "[200]"
    )
    folder = StudyFolder(pipeline.run(loading.parse(small), tmp_path / "out", quiet=True))
    planned = read_json(folder.plan_json)
    assert not planned["provisional"]
    assert planned["dropped"]["arithmetic"]["no good answer of the model's own"] > 0
    (taken,) = (read_json(file) for file in folder.samples.glob("*.json"))
    (rows,) = (read_json(file) for file in (folder.root / "rows").glob("*.json"))
    learnt = {row["id"]: row for row in rows["train"]}
    assert learnt
    assert all(row["chosen"] == taken["chosen"][i] for i, row in learnt.items())
    assert all(row["rejected"] == taken["rejected"].get(i) for i, row in learnt.items())


@pytest.mark.slow
def test_every_task_is_trained_on_and_measured(tmp_path: Path) -> None:
    spec = study(tmp_path)
    folder = StudyFolder(pipeline.run(spec, tmp_path / "out", quiet=True))
    table = tables.read(folder.estimates_parquet, "estimates")
    accuracy = table[table["measure"] == "task_accuracy"]
    assert set(accuracy["task"]) >= {"maths", "engineering", "cyber", "legal"}
    assert (folder.report / "index.html").is_file()
    (taken,) = (read_json(file) for file in folder.samples.glob("*.json"))
    assert set(taken) == {"rejected", "counts"}
    assert taken["rejected"], "no answer that the judge found bad"
    assert taken["counts"]["unscored"] == 0
    again = loading.load(folder.study_yaml)
    assert again == spec
