"""A study from plan to page, and each of its stages alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.arguments import AsJson, Executor, Out, StudyArg, Workers, say, told, whole

app = typer.Typer()


@app.command()
def run(
    study: StudyArg, out: Out = None, workers: Workers = None, executor: Executor = None, as_json: AsJson = False
) -> None:
    """All stages, from the plan to the page. Run it again and it goes on where it stopped."""
    from holdfast.runs import pipeline

    _show_headline(pipeline.run(study, out, workers, quiet=as_json, executor=executor), as_json)


def _show_headline(folder: Path, as_json: bool) -> None:
    from holdfast.report.terminal.first_table import headline
    from holdfast.store.folder import StudyFolder

    found = headline(StudyFolder(folder))
    if not told(as_json, found.as_json()):
        found.print()


@app.command()
def plan(
    study: StudyArg,
    pilot: Annotated[
        Path | None, typer.Option(help="folder of a finished study whose spread the power is reckoned from")
    ] = None,
    probe: Annotated[bool, typer.Option("--probe", help="time a step and a batch here, and reckon with that")] = False,
    executor: Executor = None,
    nodes: Annotated[
        str, typer.Option(help="how long it would take on so many nodes, such as 1,8,32 (as many jobs at a time)")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """What a study would train and measure, what it would cost and what it could tell; nothing is run or written."""
    from holdfast.cli.plan_tables import show
    from holdfast.runs import pipeline
    from holdfast.store.digest import canonical

    numbers = [whole(n, "--nodes") for n in (nodes or ("1,8,32" if executor else "")).split(",") if n]
    planned = pipeline.plan(study, pilot, probe)
    spread = pipeline.spread(study, planned, numbers, executor) if numbers else None
    if not told(as_json, planned.as_json() | ({"nodes": canonical(spread)} if spread else {})):
        show(planned, nodes=spread)


def stage(name: str, study: str, out: Path | None, workers: int | None = None, executor: str | None = None) -> None:
    from holdfast.runs import pipeline

    say(str(pipeline.stage(name, study, out, workers, executor)))


@app.command()
def train(study: StudyArg, out: Out = None, workers: Workers = None, executor: Executor = None) -> None:
    """Train what is planned and not yet there; print the folder."""
    stage("train", study, out, workers, executor)


@app.command()
def respond(study: StudyArg, out: Out = None, workers: Workers = None, executor: Executor = None) -> None:
    """Put every planned item to every trained subject."""
    stage("respond", study, out, workers, executor)


@app.command()
def tune(study: StudyArg, out: Out = None, workers: Workers = None, executor: Executor = None) -> None:
    """Choose each objective's setting on validation capability, and train and measure what was chosen."""
    stage("tune", study, out, workers, executor)


@app.command()
def match(study: StudyArg, out: Out = None, workers: Workers = None, executor: Executor = None) -> None:
    """Find the checkpoints that are matched in capability, and measure them in full."""
    stage("match", study, out, workers, executor)


@app.command()
def analyse(study: StudyArg, out: Out = None) -> None:
    """Turn judgements into estimates with intervals."""
    stage("analyse", study, out)


@app.command()
def report(study: StudyArg, out: Out = None) -> None:
    """Write the page, its figures and tables; print the page's path."""
    stage("report", study, out)


@app.command()
def status(study: StudyArg, out: Out = None, as_json: AsJson = False) -> None:
    """What is planned, what is present, what is left."""
    from holdfast.runs import pipeline

    found = pipeline.status(study, out)
    if not told(as_json, found):
        for stage, counts in found["stages"].items():
            say(f"{stage:<9} {counts['present']:>7,} of {counts['planned']:>7,} {counts['unit']}")
        if at_work := found.get("jobs"):
            say(f"on a cluster: {at_work['running']:,} jobs in hand, {at_work['waiting']:,} waiting")


@app.command()
def init(
    data: Annotated[Path, typer.Argument(help="your rows: JSONL or CSV, in TRL's, ShareGPT's or Alpaca's form")],
    model: Annotated[
        str, typer.Option(help="local folder or hub id of the model to fine-tune")
    ] = "package:holdfast.miniature/model",
    to: Annotated[Path, typer.Option("--to", help="the study file to write")] = Path("study.yaml"),
) -> None:
    """Write a commented study for your own data."""
    from holdfast.runs.init import write

    say(write(data, model, to))
