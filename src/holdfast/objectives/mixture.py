"""A weighted sum of registered objectives over the same rows, whose weights may change or be steered.

    loss = sum over parts k of  w_k(t) · loss_k

w_k is constant; or goes from ``weight`` to ``to`` in the share p of training that is done (linearly, by half a cosine,
or at one step); or is steered so that a number which the mixture logs stays at a target (Ziegler et al. 2019, arXiv
1909.08593, section 2.2):

    e_t = clip( (q_t - target) / target, -0.2, 0.2 ),    w_{t+1} = w_t (1 + gain · e_t)

q_t is that number over the whole step t, so a steered weight is the same however a step is split, and in a run that was
killed and went on: both are read from the line of metrics of the step before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from holdfast import registry
from holdfast.objectives import bounds
from holdfast.objectives.objective import Counts, Objective, Scores, Total
from holdfast.types import Example, Needs, Segment, Turn, UserError

if TYPE_CHECKING:
    from torch import Tensor

MOST = 0.2  # of the relative error that a controller answers to in one step (Ziegler et al. 2019)


@dataclass(frozen=True)
class Hold:
    """What a weight is steered by. quantity: a number of the metrics, such as ``kl kl`` (an own one of the part ``kl``)
    or ``margin``. target: where it is to stay. gain: of the controller; negative where a larger weight raises it."""

    quantity: str
    target: float
    gain: float = 0.1


@dataclass(frozen=True)
class Part:
    """objective, params: a registered one. tag: of the rows that it sees; "": all. weight: at the beginning. to,
    schedule, at: what it becomes (``step``: at the share ``at`` of training). hold: what it is steered by, in place of
    a schedule. version: found, not given."""

    objective: str
    params: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    to: float | None = None
    schedule: Literal["linear", "cosine", "step"] = "linear"
    at: float = 0.5
    hold: Hold | None = None
    tag: str = ""
    version: int | None = None

    name: ClassVar[str] = "mixture"  # in what is said of its numbers

    def scheduled(self, progress: float) -> float:
        """The weight at a share of training."""
        if self.to is None:
            return self.weight
        done = {
            "linear": progress,
            "cosine": (1 - math.cos(math.pi * progress)) / 2,
            "step": float(progress >= self.at),
        }[self.schedule]
        return self.weight + (self.to - self.weight) * done


@dataclass(frozen=True)
class Mixture:
    """Several objectives at once, each seeing its own view of a row; what several of them show alike is run once.

    parts: two or more, each an objective with its weight.
    """

    parts: tuple[Part, ...]

    name: ClassVar[str] = "mixture"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise UserError("objective mixture: `parts` must be two objectives or more; name a single one by itself.")
        if all(part.tag for part in self.parts):
            raise UserError("objective mixture: some part must see every row; leave out its `tag`")
        for part in self.parts:
            bounds.at_least(part, "weight", 0)
            bounds.share(part, "at")
            if part.to is not None:
                bounds.at_least(part, "to", 0)
            if part.hold is not None and (part.to is not None or part.weight == 0 or not part.hold.target > 0):
                raise UserError(
                    f"objective mixture: a held {part.objective} needs a weight and a target of more than 0, and no "
                    "`to`: its weight is steered from where it begins"
                )
        # From here on it holds what its parts are, defaults and texts among it, so that its identity is theirs.
        object.__setattr__(self, "parts", tuple(map(_resolved, self.parts, self.objectives)))
        for part, label in zip(self.parts, self.labels, strict=True):
            steers = any(p.hold and p.hold.quantity.startswith(f"{label} ") for p in self.parts)
            if part.tag and (part.hold or steers):  # a step may have none of its rows, and then no number of it
                raise UserError(
                    f"objective mixture: {label} sees rows with the tag {part.tag!r} alone, so it can neither be held "
                    "nor hold another; leave out its `tag`"
                )
        signals: dict[str, Any] = {}
        for objective in self.objectives:
            for signal, params in objective.needs.signals.items():
                if signals.setdefault(signal, params) != params:
                    raise UserError(
                        f"objective mixture: two parts read the signal {signal} with other parameters "
                        f"({dict(signals[signal])} and {dict(params)}); give both the same"
                    )

    @cached_property
    def objectives(self) -> tuple[Objective, ...]:
        return tuple(registry.build("objectives", p.objective, p.params) for p in self.parts)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What its numbers are logged under: an objective's name, numbered where there are several of it."""
        names, seen, labels = Counter(p.objective for p in self.parts), Counter[str](), []
        for part in self.parts:
            seen[part.objective] += 1
            labels.append(f"{part.objective} {seen[part.objective]}" if names[part.objective] > 1 else part.objective)
        return tuple(labels)

    @property
    def needs(self) -> Needs:
        each = [objective.needs for objective in self.objectives]
        return Needs(
            pairs=any(n.pairs for n in each),
            ref_logps=any(n.ref_logps for n in each),
            signals={name: params for n in each for name, params in n.signals.items()},
            prompt_logps=any(n.prompt_logps for n in each),
            progress=any(n.progress for n in each) or any(p.to is not None for p in self.parts),
            before=any(n.before for n in each) or any(p.hold for p in self.parts),
            parts=len(self.parts),
            steer=tuple(steer for n in each for steer in n.steer),
        )

    def view(self, example: Example) -> tuple[Segment, ...]:
        merged: dict[tuple[Any, ...], Segment] = {}
        for k, (part, objective) in enumerate(zip(self.parts, self.objectives, strict=True)):
            for s in objective.view(example) if part.tag in ("", *example.tags) else ():
                alike = s.side, s.prompt, s.response
                known = merged.setdefault(alike, replace(s, parts=()))
                note = known.note if s.note in known.note.split(" + ") else f"{known.note} + {s.note}"
                merged[alike] = replace(known, parts=(*known.parts, k), note=note.removeprefix(" + "))
        return tuple(merged.values())

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        loss = scores.logp_N.new_zeros(())
        logged: dict[str, Total] = {}
        share = len(scores.pair_S.unique()) / counts.rows  # of the step: adds up to 1 over its micro-batches
        for k, (part, objective, label) in enumerate(zip(self.parts, self.objectives, self.labels, strict=True)):
            own, of = scores.part(k), replace(counts.parts[k], before=_own(counts.before, label))
            if not objective.needs.prompt_logps:
                own, of = replace(own, prompt_logp_M=None), replace(of, prompt_tokens=0)
            weight = self._weight(part, label, counts)
            numbers: Mapping[str, Total] = {}
            value = loss.new_zeros(())
            if len(own.side_S):  # else no row of this micro-batch has its tag
                value, numbers = objective.loss(own, of)
                loss = loss + weight * value
            logged |= {f"{label} {key}": number for key, number in numbers.items()}
            logged |= {
                f"{label} loss": Total(float(value.detach()), share),
                f"{label} weight": Total(weight * share, share),
            }
        return loss, logged

    def at_evaluation(self, prompt: tuple[Turn, ...]) -> Mapping[str, tuple[Turn, ...]]:
        """Measured as each of its parts is."""
        out: dict[str, tuple[Turn, ...]] = {}
        for objective, label in zip(self.objectives, self.labels, strict=True):
            own = getattr(objective, "at_evaluation", None)
            for name, turns in (own(prompt) if own else {}).items():
                out[name if out.get(name, turns) == turns else f"{label} {name}"] = turns
        return out

    def _weight(self, part: Part, label: str, counts: Counts) -> float:
        if part.hold is None:
            return part.scheduled(counts.progress)
        if not counts.before:
            return part.weight
        known = counts.before.get(part.hold.quantity)
        if known is None:
            raise UserError(
                f"objective mixture: {part.hold.quantity!r} of `hold` is no number of its metrics; "
                f"{registry.close(part.hold.quantity, sorted(counts.before))}"
            )
        error = max(-MOST, min(MOST, (known - part.hold.target) / part.hold.target))
        return counts.before[f"{label} weight"] * (1 + part.hold.gain * error)


def _resolved(part: Part, objective: Objective) -> Part:
    found = registry.identity(objective)
    return replace(part, params=found["params"], version=found["version"])


def _own(before: Mapping[str, float], label: str) -> Mapping[str, float]:
    return {key.removeprefix(f"{label} "): value for key, value in before.items()}
