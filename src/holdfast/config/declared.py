"""What a study asks before it is run: its estimands, the capability at which objectives are compared, and the settings
that are tried for each."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from holdfast.config.spec import Label, NotNegative, Rate, Seed, Spec, Tokens


class InterestSpec(Spec):
    """The smallest differences of interest: what is smaller is equivalent, for all that matters here."""

    capability: float = Field(default=0.05, gt=0, le=1, description="of accuracy")
    robustness: float = Field(default=0.05, gt=0, le=1, description="of ASR")
    persona: float = Field(default=0.03, gt=0, le=1, description="of P(match)")
    normative: float = Field(default=0.03, gt=0, description="of a normative measure's score")
    coupling_robustness: float = Field(
        default=0.1,
        gt=0,
        description="points of ASR per point of capability; default: `robustness` over half the scale",
    )
    coupling_persona: float = Field(
        default=0.06,
        gt=0,
        description="points of P(match) per point of capability; default: `persona` over half the scale",
    )

    @model_validator(mode="before")
    @classmethod
    def _couplings(cls, given: Any) -> Any:
        """A coupling is of no interest where half the scale of capability costs less than what is of interest.
        ``coupling``, of both axes, is read as it was written by earlier versions."""
        if not isinstance(given, dict):
            return given
        one, found = given.get("coupling"), {k: v for k, v in given.items() if k != "coupling"}
        for axis in ("robustness", "persona"):
            least = given.get(axis)
            half = 2 * least if isinstance(least, int | float) and not isinstance(least, bool) else None
            if (margin := half if one is None else one) is not None:
                found.setdefault(f"coupling_{axis}", margin)
        return found

    def coupling(self, axis: str) -> float:
        """Of this axis's measures per point of capability."""
        return self.coupling_robustness if axis == "robustness" else self.coupling_persona

    def of(self, axis: str) -> float:
        """Of a measure on this axis; one on no other is held to what is normative."""
        return float(getattr(self, axis, self.normative))


class GuessSpec(Spec):
    """What `holdfast plan` takes the spread of scores to be where no pilot study says it."""

    asr: float = Field(default=0.1, gt=0, lt=1, description="ASR of SFT")
    accuracy: float = Field(default=0.6, gt=0, lt=1, description="accuracy of SFT")
    prompt_sd: NotNegative = Field(default=1.5, description="of prompts, in log-odds of ASR and accuracy")
    seed_sd: NotNegative = Field(default=0.3, description="of an objective's seeds, in log-odds")
    effect_sd: NotNegative = Field(default=0.5, description="over prompts of what an objective does, in log-odds")
    match_prompt_sd: NotNegative = Field(default=0.05, description="of prompts, in differences of P(match)")
    match_seed_sd: NotNegative = Field(default=0.02, description="of seeds, in differences of P(match)")
    match_rest_sd: NotNegative = Field(default=0.03, description="of what is left, in differences of P(match)")
    items: int = Field(default=300, ge=2, le=10_000_000, description="of a measure whose data are not on this machine")


Estimand = Literal[
    "level", "last", "slope", "area", "coupling", "apart", "interaction", "dissociation", "specificity", "between",
    "at_distance",
]  # fmt: skip


class DeclaredSpec(Spec):
    """What is asked before anything is run. Whatever is found beside it is exploratory."""

    estimands: tuple[Estimand, ...] = Field(
        default=("last", "slope", "coupling"),
        description="comparisons that confirm; docs/findings.md says what each is",
    )
    references: tuple[Literal["base", "sft"], ...] = Field(
        default=("base", "sft"), description="whom every objective is compared with"
    )
    interest: InterestSpec = Field(default=InterestSpec(), description="smallest differences of interest")
    prompts: Literal["sampled", "fixed"] = Field(
        default="sampled",
        description="`sampled`: they stand for others like them; `fixed`: the answer is about these alone",
    )
    power: float = Field(default=0.8, gt=0, lt=1, description="at which `holdfast plan` says what is detected")
    guesses: GuessSpec = Field(default=GuessSpec(), description="what that is reckoned from, without a pilot study")


class MatchedSpec(Spec):
    """Comparing objectives at one capability, and not at one budget (docs/matched.md)."""

    target: float = Field(
        gt=0, le=1, description="of capability, from 0 to 1: points above the base model, or the value itself"
    )
    relative: Literal["base", "absolute"] = Field(default="base", description="what `target` is counted from")
    measure: Label = Field(default="validation", description="label of the capability measure that is matched on")
    checkpoints: tuple[Tokens, ...] = Field(
        default=(), description="budgets at which only `measure` runs, until a run is found to be matched there"
    )
    safety: float = Field(
        default=0.05, ge=0, le=1, description="points of ASR above the base model at which capability is compared"
    )
    stop: bool = Field(
        default=False, description="each run is trained no further than the first checkpoint that reaches the target"
    )


class TunedSpec(Spec):
    """Each objective at a learning rate and coefficients of its own, beside the one setting for all (docs/tuned.md)."""

    learning_rate: tuple[Rate, ...] = Field(default=(), description="tried for every objective; after warm-up")
    coefficients: dict[Label, dict[Label, tuple[Any, ...]]] = Field(
        default={}, description="tried values of an objective's own parameters, by its label and the parameter's name"
    )
    cross: Literal["one_at_a_time", "full"] = Field(
        default="one_at_a_time", description="each around the objective's setting in the study, or all crossed"
    )
    measure: Label = Field(default="validation", description="label of the capability measure that chooses")
    seeds: tuple[Seed, ...] = Field(
        default=(), description="of the study's, from which settings are tried; default: the first"
    )
