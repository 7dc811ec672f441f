"""What is decided on the way from records: where runs stop, which settings are chosen, which checkpoints are matched.

A decider is a generator of (study, plan): it yields what must be trained and measured before it can say more, is sent
the records that are there then (``load_records``, with the settings that are tried), and returns its decision. It looks
at nothing else, so that a run that was killed decides the same when it is taken up again. ``stages`` does what is
needed, keeps the decision and plans from it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.config.decisions import Name
from holdfast.config.run import Run
from holdfast.config.study import Study
from holdfast.runs.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

    from holdfast.analysis.config_info import Configs


@dataclass(frozen=True)
class Need:
    """``runs`` that must be trained and measured; None: all that the plan has, which the stages before have done.
    ``only``: the label of the one measure that they are asked."""

    runs: list[Run] | None = None
    only: str = ""


Deciding = Generator[Need, "tuple[pd.DataFrame, Configs]", Any]  # needs, is sent records, returns a decision


def stop(study: Study, plan: Plan) -> Deciding:
    """Budget by budget: a run that has reached the target (``matched.stop``) is trained no further. By id of the run:
    the budget where it ends, and its smoothed capability there."""
    from holdfast.analysis.matched import choose

    assert study.matched is not None
    own = [t for t in plan.runs if t.role.is_study]
    ids = {(t.model, t.task, t.label, t.seed): t.id for t in own}
    where: dict[str, dict[str, Any]] = {}
    for budget in study.checkpoint_budgets[:-1]:
        so_far = [t.upto(where[t.id]["budget"] if t.id in where else budget) for t in own]
        # Of checkpoints up to this budget alone: what lies beyond it from another goal's run has no say.
        frame, configs = yield Need(so_far, study.matched.measure)
        reached = choose(frame, configs, study)
        ends = frame[frame["subject"].isin(list(reached))].drop_duplicates(["subject", "budget"])
        where = {
            ids[who]: {"budget": int(r["budget"]), "capability": reached[r["subject"]]}
            for r in ends.sort_values("budget").to_dict("records")
            if (who := (r["model"], r["task"], r["label"], r["seed"])) in ids  # else given, and trained elsewhere
        }
    return dict(sorted(where.items()))


def tune(study: Study, plan: Plan) -> Deciding:
    """Which of the settings that were tried each objective is compared at: ``analysis.tuned.choose``."""
    from holdfast.analysis.tuned import choose

    frame, configs = yield Need()
    return choose(frame, configs, study)


def match(study: Study, plan: Plan) -> Deciding:
    """The checkpoints around the target, which are measured in full: their smoothed capability by subject."""
    from holdfast.analysis.matched import choose
    from holdfast.analysis.regimes import regimes

    frame, configs = yield Need()
    found: dict[str, float] = {}
    for rows in regimes(frame, configs, study).values():
        found |= choose(rows, configs, study, both=True)
    return dict(sorted(found.items()))


DECIDERS: Mapping[Name, Callable[[Study, Plan], Deciding]] = {"stopped": stop, "tuned": tune, "matched": match}
