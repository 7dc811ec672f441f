"""What judging or scoring a file comes to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.store.files import write_text
from holdfast.types import Judgement


@dataclass(frozen=True)
class Verdicts:
    """``judgements`` hold everything that a judge said; ``summary`` is plain JSON."""

    judgements: Sequence[Judgement]
    summary: Mapping[str, Any]

    def rows(self, whole: bool = False) -> list[dict[str, Any]]:
        """One a response and judge. ``whole``: with what the judge wrote, which may repeat the response."""
        rows = []
        for j in self.judgements:
            row: dict[str, Any] = {"id": j.record, "judge": j.judge, "score": j.score, "label": j.label}
            row |= {"reason": j.reason, "details": dict(j.details)}
            rows.append(row | ({"judge_id": j.judge_id, "rubric": j.rubric, "words": j.words} if whole else {}))
        return rows

    def as_json(self) -> dict[str, Any]:
        return {"rows": self.rows(), "summary": _finite(self.summary)}

    def write(self, path: Path) -> None:
        """One JSON object a line."""
        write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows(whole=True)))


def _finite(value: Any) -> Any:
    """Plain JSON: what is not defined is null."""
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
