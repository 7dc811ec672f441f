"""A study small enough to run many times: two objectives, two budgets, a handful of items."""

from __future__ import annotations

import pytest

SMALL = """
name: small
mark: "miniature: a synthetic world, not evidence about real models"
models: [{name: miniature, path: "package:holdfast.miniature/model"}]
tasks: [{name: arithmetic, task: miniature_arithmetic, unsafe: {regime: as_published}}]
objectives:
  - {label: SFT, objective: sft}
  - {label: DPO, objective: dpo}
budgets: [1500, 3000]
controls: {batch_rows: 4, warmup_steps: 2, learning_rate: 1.0e-3}
measures:
  - {measure: task_accuracy, items: 6, max_new_tokens: 24}
  - {measure: miniature_robustness, items: 3, max_new_tokens: 24}
  - {measure: miniature_dark_triad, items: 12}
brackets: [{kind: noop}]
workers: 2
"""


@pytest.fixture
def small_study() -> str:
    return SMALL
