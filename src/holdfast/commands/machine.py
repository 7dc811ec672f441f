"""This machine."""

from __future__ import annotations

import typer

from holdfast.commands.arguments import say

app = typer.Typer()


@app.command()
def doctor() -> None:
    """What this machine has, and whether holdfast can work on it."""
    from holdfast.doctor import examine

    if not examine(say):
        raise typer.Exit(1)
