"""Full parameters: copies of the network's own weights are trained in their place, and the base's are kept beside them.

The kept weights are the second frozen copy that a reference takes, without a second network: to be the base, the model
is given its own tensors back, by reference. So the base's log-probs, hidden states and answers are the base's to the
bit, nothing is copied, and one copy of the weights is what it costs (a cache would not do: KL needs the base's logits
over the whole vocabulary at every token of every step). Training holds 4 bytes a weight of the base and 16 of what is
trained: itself, its gradient and AdamW's two moments, all in fp32.

``full`` trains every parameter: embeddings and head, too. Where the two are one matrix it stays one, whose gradient is
the sum of what both make of it. The head's gradient is taken through plain full logits (``head: full``), for ``frozen``
knows the hidden states' alone. ``body`` leaves embeddings and head as they are, tied or not, and so keeps the frozen
head, in which nothing over the vocabulary is kept for the backward pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from holdfast.models.network import Network
from holdfast.store.adapter_files import essential
from holdfast.types import UserError

Which = Literal["full", "body"]
Places = tuple[tuple[nn.Module, str], ...]


@dataclass(frozen=True)
class Full:
    """Trained weights in a network, by the model's own names, sorted. ``places``: the modules that each stands in, two
    for a tied one; ``base``: what stood there before; ``layers``: of an adapter, of which there is none."""

    config: Mapping[str, Any]
    places: Mapping[str, Places]
    base: Mapping[str, nn.Parameter]
    tensors: Mapping[str, nn.Parameter]
    layers: Mapping[str, Any] = field(default_factory=dict)
    beside: int = 0  # numbers that the model has more with them than without

    def takes(self, config: Mapping[str, Any]) -> bool:
        """Whether weights saved with that configuration can be copied into these."""
        return essential(self.config) == essential(config)

    @contextmanager
    def off(self) -> Iterator[None]:
        """Within it the base's weights stand in their places."""
        before = {name: getattr(*self.places[name][0]) for name in self.base}
        self._put(self.base)
        try:
            yield
        finally:
            self._put(before)

    def remove(self, model: nn.Module, merge: bool) -> None:
        """The base's weights back, or with ``merge`` the trained ones for good."""
        self._put(self.tensors if merge else self.base)
        for p in self.tensors.values():
            p.requires_grad_(False)

    def scale(self, by: float) -> None:
        """The change of the weights times this."""
        for name, p in self.tensors.items():
            p.copy_(self.base[name] + by * (p - self.base[name]))

    def norm(self) -> float:
        """Frobenius norm of the change of all weights together."""
        pairs = ((p.double() - self.base[name].double()) for name, p in self.tensors.items())
        return math.sqrt(sum(float(moved.square().sum()) for moved in pairs))

    def _put(self, tensors: Mapping[str, nn.Parameter]) -> None:
        for name, places in self.places.items():
            for module, part in places:
                setattr(module, part, tensors[name])


def copied(network: Network, config: Mapping[str, Any], *, trainable: bool) -> Full:
    """Copies of the weights put in their place, with the base's values. Raises UserError where there are none to train
    so: of a quantised base, and (``trainable``) of one that is not loaded in fp32."""
    name, precision = network.spec.name, str(network.dtype).removeprefix("torch.")
    if trainable and network.dtype.itemsize < 4:
        raise UserError(
            f"all weights are trained in float32, and {name} is loaded in {precision}, which would lose small steps: "
            "set `dtype: float32` of the model, and `autocast: true` of `controls` to compute in bfloat16"
        )
    model = network.model
    ends = () if config["trainable"] == "full" else (model.get_input_embeddings(), model.get_output_embeddings())
    kept = {id(p) for end in ends if end is not None for p in end.parameters()}
    base = {n: p for n, p in sorted(model.named_parameters()) if id(p) not in kept}
    if odd := next((n for n, p in base.items() if not p.is_floating_point()), None):
        raise UserError(f"{name} is quantised ({odd}), and such weights cannot be trained or replaced: give plain ones")
    names = {id(p): n for n, p in base.items()}
    places: dict[str, list[tuple[nn.Module, str]]] = {n: [] for n in base}
    for module in model.modules():
        for part, p in module._parameters.items():  # a tied weight stands in two
            if p is not None and id(p) in names:
                places[names[id(p)]].append((module, part))
    tensors = {n: nn.Parameter(p.detach().clone(), requires_grad=trainable) for n, p in base.items()}
    found = Full(config, {n: tuple(some) for n, some in places.items()}, base, tensors)
    found._put(tensors)
    return found
