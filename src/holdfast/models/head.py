"""From a batch to token log-probs and full-vocabulary KL, and the check that they are right.

Only response positions reach the head. ``frozen`` (see ``frozen``) is exact and small in memory; ``full`` runs the
model's own logits path under autograd and is right for any architecture.

Shape legend: N response tokens of a batch, D hidden size, V vocabulary.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from holdfast.models import adapters, frozen
from holdfast.models.frozen import Direction, Head
from holdfast.models.layouts import Batch
from holdfast.models.network import Network
from holdfast.types import UserError

HeadKind = Literal["frozen", "full"]

# Largest relative error (in the norm) that rounding explains: of the head on equal hidden states, and of the layout,
# whose other matrix shapes round differently in every layer.
TOLERANCE = {torch.float32: (1e-4, 1e-4), torch.bfloat16: (3e-2, 5e-2)}
FEW = 128  # tokens whose plain logits the check holds at once: it must not need more memory than training does


def hidden_ND(network: Network, batch: Batch) -> Tensor:
    """The last hidden states that predict the response tokens, in the network's dtype."""
    hidden_BLD = network.body(batch.ids_BL, batch.positions_BL, batch.attention_BQK)
    return hidden_BLD.flatten(0, 1).index_select(0, batch.source_N)


def token_logps(network: Network, hidden_ND: Tensor, target_N: Tensor, head: HeadKind = "frozen") -> Tensor:
    """(N,) fp32 log-prob of each target token, differentiable by ``hidden_ND``.

    Raises FloatingPointError where one is not finite.
    """
    if head == "frozen":
        return frozen.token_logps(_head(network), hidden_ND, target_N)
    logits_NV = network.own_logits(hidden_ND).float()
    return frozen.finite(_logps(logits_NV, target_N), "a token's log-prob")


@torch.no_grad()
def read_logps(
    network: Network, hidden_UD: Tensor, place_N: Tensor, target_N: Tensor, head: HeadKind = "frozen"
) -> Tensor:
    """(N,) fp32 log-probs without a gradient, where several targets are read after one place.

    ``place_N`` is the row of ``hidden_UD`` that predicts a target. Each row meets the head once, so that all one-token
    answers to a prompt cost one row of logits. Raises FloatingPointError where one is not finite.
    """
    logp_N = hidden_UD.new_empty(len(target_N), dtype=torch.float32)
    # In chunks: the logits of all places at once would be the largest thing in memory by far.
    size = frozen.rows_at_once(network.model.config.get_text_config().vocab_size)
    for start in range(0, len(hidden_UD), size):
        hidden_CD = hidden_UD[start : start + size]
        logits_CV = _head(network).logits(hidden_CD) if head == "frozen" else network.own_logits(hidden_CD).float()
        here = ((place_N >= start) & (place_N < start + size)).nonzero().squeeze(1)
        row = place_N[here] - start
        logp_N[here] = logits_CV[row, target_N[here]] - logits_CV.logsumexp(-1)[row]
    return frozen.finite(logp_N, "a token's log-prob")


def token_kls(
    network: Network, hidden_ND: Tensor, ref_hidden_ND: Tensor, direction: Direction, head: HeadKind = "frozen"
) -> Tensor:
    """(N,) fp32 KL over the full vocabulary from the policy's and the reference's hidden states at the same places.

    ``policy_reference`` is KL(policy || reference). Differentiable by ``hidden_ND``; the reference is a constant.
    Raises FloatingPointError where one is not finite.
    """
    if head == "frozen":
        return frozen.token_kls(_head(network), hidden_ND, ref_hidden_ND, direction)
    p_NV = network.own_logits(hidden_ND).float().log_softmax(-1)
    with torch.no_grad(), adapters.off(network):  # the reference's head, where the policy's is trained
        q_NV = network.own_logits(ref_hidden_ND).float().log_softmax(-1)
    first, second = (p_NV, q_NV) if direction == "policy_reference" else (q_NV, p_NV)
    return frozen.finite((first.exp() * (first - second)).sum(-1), "a token's KL")


def check(network: Network, batch: Batch, head: HeadKind = "frozen") -> None:
    """Compare one batch, through this head and its layout, with the model's own logits of each sequence run alone.

    Values are compared end to end, and the gradient by the hidden states with that of the model's own logits path.
    Raises ``UserError`` on a mismatch that rounding does not explain. Run it once before training.
    """
    # Two errors apart, for they have two mends: the head on equal hidden states, and the layout on equal logits.
    of_head, of_layout = TOLERANCE[torch.bfloat16 if network.autocast else network.dtype]
    with torch.no_grad():
        given_ND = hidden_ND(network, batch)
        alone_N = torch.cat([_alone(network, s.ids, s.start) for s in batch.sequences])
    got_N, got_ND = _value_and_gradient(network, given_ND, batch.target_N, head)
    want_N, want_ND = _value_and_gradient(network, given_ND, batch.target_N, "full", FEW)
    if (error := max(_error(got_N, want_N), _error(got_ND, want_ND))) > of_head:
        raise UserError(
            f"the {head} head does not give the logits of {network.spec.name} (relative error {error:.1e}): "
            "set `head: full` in controls"
        )
    if (error := _error(got_N, alone_N)) > of_layout:
        raise UserError(
            f"sequences of {network.spec.name} laid out together do not give the log-probs that each gives alone "
            f"(relative error {error:.1e}): set `layout: padded` in controls"
        )


@torch.no_grad()
def check_reading(network: Network, batch: Batch) -> None:
    """As ``check``, of the values alone that ``read_logps`` gives. Run it once before scoring."""
    source_U, place_N = batch.source_N.unique(return_inverse=True)
    hidden_BLD = network.body(batch.ids_BL, batch.positions_BL, batch.attention_BQK)
    got_N = read_logps(network, hidden_BLD.flatten(0, 1)[source_U], place_N, batch.target_N)
    alone = [_alone(network, s.ids, s.start, logits_to_keep=len(s.response_ids) + 1) for s in batch.sequences]
    error = _error(got_N, torch.cat(alone))
    if not error <= TOLERANCE[torch.bfloat16 if network.autocast else network.dtype][1]:
        raise UserError(f"{network.spec.name} cannot be scored in a shared layout (relative error {error:.1e})")


def _alone(network: Network, ids: tuple[int, ...], start: int, **options: int) -> Tensor:
    """(T,) log-probs of one response by the model's plain forward."""
    ids_1L = torch.tensor([ids], device=network.device)
    with network.computing():
        logits_LV = network.model(input_ids=ids_1L, use_cache=False, **options).logits[0]
    return _logps(logits_LV[start - 1 - len(ids) : -1].float(), ids_1L[0, start:])


def _value_and_gradient(
    network: Network, given_ND: Tensor, target_N: Tensor, head: HeadKind, size: int | None = None
) -> tuple[Tensor, Tensor]:
    """Of each token, at most ``size`` together: a token's value and gradient depend on no other token."""
    size = size or len(target_N)
    weight_N = torch.linspace(0.5, 1.5, len(target_N), device=target_N.device)  # unequal, so that order matters
    values, gradients = [], []
    for given_CD, target_C, weight_C in zip(
        given_ND.split(size), target_N.split(size), weight_N.split(size), strict=True
    ):
        leaf_CD = given_CD.detach().clone().requires_grad_()
        logp_C = token_logps(network, leaf_CD, target_C, head)
        logp_C.backward(weight_C)
        assert leaf_CD.grad is not None
        values.append(logp_C.detach())
        gradients.append(leaf_CD.grad.float())
    return torch.cat(values), torch.cat(gradients)


def _error(got: Tensor, want: Tensor) -> float:
    return float((got - want).norm() / want.norm().clamp_min(1e-6))


def _logps(logits_NV: Tensor, target_N: Tensor) -> Tensor:
    return logits_NV.log_softmax(-1).gather(1, target_N.unsqueeze(1)).squeeze(1)


def _head(network: Network) -> Head:
    """The head as the model's configuration describes it; ``check`` is what proves it."""
    linear = network.model.get_output_embeddings()
    if not isinstance(linear, nn.Linear) or linear.weight.requires_grad:
        raise UserError(f"the output head of {network.spec.name} is not a plain frozen layer: set `head: full`")
    config = network.model.config.get_text_config()
    scale = float(getattr(config, "logit_scale", None) or 1.0) / float(getattr(config, "logits_scaling", None) or 1.0)
    return Head(linear.weight, linear.bias, scale, getattr(config, "final_logit_softcapping", None))
