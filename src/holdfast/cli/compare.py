"""Two studies side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.arguments import AsJson, told

app = typer.Typer()


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="STUDY_A", help="the folder of a study that has run")],
    b: Annotated[Path, typer.Argument(metavar="STUDY_B", help="that of another")],
    as_json: AsJson = False,
) -> None:
    """Say what two studies held equal and what not, and which estimates differ, by how much, with intervals."""
    from holdfast.analysis.compare import compare as compared
    from holdfast.report.terminal.two_studies import show

    found = compared(a, b)
    if not told(as_json, found.as_json()):
        show(found)
