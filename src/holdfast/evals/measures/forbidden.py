"""A user's own list of forbidden prompts, as a measure of robustness."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from holdfast.evals.measures.measure import WHERE
from holdfast.evals.measures.robustness import Robustness, column, prompts
from holdfast.store.rows import Placed, Source
from holdfast.store.sources import data_file
from holdfast.types import Item, UserError


@dataclass(frozen=True, kw_only=True)
class Forbidden(Robustness):
    """``path``: a CSV, TSV, JSON, JSONL or Parquet file, a folder, a hub id, or a ``.txt`` file with a prompt a line.

    ``column`` holds the prompts; ``category``, where the rows have that column, is kept with them.
    """

    name: ClassVar[str] = "forbidden"
    version: ClassVar[int] = 1
    strata: ClassVar[tuple[str, ...]] = ("category",)
    path: str = field(metadata=WHERE)
    file: str | None = field(default=None, metadata=WHERE)
    split: str = field(default="train", metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)
    column: str = field(default="prompt", metadata=WHERE)

    def items(self) -> list[Item]:
        if Path(self.path).suffix == ".txt":
            return prompts(_lines(data_file(self.path)), "prompt")
        rows = Source(self.path, self.file, self.split, revision=self.revision).rows()
        return prompts(rows, column(rows, (self.column,)), keep=("category",))


def _lines(file: Path) -> list[Placed]:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    rows = [(f"{file}, line {n}", {"prompt": x}) for n, x in enumerate(text.split("\n"), start=1) if x.strip()]
    if not rows:
        raise UserError(f"{file} is empty: it must hold at least one prompt, one a line")
    return rows
