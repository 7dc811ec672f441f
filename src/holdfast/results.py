"""A study that has run, for a notebook: its tables and charts as the stages left them. Nothing is computed anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.config.study import Study
from holdfast.store import tables
from holdfast.store.files import read_json
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

if TYPE_CHECKING:
    import altair
    import pandas as pd

    from holdfast.analysis.gate import GateVerdict


@dataclass(frozen=True, repr=False)
class Results:
    """What ``holdfast.open(folder)`` gives.

    ``estimates``: every number, columns in ``docs/store.md``; ``findings``: those with a verdict; ``subjects``: who was
    measured;
    ``records``: a row per answer and judge; ``plots``: names of the charts, for ``plot``; ``gate``: thresholds.
    """

    folder: StudyFolder
    study: Study

    @cached_property
    def estimates(self) -> pd.DataFrame:
        from holdfast.analysis import estimates_file

        return estimates_file.read(self.folder)

    @cached_property
    def findings(self) -> pd.DataFrame:
        """Of the estimates the comparisons of headlines, with a verdict where one can be given."""
        from holdfast.analysis.estimates_file import compared

        return compared(self.estimates)

    @cached_property
    def subjects(self) -> pd.DataFrame:
        return tables.read(self.folder.subjects, "subjects")

    @cached_property
    def records(self) -> pd.DataFrame:
        """Every planned answer with every judge's score, and the ``response`` itself: unmasked, so look before you
        print. Prompts are not in it."""
        from holdfast.analysis.load import load_records

        shards = [file for config in self.folder.configs() for file in sorted(config.root.glob("*/[!.]*.parquet"))]
        texts = tables.read(shards, "records", ["id", "response", "n_tokens", "finish"]).drop_duplicates("id")
        return load_records(self.folder).merge(texts.rename(columns={"id": "record"}), on="record", how="left")

    @property
    def plots(self) -> list[str]:
        return sorted(file.stem for file in (self.folder.report / "figures").glob("*.json"))

    def plot(self, name: str = "frontier") -> altair.Chart:
        """A chart of the page. Raises ``UserError`` with the names that there are."""
        import altair

        if name not in self.plots:
            raise UserError(
                f"there is no chart {name!r}; there is {', '.join(self.plots)}"
                if self.plots
                else f"{self.folder.root} has no charts yet; run `holdfast report` first"
            )
        spec: dict[str, Any] = read_json(self.folder.report / "figures" / f"{name}.json")
        return altair.Chart.from_dict(spec)

    def gate(self, bounds: str | Path | Sequence[Mapping[str, Any]]) -> GateVerdict:
        """Thresholds held against the estimates: a gate file, or its entries (``docs/audit.md``). Raises ``UserError``
        for a name that the study has not."""
        from holdfast.analysis import gate
        from holdfast.analysis.load import configs

        kept, there = gate.read(bounds), configs(self.folder)
        of = self.estimates.groupby("measure")
        groups, formats = of["condition"].unique(), of["format"].unique()
        planned = [gate.Planned(c, tuple(groups[c.measure]), tuple(formats[c.measure])) for c in there.values()]
        gate.check(kept, self.study, planned)
        return gate.judge(kept, self.estimates, there)

    def __repr__(self) -> str:
        study, rows = self.study, f"{len(self.estimates):,} estimates, {len(self.plots)} plots"
        return f"<{study.name}: {shape(study)}; {rows}; .estimates .findings .subjects .records .plot(name)>"


def shape(study: Study) -> str:
    """How large a study is, in a line."""
    parts = {
        "model": len(study.models),
        "task": len(study.tasks),
        "objective": len(study.objectives),
        "budget": len(study.budgets),
        "seed": len(study.seeds),
    }
    return ", ".join(f"{n} {name}{'s' * (n != 1)}" for name, n in parts.items() if n)
