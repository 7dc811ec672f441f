"""Ctrl-C before the command has come up: at an import, in a generated class, and where compiled code drops it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast import interrupt

AT_IMPORT = """
import signal, sys
def hook(event, arguments):
    if event == "import" and arguments[0] == {module!r}:
        print("there", flush=True)
        signal.raise_signal(signal.SIGINT)
sys.addaudithook(hook)
sys.argv = ["holdfast", "plan", "miniature"]
from holdfast.__main__ import main
main()
"""
IN_GENERATED_CODE = """
import signal
from holdfast import __main__
from holdfast.cli import app
app.main = lambda: exec("signal.raise_signal(signal.SIGINT)")
print("there", flush=True)
__main__.main()
"""
AS_AN_ERROR = """
import signal
from holdfast import __main__
from holdfast.cli import app
def imported(standalone_mode):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("initialization failed")
app.app = imported
print("there", flush=True)
__main__.main()
"""


AT_THE_END = """
import atexit, signal
from holdfast import __main__
from holdfast.cli import app
app.main = lambda: signal.raise_signal(signal.SIGINT)
atexit.register(lambda: signal.raise_signal(signal.SIGINT))
print("there", flush=True)
__main__.main()
"""


@pytest.mark.usefixtures("hears_ctrl_c")
@pytest.mark.parametrize(
    "program",
    [AT_IMPORT.format(module="typer"), AT_IMPORT.format(module="pydantic"), IN_GENERATED_CODE, AS_AN_ERROR],
    ids=["loading the command", "loading the study", "in generated code", "made an error"],
)
def test_ctrl_c_is_a_sentence_and_130_from_the_start(program: str, tmp_path: Path) -> None:
    assert ended(program, tmp_path) == 130


@pytest.mark.usefixtures("hears_ctrl_c")
def test_a_second_ctrl_c_ends_it_without_another_word(tmp_path: Path) -> None:
    assert ended(AT_THE_END, tmp_path) == -signal.SIGINT


def ended(program: str, at: Path) -> int:
    """With which code it ends, with that sentence alone."""
    (at / "program.py").write_text(program)
    # As a module: a script that ends by SystemExit is not asked what went through its generated code.
    done = subprocess.run([sys.executable, "-m", "program"], capture_output=True, text=True, cwd=at)
    assert done.stdout == "there\n"
    assert done.stderr == "holdfast: stopped; the same command goes on from here\n"
    return done.returncode


def test_one_that_was_dropped_is_raised_again(monkeypatch: pytest.MonkeyPatch, hears_ctrl_c: None) -> None:
    monkeypatch.setattr(interrupt, "_heard", False)
    interrupt.listen()
    interrupt.check()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(interrupt.Stopped):
        interrupt.check()


def test_what_is_ignored_stays_ignored(hears_ctrl_c: None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interrupt.listen()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
