"""Who decides: judging a study's responses, or responses from anywhere, and drawing a sample for people to label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from holdfast.cli.arguments import AsJson, Executor, Workers, say, told
from holdfast.cli.study import stage
from holdfast.store.rows import SUFFIXES

JUDGEMENTS = "judgements.jsonl"


class _Default(TyperGroup):
    """A group whose first word need not be a subcommand: `judge RESPONSES` is `judge responses RESPONSES`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["responses", *args]
        return super().parse_args(ctx, args)


app = typer.Typer()
judge = typer.Typer(
    cls=_Default,
    help="Judge responses: `judge STUDY` those of a study, `judge FILE --judge NAME` those of a file; `judge sample` "
    "draws responses for people to label, `judge train` learns a judge from labels.",
    no_args_is_help=True,
)
app.add_typer(judge, name="judge")


@judge.command()
def responses(
    what: Annotated[
        str, typer.Argument(help="a file of responses (JSONL, CSV, …), or a study: file, preset or folder")
    ],
    name: Annotated[list[str] | None, typer.Option("--judge", help="a judge, by name; repeat for several")] = None,
    judges: Annotated[Path | None, typer.Option(help="YAML list of judges with parameters")] = None,
    humans: Annotated[Path | None, typer.Option(help="file of people's labels, by id")] = None,
    model: Annotated[str | None, typer.Option(help="folder or hub id of the base, for judges that ask it")] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="score from which a response passes")] = 0.5,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder or file of the judgements; the study's folder")
    ] = None,
    workers: Workers = None,
    executor: Executor = None,
    as_json: AsJson = False,
) -> None:
    """Judge the responses of a file, or the stage `judge` of a study."""
    if Path(what).suffix not in SUFFIXES or Path(what).is_dir():
        return stage("judge", what, out, workers, executor)
    from holdfast.config.study import ModelSpec
    from holdfast.report.terminal.of_file import lines
    from holdfast.verdicts import judge_file

    path = Path(what)
    to = out if out and out.suffix else (out or path.parent) / f"{path.stem}.{JUDGEMENTS}"
    base = ModelSpec(name="model", path=model) if model else None
    specs = judge_file.seats(name or (), judges)
    found = judge_file.judge(
        path, specs, humans, base, threshold, to.parent / "judge-cache", lambda line: say(line, err=True)
    )
    found.write(to)
    if not told(as_json, found.as_json() | {"file": str(to)}):
        say("\n".join(lines(found.as_json()["summary"])))
        say(f"judgements: {to}")


@judge.command()
def sample(
    study: Annotated[Path, typer.Argument(help="a study's folder")],
    n: Annotated[int, typer.Option(min=2, help="responses to label")] = 200,
    to: Annotated[Path, typer.Option(help="the sheet to write (CSV)")] = Path("labels.csv"),
    measure: Annotated[str, typer.Option(help="of one measure only")] = "",
    seed: Annotated[int, typer.Option(help="another number is another sample")] = 0,
) -> None:
    """Draw responses for people to label: stratified, blind, the same every time."""
    from holdfast.evals.judges.humans import key_of
    from holdfast.verdicts import sheet

    key = sheet.sample(study, n, to, measure, seed)
    say(f"{len(key)} responses of {key['stratum'].nunique()} strata to label: {to} (weights: {key_of(to)})")


@judge.command()
def train(
    labels: Annotated[
        list[Path],
        typer.Argument(help="files of responses with people's labels (JSONL, CSV, …): prompt, response, label"),
    ],
    model: Annotated[str, typer.Option(help="folder or hub id of the model whose hidden states are read")],
    to: Annotated[Path, typer.Option(help="the judge's folder, which is made")],
    template: Annotated[str | None, typer.Option(help="chat template file, for a model that has none")] = None,
    as_json: AsJson = False,
) -> None:
    """Learn a judge of refusals from people's labels: a folder, with its agreement with them on its card."""
    from holdfast.config.study import ModelSpec
    from holdfast.verdicts import training

    spec = ModelSpec(name="states", path=model, template=template)
    found = training.train(labels, spec, to, lambda line: say(line, err=True))
    if not told(as_json, found | {"folder": str(to)}):
        say((to / "README.md").read_text(encoding="utf-8"))
        say(f"judge: {to}")
