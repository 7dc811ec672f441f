"""How much goes into a batch: from the memory there is, and less where that was too much."""

from __future__ import annotations

import collections.abc as abc
from contextlib import contextmanager
from typing import TypeVar

import torch

from holdfast.models.network import Network
from holdfast.types import UserError

Row = TypeVar("Row")
Answer = TypeVar("Answer")

ON_CPU = 32768  # tokens; memory is shared with everything else there, and larger batches are no faster
AT_LEAST = 4096
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
    free, _ = torch.cuda.mem_get_info(network.device)
    free += torch.cuda.memory_reserved(network.device) - torch.cuda.memory_allocated(network.device)
    config = network.decoder.config
    vocabulary = getattr(config, "vocab_size", 0)
    logits = ROWS * vocabulary * 40  # fp32 logits, and a sampled row's probabilities, in fp64, sorted and summed
    fit = int((free / 2 - logits) / position_bytes(network))
    return max(AT_LEAST, 1 << max(fit, 1).bit_length() - 1)


def position_bytes(network: Network) -> int:
    """Keys and values in every layer; in one layer the hidden states, those of its MLP, and a row of attention."""
    config, size = network.decoder.config, network.dtype.itemsize
    hidden, heads = config.hidden_size, config.num_attention_heads
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    kept_heads = getattr(config, "num_key_value_heads", None) or heads
    head_size = getattr(config, "head_dim", None) or hidden // heads
    attention = 2 * heads * KEYS * 4 if network.attention == "eager" else KEYS * size
    return 2 * config.num_hidden_layers * kept_heads * head_size * size + (8 * hidden + 4 * inner) * size + attention


@contextmanager
def enough_for(who: str, mend: str) -> abc.Iterator[None]:
    """Within it too little memory becomes a sentence."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise UserError(f"memory does not do for {who}: {mend}") from error


def halving(work: abc.Callable[[list[Row]], list[Answer]], rows: abc.Sequence[Row], who: str) -> list[Answer]:
    """``work`` on the rows, in halves where memory does not do, down to one row. Answers in the order of the rows.

    The next batch is tried whole again: what a batch gives does not depend on those before it.
    """
    if len(rows) == 1:
        with enough_for(f"one prompt to {who}", f"ask for shorter responses, or {LESS}"):
            return work(list(rows))
    try:
        return work(list(rows))
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
    # Here, not in the handler: the error holds the frames that failed, and they hold their tensors.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(rows) // 2
    return halving(work, rows[:half], who) + halving(work, rows[half:], who)


def out_of_memory(error: BaseException) -> bool:
    """Of a device or of the processor."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in WORDS)
