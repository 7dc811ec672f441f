"""A model over several devices: its layers one after another over all of them, and everything else on the first.

So embeddings, final norm, head, losses, masks and ids lie where those of a model on one device lie, and whoever calls
the network need not know. Only what runs inside the layers is elsewhere: their weights and adapters, and what they keep
of keys and values. Devices work in turn. A layer's arithmetic does not depend on where it lies.

transformers loads each weight straight to its place. The hooks that accelerate then puts on every module are taken off:
they copy mask and rotary tables again for every layer, at an address of their own, by which attention may know a mask
(``ragged``). Here a layer's output is brought to the next one's device, after the layer, so that gradient checkpointing
finds its input where its dropout is drawn, and keeps that device's random state; what all layers read is copied once a
device and forward.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from accelerate.hooks import remove_hook_from_submodules
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from holdfast.types import UserError


def placement(config: Any, devices: Sequence[torch.device], who: str) -> dict[str, torch.device]:
    """Where each part of a model lies, for ``from_pretrained``: equal shares of its parameters, as layers allow.

    By their numbers alone and not by what is free, so that the same study lies the same every time. Raises UserError
    for a model whose layers are not one list.
    """
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    path, layers = _layers(model, who)
    above = ["", *(path[:k] for k, c in enumerate(path) if c == "."), path]
    placed = {
        name: devices[0]
        for parent in above[:-1]
        for name in (f"{parent}.{child}".removeprefix(".") for child, _ in model.get_submodule(parent).named_children())
        if name not in above
    }
    sizes = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    total = sum(p.numel() for p in model.parameters())
    before = total - sum(sizes)  # on the first device, which has as many layers fewer
    for n, size in enumerate(sizes):
        placed[f"{path}.{n}"] = devices[min(int((before + size / 2) / total * len(devices)), len(devices) - 1)]
        before += size
    return placed


def connect(model: PreTrainedModel, devices: Sequence[torch.device], who: str) -> None:
    """What a placed model's layers are given comes to where they lie, and the last one's output to the first device."""
    remove_hook_from_submodules(model)
    layers = list(_layers(model, who)[1])
    places = [next(layer.parameters()).device for layer in layers]
    shared = _Shared()
    model.get_decoder().register_forward_hook(lambda *_: shared.held.clear(), always_call=True)
    for layer, place in zip(layers, places, strict=True):
        if place != devices[0]:
            layer.register_forward_pre_hook(shared.bring(place), with_kwargs=True)
    for layer, (place, following) in zip(layers, pairwise([*places, devices[0]]), strict=True):
        if place != following:
            layer.register_forward_hook(lambda _layer, _given, out, to=following: _moved(out, lambda x: x.to(to)))


def layers_on(model: PreTrainedModel) -> dict[torch.device, int]:
    """How many layers lie on each device."""
    return Counter(next(layer.parameters()).device for layer in _layers(model, "this model")[1])


class _Shared:
    """What all layers read, once on each device. Held with what it was copied from, so that no other tensor is given
    its address."""

    def __init__(self) -> None:
        self.held: dict[tuple[int, torch.device], tuple[Tensor, Tensor]] = {}

    def bring(self, device: torch.device) -> Any:
        def to(x: Tensor) -> Tensor:
            if x.device == device:
                return x
            if x.requires_grad:
                return x.to(device)
            if (id(x), device) not in self.held:
                self.held[id(x), device] = x, x.to(device)
            return self.held[id(x), device][1]

        return lambda _layer, given, named: (_moved(given, to), _moved(named, to))


def _moved(value: Any, to: Any) -> Any:
    if isinstance(value, Tensor):
        return to(value)
    if type(value) in (tuple, list):
        return type(value)(_moved(part, to) for part in value)
    if type(value) is dict:
        return {key: _moved(part, to) for key, part in value.items()}
    return value


def _layers(model: PreTrainedModel, who: str) -> tuple[str, nn.ModuleList]:
    """The body's layers, and their name."""
    body = model.get_decoder()
    wanted = body.config.num_hidden_layers
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted and any(m is module for m in body.modules()):
            return name, module
    raise UserError(f"the layers of {who} are not one list, so it cannot lie on several GPUs: leave `gpus` out")
