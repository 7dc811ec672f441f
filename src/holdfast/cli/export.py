"""A study in other people's formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.arguments import say
from holdfast.types import UserError

app = typer.Typer()
export = typer.Typer(help="A study in other people's formats.", no_args_is_help=True)
app.add_typer(export, name="export")

StudyFolderArg = Annotated[Path, typer.Argument(help="the folder of a study that has run")]


@export.command()
def card(
    study: StudyFolderArg,
    label: Annotated[str | None, typer.Option(help="only checkpoints of this objective")] = None,
    budget: Annotated[int | None, typer.Option(help="only checkpoints at this budget")] = None,
) -> None:
    """Give every checkpoint a Hugging Face model card with its estimates, ready to push; print the folders."""
    from holdfast.interop.model_card import write

    for folder in write(study, label, budget):
        say(str(folder))


@export.command("lm-eval")
def lm_eval(
    study: StudyFolderArg,
    to: Annotated[Path, typer.Option("--to", help="the folder to write in; each subject gets one of its own")],
) -> None:
    """Write the estimates as lm-eval's results, a file for each subject; print the files."""
    from holdfast.interop.lm_eval_results import write

    for file in write(study, to):
        say(str(file))


@export.command("inspect")
def inspect(
    study: StudyFolderArg,
    to: Annotated[Path, typer.Option("--to", help="the folder of logs to write in; `inspect view --log-dir` opens it")],
    label: Annotated[str | None, typer.Option(help="only subjects of this objective, or `base`")] = None,
    budget: Annotated[int | None, typer.Option(help="only subjects at this budget")] = None,
    measure: Annotated[str | None, typer.Option(help="only this measure")] = None,
    reveal: Annotated[bool, typer.Option("--reveal/--mask", help="write forbidden texts out")] = False,
) -> None:
    """Write the records as Inspect's logs, one for each subject and measure; print the files."""
    try:
        from holdfast.interop.inspect_logs import write
    except ModuleNotFoundError as missing:
        if missing.name != "inspect_ai":
            raise
        raise UserError('Inspect is not installed: pip install "holdfast[inspect]"') from None

    for file in write(study, to, label, budget, measure, reveal):
        say(str(file))
