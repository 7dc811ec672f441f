"""A network made ready to be trained, and what that tells before a run: what fits, and how fast a step is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from holdfast.config.study import Controls, LoraSpec
from holdfast.models import adapters
from holdfast.models.layouts import micro_batches
from holdfast.models.memory import micro_tokens
from holdfast.models.network import Network
from holdfast.objectives.objective import Objective
from holdfast.training import batches
from holdfast.training.job import Fits
from holdfast.types import Example


@contextmanager
def prepared(
    network: Network, settings: Controls, lora: LoraSpec, seed: int, checkpointing: bool = False
) -> Iterator[None]:
    """Within it the network has what is trained, as it is before the first step, and computes as the controls say."""
    autocast = network.autocast
    try:
        if settings.trainable == "lora":
            adapters.attach(network, lora, "lora", seed)
        else:
            adapters.attach_weights(network, settings.trainable)
        network.autocast = settings.autocast
        network.checkpointing(checkpointing)
        yield
    finally:
        network.checkpointing(False)
        network.autocast = autocast
        adapters.detach(network)


def fits(network: Network, settings: Controls) -> Fits:
    """Padded tokens of a micro-batch: those of the controls, or as many as memory has room for. Where that is not one
    longest row, and the controls leave it open, the layers are run again in the backward pass."""
    asked = settings.gradient_checkpointing
    if settings.micro_tokens != "auto":
        return Fits(settings.micro_tokens, asked is True)
    can = network.model.supports_gradient_checkpointing
    longest = min(settings.max_tokens, network.max_positions)
    for again in (False, *([True] if can else [])) if asked == "auto" else (asked,):
        with prepared(network, settings, settings.lora, 0, again):
            found = Fits(micro_tokens(network, settings), again)
        if found.tokens >= longest:
            break
    return found


def timed_step(
    network: Network, objective: Objective, examples: Sequence[Example], settings: Controls
) -> tuple[int, float, bool]:
    """Tokens that a step of these rows reads, the seconds of its forward and backward, of two steps the second, and
    whether layers were run again in it. For an objective that needs no reference."""
    at_once, again = fits(network, settings)
    with prepared(network, settings, settings.lora, 0, again):
        groups = batches.Rows(objective, network.renderer).groups(examples)
        counts = batches.counts(groups, objective.needs, progress=0.0)
        for _ in range(2):
            began = time.perf_counter()
            for indices in micro_batches(groups, settings.layout, at_once):
                scores = batches.scores(network, [groups[i] for i in indices], objective.needs, settings)
                objective.loss(scores, counts)[0].backward()
            seconds = time.perf_counter() - began
    return sum(len(s.ids) for group in groups for s in group), seconds, again
