"""The command ``holdfast``, also ``python -m holdfast``: hears Ctrl-C before it loads anything else."""

from __future__ import annotations

import signal
import sys

from holdfast import interrupt

INTERRUPTED = 130  # what a shell makes of Ctrl-C, and typer does


def main() -> None:
    """Everything ``holdfast.cli.app`` does, and what is said where it is stopped, be it while it is imported."""
    interrupt.listen()
    try:
        try:
            from holdfast.cli import app

            app.main()
        except Exception:
            interrupt.check()
            raise
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != INTERRUPTED:
            raise
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second one ends what is left to do, without a traceback
        print("holdfast: stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
