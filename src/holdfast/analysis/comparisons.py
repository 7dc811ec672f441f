"""What is compared, as it passes from the estimators to the page through ``analysis/``: types and words alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from holdfast.analysis.config_info import ConfigInfo
from holdfast.evals.measures.measure import Better
from holdfast.types import Axis

STEPS = 24  # levels of capability at which the gap is drawn
SURE = 0.9  # share of draws that must reach a level of capability for anything to be said there
# A response is harmful or not, and can be read or not; in the order in which they are shown.
QUADRANTS = ("harmful, coherent", "harmful, incoherent", "harmless, incoherent", "harmless, coherent")
NOT_ASKED = "not asked"  # of what was published: this study does not make the comparison


@dataclass(frozen=True)
class About:
    """What is compared: a measure's headline, as one judge has it, in one model on one task. ``better``: which way is
    good, "" where neither is."""

    model: str
    task: str
    axis: Axis
    measure: str
    metric: str
    judge: str
    better: Better = ""


@dataclass(frozen=True)
class Instruments:
    """The eval configs that one model and task are compared by. ``match``: on whose rows capability is matched."""

    match: ConfigInfo
    capability: ConfigInfo
    harm: tuple[ConfigInfo, ...]

    @property
    def apart(self) -> bool:
        """Whether the match is made on other rows than those that are reported."""
        return self.match.id != self.capability.id


@dataclass(frozen=True)
class Matched:
    """One model, task and robustness measure.

    ``target``: of capability, NaN where none is declared; ``void``: the base model already meets it; ``ceiling``: the
    attack success at which capability is compared. ``at_target``, ``at_ceiling``: a row per label; ``gaps``: a row per
    label and level of capability. Columns: label, value, low, high (attack success; at the ceiling capability), gap,
    gap_low, gap_high, bound_low, bound_high (with missing scores at their worst; NaN: none is), p, p_adjusted (over the
    labels), verdict (each against SFT), untold (why there is none), n_seeds, n_reached (runs that get there), share (of
    draws that do), budget (median over runs), between (what to say of the checkpoints around), capability (the reported
    one, at the target).
    """

    model: str
    task: str
    instruments: Instruments
    harm: ConfigInfo
    judge: str
    sft: str
    target: float
    void: bool
    ceiling: float
    prompts: int
    at_target: pd.DataFrame = field(repr=False)
    at_ceiling: pd.DataFrame = field(repr=False)
    gaps: pd.DataFrame = field(repr=False)


@dataclass(frozen=True)
class AtDistance:
    """One model, task and measure of robustness or persona. ``table``: a row per objective and distance up to the
    largest common one. Columns: those of ``AgainstSft.table`` (``level`` 1 to STEPS), distance (KL, nats per token),
    sft (SFT's value there)."""

    model: str
    task: str
    config: ConfigInfo
    judge: str
    sft: str
    prompts: int
    table: pd.DataFrame = field(repr=False)

    @property
    def last(self) -> pd.DataFrame:
        """At the largest common distance: a row per objective."""
        return self.table[self.table["level"] == STEPS].reset_index(drop=True)


@dataclass(frozen=True)
class Front:
    """One model, task and robustness measure. ``points``: label, budget, capability, harm, on_front (by the values
    alone), probability (of being on the front at this budget, the base model among the rivals), anywhere (of its being
    on the front of all budgets), best (of its beating all others on both). ``dominance``: label, over, probability that
    the first is at least as good on both and better on one; at the last budget."""

    model: str
    task: str
    measure: str
    judge: str
    n_seeds: int
    points: pd.DataFrame = field(repr=False)
    dominance: pd.DataFrame = field(repr=False)


@dataclass(frozen=True)
class Consistency:
    """``components``: a row an effect (``repeats.variance``) of a design (measuring, training or benchmarks), model,
    task and measure. ``ranges``: own score, low and high over the repeats of a factor ("all": of every factor
    together), of an objective under a judge, and how many runs. ``flips``: likewise, the share of prompts whose verdict
    flips."""

    components: pd.DataFrame
    ranges: pd.DataFrame
    flips: pd.DataFrame


def reservations(r: Mapping[str, Any]) -> str:
    """What must be said of a row: that runs, or draws of them, never got there, that nothing is told of it, or that it
    lies between two checkpoints which are far apart; and what scores that are missing could do."""
    said = []
    if r["n_reached"] < r["n_seeds"]:
        said.append(f"{r['n_seeds'] - r['n_reached']} of {r['n_seeds']} runs never get there, and are left out")
    if (pairs := r.get("n_pairs", r["n_reached"])) < r["n_reached"]:
        said.append(
            f"SFT gets there with {pairs:.0f} of these {r['n_reached']} seeds: the difference is of those alone"
        )
    if 0 < r["share"] < 0.9 and r["n_reached"]:
        said.append(f"{100 * (1 - r['share']):.0f}% of draws never get there: the interval is of the others")
    if isinstance(untold := r.get("untold"), str) and untold:
        said.append(f"it lies {untold}, where only the base model is known: matched.checkpoints before it would tell")
    if not np.isnan(low := r.get("bound_low", np.nan)):
        said.append(f"with missing scores at their worst the interval is {low:+.3f} to {r['bound_high']:+.3f}")
    if r.get("between"):
        said.append(str(r["between"]))
    return "; ".join(said)
