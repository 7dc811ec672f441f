"""Signals: what an objective may ask of the loop beyond log-probs, as numbers for each response token.

Registered under the entry-point group ``holdfast.signals``; an objective names those that it needs (``types.Needs``)
and finds them in ``Scores.signals``. A plan asks a signal what it costs, so torch is not loaded before it is computed.

Shape legend: N response tokens of a micro-batch, A all scored tokens (where prompts are scored too), D hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from holdfast import registry
from holdfast.types import Direction, Needs

if TYPE_CHECKING:
    from torch import Tensor

    from holdfast.models.directions import Found
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

    @property
    def reference_ND(self) -> Tensor:
        """The base model's last hidden states there: the same batch in the same layout with the adapter off, so that
        both sides round alike and what differs at the first step is exactly nothing."""
        return self._reference[0]

    @property
    def reference_layers(self) -> Mapping[int, Tensor]:
        """What the same layers give on the base model, likewise."""
        return self._reference[1]

    @cached_property
    def _reference(self) -> tuple[Tensor, Mapping[int, Tensor]]:
        import torch

        from holdfast.models import adapters, head

        with torch.no_grad(), adapters.off(self.network), self.network.reading(self.layers) as outputs:
            hidden_ND = self.responses(head.hidden_ND(self.network, self.batch))
        return hidden_ND, read_at(self.batch, outputs, self.responses)


def read_at(batch: Batch, outputs: Mapping[int, Tensor], responses: Callable[[Tensor], Tensor]) -> Mapping[int, Tensor]:
    """(N, D) by layer: of layers' outputs (B, L, D) those at the places that predict the response tokens."""
    return {k: responses(out_BLD.flatten(0, 1)[batch.source_N]) for k, out_BLD in outputs.items()}


class Signal(Protocol):
    """A frozen dataclass of parameters. ``version`` changes whenever the same parameters would give other numbers; one
    above the first is part of a run's id, and so is the ``digest`` of a signal that has one, of what its parameters
    name. ``reference``: whether it runs the base model on every row, which a plan counts."""

    name: ClassVar[str]
    version: ClassVar[int]
    reference: ClassVar[bool]

    def layers(self, network: Network) -> tuple[int, ...]:
        """Those whose outputs it reads."""
        ...

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

    def layers(self, network: Network) -> tuple[int, ...]:
        return ()

    def compute(self, forward: Forward) -> Tensor:
        from holdfast.models import head

        return head.token_kls(forward.network, forward.hidden_ND, forward.reference_ND, self.direction, forward.head)


@dataclass(frozen=True)
class Projection:
    """How far the hidden state that predicts each response token is from the base model's along a direction, at its
    layer: 1 is the base's way from the one set of the direction to the other (``models.directions``).

    direction: a registered one; params: its parameters.
    """

    direction: str = "refusal"
    params: Mapping[str, Any] = field(default_factory=dict)

    name: ClassVar[str] = "projection"
    version: ClassVar[int] = 1
    reference: ClassVar[bool] = True

    @cached_property
    def along(self) -> Direction:
        return registry.build("directions", self.direction, self.params)

    @property
    def digest(self) -> str:
        return self.along.digest

    def layers(self, network: Network) -> tuple[int, ...]:
        return (self._found(network).layer,)

    def compute(self, forward: Forward) -> Tensor:
        found = self._found(forward.network)
        moved_ND = forward.layers[found.layer].float() - forward.reference_layers[found.layer].float()
        shift_N = moved_ND @ found.unit_D.to(moved_ND.device, moved_ND.dtype) / (found.one - found.zero)
        if not bool(shift_N.isfinite().all()):
            raise FloatingPointError(f"the projection on {self.direction}")
        return shift_N

    def _found(self, network: Network) -> Found:
        from holdfast.models import directions

        return directions.found(network, self.along)


def signals_of(needs: Needs) -> dict[str, Signal]:
    """Those that an objective asks for, by name. Raises UserError where one is not registered or a parameter is not
    its own."""
    return {name: registry.build("signals", name, params) for name, params in needs.signals.items()}
