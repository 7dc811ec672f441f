"""A study is written for a user's rows, and it can be planned as it stands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.config.loading import load
from holdfast.runs.init import write
from holdfast.runs.plan import expand
from holdfast.types import UserError


def test_what_is_written_can_be_planned(make: Callable, tmp_path: Path, make_rows: Callable[..., Path]) -> None:
    make_rows(tmp_path / "rows.jsonl", n=400)
    said = write(Path("rows.jsonl"), "model", Path("study.yaml"))
    assert said.endswith("holdfast plan study.yaml")
    study = load("study.yaml")
    assert [v.label for v in study.objectives] == ["SFT", "DPO", "CFT", "IP", "ORPO", "KL"]
    assert len(study.budgets) == 3
    assert len(expand(study).runs) == 6 * len(study.seeds) + 1


def test_rows_without_rejections_get_the_objectives_that_need_none(
    make: Callable, tmp_path: Path, make_rows: Callable[..., Path]
) -> None:
    make_rows(tmp_path / "rows.jsonl", n=400, rejected=False)
    write(Path("rows.jsonl"), "model", Path("study.yaml"))
    assert [v.label for v in load("study.yaml").objectives] == ["SFT", "IP", "KL"]
    expand(load("study.yaml"))


def test_nothing_is_overwritten_and_bad_rows_are_said(tmp_path: Path, make_rows: Callable[..., Path]) -> None:
    make_rows(tmp_path / "rows.jsonl")
    (tmp_path / "study.yaml").write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        write(Path("rows.jsonl"), "model", Path("study.yaml"))
    assert (tmp_path / "study.yaml").read_text() == "mine"
    (tmp_path / "bad.jsonl").write_text('{"prompt": "q", "chosen": "a"}\n{"text": "b"}\n')
    with pytest.raises(UserError, match=r"bad\.jsonl, line 2: "):
        write(Path("bad.jsonl"), "model", Path("new.yaml"))


def test_what_is_commented_out_can_be_taken_in(make: Callable, tmp_path: Path, make_rows: Callable[..., Path]) -> None:
    make_rows(tmp_path / "rows.jsonl", n=400)
    write(Path("rows.jsonl"), "model", Path("study.yaml"))
    text = Path("study.yaml").read_text()
    text = text.replace("  # - {measure: task_accuracy", "  - {measure: task_accuracy")
    for section in ("declared", "tuned", "matched"):
        text = text.replace(f"\n# {section}:", f"\n{section}:")
    Path("study.yaml").write_text(text)
    assert expand(load("study.yaml")).provisional  # settings are yet to be chosen


@pytest.mark.parametrize("n", [60, 300, 1500])
def test_every_budget_lies_beyond_warm_up_whatever_the_rows(
    make: Callable, tmp_path: Path, make_rows: Callable[..., Path], n: int
) -> None:
    make_rows(tmp_path / "rows.jsonl", n=n)
    write(Path("rows.jsonl"), "model", Path("study.yaml"))
    plan, study = expand(load("study.yaml")), load("study.yaml")
    steps = [r.steps for t in plan.runs if t.role.is_study for r in t.checkpoints]
    assert min(steps) >= 1.5 * study.controls.warmup_steps
    assert max(r.passes for t in plan.runs for r in t.checkpoints) <= study.controls.passes
    assert not any("warm-up" in note for note in plan.notes)


def test_too_few_rows_for_a_ladder_are_said_with_how_many_it_takes(
    make: Callable, tmp_path: Path, make_rows: Callable[..., Path]
) -> None:
    make_rows(tmp_path / "rows.jsonl", n=3)
    with pytest.raises(UserError, match=r"rows\.jsonl leaves \d rows to train on, and .* takes 40: bring more rows"):
        write(Path("rows.jsonl"), "model", Path("study.yaml"))
    assert not Path("study.yaml").exists()


def test_a_run_that_never_left_warm_up_is_said_in_the_plan(make: Callable, make_rows: Callable[..., Path]) -> None:
    study = make(budgets=[200], controls={"batch_rows": 4, "warmup_steps": 1000})
    assert any("SFT has not left the warm-up" in note or "have not left" in note for note in expand(study).notes)


def test_a_study_measures_safety_and_persona_without_any_file_of_the_users(
    make: Callable, tmp_path: Path, make_rows: Callable[..., Path]
) -> None:
    make_rows(tmp_path / "rows.jsonl")
    write(Path("rows.jsonl"), "model", Path("study.yaml"))
    axes = {c.axis: c.items for c in expand(load("study.yaml")).configs}
    assert axes.keys() == {"capability", "robustness", "persona"}
    assert (axes["robustness"], axes["persona"]) == (40, 48)


@pytest.mark.parametrize("conversational", [False, True])
def test_plain_and_conversational_rows_make_the_same_study(
    make: Callable, tmp_path: Path, make_rows: Callable[..., Path], conversational: bool
) -> None:
    make_rows(tmp_path / "rows.jsonl")
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    if conversational:
        turn = lambda role, text: [{"role": role, "content": text}]  # noqa: E731
        rows = [
            row
            | {"prompt": turn("user", row["prompt"])}
            | {k: turn("assistant", row[k]) for k in ("chosen", "rejected")}
            for row in rows
        ]
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))
    said = write(Path("rows.jsonl"), "model", Path("study.yaml"))
    assert "1 asks what another row asks (1 is a copy of one)" in said
    assert load("study.yaml").budgets == (3100, 6300, 12000)


def test_the_check_is_named_and_shown_on_three_rows(make: Callable, tmp_path: Path) -> None:
    rows = [{"prompt": f"{n} + 1?", "chosen": f"It is {n + 1}.", "rejected": f"It is {n}."} for n in range(100)]
    Path("text.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = write(Path("text.jsonl"), "model", Path("text.yaml"))
    assert "checked by coverage: the share of the reference's words" in said
    assert "name: word_coverage" in Path("text.yaml").read_text()
    Path("sums.jsonl").write_text("".join(json.dumps(row | {"answer": n + 1}) + "\n" for n, row in enumerate(rows)))
    said = write(Path("sums.jsonl"), "model", Path("sums.yaml"))
    assert said.count("chosen scores 1.00, rejected 0.00") == 3
    assert "of 100 chosen responses 100 pass" in said


def test_one_answer_that_is_no_number_is_named_and_changes_no_check(make: Callable, tmp_path: Path) -> None:
    rows = [{"prompt": f"{n} + 1?", "chosen": f"It is {n + 1}.", "answer": n + 1} for n in range(100)]
    rows[41]["answer"] = "see above"
    Path("sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(UserError, match=r"sums\.jsonl, line 42: `answer` must be a number, as in other rows"):
        write(Path("sums.jsonl"), "model", Path("sums.yaml"))
