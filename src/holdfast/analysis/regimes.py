"""Hyper-parameter regimes: in which setting each objective is compared.

``shared``: one learning rate and one coefficient for all, as the study sets them (the published design). ``tuned``:
each objective at its own, chosen on validation capability and never on safety (``tuned``).
"""

from __future__ import annotations

import pandas as pd

from holdfast.analysis.config_info import Configs
from holdfast.config.role import Role
from holdfast.config.study import Study
from holdfast.config.study_runs import settings

SHARED, TUNED = "shared", "tuned"
_WHO = ["model", "task", "label"]


def regimes(frame: pd.DataFrame, configs: Configs, study: Study) -> dict[str, pd.DataFrame]:
    """The records of each regime that the study has, under the labels of the study, for any analysis to be made of
    each in turn. ``frame``: of ``load_records(tuning=True)``, with the settings that were tried.

    In the tuned regime an objective's rows are those of the setting that was chosen for it, in place of its own; the
    base model's, control runs' and what is given are in both.
    """
    beside = frame["bracket"].isin((Role.TUNING, Role.TUNED))
    shared = frame[~beside] if beside.any() else frame
    if study.tuned is None:
        return {SHARED: shared}
    assert beside.any(), "the settings that were tried are missing"
    of = {x.label: x.of for x in settings(study)}
    chosen = frame[frame["bracket"] == Role.TUNED]
    chosen = chosen.assign(label=chosen["label"].map(of), bracket="")
    instead = pd.MultiIndex.from_frame(shared[_WHO]).isin(pd.MultiIndex.from_frame(chosen[_WHO]))
    kept = shared[~(instead & (shared["bracket"] == ""))]
    return {SHARED: shared, TUNED: pd.concat([kept, chosen], ignore_index=True)}
