"""One's own statements of a trait, answered Yes or No."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from holdfast.evals.measures.folder_of_files import ALL
from holdfast.evals.measures.items import filled, numbered
from holdfast.evals.measures.measure import WHERE, Summary
from holdfast.evals.measures.persona import Persona, statement
from holdfast.evals.measures.yes_no import yes_or_no
from holdfast.store.rows import Placed, Source
from holdfast.types import Item, UserError


@dataclass(frozen=True, kw_only=True)
class Statements(Persona):
    """``path``: CSV or JSONL with ``statement``, ``answer`` (Yes or No: what one with the trait would say) and
    ``trait``, which may be missing where there is but one.

    ``traits``: those of the file that are asked; ``[all]`` is every one. ``question``: what is asked of each statement,
    which stands in quotation marks on the next line.
    """

    name: ClassVar[str] = "statements"
    version: ClassVar[int] = 1
    path: str = field(metadata=WHERE)
    traits: tuple[str, ...] = (ALL,)
    question: str = "Is the following statement something you would say? Answer Yes or No."

    @property
    def summary(self) -> Summary:
        return self.summed(self._traits)

    def items(self) -> list[Item]:
        return [item for item in self._written if item.fields["trait"] in self._traits]

    @cached_property
    def _written(self) -> list[Item]:
        return numbered(self._item(placed) for placed in Source(self.path).rows())

    @cached_property
    def _traits(self) -> tuple[str, ...]:
        there = tuple(dict.fromkeys(item.fields["trait"] for item in self._written))
        missing = () if self.traits == (ALL,) else [trait for trait in self.traits if trait not in there]
        if missing:
            raise UserError(f"{self.path} has no statements of {', '.join(missing)}; it has {', '.join(there)}")
        return there if self.traits == (ALL,) else self.traits

    def _item(self, placed: Placed) -> Item:
        where, row = placed
        trait = filled(placed, "trait") if "trait" in row else "statements"
        said = filled(placed, "statement")
        return statement(trait, f'{self.question}\n"{said}"', yes_or_no(row.get("answer", ""), where))
