"""Which setting of each objective is chosen, and what all of them do at the last budget.

The highest accuracy on the measure that chooses, which asks validation rows unless the study says otherwise; of equals
the objective's own setting, then the first in the file. Safety is not looked at: a setting that was chosen for it would
be compared on the very thing it was chosen for. The highest of several noisy scores is too high by itself (Cawley &
Talbot, JMLR 11, 2010), so what is reported comes from other rows.
"""

from __future__ import annotations

import pandas as pd

from holdfast.analysis.config_info import Configs
from holdfast.analysis.contrasts import DEFAULT
from holdfast.analysis.cube import BASE
from holdfast.analysis.estimates import estimates
from holdfast.analysis.estimates_file import headlines
from holdfast.config.decisions import Choice, Tried
from holdfast.config.study import Study
from holdfast.config.study_runs import settings, tuning_seeds

SURELY = 1e-9  # means of the same items that differ by less are equal


def levels(frame: pd.DataFrame, configs: Configs, study: Study) -> pd.DataFrame:
    """Headline levels (rows of the estimates, over seeds) at the last budget, under whatever labels ``frame`` has."""
    rows = frame[(frame["format"] == DEFAULT) & ((frame["label"] == BASE) | (frame["budget"] == study.budgets[-1]))]
    there = set(rows["cell"])
    found = headlines(estimates(rows, {i: c for i, c in configs.items() if i in there}, study), configs)
    return found[found["against"] == ""].reset_index(drop=True)


def tried(frame: pd.DataFrame, configs: Configs, study: Study) -> pd.DataFrame:
    """The same of every setting, the objectives' own among them, over the seeds that all of them have. ``frame``: of
    ``load_records(tuning=True)``."""
    labels = [v.label for v in study.objectives] + [x.label for x in settings(study)]
    mine = frame["label"].isin(labels) & frame["seed"].isin(tuning_seeds(study))
    return levels(frame[mine | (frame["label"] == BASE)], configs, study)


def choose(frame: pd.DataFrame, configs: Configs, study: Study) -> list[Choice]:
    """For each model, task and objective."""
    assert study.tuned is not None
    table = tried(frame[frame["measure"] == study.tuned.measure], configs, study)
    found = []
    for (model, task), rows in table[table["label"] != BASE].groupby(["model", "task"], sort=False):
        by = rows[rows["measure"] == study.tuned.measure].set_index("label")
        for v in study.objectives:
            varies: dict[str, dict[str, str]] = {v.label: {}}
            varies |= {x.label: dict(x.overrides) for x in settings(study) if x.of == v.label}
            columns = ["value", "low", "high", "n_prompts", "n_seeds"]
            scored = by.loc[[x for x in varies if x in by.index], columns].dropna(subset=["value"])
            scores = [Tried(x, varies[x], **r) for x, r in scored.to_dict("index").items()]
            best = max(scored["value"], default=0.0) - SURELY
            chosen = next((x for x, value in scored["value"].items() if value >= best), v.label)
            found.append(Choice(str(model), str(task), v.label, chosen, scores))
    return found
