"""What the workers of these tests do."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from holdfast.types import UserError


def write(report, path: Path | str, text: str) -> None:
    report({"done": 1, "total": 1, "unit": "files"})
    Path(path).write_text(text)


def tell(report, folder: Path, model: str) -> None:
    """What this process did, in order; long enough that others have their share."""
    with (folder / str(os.getpid())).open("a") as file:
        file.write(model)
    time.sleep(0.5)


def wait_for(report, path: Path) -> None:
    report({"done": 0, "total": 1, "unit": "files"})
    until = time.monotonic() + 60
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.05)


def end_itself_once(report, folder: Path, by: int) -> None:
    try:
        (folder / "begun").touch(exist_ok=False)
    except FileExistsError:
        return
    end_itself(report, by)


def fail(report, mistake: bool) -> None:
    raise UserError("a mistake; mend it") if mistake else ZeroDivisionError("a bug")


def end_itself(report, by: int) -> None:
    os.kill(os.getpid(), by)
    time.sleep(60)


def stop_itself(report, here: str) -> None:
    Path(here).write_text(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGSTOP)


def copy_maps(report, to: Path) -> None:
    to.write_text(Path("/proc/self/maps").read_text())


def see(report, folder: Path, at_once: int) -> None:
    """Which GPUs this worker sees; waits for as many others, so that no worker does two of these."""
    (folder / str(os.getpid())).write_text(os.environ["CUDA_VISIBLE_DEVICES"])
    until = time.monotonic() + 60
    while len(list(folder.iterdir())) < at_once and time.monotonic() < until:
        time.sleep(0.05)


def alone(report, folder: Path, name: str, seconds: float = 0.0) -> None:
    """Says that it began, reports for so long, and fails where another does the same meanwhile."""
    with (folder / f"{name}.begun").open("a") as file:
        file.write(f"{os.getpid()}\n")
    at_work = folder / f"{name}.at-work"
    at_work.touch(exist_ok=False)
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            report({"done": 1, "total": 2, "unit": "steps"})
            time.sleep(0.02)
    finally:
        at_work.unlink()
    (folder / name).write_text(name)


def fall_once(report, folder: Path) -> None:
    """The first who does it is killed, as by a lost machine."""
    if not (folder / "fell").exists():
        (folder / "fell").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / "made").touch()


def count(report, file: Path, to: int, seconds: float) -> None:
    """Counts on from where ``file`` stands, a step in so many seconds; its log has a line for each."""
    done = int(file.read_text()) if file.exists() else 0
    while done < to:
        time.sleep(seconds)
        done += 1
        with file.with_name(f"{file.name}.log").open("a") as log:
            log.write(f"{os.getpid()}:{done}\n")
        file.write_text(str(done))
        report({"done": done, "total": to, "unit": "steps"})


def what_it_has(report, path: Path) -> None:
    """What this process was given."""
    from holdfast import machine

    path.write_text(f"{os.environ.get('OMP_NUM_THREADS')} {machine.granted}")
