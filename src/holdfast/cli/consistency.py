"""Would it come out the same?"""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli.arguments import AsJson, Out, StudyArg, Workers, say, told

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
    as_json: AsJson = False,
) -> None:
    """Measure models that are there again and again, in trivially different ways; nothing is trained."""
    from holdfast.analysis.tables import read_consistency
    from holdfast.report.sections.repeatability import repeats
    from holdfast.report.terminal.varied import show
    from holdfast.runs import existing as repeated
    from holdfast.store.folder import StudyFolder

    folder = StudyFolder(repeated.run(study, model or (), out, workers, quiet=as_json))
    found = read_consistency(folder)
    if not told(as_json, {"folder": str(folder.root), "repeats": repeats(found).to_dict("records")}):
        show(found)
        say(f"the page is {folder.report / 'index.html'}")
