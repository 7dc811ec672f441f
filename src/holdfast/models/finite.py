"""Numbers that are not finite: looked for when weights are loaded and whenever a model answers, and said by name.

A model with one NaN in one weight gives NaN everywhere; taken as they come, its answers are empty, and an empty answer
would count as a safe one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from holdfast.types import UserError


def check_weights(model: nn.Module, who: str) -> None:
    """Raises UserError naming the first weight that holds a NaN or an infinity."""
    if name := broken(model):
        raise UserError(f"{who} is damaged: {name} holds numbers that are not finite; fetch or save it again")


@contextmanager
def naming(who: str, model: nn.Module) -> Iterator[None]:
    """Within it a number that is not finite (``FloatingPointError``) becomes a sentence about this model."""
    try:
        yield
    except FloatingPointError as error:
        name = broken(model)
        why = f"{name} holds some" if name else "its weights are finite, so its precision may not do: try dtype float32"
        raise UserError(f"{who} gives numbers that are not finite ({error}; {why}): nothing can be measured") from error


def check_chosen(logits_BV: Tensor, ids_B: Tensor) -> None:
    """Raises FloatingPointError where the largest logit of a row is NaN or infinite.

    ``argmax`` takes a NaN for the largest; a vocabulary's unused places may well be minus infinity.
    """
    if not bool(logits_BV.gather(1, ids_B.unsqueeze(1)).isfinite().all()):
        raise FloatingPointError("the logits of the next token")


@torch.no_grad()
def broken(model: nn.Module) -> str | None:
    """The name of the first weight that holds a NaN or an infinity."""
    name = next((name for name, p in model.named_parameters() if not _sound(p)), None)
    return name and name.replace(".base_layer", "")  # by the name that it has in files


def _sound(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    ends = torch.stack((tensor if tensor.itemsize > 1 else tensor.float()).aminmax())
    return bool(ends.isfinite().all())
