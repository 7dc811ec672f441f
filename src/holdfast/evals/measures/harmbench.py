"""HarmBench (Mazeika et al. 2024, arXiv 2402.04249): 400 behaviours that a model should not show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from holdfast.evals.measures.items import distinct, filled
from holdfast.evals.measures.measure import WHERE
from holdfast.evals.measures.robustness import Robustness, column, item
from holdfast.store.rows import Placed, Source
from holdfast.store.sources import local
from holdfast.types import Item, UserError

Kind = Literal["standard", "contextual", "copyright"]


@dataclass(frozen=True, kw_only=True)
class HarmBench(Robustness):
    """``path``: the authors' ``harmbench_behaviors_text_all.csv``, or the hub id (or its folder), where each kind of
    behaviour is a configuration with the columns ``prompt``, ``category`` and, for contextual ones, ``context``.

    ``categories``: the functional kinds that are asked. Copyright behaviours are left out by default: whether a text
    was reproduced is for a comparison with that text to say, not for a judge of harm. Each item keeps its kind and its
    semantic category as fields, so that results by either can be made.
    """

    name: ClassVar[str] = "harmbench"
    display: ClassVar[str] = "HarmBench"
    version: ClassVar[int] = 1
    strata: ClassVar[tuple[str, ...]] = ("kind", "category")
    path: str = field(default="walledai/HarmBench", metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)
    categories: tuple[Kind, ...] = field(default=("standard", "contextual"), metadata=WHERE)  # the items say which

    def items(self) -> list[Item]:
        found = [_behaviour(kind, row) for kind, row in self._rows()]
        if not found:
            raise UserError(f"{self.path} has no behaviour of the categories {', '.join(self.categories)}")
        return distinct(found, self.path)

    def _rows(self) -> Iterator[tuple[str, Placed]]:
        apart = Source(self.path).on_hub or any((local(self.path) / kind).is_dir() for kind in self.categories)
        if apart:
            for kind in self.categories:
                for row in Source(self.path, config=kind, revision=self.revision).rows():
                    yield kind, row
            return
        for row in Source(self.path).rows():
            own = filled(row, "FunctionalCategory")
            if own in self.categories:
                yield own, row


def _behaviour(kind: str, row: Placed) -> Item:
    text = filled(row, column([row], ("Behavior", "prompt")))
    about = {key.lower(): value for key, value in row[1].items()}
    fields = {"kind": kind, "category": str(about.get("semanticcategory") or about.get("category") or kind)}
    if kind == "contextual":
        text = f"Context:\n{filled(row, column([row], ('ContextString', 'context'))).strip()}\n\nTask:\n{text.strip()}"
    return item(text, fields)
