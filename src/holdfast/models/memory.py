"""How much goes into a batch: from the memory there is, and less where that was too much."""

from __future__ import annotations

import collections.abc as abc
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from holdfast import machine
from holdfast.config.study import MOST_TOKENS, Controls
from holdfast.models import head
from holdfast.models.layouts import arrange
from holdfast.models.network import Network
from holdfast.types import Segment, Sequence, Turn, UserError

Row = TypeVar("Row")
Answer = TypeVar("Answer")

ON_CPU = 32768  # tokens; memory is shared with everything else there, and larger batches are no faster
AT_LEAST = 4096
# What a step takes at its height over what autograd keeps: gradients of a layer, freed pieces that do not fit what is
# asked for next. Measured on a processor: 1.54 in short runs with huge pages, 2.4 without, 2.2 in long ones with them.
# Reckoned for a GPU, whose allocator keeps blocks by size.
HELD_CPU, HELD_CUDA = 2.4, 1.4
COUNTED = 64  # tokens of the rows on which it is counted
ROWS, KEYS = 256, 2048  # what a batch is reckoned with: rows whose logits are held, keys that a position sees
# Of torch's allocator on a processor, which has no error class of its own, and of other devices.
WORDS = ("can't allocate memory", "not enough memory", "out of memory")
LESS = "take a smaller dtype, a smaller model or a larger machine"


def batch_tokens(network: Network) -> int:
    """Positions of a batch: half of what is free, by what a position takes, rounded down to a power of two.

    The rounding keeps batches the same from one run to the next on a device that is otherwise idle.
    """
    if network.device.type != "cuda":
        return ON_CPU
    vocabulary = getattr(network.decoder.config, "vocab_size", 0)
    logits = ROWS * vocabulary * 40  # fp32 logits, and a sampled row's probabilities, in fp64, sorted and summed
    fit = min(
        int((_free(device) / 2 - (logits if device == network.device else 0)) / position_bytes(network, layers))
        for device, layers in network.layers_on.items()
    )
    return max(AT_LEAST, 1 << max(fit, 1).bit_length() - 1)


def _free(device: torch.device) -> int:
    """Bytes. Of a GPU what torch holds of it and does not use is among them; of a processor, what this process may have
    more."""
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + held
    free = machine.free()
    return min(free, machine.granted - machine.taken()) if machine.granted else free


def position_bytes(network: Network, layers: int) -> int:
    """Keys and values in so many layers; in one layer the hidden states, those of its MLP, and a row of attention."""
    config, size = network.decoder.config, network.dtype.itemsize
    hidden, heads = config.hidden_size, config.num_attention_heads
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    kept_heads = getattr(config, "num_key_value_heads", None) or heads
    head_size = getattr(config, "head_dim", None) or hidden // heads
    attention = 2 * heads * KEYS * 4 if network.attention == "eager" else KEYS * size
    return 2 * layers * kept_heads * head_size * size + (8 * hidden + 4 * inner) * size + attention


def micro_tokens(network: Network, settings: Controls) -> int:
    """Padded tokens of a training micro-batch that memory has room for: a power of two, at most ``MOST_TOKENS``.

    Counted on this network, which has the adapter and the settings that it is trained with. On a processor this is of
    what the process was granted (``machine``), else of all that is free; of several GPUs as the fullest has room.
    """
    trained: Counter[torch.device] = Counter()
    for p in network.model.parameters():
        trained[p.device] += p.numel() if p.requires_grad else 0
    free = {device: _free(device) - 12 * n for device, n in trained.items()}  # gradients and two moments
    held = HELD_CUDA if network.device.type == "cuda" else HELD_CPU
    kept = kept_bytes(network, settings, min(settings.max_tokens, network.max_positions))
    fit = min(int(free[device] / (kept[device] * held)) for device in free)
    return min(MOST_TOKENS, 1 << max(fit, 1).bit_length() - 1)


def kept_bytes(network: Network, settings: Controls, length: int) -> dict[torch.device, float]:
    """What a token of training keeps from its forward to its backward on each device, in a row of ``length`` tokens.

    What autograd saves is counted in two short rows; where a token keeps more in the longer one (a matrix of
    attention), that goes on with the length.
    """
    short, twice = (_saved_bytes(network, settings, n) for n in (COUNTED, 2 * COUNTED))
    more = (length - COUNTED) / COUNTED
    return {device: kept + max(twice[device] - kept, 0.0) * more for device, kept in short.items()}


def _saved_bytes(network: Network, settings: Controls, length: int) -> dict[torch.device, float]:
    some = network.renderer.prompt_ids((Turn("user", "?"),)) * length
    asked = Segment("", "chosen", (), "")
    rows = [Sequence(some[:length], length // 2, replace(asked, example_id=str(k))) for k in range(2)]
    batch = arrange(rows, settings.layout, network.renderer.pad_id, network.device)
    base = {p.untyped_storage().data_ptr() for p in network.model.parameters()}
    saved: dict[torch.device, dict[int, int]] = {p.device: {} for p in network.model.parameters()}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in base and tensor.device in saved:
            saved[tensor.device][storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        logp_N = head.token_logps(network, head.hidden_ND(network, batch), batch.target_N, settings.head)
    del logp_N  # until here all that was saved lives, so no place in memory is counted for two
    return {device: sum(there.values()) / batch.ids_BL.numel() for device, there in saved.items()}


@contextmanager
def enough_for(who: str, mend: str) -> abc.Iterator[None]:
    """Within it too little memory becomes a sentence."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise UserError(f"memory does not do for {who}: {mend}") from error


class Short:
    """Whether memory ran out."""

    def __init__(self) -> None:
        self.yes = False

    def __bool__(self) -> bool:
        return self.yes


@contextmanager
def ran_out(unless: bool = False) -> abc.Iterator[Short]:
    """Within it too little memory ends the block, and what it gives is then true; not where ``unless``."""
    short = Short()
    try:  # what is done about it is done outside: the error holds the frames that failed, and they hold their tensors
        yield short
    except (RuntimeError, MemoryError) as error:
        if unless or not out_of_memory(error):
            raise
        short.yes = True


def halving(work: abc.Callable[[list[Row]], list[Answer]], rows: abc.Sequence[Row], who: str) -> list[Answer]:
    """``work`` on the rows, in halves where memory does not do, down to one row. Answers in the order of the rows.

    The next batch is tried whole again: what a batch gives does not depend on those before it.
    """
    if len(rows) == 1:
        with enough_for(f"one prompt to {who}", f"ask for shorter responses, or {LESS}"):
            return work(list(rows))
    with ran_out():
        return work(list(rows))
    half = len(rows) // 2
    return halving(work, rows[:half], who) + halving(work, rows[half:], who)


def out_of_memory(error: BaseException) -> bool:
    """Of a device or of the processor."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)
