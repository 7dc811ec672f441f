"""What an objective is: a view of an example and a loss over per-token numbers. It sees no model and no file.

Shape legend: N response tokens of a micro-batch, flattened; M prompt tokens of its chosen sequences; S sequences; P
pairs.

``torch`` is imported for types only, so that a plan can ask an objective for its views without loading torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Protocol

from holdfast.types import Example, Needs, Segment

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Scores:
    """Per-token numbers of one micro-batch, in fp32 and on one device. Both sides of a pair are in the same one.

    ``segment_N`` says which sequence (0 … S-1) a token belongs to; ``side_S`` is 0 for chosen and 1 for rejected;
    ``pair_S`` numbers the example that a sequence came from. ``ref_logp_N``, ``prompt_logp_M`` (chosen prompts from
    their second token on: nothing predicts the first; ``prompt_segment_M`` says of which) and ``signals`` (N, …) by
    name are there when asked for. ``parts_S``: which objectives of a mixture see each sequence.
    """

    logp_N: Tensor
    segment_N: Tensor
    side_S: Tensor
    pair_S: Tensor
    ref_logp_N: Tensor | None = None
    prompt_logp_M: Tensor | None = None
    signals: Mapping[str, Tensor] = field(default_factory=dict)
    prompt_segment_M: Tensor | None = None
    parts_S: tuple[tuple[int, ...], ...] = ()

    def sum_S(self, x_N: Tensor) -> Tensor:
        """Sum of a per-token number over each sequence."""
        return x_N.new_zeros(len(self.side_S)).index_add(0, self.segment_N, x_N)

    def length_S(self) -> Tensor:
        """Response tokens of each sequence, as floats."""
        return self.sum_S(self.logp_N.new_ones(len(self.segment_N)))

    def mean_S(self, x_N: Tensor) -> Tensor:
        """Mean of a per-token number over each sequence's response."""
        return self.sum_S(x_N) / self.length_S()

    def place_N(self) -> Tensor:
        """The place of each token in its response, from 0."""
        length_S = self.segment_N.bincount(minlength=len(self.side_S))
        before_S = length_S.cumsum(0) - length_S
        return self.segment_N.new_ones(len(self.segment_N)).cumsum(0) - 1 - before_S[self.segment_N]

    def part(self, k: int) -> Scores:
        """Of the sequences that one objective of a mixture sees, as if there were no others."""
        import torch

        kept_S = torch.tensor([k in parts for parts in self.parts_S], device=self.side_S.device)
        number_S, kept_N = kept_S.cumsum(0) - 1, kept_S[self.segment_N]
        kept_M = None if self.prompt_segment_M is None else kept_S[self.prompt_segment_M]
        return Scores(
            logp_N=self.logp_N[kept_N],
            segment_N=number_S[self.segment_N[kept_N]],
            side_S=self.side_S[kept_S],
            pair_S=self.pair_S[kept_S],
            ref_logp_N=None if self.ref_logp_N is None else self.ref_logp_N[kept_N],
            prompt_logp_M=None if self.prompt_logp_M is None else self.prompt_logp_M[kept_M],
            signals={name: x[kept_N] for name, x in self.signals.items()},
        )

    def side_N(self) -> Tensor:
        """The side of each token."""
        return self.side_S[self.segment_N]

    def split_P(self, x_S: Tensor) -> tuple[Tensor, Tensor]:
        """A per-sequence number as (chosen_P, rejected_P), aligned by pair."""
        # By pair, not by place: a view may give its sides in any order, and some rows one side only.
        chosen_P, rejected_P = self.side_S == 0, self.side_S == 1
        order_c, order_r = self.pair_S[chosen_P].argsort(), self.pair_S[rejected_P].argsort()
        return x_S[chosen_P][order_c], x_S[rejected_P][order_r]


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the WHOLE optimiser step, over all its micro-batches: every denominator comes from here.

    ``chosen_tokens`` and ``rejected_tokens`` are response tokens with end of turn; ``rows`` examples; ``pairs``
    examples with both sides in the view; ``progress`` the share of the last budget already trained on, in [0, 1), and
    NaN unless the objective says that it needs it; ``prompt_tokens`` the prompt log-probs, where asked for; ``parts``
    the same of what each objective of a mixture sees. ``before``: the numbers of the metrics of the step before (the
    loop's and the objective's own) where asked for; empty at the first step.
    """

    chosen_tokens: int
    rejected_tokens: int
    rows: int
    pairs: int
    progress: float
    prompt_tokens: int = 0
    parts: tuple[Counts, ...] = ()
    before: Mapping[str, float] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Response tokens of both sides."""
        return self.chosen_tokens + self.rejected_tokens


@dataclass(frozen=True, slots=True)
class Total:
    """A logged number that adds up over micro-batches: reported as ``sum / count``."""

    sum: float
    count: float


class Objective(Protocol):
    """A frozen dataclass of parameters. Registered under the entry-point group ``holdfast.objectives``.

    ``version`` changes whenever the same parameters would give another loss or view.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    @property
    def needs(self) -> Needs: ...

    def view(self, example: Example) -> tuple[Segment, ...]:
        """One or more segments; the responses are the example's own, unchanged. Raises nothing."""
        ...

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        """A scalar to backpropagate, additive over the micro-batches of a step, and numbers to log."""
        ...
