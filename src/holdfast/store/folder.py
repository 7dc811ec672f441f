"""Where things lie in a study's folder. Paths only: nothing is made, read or written here.

Full digests are shortened to 12 hex digits in names; what is inside a file has them whole.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.store.digest import short


class _At:
    """A path below the folder's root."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, folder: Any, owner: type) -> Path:
        return folder.root / self.name


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One training run."""

    root: Path

    config_json = _At("config.json")
    metrics_jsonl = _At("metrics.jsonl")
    timing_jsonl = _At("timing.jsonl")  # wall-clock times, apart: the other files have the same bytes on every run
    controls_json = _At("controls.json")
    checkpoints_jsonl = _At("checkpoints.jsonl")
    done = _At("DONE")  # written last
    state = _At("state")  # of the optimiser, kept so that a later, larger budget goes on from here
    checkpoints = _At("checkpoints")

    def checkpoint(self, budget: int) -> Path:
        return self.checkpoints / str(budget)


@dataclass(frozen=True, slots=True)
class EvalFolder:
    """One measure as it was run: its items, and the records of every subject in shards."""

    root: Path

    config_json = _At("cell.json")
    items = _At("items.parquet")

    def of(self, subject: str) -> Path:
        """The folder of one subject's records."""
        return self.root / short(subject)

    def shard(self, subject: str, k: int) -> Path:
        return self.of(subject) / shard(k)

    def shards(self) -> list[Path]:
        """Those that are there."""
        return present(self.root, "*/*.parquet")


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """One study."""

    root: Path

    study_yaml = _At("study.yaml")
    plan_json = _At("plan.json")
    runs_parquet = _At("runs.parquet")  # of a plan, where they are too many for ``plan.json``
    declaration_json = _At("declaration.json")  # what decides a verdict, as it was before there were results
    looks_jsonl = _At("looks.jsonl")  # a line for every analysis
    controls_json = _At("controls.json")
    runs = _At("trajectories")
    samples = _At("samples")  # the base model's own answers to training rows
    records = _At("records")
    judgements = _At("judgements")
    judge_cache = _At("judge-cache")  # answers that judges paid for, kept one by one
    progress = _At("progress")  # of very many subjects: which are done
    subjects = _At("subjects.parquet")
    fits_json = _At("fits.json")  # of earlier versions: all of ``fits`` in one
    decisions_json = _At("decisions.json")  # what was decided on the way: runs stopped, settings chosen, matches
    estimates_csv = _At("estimates.csv")
    estimates_parquet = _At("estimates.parquet")
    findings_parquet = _At("findings.parquet")  # of earlier versions alone
    analysis = _At("analysis")  # every other table that the page shows, as Parquet
    claims_csv = _At("claims.csv")  # what was published, and whether this study finds it
    consistency = _At("consistency")  # what trivial choices of procedure do to the scores, as CSV files
    gate_json = _At("gate.json")  # thresholds that estimates must keep, and whether they do
    report = _At("report")
    run_log = _At("run.log")
    cluster = _At("cluster")  # jobs on their way to machines of a cluster

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root))

    def fits(self, key: str) -> Path:
        """Tokens of a micro-batch that memory had room for; ``key`` says of which model and computation."""
        return self.root / "fits" / f"{key}.json"

    def machine(self, model: str) -> Path:
        """What a model's runs are trained on."""
        return self.root / "machines" / f"{plain(model)}.json"

    def rows(self, key: str) -> Path:
        """A task's rows as they are trained on; ``key`` is a digest of the settings that made them."""
        return self.root / "rows" / f"{short(key)}.json"

    def run(self, id: str) -> RunFolder:
        return RunFolder(self.runs / id)

    def sampled(self, key: str) -> Path:
        """Those of its own answers that the base model is to learn or to avoid; ``key``: digest of what decides it."""
        return self.samples / f"{short(key)}.json"

    def drawn(self, key: str) -> Path:
        """All answers that were drawn, judged or not; ``key`` is a digest of what they depend on."""
        return self.samples / "drawn" / f"{short(key)}.json"

    def config(self, name: str, id: str) -> EvalFolder:
        return EvalFolder(self.records / _config(name, id))

    def configs(self) -> list[EvalFolder]:
        """Those that are there."""
        return [EvalFolder(p.parent) for p in present(self.records, "*/cell.json")]

    def judged(self, name: str, id: str) -> Path:
        """The folder of an eval config's judgements."""
        return self.judgements / _config(name, id)

    def judgement(self, name: str, id: str, judge: str, subject: str, k: int) -> Path:
        return self.judged(name, id) / plain(judge) / short(subject) / shard(k)

    def record_shards(self) -> list[Path]:
        return present(self.records, "*/*/*.parquet")

    def judgement_shards(self) -> list[Path]:
        return present(self.judgements, "*/*/*/*.parquet")


def shard(k: int) -> str:
    return f"{k:05d}.parquet"


def present(folder: Path, pattern: str = "*.parquet") -> list[Path]:
    """In a fixed order; a temporary file (hidden) is none. Raises PermissionError for a folder that may
    not be read: ``glob`` takes it for an empty one."""
    within = pattern.split("/")[:-1]
    for depth in range(len(within) + 1):
        for at in folder.glob("/".join(within[:depth])) if depth else [folder]:
            if at.is_dir() and not os.access(at, os.R_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(at))
    return sorted(p for p in folder.glob(pattern) if not any(part.startswith(".") for part in p.parts[-4:]))


def _config(name: str, id: str) -> str:
    return f"{plain(name)}-{short(id)}"


def plain(label: str) -> str:
    """A label as part of a file name. Two labels may fall together here: a digest beside them keeps them apart, or a
    check that none of their kind do."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", label).strip(".")[:80] or "_"
