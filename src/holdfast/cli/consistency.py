"""Would it come out the same?"""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.arguments import AsJson, Executor, Out, StudyArg, Workers, say, told

app = typer.Typer()


@app.command()
def consistency(
    study: StudyArg,
    model: Annotated[
        list[str] | None,
        typer.Option(help="folder or hub id of a model to measure in place of the study's; repeatable"),
    ] = None,
    out: Out = None,
    workers: Workers = None,
    executor: Executor = None,
    as_json: AsJson = False,
) -> None:
    """Measure models that are there again and again, in trivially different ways; nothing is trained."""
    from holdfast.analysis.table_files import read_consistency
    from holdfast.report.sections.repeatability import repeats
    from holdfast.report.table import Table, as_rich
    from holdfast.runs import existing as repeated
    from holdfast.store.defuse import console
    from holdfast.store.folder import StudyFolder

    folder = StudyFolder(repeated.run(study, model or (), out, workers, as_json, executor))
    found = read_consistency(folder)
    table = repeats(found)
    if not told(as_json, {"folder": str(folder.root), "repeats": table.to_dict("records")}):
        shown = as_rich(Table(table), box=None, pad_edge=False) if len(table) else "nothing was varied"
        console().print(shown)
        say(f"the page is {folder.report / 'index.html'}")
