"""What an executor is: it takes jobs, does them somewhere, and says what happens.

A job is a module-level function with picklable arguments. It is idempotent: it writes whole files that are planned and
not yet present, so whoever has one in hand may be lost, and it may be done again. Its results are those files; what it
*reports* is for the person who waits. An executor knows nothing of what jobs do and keeps no order: the stages give it
what can be done at once. Registered under the entry-point group ``holdfast.executors``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from holdfast import registry
from holdfast.config.executor import ExecutorSpec
from holdfast.config.messages import sentence
from holdfast.store.documents import read_yaml
from holdfast.types import UserError

# {"job", "done", "total", "unit", "loss"?}, {"job", "note"}, and at a job's end {"job", "finished": True}
Event = dict[str, Any]
Report = Callable[[Event], None]


@dataclass(frozen=True)
class Job:
    """Called where it is done as ``function(report, **arguments)``; both must pickle. ``model``: what it loads, which a
    worker that has it already is spared."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]
    model: str = ""


@dataclass(frozen=True)
class Resources:
    """What each of some jobs needs. ``gpus``: that it sees, and no others; one is done without where there is none.
    ``memory``: bytes at least, the process among them; 0: not known. Fewer are done at once where there is less.
    ``retries``: how often a job is done again whose machine was lost under it, where there are several machines."""

    cpus: int = 1
    gpus: int = 1
    memory: int = 0
    retries: int = 3


class Executor(AbstractContextManager["Executor"], Protocol):
    """Holds its workers over the stages of a study, so that each loads its model once.

    Made as ``cls(workers=…, folder=…, **parameters)``: at most so many jobs at once, or None; and the study's folder,
    which all of its machines see, or None for jobs of no study. To make one starts nothing and writes nothing.
    """

    def map(self, jobs: Iterable[Job], resources: Resources = ...) -> Iterator[Event]:
        """Do all jobs, in no order, and yield what they report as it comes. The first failure ends the workers and is
        raised as it was raised in the job; where a worker is lost, UserError. Jobs that were in hand leave whole files
        or none."""
        ...

    def close(self) -> None:
        """Let the workers go, with their memory. Nothing happens the second time."""
        ...


def make(name: str, **parameters: Any) -> Executor:
    """The executor that is registered under this name."""
    return registry.build("executors", name, parameters)


def chosen(text: str | None, own: ExecutorSpec) -> ExecutorSpec:
    """What ``--executor`` asks for, in place of the study's ``own``: a name, with the study's parameters where it names
    that one, or a YAML file with the keys of ``ExecutorSpec``."""
    if text is None:
        return own
    if not text.endswith((".yaml", ".yml")):
        return own if text == own.name else ExecutorSpec(name=text, machines=own.machines)
    try:
        return ExecutorSpec.model_validate(read_yaml(Path(text)))
    except ValidationError as e:
        raise UserError(f"{text}: {sentence(e)}") from None


def take(waiting: deque[Job], model: str) -> Job:
    """The next job for a worker that holds this model: the first of that model, else the first of all."""
    at = next((k for k, job in enumerate(waiting) if job.model == model), 0)
    job = waiting[at]
    del waiting[at]
    return job
