"""What was answered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.arguments import AsJson, say, told

app = typer.Typer()


@app.command()
def show(
    study: Annotated[Path, typer.Argument(help="the folder of a study that has run")],
    label: Annotated[
        list[str] | None, typer.Option(help="only this objective beside the base; repeat for more")
    ] = None,
    budget: Annotated[int | None, typer.Option(help="tokens; default: each objective's largest")] = None,
    seed: Annotated[int | None, typer.Option(help="training seed; default: the first")] = None,
    measure: Annotated[str, typer.Option(help="of one measure only")] = "",
    attack: Annotated[str, typer.Option(help="under one attack only; `none`: the direct request")] = "",
    format: Annotated[str, typer.Option("--format", help="asked in another way")] = "default",
    judge: Annotated[str, typer.Option(help="whose verdict --verdict and --unscored mean; default: any judge's")] = "",
    verdict: Annotated[str, typer.Option(help="where some answer got this verdict: refusal, answer, correct, …")] = "",
    unscored: Annotated[bool, typer.Option("--unscored", help="where some answer got no score")] = False,
    grep: Annotated[str, typer.Option(help="where some answer contains this text")] = "",
    item: Annotated[str, typer.Option(help="the item whose id begins so")] = "",
    n: Annotated[int, typer.Option("--n", min=1, help="prompts to show")] = 5,
    reveal: Annotated[bool, typer.Option("--reveal/--mask", help="write forbidden texts out")] = False,
    as_json: AsJson = False,
) -> None:
    """Show prompts with every objective's answer and verdicts side by side; forbidden text is masked."""
    from holdfast.report.terminal import responses as shown

    query = shown.Query(
        tuple(label or ()), budget, seed, measure, attack, judge, verdict, unscored, grep, item, format, n, reveal
    )
    found = shown.find(study, query)
    if not told(as_json, found):
        say("\n".join(shown.lines(found)) if found else "No answer fits.")
