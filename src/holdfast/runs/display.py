"""What a person sees while a stage runs: live bars on a terminal, plain lines elsewhere.

Workers report events ``{"job", "done", "total", "unit", "loss"?}``, ``{"job", "note"}`` for what a person should know,
and, at their end, ``{"job", "finished": True}``.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from holdfast.store.defuse import console, for_terminal

LINE_SECONDS = 10.0  # plain lines of a running job come no closer than this


class Display(AbstractContextManager["Display"]):
    """One per run; stages are begun in turn. Everything said also goes to the study's log."""

    def __init__(self, log: Path | None = None, quiet: bool = False) -> None:
        self._log = log
        self._console = console(stderr=True, quiet=quiet)
        self._live = self._console.is_terminal and not quiet
        self._bars = Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, tuple[float, int]] = {}  # when a job was first heard of, and what it had done by then
        self._done: dict[str, int] = {}
        self._spoke: dict[str, float] = {}
        self._overall: TaskID | None = None
        self._jobs = self._finished = 0
        self._noted: set[str] = set()

    def __enter__(self) -> Display:
        if self._live:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._bars.stop()

    def say(self, text: str) -> None:
        """A line for the person and for the log."""
        self._console.print(text, highlight=False, markup=False)
        if self._log is not None:
            with self._log.open("a") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {for_terminal(text)}\n")

    def begin(self, stage: str, jobs: int) -> None:
        """A stage of so many jobs starts; the bars of the last one go."""
        for task in self._tasks.values():
            self._bars.remove_task(task)
        self._tasks, self._jobs, self._finished = {}, jobs, 0
        if self._overall is not None:
            self._bars.remove_task(self._overall)
        self._overall = self._bars.add_task(stage, total=jobs, detail="")
        self.say(f"{stage}: {jobs} to do")

    def update(self, event: dict[str, Any]) -> None:
        """Take one event of a worker."""
        job = event["job"]
        if "note" in event:
            if event["note"] not in self._noted:  # each worker says it of the model that it loads
                self.say(f"  {job}: {event['note']}")
            self._noted.add(event["note"])
            return
        if event.get("finished"):
            self._finished += 1
            if job in self._tasks:
                self._bars.remove_task(self._tasks.pop(job))
            if self._overall is not None:
                self._bars.update(self._overall, completed=self._finished)
            now = time.monotonic()
            seconds = now - self._started.pop(job, (now, 0))[0]  # one that reported nothing took no time to speak of
            self.say(f"  {job} done in {seconds:.0f} s ({self._finished} of {self._jobs})")
            return
        now = time.monotonic()
        began, before = self._started.setdefault(job, (now, event["done"]))
        if event["done"] < self._done.get(job, 0):  # lost, and begun again from what was saved
            began, before = self._started[job] = (now, event["done"])
        self._done[job] = event["done"]
        speed = (event["done"] - before) / (now - began) if now > began else 0.0
        detail = f"{event['done']:,} of {event['total']:,} {event['unit']}"
        if "loss" in event:
            detail += f", loss {event['loss']:.3f}"
        if speed:
            detail += f", {speed:,.0f} {event['unit']}/s"
        if self._live:
            if job not in self._tasks:
                self._tasks[job] = self._bars.add_task(f"  {job}", total=event["total"], detail="")
            self._bars.update(self._tasks[job], completed=event["done"], total=event["total"], detail=detail)
        elif now - self._spoke.setdefault(job, began) >= LINE_SECONDS:
            self._spoke[job] = now
            left = (event["total"] - event["done"]) / speed if speed else 0.0
            self.say(f"  {job}: {detail}, {left:.0f} s left")
