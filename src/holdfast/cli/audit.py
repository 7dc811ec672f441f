"""Did my fine-tune cost me safety?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.arguments import AsJson, Executor, Out, Workers, told
from holdfast.types import UserError

app = typer.Typer()

FAILED = 3  # the gate did not pass


@app.command()
def audit(
    study: Annotated[
        str | None, typer.Argument(help="a study file whose `given` lists a grid of subjects; or use the options")
    ] = None,
    model: Annotated[str | None, typer.Option(help="folder or hub id of the model")] = None,
    adapter: Annotated[
        list[str] | None, typer.Option(help="a LoRA adapter on it, as PATH or LABEL=PATH; repeat for several")
    ] = None,
    against: Annotated[str | None, typer.Option(help="the base, where --model is a whole fine-tuned model")] = None,
    measures: Annotated[
        Path | None, typer.Option(help="a study file or preset whose measures to take, or a YAML list of measures")
    ] = None,
    template: Annotated[str | None, typer.Option(help="chat template file, for a model that has none")] = None,
    gate: Annotated[
        Path | None, typer.Option(help="YAML list of thresholds; exit code 3 where one is not kept")
    ] = None,
    out: Out = None,
    workers: Workers = None,
    executor: Executor = None,
    as_json: AsJson = False,
) -> None:
    """Measure models and adapters that were trained elsewhere against their base, with the same page."""
    from holdfast.analysis import gate as gates
    from holdfast.report.terminal.first_table import headline
    from holdfast.runs import audit as audits
    from holdfast.runs import pipeline
    from holdfast.store.folder import StudyFolder

    if (study is None) == (model is None):
        raise UserError("say what to audit: either a study file, or --model (with --adapter or --against)")
    bounds = gates.read(gate) if gate else []  # before hours of measuring
    spec = study if model is None else audits.study(model, adapter or (), against, measures, template=template)
    assert spec is not None
    folder = pipeline.run(spec, out, workers, quiet=as_json, bounds=bounds, executor=executor)
    found = headline(StudyFolder(folder))
    if not told(as_json, found.as_json()):
        found.print()
    if found.gate and not found.gate.passed:
        raise typer.Exit(FAILED)
