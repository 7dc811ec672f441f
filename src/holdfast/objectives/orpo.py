"""Odds-ratio preference optimisation (Hong, Lee, Thorne 2024, arXiv 2403.07691, eqs. 3-7).

    loss = NLL(y_w) + weight * mean over pairs of  - log sigmoid( log odds(y_w) - log odds(y_l) )

with odds = P / (1 - P) and P the length-normalised likelihood exp(mean_t log pi(y_t)). There is no reference model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from holdfast.objectives import bounds, views
from holdfast.objectives.objective import Counts, Scores, Total
from holdfast.objectives.terms import log_odds, nll, total
from holdfast.types import Example, Needs, Segment

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ORPO:
    """Likelihood of the chosen response plus a preference of it in odds.

    weight: lambda, of the odds-ratio term.
    nll: what the likelihood term covers: ``response``, or ``prompt_and_response`` as in the authors' code and TRL.
    """

    weight: float = 0.1
    nll: Literal["response", "prompt_and_response"] = "response"

    name: ClassVar[str] = "orpo"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        bounds.at_least(self, "weight", 0)
        bounds.one_of(self, "nll", ("response", "prompt_and_response"))

    @property
    def needs(self) -> Needs:
        return Needs(pairs=True, prompt_logps=self.nll == "prompt_and_response")

    def view(self, example: Example) -> tuple[Segment, ...]:
        return views.pair(example)

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        import torch
        from torch.nn.functional import logsigmoid

        tokens = counts.chosen_tokens + counts.prompt_tokens
        logp_C = scores.logp_N[scores.side_N() == 0]
        if scores.prompt_logp_M is not None:
            logp_C = torch.cat([logp_C, scores.prompt_logp_M])
        likelihood = nll(logp_C, tokens)
        # Mean per token, or P of any longer response would be 0 and its odds say nothing.
        chosen_P, rejected_P = scores.split_P(log_odds(scores.mean_S(scores.logp_N)))
        margin_P = chosen_P - rejected_P
        preference = -logsigmoid(margin_P).sum() / max(counts.pairs, 1)
        return likelihood + self.weight * preference, {
            "nll": total(-logp_C),
            "odds_loss": total(-logsigmoid(margin_P)),
            "log_odds_ratio": total(margin_P),
            "odds_accuracy": total((margin_P > 0).float()),
        }
