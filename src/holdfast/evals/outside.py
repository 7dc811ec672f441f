"""Responses from anywhere: a file of prompts and responses, as items and records that a judge or a measure reads.

CSV, TSV, JSON, JSONL or Parquet, with the columns ``prompt`` (a text, or a list of turns ``{role, content}``) and
``response``. Where they are there: ``id`` (default: the row's number), ``reference``, ``label`` or ``score`` by people
(with ``rater``), ``coherent`` (1 or 0), ``attack``. Other columns are the item's fields, for measures that need them.
Names that other tools give these columns are understood: see ``ALSO``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.data.row_forms import turns
from holdfast.evals.judges.humans import Vote, vote
from holdfast.store import rows as files
from holdfast.store.digest import digest
from holdfast.types import Item, Record, Turn, UserError

ALSO = {
    "prompt": ("question", "messages", "instruction"),
    "response": ("completion", "output", "prediction", "generation"),
    "reference": ("answer", "target", "gold"),
    "label": ("final_label", "human_label"),
    "id": ("response_id", "record"),
}
COHERENT = {"1": 1.0, "true": 1.0, "coherent": 1.0, "0": 0.0, "false": 0.0, "incoherent": 0.0, "": None}


@dataclass(frozen=True, slots=True)
class Given:
    """One response. ``vote`` is what people said of it in the file itself, None for nothing; ``label`` is their word as
    it stands there, ``where`` the place of the row."""

    item: Item
    record: Record
    vote: Vote | None
    coherent: float | None
    where: str
    label: str = ""


class Responses:
    """As much of a measure as judging needs: nothing has to be decoded here."""

    def plain(self, attack: str, response: str) -> str | None:
        return response


RESPONSES: Any = Responses()


def read(path: Path, judging: bool = True) -> list[Given]:
    """All responses of a file, in its order. For ``judging`` each must have a prompt, and labels are read. Raises
    ``UserError`` naming the line where a column is missing or no text, an id is given twice, or a label is unknown."""
    found = [_given(number, placed, judging) for number, placed in enumerate(files.read(Path(path)), start=1)]
    first: dict[str, str] = {}
    for given in found:
        twin = first.setdefault(given.record.id, given.where)
        if twin != given.where:
            raise UserError(f"{given.where}: the id {given.record.id} is that of {twin} too; give each its own")
    return found


def pairs(found: Sequence[Given]) -> list[tuple[Item, Record]]:
    return [(given.item, given.record) for given in found]


def _given(number: int, placed: files.Placed, judging: bool) -> Given:
    where, row = placed[0], _named(placed[1])
    prompt = _turns(where, row, needed=judging)
    reference = _plain(row.get("reference"))
    fields = {k: _plain(v) for k, v in row.items() if k not in (*ALSO, "score", "rater", "weight", "coherent")}
    (response,) = files.texts((where, row), "response")
    item = Item(digest({"prompt": prompt, "reference": reference}), prompt, reference, fields)
    id = _plain(row.get("id")) or str(number)
    record = Record(
        id=id,
        subject="outside",
        measure="responses",
        item=item.id,
        attack=fields.get("attack") or "none",
        format="default",
        sample=0,
        response=response,
        plain=response,
        n_tokens=0,
        finish=fields.get("finish") or "stop",
    )
    coherent = _plain(row.get("coherent")).casefold()
    if (coherent := coherent.removesuffix(".0")) not in COHERENT:
        raise UserError(f"{where}: the column coherent must be 1 or 0, or empty")
    return Given(
        item, record, vote((where, row)) if judging else None, COHERENT[coherent], where, _plain(row.get("label"))
    )


def _named(row: files.Row) -> files.Row:
    """The row under the names used here."""
    row = dict(row)
    for name, others in ALSO.items():
        other = next((o for o in others if o in row), None)
        if other and (name not in row or name == "label"):  # XSTest's files have a label of the prompt too
            row[name] = row.pop(other)
    return row


def _turns(where: str, row: files.Row, needed: bool) -> tuple[Turn, ...]:
    given = row.get("prompt")
    if isinstance(given, list):
        try:
            return turns(given, "prompt")
        except ValueError as error:
            raise UserError(f"{where}: {error}") from None
    if given is None and not needed:
        return ()
    return (Turn("user", files.texts((where, row), "prompt")[0]),)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
