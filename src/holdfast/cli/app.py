"""The command line: the commands of ``commands`` under one name.

Exit codes: 0 done, 1 a failure, 2 a user's mistake (one sentence on stderr, nothing half-written); 130 after Ctrl-C, of
``holdfast.__main__``.
"""

from __future__ import annotations

import io
import sys
import traceback
from typing import Annotated

import typer

from holdfast import __version__, interrupt
from holdfast.cli import (
    audit,
    compare,
    consistency,
    doctor,
    export,
    judge,
    measures,
    merge,
    score,
    show,
    study,
    transform,
)
from holdfast.cli.arguments import say
from holdfast.store.files import unread
from holdfast.types import UserError

app = typer.Typer(
    help="What the choice of fine-tuning objective does to a model besides teaching it the task.",
    epilog="Documentation: docs/ of the source; installed from a wheel, share/holdfast/docs of the Python environment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for part in (study, audit, consistency, compare, show, judge, score, measures, merge, transform, export, doctor):
    app.add_typer(part.app)


def _version(wanted: bool) -> None:
    if wanted:
        say(__version__)
        raise typer.Exit


@app.callback()
def _main(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    pass


def main() -> None:
    """What ``holdfast.__main__`` runs: usual exit codes, no traceback for a user's mistake."""
    for stream in (sys.stdout, sys.stderr):  # a terminal without × or – shows something else in their place
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app(standalone_mode=True)
    except Exception as error:
        interrupt.check()
        if isinstance(error, UserError):
            say(f"holdfast: {error}", err=True)
            sys.exit(2)
        if isinstance(error, OSError) and error.errno is not None:  # else it is a library's word, not the system's
            say(f"holdfast: {unread(error.filename or 'a file', error)}", err=True)
            sys.exit(2)
        traceback.print_exc()
        say(f"holdfast: failed: {error}", err=True)
        sys.exit(1)
