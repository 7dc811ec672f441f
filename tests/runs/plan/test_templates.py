"""A plan compares the rows with the template's own conversations, and says or refuses what differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.config.study import Study
from holdfast.runs.plan import expand
from holdfast.types import UserError

Make = Callable[..., Study]
TRIMS = (
    "{% for m in messages %}<|turn|>{{ m['role'] }}:{{ m['content'] | trim }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant:{% endif %}"
)


def given(tmp_path: Path, change: Callable[[int, dict], dict], template: str = "") -> None:
    rows = [change(n, {"prompt": f"question {n}", "chosen": f"answer {n}", "rejected": "no"}) for n in range(200)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if template:
        settings = {"eos_token": "<|end|>", "pad_token": "<pad>", "chat_template": template}
        (tmp_path / "model" / "tokenizer_config.json").write_text(json.dumps(settings))


def plain(n: int, row: dict) -> dict:
    return row


def test_a_response_that_the_template_trims_is_another_run_only_where_it_is_trimmed(make: Make, tmp_path: Path) -> None:
    study = make()
    given(tmp_path, plain, TRIMS)
    trimmed = expand(study).runs[0]
    given(tmp_path, lambda n, row: row | {"chosen": row["chosen"] + " \n\n"} if n == 7 else row)
    altered = expand(study).runs[0]
    assert altered.id != trimmed.id
    assert altered.checkpoints[0].tokens == trimmed.checkpoints[0].tokens


def test_rows_with_the_models_markup_are_refused_by_line(make: Make, tmp_path: Path) -> None:
    study = make()
    given(tmp_path, lambda n, row: row | {"chosen": "yes<|end|>"} if n == 7 else row)
    with pytest.raises(UserError, match=r"rows\.jsonl, line 8: its chosen response holds <\|end\|>"):
        expand(study)


def test_a_template_that_opens_a_thought_is_refused_for_training_by_line(make: Make, tmp_path: Path) -> None:
    study = make()
    given(tmp_path, plain, TRIMS.replace("assistant:{% endif %}", "assistant:<think>{% endif %}"))
    with pytest.raises(UserError, match=r"rows\.jsonl, line \d+: the chat template .* begins an answer with '<think>'"):
        expand(study)


def test_which_turn_is_learnt_stands_in_the_notes(make: Make, tmp_path: Path) -> None:
    study = make()
    turns = [{"role": r, "content": "a"} for r in ("user", "assistant", "user", "assistant")]
    given(tmp_path, lambda n, row: {"prompt": f"question {n}", "completion": "yes"} if n else {"messages": turns})
    study = study.model_copy(update={"objectives": study.objectives[:1]})
    assert any("the last answer is learnt" in note for note in expand(study).notes)


def test_a_probability_that_has_no_place_in_the_template_is_refused_before_anything_is_measured(
    make: Make, tmp_path: Path
) -> None:
    (tmp_path / "facts.jsonl").write_text(json.dumps({"statement": "Water is wet.", "answer": "true"}))
    study = make(
        objectives=[],
        tasks=[],
        budgets=[],
        given=[{"label": "G", "weights": {"name": "g", "path": "model"}}],
        measures=[{"measure": "true_false", "params": {"path": "facts.jsonl"}}],
    )
    given(tmp_path, plain, TRIMS.replace("assistant:{% endif %}", "assistant:<think>{% endif %}"))
    with pytest.raises(UserError, match=r"the measure true_false: the chat template .* begins an answer"):
        expand(study)
