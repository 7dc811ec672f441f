"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.store.defuse import for_terminal, json_for_terminal
from holdfast.types import UserError

StudyArg = Annotated[
    str,
    typer.Argument(
        help="a study file, a preset (miniature, miniature-full, smollm2, smollm2-benchmarks, paper), a study's folder"
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="the study's folder; default: runs/NAME")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="at most so many jobs at once; default: one per core, or per GPU")
]
Executor = Annotated[
    str | None, typer.Option("--executor", help="where jobs run: local, ray, slurm, or a YAML file (docs/cluster.md)")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for a program to read")]


def told(as_json: bool, found: Any) -> bool:
    """Prints what was found as JSON where that is wanted, and says whether it was."""
    if as_json:
        typer.echo(json_for_terminal(found))
    return as_json


def whole(text: str, option: str) -> int:
    """A number of things. Raises UserError where it is none."""
    if not (text.strip().isdecimal() and text.strip().isascii()) or not 0 < int(text) < 10**6:
        raise UserError(f"{option} cannot have {text!r}: give whole numbers from 1, with commas between them")
    return int(text)


def say(text: str, *, err: bool = False) -> None:
    """Prints a line for a person: names and answers in it may be anybody's."""
    typer.echo(for_terminal(text), err=err)
