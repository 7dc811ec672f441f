"""How far scores move with choices of procedure, for a terminal: over every choice together, and each alone."""

from __future__ import annotations

from holdfast.analysis.comparisons import Consistency
from holdfast.report.sections.repeatability import repeats
from holdfast.report.tables import Table, as_rich
from holdfast.store import defuse


def show(found: Consistency) -> None:
    table = as_rich(Table(repeats(found)), box=None, pad_edge=False) if len(found.ranges) else "nothing was varied"
    defuse.console().print(table)
