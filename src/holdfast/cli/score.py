"""Scoring responses from anywhere against a reference answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.arguments import AsJson, say, told
from holdfast.store import documents
from holdfast.types import UserError

app = typer.Typer()


@app.command()
def score(
    responses: Annotated[Path, typer.Argument(help="a file of responses with references (JSONL, CSV, …)")],
    measure: Annotated[str, typer.Option(help="the measure whose rule reads the answer: gsm8k, …")],
    params: Annotated[str | None, typer.Option(help="the measure's parameters: JSON, or a YAML file")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="file of the scores (JSONL)")] = None,
    as_json: AsJson = False,
) -> None:
    """Score responses by a measure's own rule against the reference answer of each."""
    from holdfast.report.terminal.of_file import scored
    from holdfast.verdicts import scoring

    found = scoring.score(responses, measure, _params(params))
    if out:
        found.write(out)
    if not told(as_json, found.as_json() | ({"file": str(out)} if out else {})):
        say("\n".join(scored(found.as_json()["summary"])))
        if out:
            say(f"scores: {out}")


def _params(given: str | None) -> dict:
    if given is None:
        return {}
    inline = given.lstrip().startswith("{")
    found = documents.parse_yaml(given, "--params") if inline else documents.read_yaml(given)
    if not isinstance(found, dict):
        raise UserError("the parameters must be a mapping of names to values")
    return found
