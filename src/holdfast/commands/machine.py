"""This machine, and the model that is shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.commands.arguments import say

app = typer.Typer()
miniature = typer.Typer(help="The embedded world and its tiny aligned model.", no_args_is_help=True)
app.add_typer(miniature, name="miniature")


@app.command()
def doctor() -> None:
    """What this machine has, and whether holdfast can work on it."""
    from holdfast.doctor import examine

    if not examine(say):
        raise typer.Exit(1)


@miniature.command()
def build(
    out: Annotated[Path, typer.Option(help="the model folder to write")] = Path("miniature-model"),
    seed: Annotated[int, typer.Option(help="of data, weights and order")] = 0,
) -> None:
    """Pretrain and align the miniature model from a seed (the shipped one took 27 minutes on two busy cores)."""
    from holdfast.miniature.build import build as build_model

    build_model(out, seed)
