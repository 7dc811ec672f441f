"""Soft prompts: embeddings that no token has, optimised on a subject so that it begins to answer.

minimise over E (n, D):   - mean over conversations c and target tokens t of  log p(y_t | prompt_c with E, y_<t)

by Adam, with the subject's weights as they are (Lester et al. 2021, arXiv 2104.08691, for tuning embeddings; Schwinn et
al. 2024, arXiv 2402.09063, for attacking with them). E stands behind the last user turn's text. Its tokens have ids
beyond the vocabulary, so that prompts, caches and batches are made of ids as ever; only looking up embeddings knows.

Shape legend: n soft tokens, D embedding size, B rows, L positions, N target tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from holdfast import rng
from holdfast.models import head
from holdfast.models.layouts import arrange, micro_batches
from holdfast.models.network import Network
from holdfast.types import Segment, Sequence, SoftPrompt, Turn, UserError

SPREAD = 0.5  # of the embeddings' own scatter about their mean, from where a search begins
MARK = " !"  # tells where the last user turn's text ends
MICRO_TOKENS = 4096


def first_id(network: Network) -> int:
    """The first id that is no token's."""
    return int(network.model.get_input_embeddings().weight.shape[0])


def ids(network: Network, turns: tuple[Turn, ...], soft: SoftPrompt) -> tuple[int, ...]:
    """The prompt with the soft tokens behind the last user turn's text."""
    renderer = network.renderer
    last = max(i for i, turn in enumerate(turns) if turn.role == "user")
    marked = Turn("user", turns[last].content + MARK)
    plain, other = renderer.prompt_ids(turns), renderer.prompt_ids((*turns[:last], marked, *turns[last + 1 :]))
    at = next((k for k, (a, b) in enumerate(zip(plain, other, strict=False)) if a != b), len(plain))
    first = first_id(network)
    return (*plain[:at], *range(first, first + soft.tokens), *plain[at:])


@contextmanager
def put(network: Network, table_nD: Tensor) -> Iterator[None]:
    """Within it ids beyond the vocabulary are the rows of the table."""
    embedding, first = network.model.get_input_embeddings(), first_id(network)
    asked: list[Tensor] = []

    def before(_module: Any, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        asked.append(args[0])
        return (args[0].clamp(max=first - 1), *args[1:])

    def after(_module: Any, _args: Any, out_BLD: Tensor) -> Tensor:
        ids_BL = asked.pop()
        soft_BL = ids_BL >= first
        if not bool(soft_BL.any()):
            return out_BLD
        rows_BLD = table_nD.to(out_BLD.device, out_BLD.dtype)[(ids_BL - first).clamp(min=0)]
        return torch.where(soft_BL.unsqueeze(-1), rows_BLD, out_BLD)

    hooks = [embedding.register_forward_pre_hook(before), embedding.register_forward_hook(after)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def found(network: Network, soft: SoftPrompt) -> Tensor:
    """(n, D) fp32: the embeddings for the network as it is, with its adapter on or off. The same every time.

    Raises UserError where a conversation does not fit the context, and FloatingPointError where the loss is not finite.
    """
    target = network.renderer.continuation_ids(soft.begins)
    sequences = [(ids(network, turns, soft), turns) for turns in soft.asked]
    rows = [Sequence((*p, *target), len(p), Segment("", "chosen", turns, soft.begins)) for p, turns in sequences]
    if max(len(row.ids) for row in rows) > network.max_positions:
        raise UserError(f"a conversation of the soft prompt is longer than the context of {network.spec.name}")
    weight_VD = network.model.get_input_embeddings().weight.detach().float()
    stream = torch.Generator().manual_seed(rng.seed("soft prompt", soft.digest))
    noise_nD = torch.randn(soft.tokens, weight_VD.shape[1], generator=stream).to(weight_VD.device)
    table_nD = (weight_VD.mean(0) + SPREAD * weight_VD.std(0) * noise_nD).requires_grad_(True)
    optimiser = torch.optim.Adam([table_nD], soft.rate * float(weight_VD.std()))
    groups = [(row,) for row in rows]
    parts = micro_batches(groups, "padded", MICRO_TOKENS)
    with torch.enable_grad(), put(network, table_nD):
        for _ in range(soft.steps):
            gradient_nD = torch.zeros_like(table_nD)
            for part in parts:
                batch = arrange([rows[i] for i in part], "padded", network.renderer.pad_id, network.device)
                logp_N = head.token_logps(network, head.hidden_ND(network, batch), batch.target_N, "full")
                loss = -logp_N.sum() / (len(rows) * len(target))
                if not bool(loss.isfinite()):
                    raise FloatingPointError("the loss of a soft prompt")
                # Of these alone: adapters' weights are not to gather gradients here.
                gradient_nD += torch.autograd.grad(loss, table_nD)[0]
            table_nD.grad = gradient_nD
            optimiser.step()
    return table_nD.detach()
