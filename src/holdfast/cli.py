"""The commands. No logic: each reads its arguments, calls the pipeline, and says what came of it.

Exit codes: 0 done, 1 a failure, 2 a user's mistake (one sentence on stderr, nothing half-written), 130 after Ctrl-C.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from holdfast import __version__
from holdfast.words import UserError

INTERRUPTED = 130  # what typer makes of Ctrl-C

app = typer.Typer(
    help="What the choice of fine-tuning objective does to a model besides teaching it the task.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
miniature = typer.Typer(help="The embedded world and its tiny aligned model.", no_args_is_help=True)
app.add_typer(miniature, name="miniature")

StudyArg = Annotated[
    str, typer.Argument(help="a study file, a preset (miniature, miniature-full, paper) or a study's folder")
]
Out = Annotated[Path | None, typer.Option("--out", help="the study's folder; default: runs/NAME")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="processes; default: one per core, or per GPU")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON for a program to read")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _main(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    pass


@app.command()
def run(study: StudyArg, out: Out = None, workers: Workers = None, as_json: AsJson = False) -> None:
    """All stages, from the plan to the page. Run it again and it goes on where it stopped."""
    from holdfast import pipeline

    _show_headline(pipeline.run(study, out, workers, quiet=as_json), as_json)


def _show_headline(folder: Path, as_json: bool) -> None:
    from holdfast.report.terminal import headline
    from holdfast.store.folder import StudyFolder

    found = headline(StudyFolder(folder))
    if as_json:
        typer.echo(json.dumps(found.as_json()))
    else:
        found.print()


@app.command()
def plan(study: StudyArg, as_json: AsJson = False) -> None:
    """What a study would train and measure, and what it would cost; nothing runs and nothing is written."""
    from holdfast import pipeline

    planned = pipeline.plan(study)
    if as_json:
        typer.echo(json.dumps(planned.as_json()))
    else:
        from holdfast.study.render import show

        show(planned)


def _stage(name: str, study: str, out: Path | None, workers: int | None) -> None:
    from holdfast import pipeline

    typer.echo(str(pipeline.stage(name, study, out, workers)))


@app.command()
def train(study: StudyArg, out: Out = None, workers: Workers = None) -> None:
    """Train what is planned and not yet there; print the folder."""
    _stage("train", study, out, workers)


@app.command()
def respond(study: StudyArg, out: Out = None, workers: Workers = None) -> None:
    """Put every planned item to every trained subject."""
    _stage("respond", study, out, workers)


@app.command()
def judge(study: StudyArg, out: Out = None, workers: Workers = None) -> None:
    """Judge the responses that are there."""
    _stage("judge", study, out, workers)


@app.command()
def analyse(study: StudyArg, out: Out = None) -> None:
    """Turn judgements into estimates with intervals."""
    _stage("analyse", study, out, None)


@app.command()
def report(study: StudyArg, out: Out = None) -> None:
    """Write the page, its figures and tables; print the page's path."""
    _stage("report", study, out, None)


@app.command()
def status(study: StudyArg, out: Out = None, as_json: AsJson = False) -> None:
    """What is planned, what is present, what is left."""
    from holdfast import pipeline

    found = pipeline.status(study, out)
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for stage, counts in found["stages"].items():
            typer.echo(f"{stage:<9} {counts['present']:>5} of {counts['planned']:>5}")


@app.command()
def init(
    data: Annotated[
        Path, typer.Argument(help="your rows: JSONL with prompt and chosen, and rejected where you have it")
    ],
    model: Annotated[
        str, typer.Option(help="local folder or hub id of the model to fine-tune")
    ] = "package:holdfast.miniature/model",
    to: Annotated[Path, typer.Option("--to", help="the study file to write")] = Path("study.yaml"),
) -> None:
    """Write a commented study for your own data."""
    from holdfast.study.init import write

    typer.echo(write(data, model, to))


@app.command()
def doctor() -> None:
    """What this machine has, and whether holdfast can work on it."""
    from holdfast.doctor import examine

    if not examine(typer.echo):
        raise typer.Exit(1)


@miniature.command()
def build(
    out: Annotated[Path, typer.Option(help="the model folder to write")] = Path("miniature-model"),
    seed: Annotated[int, typer.Option(help="of data, weights and order")] = 0,
) -> None:
    """Pretrain and align the miniature model from a seed (the shipped one took 27 minutes on two busy cores)."""
    from holdfast.miniature.build import build as build_model

    build_model(out, seed)


def main() -> None:
    """The console script: usual exit codes, no traceback for a user's mistake."""
    try:
        app(standalone_mode=True)
    except UserError as error:
        typer.echo(f"holdfast: {error}", err=True)
        sys.exit(2)
    except SystemExit as done:
        if done.code == INTERRUPTED:
            typer.echo("holdfast: stopped; the same command goes on from here", err=True)
        raise
    except Exception as error:
        traceback.print_exc()
        typer.echo(f"holdfast: failed: {error}", err=True)
        sys.exit(1)
