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
import itertools
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from holdfast import rng
from holdfast.models import finite, ragged
from holdfast.models.cache import Past, slots
from holdfast.models.drafts import Draft, ForwardCost
from holdfast.models.network import Network

CROWDED = 0.75  # the batch is made smaller when fewer than this share of its rows go on
DRAWN = 256  # rows whose probabilities are held at once, in fp64
# Two logits nearer than this are a near-tie, which a batch of another shape may turn: rounding is a hundredth of it in
# fp32, and in bfloat16 one to eight units of a logit between 4 and 32.
NEAR = {torch.float32: 1e-3, torch.bfloat16: 0.25}


@dataclass(frozen=True, slots=True)
class DecodingPrompt:
    """What is asked of the loop. ``temperature`` 0 is greedy; ``key`` names the noise.

    The first ``shared`` ids are a prefix that other prompts begin with too. ``drafts`` are what others answered.
    """

    key: str
    ids: tuple[int, ...]
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    shared: int = 0
    drafts: tuple[tuple[int, ...], ...] = ()

    @property
    def prefix(self) -> tuple[int, ...]:
        return self.ids[: self.shared]


@dataclass(frozen=True, slots=True)
class Decoded:
    """The tokens before the end of turn, and why they ended.

    ``near``: how many of them, chosen greedily with drafts, were a near-tie, which a batch of another shape may turn.
    """

    ids: tuple[int, ...]
    finish: Literal["stop", "length"]
    near: int = 0


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
    said, batch = _Said(prompts, end_ids), _Batch(network, prompts, pad_id, pasts)
    if any(prompt.drafts for prompt in prompts):
        _apart(network, batch, said)
    else:
        _in_step(network, batch, said)
    return [Decoded(tuple(ids), why, near) for ids, why, near in zip(said.ids, said.finish, said.near, strict=True)]


class _Said:
    """What each prompt has been answered so far, and whether it goes on."""

    def __init__(self, prompts: abc.Sequence[DecodingPrompt], end_ids: abc.Collection[int]):
        self.prompts, self.ends = prompts, frozenset(end_ids)
        self.ids: list[list[int]] = [[] for _ in prompts]
        self.finish: list[Literal["stop", "length"]] = ["length"] * len(prompts)
        self.going = [prompt.max_new_tokens > 0 for prompt in prompts]
        self.near = [0] * len(prompts)

    def take(self, row: int, token: int) -> None:
        if token in self.ends:
            self.going[row], self.finish[row] = False, "stop"
        else:
            self.ids[row].append(token)
            self.going[row] = self.left(row) > 0

    def left(self, row: int) -> int:
        """How many more tokens it may have."""
        return self.prompts[row].max_new_tokens - len(self.ids[row])


class _Batch:
    """Prompts that were run, padded on the left, so that all end at the same column, and the room after them.

    ``rows`` are the prompts' numbers, ``logits_BV`` those after each; new tokens go to the columns from ``k`` on.
    """

    def __init__(
        self,
        network: Network,
        prompts: abc.Sequence[DecodingPrompt],
        pad_id: int,
        pasts: abc.Sequence[Past | None],
    ):
        most, device = max(p.max_new_tokens for p in prompts), network.device
        starts = [past.length if past else 0 for past in pasts] or [0] * len(prompts)
        rests = [p.ids[start:] for p, start in zip(prompts, starts, strict=True)]
        ahead, width = max(starts), max(len(rest) for rest in rests)
        at_1P = torch.arange(ahead, device=device).unsqueeze(0)
        at_1S = torch.arange(width + most, device=device).unsqueeze(0)
        starts_B1 = torch.tensor(starts, device=device).unsqueeze(1)
        pads_B1 = torch.tensor([[width - len(rest)] for rest in rests], device=device)
        past_BP, rest_BS = at_1P - (ahead - starts_B1), (at_1S - pads_B1).clamp_min(0) + starts_B1
        self.keep_BK = torch.cat([at_1P >= ahead - starts_B1, at_1S >= pads_B1], 1)
        self.positions_BK = torch.cat([past_BP, rest_BS], 1).clamp_min_(0)
        ids_BQ = torch.tensor([[pad_id] * (width - len(rest)) + list(rest) for rest in rests], device=device)
        self.rows, self.k = list(range(len(prompts))), ahead + width
        # Padding sees itself: no row of the mask keeps nothing.
        own_QQ = torch.eye(width, dtype=torch.bool, device=device)
        keep_BQK = self.keep_BK[:, None, : self.k].expand(-1, width, -1).tril(ahead)
        keep_BQK[:, :, ahead:] |= own_QQ
        self.cache = slots(self.k + most, pasts)
        at_BQ, at_BK = self.positions_BK[:, ahead : self.k], self.positions_BK[:, : self.k]
        self.logits_BV = network.step(ids_BQ, at_BQ, keep_BQK, at_BK, self.cache)

    def leave(self, going: abc.Sequence[bool]) -> Tensor | None:
        """Takes out the rows that have ended, when they are many; the places of those that are left."""
        left = [b for b, row in enumerate(self.rows) if going[row]]
        # Rows that have ended cost as much as others. Taking them out copies the cache, so not for each one.
        if not left or len(left) > CROWDED * len(self.rows):
            return None
        self.rows = [self.rows[b] for b in left]
        index_B = torch.tensor(left, device=self.keep_BK.device)
        self.keep_BK, self.positions_BK = self.keep_BK[index_B], self.positions_BK[index_B]
        self.cache.batch_select_indices(index_B)
        return index_B


def _in_step(network: Network, batch: _Batch, said: _Said) -> None:
    """All rows write their next token into the same column."""
    logits_BV = batch.logits_BV
    for k in itertools.count(batch.k):
        ids_B = _pick(logits_BV, [(said.prompts[row], k - batch.k) for row in batch.rows])
        for row, token in zip(batch.rows, ids_B.tolist(), strict=True):
            if said.going[row]:
                said.take(row, token)
        if not any(said.going):
            return
        if (index_B := batch.leave(said.going)) is not None:
            ids_B = ids_B[index_B]
        at_B1, at_BK = batch.positions_BK[:, k : k + 1], batch.positions_BK[:, : k + 1]
        logits_BV = network.step(ids_B.unsqueeze(1), at_B1, batch.keep_BK[:, None, : k + 1], at_BK, batch.cache)


def _apart(network: Network, batch: _Batch, said: _Said) -> None:
    """Each row goes on by as many tokens as its drafts were right, and by one of its own."""
    follow, cost = [Draft(prompt.drafts) for prompt in said.prompts], ForwardCost.of(network)
    bound = NEAR[torch.bfloat16 if network.autocast else network.dtype]
    tried: dict[int, list[int]] = {row: [] for row in batch.rows if said.going[row]}
    logits_NV = batch.logits_BV[list(tried)]  # after each row's last token, and after each that it tries
    while tried:
        asked = [(said.prompts[row], len(said.ids[row]) + q) for row, ids in tried.items() for q in range(len(ids) + 1)]
        found = zip(_pick(logits_NV, asked).tolist(), _near(logits_NV, bound), strict=True)
        for row, ids in tried.items():
            own = [next(found) for _ in range(len(ids) + 1)]
            for (token, near), guess in zip(own, (*ids, None), strict=True):
                said.take(row, token)
                said.near[row] += near and said.prompts[row].temperature == 0
                follow[row].said(token, said.ids[row])
                if token != guess or not said.going[row]:
                    break
        batch.leave(said.going)
        going = [row for row in batch.rows if said.going[row]]
        ahead = [follow[row].next(said.left(row) - 1) for row in going]
        counts = cost.lengths([follow[row].chances(len(ids)) for row, ids in zip(going, ahead, strict=True)], batch.k)
        tried = {row: ids[:n] for row, ids, n in zip(going, ahead, counts, strict=True)}
        if tried:
            new = [[said.ids[row][-1], *tried[row]] if row in tried else [] for row in batch.rows]
            columns = [batch.k + len(said.ids[row]) - 1 for row in batch.rows]
            logits_NV = ragged.forward(network, new, columns, batch.keep_BK, batch.positions_BK, batch.cache)


def _alone(network: Network, prompt: DecodingPrompt, end_ids: abc.Collection[int]) -> Decoded:
    """One prompt with the model's own cache: padding would enter the state of layers that read no mask."""
    tokens: list[int] = []
    logits_1V, past = network.own_step(torch.tensor([prompt.ids], device=network.device), None)
    while len(tokens) < prompt.max_new_tokens:
        ids_1 = _pick(logits_1V, [(prompt, len(tokens))])
        if int(ids_1) in end_ids:
            return Decoded(tuple(tokens), "stop")
        tokens.append(int(ids_1))
        if len(tokens) < prompt.max_new_tokens:
            logits_1V, past = network.own_step(ids_1.unsqueeze(0), past)
    return Decoded(tuple(tokens), "length")


def _pick(logits_NV: Tensor, asked: abc.Sequence[tuple[DecodingPrompt, int]]) -> Tensor:
    """(N,) the token that each of these prompts has at each of these positions."""
    ids_N = logits_NV.argmax(-1)
    finite.check_chosen(logits_NV, ids_N)
    sampled = [n for n, (prompt, _) in enumerate(asked) if prompt.temperature > 0]
    for at in range(0, len(sampled), DRAWN):
        drawn = sampled[at : at + DRAWN]
        hot = [asked[n] for n in drawn]
        uniform_N = torch.tensor([rng.uniform(p.key, t) for p, t in hot], dtype=torch.float64, device=logits_NV.device)
        temperature_N, top_p_N = (logits_NV.new_tensor(x) for x in zip(*((p.temperature, p.top_p) for p, _ in hot)))  # noqa: B905
        ids_N[drawn] = sample(logits_NV[drawn], temperature_N, top_p_N, uniform_N)
    return ids_N


def _near(logits_NV: Tensor, bound: float) -> list[bool]:
    """Whether the two likeliest tokens are nearer than that."""
    first_N, second_N = logits_NV.topk(2).values.unbind(1)
    return (first_N - second_N < bound).tolist()


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
