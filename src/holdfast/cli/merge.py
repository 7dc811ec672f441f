"""An adapter merged into its base."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from holdfast.cli.arguments import say

app = typer.Typer()


@app.command()
def merge(
    model: Annotated[str, typer.Option(help="folder or hub id of the base")],
    adapter: Annotated[str, typer.Option(help="folder or hub id of the LoRA adapter, or folder of trained weights")],
    to: Annotated[Path, typer.Option(help="the folder to write; it must not be there yet")],
    template: Annotated[str | None, typer.Option(help="chat template file, for a model that has none")] = None,
    dtype: Annotated[Literal["auto", "float32", "bfloat16"], typer.Option(help="of the merged weights")] = "auto",
) -> None:
    """Write an adapter's change into its base's weights, and check that the two say the same."""
    from holdfast.config.study import ModelSpec
    from holdfast.models.merge import merge as merged

    spec = ModelSpec(name="model", path=model, template=template, dtype=dtype)
    found = merged(spec, adapter, to)
    say(
        f"{to}: log-probs differ from the adapter's by at most {found.difference:.2g} nats (the adapter moves the "
        f"base's by {found.moved:.2g}), the same first choice at {100 * found.same_choice:.1f}% of positions"
    )
