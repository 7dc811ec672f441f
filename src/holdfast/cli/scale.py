"""Checkpoints moved back towards their base, or beyond."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.arguments import say

app = typer.Typer()


@app.command()
def scale(
    study: Annotated[Path, typer.Argument(help="the folder of a study that has run")],
    by: Annotated[list[float], typer.Option(help="the change of the weights times this; repeat for several")],
    to: Annotated[Path, typer.Option(help="the folder to write; it must not be there yet")],
    label: Annotated[str | None, typer.Option(help="only checkpoints of this objective")] = None,
    budget: Annotated[int | None, typer.Option(help="only checkpoints at this budget")] = None,
) -> None:
    """Write checkpoints with their change of the weights scaled, and the entries to measure them by."""
    from holdfast.interop import scaled

    given = scaled.write(study, by, to, label, budget)
    say(f"{len(given)} folders in {to}; {to / scaled.GIVEN} holds what to add to a study to have them measured")
