"""Checkpoints changed after training: moved back towards their base or beyond, or projected onto its alignment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli.arguments import say

app = typer.Typer()
Study = Annotated[Path, typer.Argument(help="the folder of a study that has run")]
To = Annotated[Path, typer.Option(help="the folder to write; it must not be there yet")]
Label = Annotated[str | None, typer.Option(help="only checkpoints of this objective")]
Budget = Annotated[int | None, typer.Option(help="only checkpoints at this budget")]


@app.command()
def scale(
    study: Study,
    by: Annotated[list[float], typer.Option(help="the change of the weights times this; repeat for several")],
    to: To,
    label: Label = None,
    budget: Budget = None,
) -> None:
    """Write checkpoints with their change of the weights scaled, and the entries to measure them by."""
    from holdfast.interop import transformed

    _write(study, [transformed.Scaled(factor) for factor in by], to, label, budget)


@app.command("safe-lora")
def safe_lora(
    study: Study,
    unaligned: Annotated[str, typer.Option(help="folder or hub id of the model that the base was aligned from")],
    below: Annotated[float, typer.Option(help="cosine with the alignment under which a layer is projected")],
    to: To,
    label: Label = None,
    budget: Budget = None,
) -> None:
    """Write LoRA checkpoints projected onto what alignment changed (Safe LoRA), and the entries to measure them by."""
    from holdfast.config.study import ModelSpec
    from holdfast.interop import transformed

    spec = ModelSpec(name="unaligned", path=unaligned)
    _write(study, [transformed.SafeLoRA(spec, below)], to, label, budget)


def _write(study: Path, transforms: list[Any], to: Path, label: str | None, budget: int | None) -> None:
    from holdfast.interop import transformed

    given = transformed.write(study, transforms, to, label, budget)
    say(f"{len(given)} folders in {to}; {to / transformed.GIVEN} holds what to add to a study to have them measured")
