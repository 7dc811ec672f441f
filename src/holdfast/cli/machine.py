"""This machine."""

from __future__ import annotations

import typer

from holdfast.cli.arguments import say

app = typer.Typer()


@app.command()
def doctor() -> None:
    """What this machine has, and whether holdfast can work on it."""
    from holdfast.cli.doctor_checks import examine

    if not examine(say):
        raise typer.Exit(1)
