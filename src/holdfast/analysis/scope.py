"""Which of the rows that lie in a study's folder the study plans: the only place of the analysis that decides it.

A folder may hold more than the study asks: rows of a larger plan that was cut down, of seeds, objectives, measures and
judges that were taken out, of an objective's own conditions that are no longer wanted, a shard that stands there twice.
None of these is analysed. The stages before know by id what they plan (``respond.run.rows``); this is the same decision
from what they left, so that a folder can be analysed where neither models nor benchmarks are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import pandas as pd

from holdfast.analysis.config_info import ConfigInfo
from holdfast.config import loading
from holdfast.config.role import Role
from holdfast.config.study import MeasureSpec, Study
from holdfast.config.study_runs import settings, variations
from holdfast.evals.varied import varied
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

_GIVEN = ("model", "task", "label", "seed", "budget")


def absent(study: Study, there: Iterable[tuple[str, str, str, int, int]]) -> list[str]:
    """Checkpoints of the study proper that are planned and not ``there`` (model, task, label, seed, budget) to be
    measured, in words. A run that ended at its target has none later."""
    there = set(there)
    runs = {place[:4] for place in there}
    parts = (study.models, study.tasks, study.objectives, study.seeds, study.budgets)
    planned = [(m.name, t.name, v.label, seed, budget) for m, t, v, seed, budget in product(*parts)]
    gone = [p for p in planned if p not in there and not (study.stops and p[:4] in runs)]
    return [f"{label} at {budget:,} (seed {seed})" for _, _, label, seed, budget in gone]


def once(rows: pd.DataFrame, key: Sequence[str], where: object) -> pd.DataFrame:
    """Rows that stand there twice, once. Raises UserError where two of one key differ."""
    again = rows.duplicated(list(key))
    if not again.any():
        return rows
    unlike = rows[[*key, *(c for c in rows.columns if c not in key)]].drop_duplicates()
    if len(unlike) > len(rows) - again.sum():
        twice = unlike[unlike.duplicated(list(key))].iloc[0]
        raise UserError(
            f"{where} holds two different rows of {' and '.join(str(twice[k])[:12] for k in key)}: one of its "
            "files is not what holdfast wrote; move the shards that are not its own away"
        )
    return rows[~again]


class Everything:
    """Of records without a study: all that is there is planned."""

    def has(self, config: ConfigInfo) -> bool:
        """Whether the study has this eval config's measure and task."""
        return True

    def judged(self, config: ConfigInfo) -> ConfigInfo:
        """The config with the judges that the study names, in its order."""
        return config

    def items(self, config: ConfigInfo, items: pd.DataFrame) -> pd.DataFrame:
        """``items.parquet`` is in the order in which a limit takes them."""
        return items

    def asked(self, config: ConfigInfo, base: Callable[[], set[str]]) -> tuple[int | None, set[str] | None]:
        """How many samples of a prompt are planned, and in which formats; None: all that are there. ``base``: the
        formats that subjects are asked in who have no condition of their own."""
        return None, None

    def subjects(self, subjects: pd.DataFrame) -> pd.DataFrame:
        """Rows of the table of subjects: bases, the study's runs at its budgets, its control runs, what is given."""
        return subjects


@dataclass(frozen=True)
class Scope(Everything):
    """What a study plans, as far as its folder's rows need it."""

    study: Study

    @cached_property
    def measures(self) -> Mapping[str, MeasureSpec]:
        """By label, with those that the consistency section varies."""
        own = {m.label: m for m in self.study.measures}
        return own | {v.spec.label: v.spec for v in varied(self.study)}

    def has(self, config: ConfigInfo) -> bool:
        return config.measure in self.measures and config.task in {
            "",
            *(t.name for t in self.study.tasks),
        }

    def judged(self, config: ConfigInfo) -> ConfigInfo:
        named = self.measures[config.measure].judges
        wanted = [j.label for j in named or () if j.label in config.judges]
        return config.but(judges=tuple(wanted) or config.judges)

    def items(self, config: ConfigInfo, items: pd.DataFrame) -> pd.DataFrame:
        return items[: self.measures[config.measure].items]

    def asked(self, config: ConfigInfo, base: Callable[[], set[str]]) -> tuple[int | None, set[str] | None]:
        measure = self.measures[config.measure]
        return measure.samples, None if measure.own_conditions else base() or {"default"}

    def subjects(self, subjects: pd.DataFrame) -> pd.DataFrame:
        study, s = self.study, subjects
        objectives = {(v.label, v.objective) for v in study.objectives}
        tried = {x.label for x in settings(study)}
        changed = {x.label for x in variations(study)}
        given = {(g.model or study.models[0].name, g.task, g.label, g.seed, g.budget) for g in study.given}
        base = s["label"] == "base"
        pairs = pd.Series(list(zip(s["label"], s["objective"], strict=True)), index=s.index, dtype=object)
        places = pd.Series(list(s[list(_GIVEN)].itertuples(index=False, name=None)), index=s.index, dtype=object)
        on = s["task"].isin([t.name for t in study.tasks]) & s["seed"].isin(study.seeds)
        at = on & s["budget"].isin(study.checkpoint_budgets)
        proper = (s["bracket"] == "") & ~base & ((at & pairs.isin(objectives)) | places.isin(given))
        beside = s["bracket"].isin([b.kind for b in study.control_runs])
        beside |= s["bracket"].isin((Role.TUNING, Role.TUNED)) & at & s["label"].isin(tried)
        beside |= (s["bracket"] == Role.VARIATION) & s["label"].isin(changed)
        again = study.relearning.budgets if study.relearning else ()
        beside |= (s["bracket"] == Role.RELEARNT) & on & s["budget"].isin(again)
        return s[s["model"].isin([m.name for m in study.models]) & (base | proper | beside)]


def check_distinct(subjects: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The same, if nobody stands for two: ``by`` is what tells subjects apart, and whoever shares it all would be
    averaged as the samples of one. Raises UserError."""
    unlike = subjects.drop_duplicates([*by, "subject"])
    twice = unlike[unlike.duplicated(list(by))]
    if len(twice):
        who = twice.iloc[0]
        raise UserError(
            f"two subjects are called {who['label']}, seed {who['seed']}, budget {who['budget']}; give each a label, a "
            "seed or a budget of its own"
        )
    return subjects


def scope(folder: StudyFolder) -> Everything:
    """Of the study that the folder holds."""
    return Scope(loading.load(folder.study_yaml)) if folder.study_yaml.exists() else Everything()
