"""How far very many subjects are, by what is noted when their rows are all there.

What is there of a subject is told from its files (``progress``), some milliseconds for each: of 800,000 that is hours.
So from ``MANY`` on whoever trains a run to its end notes it, and whoever finds a subject's rows of an eval config all
there, or all its judgements by a judge: a line in a file of its process's own, for appending to one file from several
machines is no promise of any file system. A line says of what plan, so that rows that are planned later are not taken
to be there. ``holdfast status`` adds the lines up; what is left to do is always asked of the files themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np

from holdfast.evals.eval_config import EvalConfig
from holdfast.evals.judges.judge import JudgeModel
from holdfast.evals.layout import judge_id
from holdfast.evals.progress import Share, judged, responded
from holdfast.evals.respond import how_many
from holdfast.evals.subject import SubjectRow
from holdfast.store import tables
from holdfast.store.digest import digest, file_digest, short
from holdfast.store.folder import StudyFolder

MANY = 2_000  # subjects, of which all is read in some seconds
_ME = uuid4().hex[:12]  # this process
_LINE = np.dtype([("plan", "S12"), ("blank", "S1"), ("subject", "S12"), ("end", "S1")])
_ASKED = ["task", "label", "objective", "params", "budget", "bracket"]  # of subjects, what decides what they are asked
Ladders = Sequence[tuple[str, tuple[int, ...]]]  # of every run of the plan its id and budgets
Notes = Mapping[str, np.ndarray]  # by plan: of the subjects' digests the beginnings, as numbers


def begin(folder: StudyFolder, subjects: int) -> None:
    """Has it noted what is finished, where there are many subjects."""
    if subjects > MANY:
        folder.progress.mkdir(parents=True, exist_ok=True)


def note_trained(folder: StudyFolder, run: str, budgets: Sequence[int]) -> None:
    """Notes that a run was trained to all of these budgets."""
    if folder.progress.is_dir():
        _append(folder, [f"{_trained(budgets)} {run}\n"])


def note_all_trained(folder: StudyFolder, ladders: Ladders) -> None:
    """Notes that no run of the plan is left, as ``note_all`` does of subjects."""
    if folder.progress.is_dir():
        everyone = short(file_digest(folder.plan_json))
        _append(folder, [f"{_trained(budgets)} {everyone}\n" for budgets in sorted({b for _, b in ladders})])


def trained(folder: StudyFolder, ladders: Ladders) -> Share:
    """Checkpoints of the plan's runs (id and budgets of each); those of a run are there when all of them are."""
    notes, runs = _read(folder), defaultdict[tuple[int, ...], list[str]](list)
    everyone = _numbers(np.array([short(file_digest(folder.plan_json))], "S12"))
    for run, budgets in ladders:
        runs[budgets].append(run)
    share = Share(0, 0)
    for budgets, ids in runs.items():
        numbers = _numbers(np.array(ids, "S12"))
        share += _share(len(budgets), numbers, notes.get(_trained(budgets), numbers[:0]), everyone)
    return share


def _trained(budgets: Sequence[int]) -> str:
    return short(digest(["trained", list(budgets)]))


def note_responded(folder: StudyFolder, rows: Iterable[SubjectRow], configs: Sequence[EvalConfig]) -> None:
    """Notes the eval configs of which a subject's records are all there; nothing where nothing is noted."""
    if folder.progress.is_dir():
        asked = [_Asked(config) for config in configs]
        _write(folder, ((a.plan(r), r) for r in rows for a in asked if responded(r, [a.config], folder).done))


def note_judged(
    folder: StudyFolder, rows: Iterable[SubjectRow], configs: Sequence[EvalConfig], wants: JudgeModel | None
) -> None:
    """Likewise of judgements, by the judges that want this model."""
    if folder.progress.is_dir():
        asked = [(_Asked(c), [label for label, j in c.judges.items() if j.wants == wants]) for c in configs]
        done = ((r, a, js) for r in rows for a, js in asked if js and judged(r, [a.config], folder, wants).done)
        _write(folder, ((a.plan(r, judge), r) for r, a, judges in done for judge in judges))


def note_all(folder: StudyFolder, configs: Sequence[EvalConfig], judging: bool = False) -> None:
    """Notes that nothing is left to do of these eval configs, of all subjects that are enrolled: whoever was lost
    before it could note something is made up for."""
    if folder.progress.is_dir():
        asked, everyone = [_Asked(config) for config in configs], _everyone(folder)
        alike = [(row, a) for row, _ in _alike(folder, configs) for a in asked if a.config.concerns(row)]
        plans = {a.plan(r, judge) for r, a in alike for judge in (a.config.judges if judging else ("",))}
        _append(folder, (f"{plan} {everyone}\n" for plan in sorted(plans)))


def counted(folder: StudyFolder, configs: Sequence[EvalConfig]) -> tuple[Share, Share]:
    """Records and judgements of all subjects, so far as they were noted."""
    if not folder.subjects.exists():
        return Share(0, 0), Share(0, 0)
    asked = [_Asked(config) for config in configs]
    wanted: dict[tuple[bool, str, int], list[np.ndarray]] = {}
    for row, subjects in _alike(folder, configs):
        for a in (a for a in asked if a.config.concerns(row)):
            for judge in ("", *a.config.judges):
                wanted.setdefault((bool(judge), a.plan(row, judge), a.rows(row)), []).append(subjects)
    notes, everyone = _read(folder), _numbers(np.array([_everyone(folder)], "S12"))
    shares = [Share(0, 0), Share(0, 0)]
    for (judging, plan, rows), parts in wanted.items():
        shares[judging] += _share(rows, np.concatenate(parts), notes.get(plan, parts[0][:0]), everyone)
    return shares[0], shares[1]


def _share(rows: int, who: np.ndarray, there: np.ndarray, everyone: np.ndarray) -> Share:
    import pandas as pd

    done = len(who) if (there == everyone).any() else int(pd.Series(who).isin(there).sum())
    return Share(rows * len(who), rows * done)


@dataclass
class _Asked:
    """An eval config, and what of it is planned for subjects that are asked alike."""

    config: EvalConfig
    known: dict[Any, Any] = field(default_factory=dict)

    def plan(self, row: SubjectRow, judge: str = "") -> str:
        """Digest of what is asked, and of who judges, by the label."""
        if "asked" not in self.known:
            self.known["asked"] = [self.config.id, [i.id for i in self.config.items], self.config.sampling.samples]
            self.known["asked"] = digest(self.known["asked"])
        key = (self._ways(row), judge)
        if key not in self.known:
            by = judge_id(self.config.judges[judge]) if judge else ""
            self.known[key] = short(digest([self.known["asked"], self._ways(row), judge, by]))
        return self.known[key]

    def rows(self, row: SubjectRow) -> int:
        """How many."""
        if (ways := self._ways(row)) not in self.known:
            self.known[ways] = how_many(self.config, row.conditions() if ways else None)
        return self.known[ways]

    def _ways(self, row: SubjectRow) -> tuple[str, ...]:
        return (row.objective, row.params) if self.config.own_conditions and row.role.is_study else ()


def _everyone(folder: StudyFolder) -> str:
    """What stands for all that are enrolled now, in place of a subject."""
    return short(file_digest(folder.subjects))


def _alike(folder: StudyFolder, configs: Sequence[EvalConfig]) -> Iterator[tuple[SubjectRow, np.ndarray]]:
    """Subjects that are asked alike: one of them, and of the digests of all the beginnings, as numbers."""
    frame = tables.read(folder.subjects, "subjects", ["subject", "trajectory", *_ASKED])
    chosen = frame["subject"].isin(set().union(*(c.chosen for c in configs)))
    ids = _numbers(frame["subject"].to_numpy().astype("S12"))
    alike = frame.groupby([*_ASKED, frame["trajectory"] != "", chosen], sort=False)
    rows = {name: frame[name].to_numpy() for name in frame}
    for places in alike.indices.values():
        yield SubjectRow(model="", **{name: rows[name][places[0]] for name in rows}), ids[places]


def _write(folder: StudyFolder, done: Iterable[tuple[str, SubjectRow]]) -> None:
    _append(folder, (f"{plan} {short(row.subject)}\n" for plan, row in done))


def _append(folder: StudyFolder, lines: Iterable[str]) -> None:
    with (folder.progress / _ME).open("a") as file:
        file.write("".join(lines))


def _numbers(digests: np.ndarray) -> np.ndarray:
    """Of 12 hex digits each, which are looked for in a tenth of the time that texts take."""
    digits = np.ascontiguousarray(digests).view(np.uint8).reshape(-1, 12).T
    numbers = np.zeros(len(digests), np.uint64)
    for digit in digits:
        numbers = (numbers << np.uint64(4)) | (digit & 15) + 9 * (digit >> 6)  # a to f begin at 97
    return numbers


def _read(folder: StudyFolder) -> Notes:
    files = sorted(folder.progress.glob("*")) if folder.progress.is_dir() else []
    size = _LINE.itemsize  # a last line may be cut off
    lines = np.frombuffer(b"".join(d[: len(d) // size * size] for d in (f.read_bytes() for f in files)), _LINE)
    plans, which = np.unique(lines["plan"], return_inverse=True)
    order = np.argsort(which, kind="stable")
    parts = np.split(_numbers(lines["subject"])[order], np.bincount(which, minlength=len(plans)).cumsum()[:-1])
    return {plan.decode(): some for plan, some in zip(plans, parts, strict=False)}
