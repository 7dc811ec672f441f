"""Signals: what an objective may ask of the loop beyond log-probs, as numbers for each response token.

Registered under the entry-point group ``holdfast.signals``; an objective names those that it needs (``types.Needs``)
and finds them in ``Scores.signals``. A plan asks a signal what it costs, so torch is not loaded before it is computed.

Shape legend: N response tokens of a micro-batch, A all scored tokens (where prompts are scored too), D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from holdfast import registry
from holdfast.types import Needs

if TYPE_CHECKING:
    from torch import Tensor

    from holdfast.models.head import HeadKind
    from holdfast.models.layouts import Batch
    from holdfast.models.network import Network


@dataclass(frozen=True)
class Forward:
    """A micro-batch that was run. ``hidden_ND`` are the last hidden states that predict the response tokens, and
    ``layers`` what the layers that a signal reads gave at the same places; both have gradients. ``responses`` takes
    the response tokens out of all that are scored."""

    network: Network
    batch: Batch
    hidden_ND: Tensor
    head: HeadKind
    responses: Callable[[Tensor], Tensor]
    layers: Mapping[int, Tensor] = field(default_factory=dict)

    @cached_property
    def reference_ND(self) -> Tensor:
        """The base model's last hidden states there: the same batch in the same layout with the adapter off, so that
        both sides round alike and what differs at the first step is exactly nothing."""
        import torch

        from holdfast.models import adapters, head

        with torch.no_grad(), adapters.off(self.network):
            return self.responses(head.hidden_ND(self.network, self.batch))


class Signal(Protocol):
    """A frozen dataclass of parameters. ``version`` changes whenever the same parameters would give other numbers; one
    above the first is part of a run's id. ``layers``: whose outputs it reads. ``reference``: whether it runs the base
    model on every row, which a plan counts."""

    name: ClassVar[str]
    version: ClassVar[int]
    reference: ClassVar[bool]

    @property
    def layers(self) -> tuple[int, ...]: ...

    def compute(self, forward: Forward) -> Tensor:
        """(N, …) fp32. Raises FloatingPointError where a number is not finite."""
        ...


@dataclass(frozen=True)
class KL:
    """Kullback-Leibler divergence from the base model over the whole vocabulary, at each response token, in nats.

    direction: ``policy_reference`` is KL(policy || reference), ``reference_policy`` the other way round.
    """

    direction: Literal["policy_reference", "reference_policy"] = "policy_reference"

    name: ClassVar[str] = "kl"
    version: ClassVar[int] = 1
    reference: ClassVar[bool] = True
    layers: ClassVar[tuple[int, ...]] = ()

    def compute(self, forward: Forward) -> Tensor:
        from holdfast.models import head

        return head.token_kls(forward.network, forward.hidden_ND, forward.reference_ND, self.direction, forward.head)


def signals_of(needs: Needs) -> dict[str, Signal]:
    """Those that an objective asks for, by name. Raises UserError where one is not registered or a parameter is not
    its own."""
    return {name: registry.build("signals", name, params) for name, params in needs.signals.items()}
