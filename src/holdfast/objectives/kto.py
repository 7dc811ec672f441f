"""Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv 2402.01306): each response by itself is good or
bad, and is worth what it is above or below a reference point.

    r(y)  = log pi(y | x) - log ref(y | x), summed over the response
    chosen    1 - sigmoid( beta (r - z0) )        times ``desirable``
    rejected  1 - sigmoid( beta (z0 - r) )        times ``undesirable``
    loss  = mean over all responses of the step

z0 is KL(pi || ref) of whole responses and carries no gradient. The paper and TRL estimate it on responses that are put
behind other rows' prompts, cut off at 0, which most often leaves 0. Here it is the mean over the responses of the step
before of their tokens' KL over the whole vocabulary, summed: no estimator's noise and never below 0, one step old, and
of the data's responses instead of sampled ones. With ``reference: zero`` it is 0, and that is APO-zero for responses
without a partner (D'Oosterlinck et al. 2024, arXiv 2408.06266).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from holdfast.objectives import bounds, views
from holdfast.objectives.objective import Counts, Scores, Total
from holdfast.objectives.terms import total
from holdfast.types import Example, Needs, Segment

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class KTO:
    """Makes chosen responses likelier and rejected ones less likely than the base does, each by itself.

    beta: per nat of summed log-ratio; how soon a gain or loss counts for less.
    desirable, undesirable: weights of chosen and of rejected responses.
    reference: what a response is held against, ``kl``: the divergence from the base, ``zero``: nothing.
    """

    beta: float = 0.1
    desirable: float = 1.0
    undesirable: float = 1.0
    reference: Literal["kl", "zero"] = "kl"

    name: ClassVar[str] = "kto"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        bounds.at_least(self, "beta", 0, strictly=True)
        bounds.at_least(self, "desirable", 0)
        bounds.at_least(self, "undesirable", 0)
        bounds.one_of(self, "reference", ("kl", "zero"))

    @property
    def needs(self) -> Needs:
        apart = {"signals": {"kl": {"direction": "policy_reference"}}, "before": True} if self.reference == "kl" else {}
        return Needs(pairs=True, ref_logps=True, **apart)  # type: ignore[arg-type]

    def view(self, example: Example) -> tuple[Segment, ...]:
        return views.pair(example)

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        import torch

        assert scores.ref_logp_N is not None, "the loop gives the reference log-probs that `needs` asks for"
        ratio_S, chosen_S = scores.sum_S(scores.logp_N - scores.ref_logp_N), scores.side_S == 0
        # At the first step of a run from the base the two are one network, and their divergence is 0.
        point = counts.before.get("kl", 0.0) if self.reference == "kl" else 0.0
        gain_S = self.beta * torch.where(chosen_S, ratio_S - point, point - ratio_S)
        weight_S = torch.where(chosen_S, self.desirable, self.undesirable)
        loss = (weight_S * torch.sigmoid(-gain_S)).sum() / (counts.rows + counts.pairs)
        reward_S, n = self.beta * ratio_S, len(ratio_S)
        logged = {
            "reward_chosen": total(reward_S[chosen_S]),
            "reward_rejected": total(reward_S[~chosen_S]),
            "reference_point": Total(point * n, n),
        }
        if self.reference == "kl":
            logged["kl"] = total(scores.sum_S(scores.signals["kl"].detach()))
        return loss, logged
