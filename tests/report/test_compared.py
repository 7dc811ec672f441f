"""Two studies side by side in a terminal: few lines, and nothing that differs left out."""

from __future__ import annotations

import io

import pandas as pd
from rich.console import Console

from holdfast.analysis.compare import Comparison
from holdfast.report.terminal.two_studies import show


def test_the_last_budget_and_what_differs_are_listed_and_the_rest_is_counted() -> None:
    row = {"against": "", "label": "SFT", "measure": "accuracy", "a": 0.5, "b": 0.6, "value": 0.1}
    row |= {"low": 0.0, "high": 0.2, "p_adjusted": 0.3, "differs": False, "how": "paired by prompt"}
    estimates = [
        row | {"budget": 1000},
        row | {"budget": 2000, "a": 0.1, "differs": True, "p_adjusted": 0.001},
        row | {"budget": 3000},
        row | {"label": "base", "budget": 0, "b": 0.5},
    ]
    held = pd.DataFrame({"part": ["study"], "what": ["seeds"], "a": ["[0]"], "b": ["[0]"], "equal": [True]})
    out = Console(file=io.StringIO(), width=120)
    show(Comparison("A", "B", held, pd.DataFrame(estimates), (), 0.05), out)
    said = out.file.getvalue()
    assert [b for b in ("SFT 1k", "SFT 2k", "SFT 3k", "base") if b in said] == ["SFT 2k", "SFT 3k"]
    assert "1 more, at smaller budgets, do not differ" in said
    assert "1 estimates are the same number" in said
    assert "1 of 4 differ" in said
