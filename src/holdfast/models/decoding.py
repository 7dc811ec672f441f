"""The decode loop: a batch of prompts to token ids, greedily or by keyed sampling.

Prompts are padded on the left; masks and positions come from lengths. The noise of a sampled token is keyed by its
row's key and its position, so that a response does not depend on the rows it shared a batch with (up to rounding: the
shapes of matrix products differ). Rows that have ended leave the batch when enough of them have.

A prompt may go on from a prefix that was run before. The columns of a batch are: pasts, padded on the left to the
longest; what is left of the prompts, padded likewise; new tokens.

Shape legend: B rows, P columns of pasts, S columns after them, Q new positions, K columns so far, V vocabulary.
"""

from __future__ import annotations

import collections.abc as abc
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from holdfast import rng
from holdfast.models import finite
from holdfast.models.cache import Past, slots
from holdfast.models.network import Network

CROWDED = 0.75  # the batch is made smaller when fewer than this share of its rows go on


@dataclass(frozen=True, slots=True)
class DecodingPrompt:
    """What is asked of the loop. ``temperature`` 0 is greedy; ``key`` names the noise.

    The first ``shared`` ids are a prefix that other prompts begin with too.
    """

    key: str
    ids: tuple[int, ...]
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    shared: int = 0

    @property
    def prefix(self) -> tuple[int, ...]:
        return self.ids[: self.shared]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The tokens before the end of turn, and why they ended."""

    ids: tuple[int, ...]
    finish: Literal["stop", "length"]


@torch.no_grad()
def decode(
    network: Network,
    prompts: abc.Sequence[DecodingPrompt],
    end_ids: abc.Collection[int],
    pad_id: int,
    pasts: abc.Sequence[Past | None] = (),
) -> list[Decoded]:
    """One batch, in the order given. ``pasts`` are those of the prompts' prefixes; without them all is run here.

    Raises FloatingPointError where a token's logits are not finite.
    """
    if network.odd_layers:
        return [_alone(network, prompt, end_ids) for prompt in prompts]
    # Padding on the left, so that all rows write their next token into the same column.
    limits, device = [p.max_new_tokens for p in prompts], network.device
    starts = [past.length if past else 0 for past in pasts] or [0] * len(prompts)
    rests = [p.ids[start:] for p, start in zip(prompts, starts, strict=True)]
    ahead, width = max(starts), max(len(rest) for rest in rests)
    at_1P = torch.arange(ahead, device=device).unsqueeze(0)
    at_1S = torch.arange(width + max(limits), device=device).unsqueeze(0)
    starts_B1 = torch.tensor(starts, device=device).unsqueeze(1)
    pads_B1 = torch.tensor([[width - len(rest)] for rest in rests], device=device)
    keep_BK = torch.cat([at_1P >= ahead - starts_B1, at_1S >= pads_B1], 1)
    positions_BK = torch.cat([at_1P - (ahead - starts_B1), (at_1S - pads_B1).clamp_min(0) + starts_B1], 1).clamp_min_(0)
    ids_BQ = torch.tensor([[pad_id] * (width - len(rest)) + list(rest) for rest in rests], device=device)
    k = ahead + width
    # Padding sees itself: no row of the mask keeps nothing.
    own_QQ = torch.eye(width, dtype=torch.bool, device=device)
    keep_BQK = keep_BK[:, None, :k].expand(-1, width, -1).tril(ahead)
    keep_BQK[:, :, ahead:] |= own_QQ
    cache = slots(k + max(limits), pasts)

    logits_BV = network.step(ids_BQ, positions_BK[:, ahead:k], keep_BQK, positions_BK[:, :k], cache)
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
        # Rows that have ended cost as much as others. Taking them out copies the cache, so not for each one.
        if len(left) <= CROWDED * len(rows):
            rows = [rows[b] for b in left]
            index_B = torch.tensor(left, device=device)
            ids_B, keep_BK, positions_BK = ids_B[index_B], keep_BK[index_B], positions_BK[index_B]
            cache.batch_select_indices(index_B)
        k += 1
        logits_BV = network.step(
            ids_B.unsqueeze(1), positions_BK[:, k - 1 : k], keep_BK[:, None, :k], positions_BK[:, :k], cache
        )
    return [Decoded(tuple(ids), why) for ids, why in zip(tokens, finish, strict=True)]


def _alone(network: Network, prompt: DecodingPrompt, end_ids: abc.Collection[int]) -> Decoded:
    """One prompt with the model's own cache: padding would enter the state of layers that read no mask."""
    tokens: list[int] = []
    logits_1V, past = network.own_step(torch.tensor([prompt.ids], device=network.device), None)
    while len(tokens) < prompt.max_new_tokens:
        ids_1 = _pick(logits_1V, [prompt], len(tokens))
        if int(ids_1) in end_ids:
            return Decoded(tuple(tokens), "stop")
        tokens.append(int(ids_1))
        if len(tokens) < prompt.max_new_tokens:
            logits_1V, past = network.own_step(ids_1.unsqueeze(0), past)
    return Decoded(tuple(tokens), "length")


def _pick(logits_BV: Tensor, prompts: abc.Sequence[DecodingPrompt], t: int) -> Tensor:
    """(B,) the next token of each row."""
    ids_B = logits_BV.argmax(-1)
    finite.check_chosen(logits_BV, ids_B)
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
    # fp64: a cumulative sum over a large vocabulary loses in fp32 what rare tokens have.
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
