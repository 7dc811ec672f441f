"""The decode loop: a batch of prompts to token ids, greedily or by keyed sampling.

Prompts are padded on the left; masks and positions come from lengths. The noise of a sampled token is keyed by its
row's key and its position, so that a response does not depend on the rows it shared a batch with (up to rounding: the
shapes of matrix products differ). Rows that have ended leave the batch when enough of them have.

Shape legend: B rows, Q new positions, K positions so far, H key-value heads, V vocabulary.
"""

from __future__ import annotations

import collections.abc as abc
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from holdfast import rng
from holdfast.models.network import Network

CROWDED = 0.75  # the batch is made smaller when fewer than this share of its rows go on


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked of the loop. ``temperature`` 0 is greedy; ``key`` names the noise."""

    key: str
    ids: tuple[int, ...]
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0


@dataclass(frozen=True, slots=True)
class Decoded:
    """The tokens before the end of turn, and why they ended."""

    ids: tuple[int, ...]
    finish: Literal["stop", "length"]


@torch.no_grad()
def decode(network: Network, prompts: abc.Sequence[Prompt], end_ids: abc.Collection[int], pad_id: int) -> list[Decoded]:
    """One batch, in the order given."""
    limits, device = [p.max_new_tokens for p in prompts], network.device
    width = max(len(p.ids) for p in prompts)
    room = width + max(limits)
    pads_B1 = torch.tensor([[width - len(p.ids)] for p in prompts], device=device)
    at_1K = torch.arange(room, device=device).unsqueeze(0)
    keep_BK, positions_BK = at_1K >= pads_B1, (at_1K - pads_B1).clamp_min_(0)
    ids_BQ = torch.tensor([[pad_id] * (width - len(p.ids)) + list(p.ids) for p in prompts], device=device)
    keep_BQK = keep_BK[:, None, :width].expand(-1, width, -1).tril()
    keep_BQK |= torch.eye(width, dtype=torch.bool, device=device)  # padding sees itself: no row keeps nothing
    cache = Cache(layer_class_to_replicate=lambda: _Slots(room))  # type: ignore[arg-type]

    logits_BV = network.step(ids_BQ, positions_BK[:, :width], keep_BQK, positions_BK[:, :width], cache)
    tokens: list[list[int]] = [[] for _ in prompts]
    finish: list[Literal["stop", "length"]] = ["length"] * len(prompts)
    ends, rows, going = frozenset(end_ids), list(range(len(prompts))), [limit > 0 for limit in limits]
    for t in range(max(limits)):
        ids_B = _pick(logits_BV, [prompts[r] for r in rows], t)
        for row, token in zip(rows, ids_B.tolist(), strict=True):
            if not going[row]:
                continue
            if token in ends:
                going[row], finish[row] = False, "stop"
            else:
                tokens[row].append(token)
                going[row] = len(tokens[row]) < limits[row]
        left = [b for b, row in enumerate(rows) if going[row]]
        if not left:
            break
        if len(left) <= CROWDED * len(rows):
            rows = [rows[b] for b in left]
            index_B = torch.tensor(left, device=device)
            ids_B, keep_BK, positions_BK = ids_B[index_B], keep_BK[index_B], positions_BK[index_B]
            cache.batch_select_indices(index_B)
        k = width + t + 1
        logits_BV = network.step(
            ids_B.unsqueeze(1), positions_BK[:, k - 1 : k], keep_BK[:, None, :k], positions_BK[:, :k], cache
        )
    return [Decoded(tuple(ids), why) for ids, why in zip(tokens, finish, strict=True)]


def _pick(logits_BV: Tensor, prompts: abc.Sequence[Prompt], t: int) -> Tensor:
    """(B,) the next token of each row."""
    ids_B = logits_BV.argmax(-1)
    drawn = [b for b, p in enumerate(prompts) if p.temperature > 0]
    if drawn:
        hot = [prompts[b] for b in drawn]
        uniform_B = torch.tensor([rng.uniform(p.key, t) for p in hot], dtype=torch.float64, device=logits_BV.device)
        temperature_B, top_p_B = (logits_BV.new_tensor(x) for x in zip(*((p.temperature, p.top_p) for p in hot)))  # noqa: B905
        ids_B[drawn] = sample(logits_BV[drawn], temperature_B, top_p_B, uniform_B)
    return ids_B


def sample(logits_BV: Tensor, temperature_B: Tensor, top_p_B: Tensor, uniform_B: Tensor) -> Tensor:
    """(B,) tokens by the inverse of the distribution function at ``uniform_B``, over token ids in their order.

    With ``top_p_B`` below 1 only the most probable tokens that together reach it are left (Holtzman et al. 2020).
    """
    p_BV = (logits_BV.double() / temperature_B.double().unsqueeze(1)).softmax(-1)
    if bool((top_p_B < 1).any()):
        p_BV = p_BV.masked_fill(p_BV < _least_kept(p_BV, top_p_B.double().unsqueeze(1)), 0.0)
    cdf_BV = p_BV.cumsum(-1)
    total_B1 = cdf_BV[:, -1:]
    found_B1 = torch.searchsorted(cdf_BV, uniform_B.unsqueeze(1) * total_B1, right=True)
    last_B1 = (cdf_BV < total_B1).sum(-1, keepdim=True)  # the last token left; rounding can point past it
    return torch.minimum(found_B1, last_B1).squeeze(1)


def _least_kept(p_BV: Tensor, top_p_B1: Tensor) -> Tensor:
    """(B, 1) the probability of the token that reaches ``top_p_B1``; ties with it are kept, whatever their order."""
    for k in (64, p_BV.shape[1]):  # sorting the whole vocabulary would cost more than a small model's step
        most_Bk = p_BV.topk(min(k, p_BV.shape[1])).values
        reached_Bk = most_Bk.cumsum(-1)
        if bool((reached_Bk[:, -1:] >= top_p_B1).all()):
            break
    at_B1 = (reached_Bk < top_p_B1).sum(-1, keepdim=True).clamp_max(most_Bk.shape[1] - 1)
    return most_Bk.gather(1, at_B1)


class _Slots(DynamicLayer):
    """Keys and values of one layer in room made once: a step writes its own, and copies nothing that was there."""

    def __init__(self, room: int):
        super().__init__()
        self.room, self.used = room, 0

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:  # type: ignore[has-type]
            self.keys, self.values = (
                x.new_empty((*x.shape[:2], self.room, x.shape[3])) for x in (key_states, value_states)
            )
            self.is_initialized = True
        assert self.keys is not None
        assert self.values is not None
        span = slice(self.used, self.used + key_states.shape[2])
        self.keys[:, :, span], self.values[:, :, span] = key_states, value_states
        self.used = span.stop
        return self.keys[:, :, : span.stop], self.values[:, :, : span.stop]

    def get_seq_length(self) -> int:
        return self.used

    def batch_select_indices(self, indices: Tensor) -> None:
        used = self.used
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_empty((len(indices), *old.shape[1:]))
            torch.index_select(old[:, :, :used], 0, indices, out=new[:, :, :used])
            setattr(self, name, new)
