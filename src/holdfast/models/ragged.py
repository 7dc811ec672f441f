"""One forward of rows that each stand at a place of their own and go on by a number of tokens of their own.

The new tokens of all rows stand in one line, so that no row pays for another's length: embeddings, projections, norms
and the head know tokens only. Keys and values are written to each row's own columns, and attention, which alone has to
know whose a token is, is done here. Query heads that share keys are put side by side, so that no key is copied.

Assumption about the model: it asks transformers' ``AttentionInterface`` for its attention, and no other part of it
looks from one token to another. ``check`` compares what comes out with the model's own logits, once for a model.

Shape legend: B rows, N new tokens of all rows, Q the most of one row, K columns so far, H key-value heads, G query
heads for each of them, C head size, V vocabulary.
"""

from __future__ import annotations

import collections.abc as abc
import copy
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.cache_utils import Cache
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from holdfast.models.cache import slots
from holdfast.models.head import TOLERANCE
from holdfast.models.network import Network
from holdfast.models.prefixes import Ids
from holdfast.types import UserError

NAME = "holdfast_rows"  # of the attention below, among transformers'


def forward(
    network: Network,
    new: abc.Sequence[abc.Sequence[int]],
    columns: abc.Sequence[int],
    keep_BK: Tensor,
    positions_BK: Tensor,
    cache: Cache,
) -> Tensor:
    """(N, V) the model's own logits after every token of ``new``, row by row, in fp32.

    The tokens of row b go to the columns from ``columns[b]`` on; ``keep_BK`` says which columns hold something of the
    row, and those after a token are hidden from it here. ``cache`` is one of ``cache.slots``.
    """
    step = Step([len(ids) for ids in new], columns, network.device)
    columns_BQ, width = step.columns_BQ, step.width
    positions_BQ = positions_BK.gather(1, columns_BQ)
    seen_BQK = torch.arange(width, device=network.device) <= columns_BQ.unsqueeze(2)
    mask = network.mask(keep_BK[:, None, :width] & seen_BQK, positions_BQ, positions_BK[:, :width])
    ids_1N = torch.tensor([[i for ids in new for i in ids]], device=network.device)
    for layer in cache.layers:
        layer.step = step  # type: ignore[attr-defined]
    with network.computing(), _attending(network, step):
        out = network.model(
            input_ids=ids_1N,
            attention_mask=mask,
            position_ids=positions_BQ[step.rows_N, step.places_N].unsqueeze(0),
            past_key_values=cache,
            use_cache=True,
        )
    return out.logits[0].float()


class Step:
    """Whose each token of a forward is, and where it goes: row, place among the row's new tokens, column."""

    def __init__(self, counts: abc.Sequence[int], columns: abc.Sequence[int], device: torch.device):
        self.width = max(column + n for column, n in zip(columns, counts, strict=True))
        self.rows_N = torch.tensor([b for b, n in enumerate(counts) for _ in range(n)], device=device)
        self.places_N = torch.tensor([q for n in counts for q in range(n)], device=device)
        places_1Q = torch.arange(max(counts), device=device).unsqueeze(0)
        columns_B1 = torch.tensor(columns, device=device).unsqueeze(1)
        self.columns_BQ = (columns_B1 + places_1Q).clamp_max(
            self.width - 1
        )  # of a place that no token has, any will do
        self.columns_N = self.columns_BQ[self.rows_N, self.places_N]
        self.alike = len(self.rows_N) == self.columns_BQ.numel()  # whether all rows have equally many tokens
        self._masks: dict[tuple[int, int, torch.dtype], Tensor] = {}
        self._places: dict[tuple[int, int], Tensor] = {}
        self._elsewhere: dict[torch.device, Step] = {}

    def on(self, device: torch.device) -> Step:
        """The same for layers that lie there, with masks and places of its own."""
        if device == self.rows_N.device:
            return self
        if device not in self._elsewhere:
            self._elsewhere[device] = there = copy.copy(self)
            there._masks, there._places = {}, {}
            there.rows_N, there.places_N = self.rows_N.to(device), self.places_N.to(device)
            there.columns_BQ, there.columns_N = self.columns_BQ.to(device), self.columns_N.to(device)
        return self._elsewhere[device]

    def write(self, kept: Tensor, states_1HNC: Tensor) -> Tensor:
        """(B, H, K, C) of the kept keys or values, with the new ones among them."""
        if kept.device != self.rows_N.device:
            return self.on(kept.device).write(kept, states_1HNC)
        heads, room = key = kept.shape[1], kept.shape[2]
        if key not in self._places:
            heads_H1 = torch.arange(heads, device=kept.device).unsqueeze(1)
            self._places[key] = ((self.rows_N * heads + heads_H1) * room + self.columns_N).flatten()
        kept.flatten(0, 2).index_copy_(0, self._places[key], states_1HNC[0].flatten(0, 1))  # a view: it is contiguous
        return kept[:, :, : self.width]

    def attend(
        self,
        module: Any,
        query: Tensor,
        keys_BHKC: Tensor,
        values_BHKC: Tensor,
        mask: Tensor,
        scaling: float | None = None,
        softcap: float | None = None,
        **more: Any,
    ) -> tuple[Tensor, None]:
        """(1, N, H·G, C) attention's output, in the place of one of transformers' own functions."""
        if query.device != self.rows_N.device:
            there = self.on(query.device)
            return there.attend(module, query, keys_BHKC, values_BHKC, mask, scaling, softcap, **more)
        if unknown := [name for name in ("s_aux", "position_bias", "head_mask") if more.get(name) is not None]:
            raise NotImplementedError(f"attention with {unknown[0]}")
        (rows, places), heads = self.columns_BQ.shape, keys_BHKC.shape[1]
        groups, size = query.shape[1] // heads, query.shape[3]
        query_NHGC = query[0].transpose(0, 1).unflatten(1, (heads, groups))
        if self.alike:
            query_BQHGC = query_NHGC.unflatten(0, (rows, places))
        else:
            query_BQHGC = query.new_zeros(rows, places, heads, groups, size)
            query_BQHGC[self.rows_N, self.places_N] = query_NHGC
        query_BHgC = query_BQHGC.permute(0, 2, 3, 1, 4).flatten(2, 3)
        mask_B1gK = self._mask(mask, groups, query.dtype)
        if softcap is None:
            out_BHgC = functional.scaled_dot_product_attention(
                query_BHgC, keys_BHKC, values_BHKC, attn_mask=mask_B1gK, scale=scaling
            )
        else:
            scores_BHgK = query_BHgC @ keys_BHKC.transpose(2, 3) * (size**-0.5 if scaling is None else scaling)
            scores_BHgK = (scores_BHgK / softcap).tanh() * softcap + mask_B1gK
            out_BHgC = scores_BHgK.softmax(-1, dtype=torch.float32).to(query.dtype) @ values_BHKC
        out_BQHGC = out_BHgC.unflatten(2, (groups, places)).permute(0, 3, 1, 2, 4)
        out_NHGC = out_BQHGC.flatten(0, 1) if self.alike else out_BQHGC[self.rows_N, self.places_N]
        return out_NHGC.flatten(1, 2).unsqueeze(0), None

    def _mask(self, mask_B1QK: Tensor, groups: int, dtype: torch.dtype) -> Tensor:
        """As it is added to the scores of the groups' queries: made once for all layers that see alike."""
        key = id(mask_B1QK), groups, dtype
        if key not in self._masks:
            added = mask_B1QK
            if added.dtype != dtype:  # of booleans, or of another precision
                hidden = ~added if added.dtype == torch.bool else added < 0
                added = torch.zeros(added.shape, dtype=dtype, device=added.device)
                added.masked_fill_(hidden, torch.finfo(dtype).min)
            self._masks[key] = added.repeat(1, 1, groups, 1) if groups > 1 else added
        return self._masks[key]


@contextmanager
def _attending(network: Network, step: Step) -> abc.Iterator[None]:
    """Within it the model attends as this step says."""
    config = network.decoder.config
    before = config._attn_implementation
    ALL_ATTENTION_FUNCTIONS.register(NAME, step.attend)
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


@torch.no_grad()
def check(network: Network, ids: Ids) -> None:
    """Compares logits after rows of unlike lengths with the model's own.

    Raises ``UserError`` on a difference that rounding does not explain, and where the model cannot be run so.
    """
    first = (ids * 4)[:4]
    told = [[*first], [*first]]
    parts = [([*ids[-3:]], [*ids[:1]]), ([*ids[:1]], [*ids[-2:]])]
    room = 4 + sum(max(map(len, part)) for part in parts)
    at_2K = torch.arange(room, device=network.device).expand(2, -1)
    keep_2K = torch.ones_like(at_2K, dtype=torch.bool)
    cache = slots(room)
    start_2Q = torch.tensor(told, device=network.device)
    keep_2QQ = keep_2K[:, None, :4].expand(-1, 4, -1).tril()
    network.step(start_2Q, at_2K[:, :4], keep_2QQ, at_2K[:, :4], cache)
    try:
        for part in parts:
            got_NV = forward(network, part, [len(row) for row in told], keep_2K, at_2K, cache)
            told = [row + new for row, new in zip(told, part, strict=True)]
            last = [n - 1 for n in accumulate(map(len, part))]
            for row, got_V in zip(told, got_NV[last], strict=True):
                with network.computing():
                    ids_1L = torch.tensor([row], device=network.device)
                    want_V = network.model(input_ids=ids_1L, use_cache=False).logits[0, -1].float()
                error = float((got_V - want_V).norm() / want_V.norm().clamp_min(1e-6))
                if not error <= TOLERANCE[torch.bfloat16 if network.autocast else network.dtype][1]:
                    raise UserError(f"rows of {network.spec.name} cannot go on apart (relative error {error:.1e})")
    except UserError:
        raise
    except Exception as error:  # of whatever kind: the attention is the model's own
        raise UserError(f"rows of {network.spec.name} cannot go on apart ({type(error).__name__})") from error
