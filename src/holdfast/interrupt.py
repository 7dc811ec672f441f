"""Ctrl-C, from the first line of the command on: one sentence, exit code 130, and never lost.

Python raises ``KeyboardInterrupt`` wherever it happens to be. Two things are mended here. Compiled code may drop it or
turn it into an error of its own (NumPy's ``Generator.choice`` and imports of extension modules do), so it is remembered
and raised again by ``check``. And ``python -m`` ends by the signal, whatever the exit code is, once that very class has
passed through an ``exec`` of a text, as dataclasses and named tuples do; CPython does not look at subclasses.
"""

from __future__ import annotations

import signal
from types import FrameType

_heard = False


class Stopped(KeyboardInterrupt):
    """Ctrl-C."""


def listen() -> None:
    """Hear it from now on, unless whoever started this process wants it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _hear)


def check() -> None:
    """Raise ``Stopped`` where one was heard: between jobs, and where an error may be what became of it."""
    if _heard:
        raise Stopped


def _hear(number: int, frame: FrameType | None) -> None:
    global _heard
    _heard = True
    raise Stopped


# -- a machine that is lent for a while -------------------------------------------------------------------------------

_leaving = False


class Leaving(BaseException):
    """This process ends before its job does, which goes on elsewhere from what it has saved."""


def leave_soon() -> None:
    """Called where a signal says that this process has a minute left: a time limit, or others need the machine."""
    global _leaving
    _leaving = True


def leaving() -> bool:
    """Whether work is to be saved and left now."""
    return _leaving
