"""Keys and values: of a prefix that was run once, and of the rows that go on from it.

Shape legend: B rows, Q new positions, P positions of a prefix, K positions so far, H key-value heads, C head size.
"""

from __future__ import annotations

import collections.abc as abc
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from holdfast.models.head import TOLERANCE
from holdfast.models.layouts import Batch
from holdfast.models.network import Network
from holdfast.models.prefixes import Ids
from holdfast.types import UserError

FEW = 64  # tokens before and after the joint that is checked


@dataclass(frozen=True, slots=True)
class Past:
    """The keys and values of a prefix: a pair of (H, P, C) for each layer."""

    length: int
    layers: tuple[tuple[Tensor, Tensor], ...]


class Pasts:
    """Prefixes run for one subject. What the last batch went on from is kept, for the next may go on from it too."""

    def __init__(self, network: Network):
        self.network = network
        self._held: dict[Ids, Past] = {}

    def of(self, prefixes: abc.Iterable[Ids]) -> list[Past | None]:
        """The past of each; None of an empty one."""
        wanted = list(prefixes)
        held = {ids: self._held.get(ids) for ids in wanted if ids}
        self._held = {}  # what is no longer wanted is let go before more is made
        self._held = {ids: past or run(self.network, ids) for ids, past in held.items()}
        return [self._held.get(ids) for ids in wanted]


@torch.no_grad()
def run(network: Network, ids: Ids) -> Past:
    """The keys and values of a prefix, run by itself."""
    cache = slots(len(ids))
    ids_1P = torch.tensor([ids], device=network.device)
    positions_1P = torch.arange(len(ids), device=network.device).unsqueeze(0)
    keep_1PP = torch.ones(1, len(ids), len(ids), dtype=torch.bool, device=network.device).tril()
    _body(network, ids_1P, positions_1P, keep_1PP, positions_1P, cache)
    return Past(len(ids), tuple((layer.keys[0], layer.values[0]) for layer in cache.layers))


@torch.no_grad()
def hidden_after(network: Network, past: Past, batch: Batch) -> Tensor:
    """(B, L, D) last hidden states of a batch's rows, every one of which goes on from ``past``. Keeps nothing."""
    ids_BL = batch.ids_BL
    at_BP = torch.arange(past.length, device=ids_BL.device).expand(len(ids_BL), -1)
    positions_BL = batch.positions_BL + past.length
    assert batch.attention_BQK is not None, "padded rows have no mask to put a past before"
    seen_BQP = torch.ones((), dtype=torch.bool, device=ids_BL.device).expand(*ids_BL.shape, past.length)
    keep_BQK = torch.cat([seen_BQP, batch.attention_BQK], -1)
    cache = Cache(layers=[_Before(*layer) for layer in past.layers])
    return _body(network, ids_BL, positions_BL, keep_BQK, torch.cat([at_BP, positions_BL], 1), cache)


@torch.no_grad()
def check(network: Network, ids: Ids, length: int) -> None:
    """Compares the logits after a prompt that goes on from its first ``length`` tokens with the model's own.

    A few tokens of it are enough. Raises ``UserError`` on a difference that rounding does not explain. Run once for a
    model.
    """
    length = min(length, FEW)
    ids = ids[: length + FEW]
    ids_1L = torch.tensor([ids[length:]], device=network.device)
    at_1L = torch.arange(length, len(ids), device=network.device).unsqueeze(0)
    at_1K = torch.arange(len(ids), device=network.device).unsqueeze(0)
    keep_1LK = at_1K[:, None, :] <= at_1L[:, :, None]
    cache = slots(len(ids), [run(network, ids[:length])])
    got_V = network.step(ids_1L, at_1L, keep_1LK, at_1K, cache)[0]
    with network.computing():
        ids_1K = torch.tensor([ids], device=network.device)
        want_V = network.model(input_ids=ids_1K, use_cache=False, logits_to_keep=1).logits[0, -1]
    error = float((got_V - want_V.float()).norm() / want_V.float().norm().clamp_min(1e-6))
    if not error <= TOLERANCE[torch.bfloat16 if network.autocast else network.dtype][1]:
        raise UserError(
            f"prompts of {network.spec.name} cannot go on from a shared prefix (relative error {error:.1e})"
        )


def slots(room: int, pasts: abc.Sequence[Past | None] = ()) -> Cache:
    """An empty cache of ``room`` positions, or one whose rows begin with their pasts, which end at the same column."""
    rows: dict[int, tuple[Past, list[int]]] = {}
    for b, past in enumerate(pasts):
        if past:
            rows.setdefault(id(past), (past, []))[1].append(b)
    if not rows:
        return Cache(layer_class_to_replicate=lambda: _Slots(room))  # type: ignore[arg-type]
    by_past = [[(own, *layer) for layer in past.layers] for past, own in rows.values()]
    return Cache(layers=[_Slots(room, layer) for layer in zip(*by_past, strict=True)])


def _body(
    network: Network, ids_BQ: Tensor, positions_BQ: Tensor, keep_BQK: Tensor, positions_BK: Tensor, cache: Cache
) -> Tensor:
    mask = network.mask(keep_BQK, positions_BQ, positions_BK)
    with network.computing():
        return network.decoder(
            input_ids=ids_BQ, attention_mask=mask, position_ids=positions_BQ, past_key_values=cache, use_cache=True
        ).last_hidden_state


class _Slots(DynamicLayer):
    """Keys and values of one layer in room made once: a step writes its own, and copies nothing that was there.

    ``pasts`` are rows and the (H, P, C) keys and values that they begin with, padded on the left to the longest. All
    rows write into the same columns; those of a ``ragged.Step`` each into their own.
    """

    step: Any = None  # of ragged.Step

    def __init__(self, room: int, pasts: abc.Sequence[tuple[list[int], Tensor, Tensor]] = ()):
        super().__init__()
        self.room, self.pasts = room, pasts
        self.used = max((keys_HPC.shape[1] for _, keys_HPC, _ in pasts), default=0)

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:  # type: ignore[has-type]
            self.keys, self.values = (self._made(side, x) for side, x in enumerate((key_states, value_states)))
            self.pasts, self.is_initialized = (), True
        assert self.keys is not None
        assert self.values is not None
        if self.step is not None:
            self.used = max(self.used, self.step.width)
            return self.step.write(self.keys, key_states), self.step.write(self.values, value_states)
        span = slice(self.used, self.used + key_states.shape[2])
        self.keys[:, :, span], self.values[:, :, span] = key_states, value_states
        self.used = span.stop
        return self.keys[:, :, : span.stop], self.values[:, :, : span.stop]

    def _made(self, side: int, states: Tensor) -> Tensor:
        # All positions at once: a cache that grows by concatenation copies everything it holds at every token.
        made = states.new_zeros((*states.shape[:2], self.room, states.shape[3]))  # a masked NaN would still be one
        for rows, *past in self.pasts:
            made[rows, :, self.used - past[side].shape[1] : self.used] = past[side]
        return made

    def get_seq_length(self) -> int:
        return self.used

    def batch_select_indices(self, indices: Tensor) -> None:
        used, indices = self.used, indices.to(self.keys.device)  # type: ignore[union-attr]
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros((len(indices), *old.shape[1:]))
            torch.index_select(old[:, :, :used], 0, indices, out=new[:, :, :used])
            setattr(self, name, new)


class _Before(DynamicLayer):
    """One past before the keys and values of every row; what is added is not kept, for nothing comes after it."""

    def __init__(self, keys_HPC: Tensor, values_HPC: Tensor):
        super().__init__()
        self.past = keys_HPC, values_HPC

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        keys, values = (
            torch.cat([past.expand(len(new), -1, -1, -1), new], 2)
            for past, new in zip(self.past, (key_states, value_states), strict=True)
        )
        return keys, values

    def get_seq_length(self) -> int:
        return self.past[0].shape[1]
