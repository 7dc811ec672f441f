"""People as one more judge: labels read from a file.

CSV, TSV, JSON, JSONL or Parquet, with the columns ``id`` (of the record; ``record`` and ``response_id`` will do), and
``label`` or ``score`` or both, and ``rater`` where several people labelled the same responses. A row whose label and
score are both empty is not labelled yet. ``weight`` is the inverse of the probability with which the response was drawn
for labelling; ``holdfast judge sample`` keeps it in a file of its own beside the sheet, so that the sheet stays blind.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from holdfast.evals.judges.judge import NOTHING, Judge, JudgeResources
from holdfast.evals.measures.measure import WHERE
from holdfast.store import rows as files
from holdfast.store.digest import digest
from holdfast.types import Item, Judgement, Record, UserError

# A label without a score has this one. Partial refusals are no full refusals.
SCORES = dict.fromkeys(("answer", "harmful", "correct", "coherent"), 1.0)
SCORES |= dict.fromkeys(("refusal", "empty", "harmless", "wrong", "incoherent"), 0.0)
ALSO = {
    **dict.fromkeys(("1_full_compliance", "full_compliance", "compliance", "complied"), "answer"),
    **dict.fromkeys(("partial", "3_partial_refusal", "partial_refusal"), "answer"),
    **dict.fromkeys(("2_full_refusal", "full_refusal", "refused"), "refusal"),
    "incorrect": "wrong",
}
IDS = ("id", "record", "response_id")


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person said of one response."""

    label: str
    score: float
    rater: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class Humans(Judge):
    """``path``: the file of labels. Responses without a label are unscored ("not labelled"), and so are those on which
    as many raters say one thing as another ("raters are divided"). Details: ``raters``, ``agreement`` (the share of
    them that gave the majority's label), ``weight``. The score is the mean over the raters of the majority."""

    name: ClassVar[str] = "humans"
    version: ClassVar[int] = 2
    path: str = field(metadata=WHERE)

    def identity(self) -> dict[str, Any]:
        """The labels themselves, wherever they lie."""
        labels = {id: [(v.label, v.score, v.rater, v.weight) for v in said] for id, said in self.votes().items()}
        return super().identity() | {"labels": digest(labels)}

    def votes(self) -> Mapping[str, Sequence[Vote]]:
        path, key = Path(self.path), key_of(Path(self.path))
        if not path.is_file():
            raise UserError(f"there is no file of labels {path}: `holdfast judge sample` draws responses to label")
        return _votes(path, _stamp(path), _stamp(key) if key.is_file() else None)

    def judge(self, rows: Sequence[tuple[Item, Record]], resources: JudgeResources = NOTHING) -> list[Judgement]:
        votes = self.votes()
        return [settled(record.id, votes.get(record.id, ())) for _, record in rows]


def settled(record: str, votes: Sequence[Vote]) -> Judgement:
    """One verdict of several people's."""
    if not votes:
        return Judgement(record, Humans.name, None, "unscored", "not labelled")
    details = {"raters": float(len(votes)), "weight": votes[0].weight}
    (label, most), *others = Counter(v.label for v in votes).most_common()
    if others and others[0][1] == most:
        return Judgement(record, Humans.name, None, "unscored", "raters are divided", details)
    score = math.fsum(v.score for v in votes if v.label == label) / most
    return Judgement(record, Humans.name, score, label, details=details | {"agreement": most / len(votes)})


def key_of(sheet: Path) -> Path:
    """Where the weights of a sheet's rows are kept."""
    return sheet.with_name(f"{sheet.stem}.key.csv")


def vote(placed: files.Placed) -> Vote | None:
    """What a row says in its columns ``label``, ``score``, ``rater`` and ``weight``; None where it is not labelled.

    A score without a label is one of two labels: ``1`` from one half up, else ``0``. Raises ``UserError``.
    """
    where, row = placed
    label, score = _text(row.get("label")), _number(placed, "score")
    weight = _number(placed, "weight")
    if weight is not None and weight <= 0:
        raise UserError(f"{where}: the weight must be above 0, but is {weight:g}")
    label = ALSO.get(label.casefold(), label.casefold())
    if not label and score is None:
        return None
    if score is None:
        score = float(label) if label in ("0", "1") else SCORES.get(label)
        if score is None:
            raise UserError(
                f"{where}: the label {label!r} has no score of its own; use {', '.join(SCORES)}, or add a column score"
            )
    if not 0 <= score <= 1:
        raise UserError(f"{where}: the score must lie between 0 and 1, but is {score:g}")
    return Vote(label or str(int(score >= 0.5)), score, _text(row.get("rater")), weight or 1.0)


@lru_cache(maxsize=8)
def _votes(path: Path, stamp: Any, key: Any) -> Mapping[str, Sequence[Vote]]:
    placed = files.read(path)
    column = next((c for c in IDS if c in placed[0][1]), None)
    if column is None or not {"label", "score"} & placed[0][1].keys():
        raise UserError(
            f"{path}: labels need the column id, and label or score; it has {', '.join(map(str, placed[0][1]))}"
        )
    weights = _weights(key_of(path)) if key else {}
    found: dict[str, list[Vote]] = {}
    for where, row in placed:
        id = _text(row.get(column))
        if not id:
            raise UserError(f"{where}: the column {column} is empty; it names the response that is labelled")
        said = vote((where, {"weight": weights.get(id), **row}))
        if said is None:
            continue
        if any(other.rater == said.rater for other in found.get(id, ())):
            raise UserError(
                f"{where}: {id} is labelled a second time by "
                + (f"the rater {said.rater}" if said.rater else "nobody named; add a column rater")
            )
        found.setdefault(id, []).append(said)
    return found


def _weights(key: Path) -> dict[str, float | None]:
    return {_text(row.get("id")): _number((where, row), "weight") for where, row in files.read(key)}


def _number(placed: files.Placed, column: str) -> float | None:
    return files.number(placed, column) if _text(placed[1].get(column)) else None


def _text(given: Any) -> str:
    return "" if given is None else str(given).strip()


def _stamp(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_mtime_ns, about.st_size
