"""What an executor is: it takes jobs, does them somewhere, and says what happens.

A job is a module-level function with picklable arguments. It is idempotent: it writes whole files that are planned and
not yet present, so whoever has one in hand may be lost, and it may be done again. Its results are those files; what it
*reports* is for the person who waits. An executor knows nothing of what jobs do and keeps no order: the stages give it
what can be done at once. Registered under the entry-point group ``holdfast.executors``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from holdfast import registry

# {"job", "done", "total", "unit", "loss"?}, {"job", "note"}, and at a job's end {"job", "finished": True}
Event = dict[str, Any]
Report = Callable[[Event], None]


@dataclass(frozen=True)
class Job:
    """Called where it is done as ``function(report, **arguments)``; both must pickle."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Resources:
    """What each of some jobs needs. ``gpus``: of those that there are; a machine without one does the job without.
    ``memory``: bytes at least, the process among them; 0: not known. Fewer are done at once where there is less."""

    cpus: int = 1
    gpus: int = 1
    memory: int = 0


class Executor(AbstractContextManager["Executor"], Protocol):
    """Holds its workers over the stages of a study, so that each loads its model once."""

    def map(self, jobs: Iterable[Job], resources: Resources = ...) -> Iterator[Event]:
        """Do all jobs, in no order, and yield what they report as it comes. The first failure ends the workers and is
        raised as it was raised in the job; where a worker is lost, UserError. Jobs that were in hand leave whole files
        or none."""
        ...

    def close(self) -> None:
        """Let the workers go, with their memory. Nothing happens the second time."""
        ...


def executor(name: str, **parameters: Any) -> Executor:
    """The one that is registered under this name."""
    return registry.build("executors", name, parameters)
