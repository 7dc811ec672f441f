"""What was decided on the way, and planned from: where runs stopped, which settings were chosen, which checkpoints are
matched in capability (`matched.stop`, `tuned`, `matched`).

All stand in one file, ``decisions.json``, each with the digest of what it was decided for: of another target, other
settings or another measure it says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from holdfast.config.study import Study
from holdfast.config.study_runs import Who, tuning_seeds
from holdfast.store.digest import digest
from holdfast.store.files import AGAIN, read_json, write_json
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

Name = Literal["stopped", "tuned", "matched"]
Stopped = Mapping[str, Mapping[str, Any]]  # by run: the budget, and the smoothed capability there
# Files of an earlier version, one a decision: what it was decided for, and what was decided.
_EARLIER = {"stopped": ("goal", "runs"), "tuned": ("of", "choices"), "matched": ("", "subjects")}


@dataclass(frozen=True)
class Tried:
    """A setting that was tried for an objective: what it ``varies`` of the objective's own, and its score; None: it has
    none."""

    label: str
    varies: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n_prompts: int = 0
    n_seeds: int = 0


@dataclass(frozen=True)
class Choice:
    """Which setting an objective (``label``) is compared at, and all that had a score, its own first."""

    model: str
    task: str
    label: str
    chosen: str
    settings: list[Tried] = field(default_factory=list)

    def of(self, label: str) -> Tried:
        """The setting of this label; one without a score where none was given."""
        return next((x for x in self.settings if x.label == label), Tried(label))


def keep(name: Name, decision: Any, study: Study, folder: StudyFolder) -> bool:
    """Write a decision down. Returns whether it is another than before."""
    every = _read(folder)
    plain = [asdict(choice) for choice in decision] if name == "tuned" else decision
    new = {"of": _asked(name, study), "decision": plain}
    if every.get(name) == new and folder.decisions_json.is_file():
        return False
    write_json(folder.decisions_json, every | {name: new})
    for earlier in _EARLIER:
        (folder.root / f"{earlier}.json").unlink(missing_ok=True)
    return True


def stopped(study: Study, folder: StudyFolder | None) -> Stopped | None:
    """Every run that ended before the last checkpoint; None: not decided yet."""
    return _decided("stopped", study, folder) if study.stops else None


def choices(study: Study, folder: StudyFolder | None) -> list[Choice]:
    """What was chosen for each model, task and objective; [] before there is a choice."""
    found = (_decided("tuned", study, folder) or []) if study.tuned else []
    return [Choice(**c | {"settings": [Tried(**x) for x in c["settings"]]}) for c in found]


def chosen(study: Study, folder: StudyFolder | None) -> dict[Who, str]:
    """The label of the setting that was chosen: one that was tried, or the objective's own. {} before that."""
    return {(c.model, c.task, c.label): c.chosen for c in choices(study, folder)}


def matched(study: Study, folder: StudyFolder | None) -> Mapping[str, float]:
    """The subjects that are matched in capability, and so are measured in full, with their smoothed capability."""
    return (_decided("matched", study, folder) or {}) if study.matched else {}


def in_words(where: Stopped, runs: Iterable[tuple[str, str, int]]) -> str:
    """Where runs stopped; ``runs``: run, label and seed."""
    seeds: dict[tuple[str, int], list[str]] = {}
    for id, label, seed in runs:
        if id in where:
            seeds.setdefault((label, where[id]["budget"]), []).append(str(seed))
    return "; ".join(
        f"{label} at {budget:,} tokens (seed{'s' if len(some) > 1 else ''} {', '.join(some)})"
        for (label, budget), some in seeds.items()
    )


def _decided(name: Name, study: Study, folder: StudyFolder | None) -> Any:
    found = _read(folder).get(name) if folder is not None else None
    return found["decision"] if found and found["of"] in ("", _asked(name, study)) else None


def _read(folder: StudyFolder) -> dict[str, Any]:
    if folder.decisions_json.is_file():
        there = read_json(folder.decisions_json)
        if any(not isinstance(d, dict) or {"of", "decision"} - d.keys() for d in there.values()):
            raise UserError(f"{folder.decisions_json} is damaged (a decision in it is not whole); {AGAIN}")
        return there
    found = {}
    for name, (of, decision) in _EARLIER.items():
        if (file := folder.root / f"{name}.json").is_file():
            there = read_json(file, decision)
            found[name] = {"of": there.get(of, ""), "decision": there[decision]}
    return found


def _asked(name: Name, study: Study) -> str:
    """Digest of what a decision is about: it holds for nothing else. (Of settings: no other settings, budget, rows,
    seeds or measure; more seeds change no choice. Of a stop: all that decides it but the run itself.)"""
    section = study.tuned if name == "tuned" else study.matched
    assert section is not None
    measure = [m for m in study.measures if m.label == section.measure]
    if name == "tuned":
        of = {"models", "tasks", "objectives", "controls", "tuned"}
        parts = study.model_dump(mode="json", include=of, exclude={"models": {"__all__": {"gpus"}}})
        return digest(parts | {"seeds": tuning_seeds(study), "budget": study.budgets[-1], "measure": measure})
    goal = section.model_dump(include={"target", "relative"})
    if name == "matched":
        return digest(["matched", goal, measure, study.threshold])
    return digest([goal, measure[0], study.checkpoint_budgets, study.threshold])
