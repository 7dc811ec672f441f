"""Directions in hidden states: found on the base model as the difference of two means, and read in any subject.

Of each layer k (its output, the residual stream after it):

    v = mean of the states of the one set - mean of those of the other,   r = v / ‖v‖
    score(h) = (r·h - zero) / (one - zero),   zero and one: r·mean of either set

(difference in means: Arditi et al. 2024, arXiv 2406.11717, section 2.3; Chen et al. 2025, arXiv 2507.21509, section 2).
The layer is the one whose r separates the *held-out* conversations best, by d' = (m1 - m0) / sqrt((s1² + s0²) / 2) of
their projections; of equal ones the earliest. No subject but the base has a say in it.

Shape legend: R conversations, K layers, D hidden size, B rows, L positions, T positions that are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Seq
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from holdfast import registry
from holdfast.models import adapters, reading
from holdfast.models.network import Network
from holdfast.types import Direction, Segment, Sequence, Steer, Turn, UserError

NAMES = ("raw", "cosine", "zero", "one", "layer", "separation")
CHANGE = "change "  # and the number of a layer: how far its states are from the base's, of their norm


@dataclass(frozen=True)
class Found:
    """A direction of one model: its layer, its unit vector there (fp64, on the processor), where the base's means of
    the two sets lie along it, and d' of the held-out conversations."""

    layer: int
    unit_D: Tensor
    zero: float
    one: float
    separation: float


def sequence(network: Network, turns: tuple[Turn, ...], response: str = "") -> Sequence:
    """What is run; from ``start`` on its states are read: over the response without an end of turn, or at the last
    token of the prompt."""
    prompt = network.renderer.prompt_ids(turns)
    ids = network.renderer.continuation_ids(response) if response else ()
    if response and not ids:
        raise UserError(f"the response {response!r} holds no token whose hidden states could be read")
    return Sequence(prompt + ids, len(prompt) if ids else len(prompt) - 1, Segment("", "chosen", turns, response))


def found(network: Network, direction: Direction) -> Found:
    """The direction on this network's base, whatever adapter is on it; found once and kept with the network.

    Raises UserError where a conversation is longer than the model's context, and where no layer tells the sets apart.
    """
    if direction.digest not in network.directions:
        contrasts = direction.contrasts()
        rows = [sequence(network, c.turns, c.response) for c in contrasts]
        if max(len(row.ids) for row in rows) > network.max_positions:
            raise UserError(
                f"a conversation of the direction {direction.name} is longer than the context of {network.spec.name}"
            )
        # Always in the precision that the base is measured in: training in autocast reads the same direction.
        autocast, network.autocast = network.autocast, False
        try:
            with adapters.off(network):
                states = reading.in_batches(lambda some: list(states_RKD(network, some).cpu()), rows, network)
        finally:
            network.autocast = autocast
        there = torch.tensor([c.there for c in contrasts])
        held = torch.tensor([c.held_out for c in contrasts])
        network.directions[direction.digest] = _best(torch.stack(states), there, held, direction, network)
    return network.directions[direction.digest]


def _best(states: Tensor, there_R: Tensor, held_R: Tensor, direction: Direction, network: Network) -> Found:
    each = [between(states[:, k].double(), there_R, held_R, k) for k in range(states.shape[1])]
    best = max(each, key=lambda one: one.separation)  # the first of equal ones
    if not best.separation > 0:
        raise UserError(
            f"no layer of {network.spec.name} tells the two sets of the direction {direction.name} apart on held-out "
            "conversations: it has no such direction, and nothing can be read along it"
        )
    return best


def between(states_RD: Tensor, there_R: Tensor, held_R: Tensor, layer: int) -> Found:
    """The direction of one layer. Its separation is 0 where the held-out states do not vary along it, which tells
    nothing."""
    means = [states_RD[~held_R & (there_R == side)].mean(0) for side in (False, True)]
    unit_D = means[1] - means[0]
    if not bool(unit_D.norm() > 0):
        return Found(layer, unit_D, 0.0, 0.0, 0.0)
    unit_D = unit_D / unit_D.norm()
    zero, one = (float(mean_D @ unit_D) for mean_D in means)
    low, high = ((states_RD[held_R & (there_R == side)] @ unit_D) for side in (False, True))
    spread = float(((low.var() + high.var()) / 2).sqrt())
    return Found(layer, unit_D, zero, one, float(high.mean() - low.mean()) / spread if spread > 0 else 0.0)


def states_RKD(network: Network, rows: Seq[Sequence]) -> Tensor:
    """(R, K, D) fp32: the mean of every layer's output over the positions of each row that are read, with no
    gradient."""
    spots = [(b, p) for b, row in enumerate(rows) for p in range(row.start, len(row.ids))]
    row_T, place_T = torch.tensor(spots, device=network.device).T
    n_R = torch.tensor([[len(row.ids) - row.start] for row in rows], device=network.device)

    def pooled(out_BLD: Tensor) -> Tensor:
        row, place = row_T.to(out_BLD.device), place_T.to(out_BLD.device)
        picked_TD = out_BLD[row, place].float()
        return picked_TD.new_zeros(len(rows), picked_TD.shape[1]).index_add_(0, row, picked_TD)

    with torch.no_grad(), network.reading(range(len(network.decoder.layers)), pooled) as layers:
        network.body(*reading.padded(network, rows))
    return torch.stack([layers[k] / n_R for k in sorted(layers)], dim=1)


@contextmanager
def steering(network: Network, wanted: Seq[Steer]) -> Iterator[None]:
    """Within it the network is steered (preventative steering: Chen et al. 2025, section 5)."""
    vectors: dict[int, Tensor] = {}
    for steer in wanted:
        one = found(network, registry.build("directions", steer.direction, steer.params))
        vector_D = steer.strength * (one.one - one.zero) * one.unit_D
        vectors[one.layer] = vectors[one.layer] + vector_D if one.layer in vectors else vector_D
    with network.changing({k: partial(_moved, vector_D) for k, vector_D in vectors.items()}):
        yield


def without(network: Network, one: Found) -> AbstractContextManager[None]:
    """Within it the direction is projected out of every layer's output, h - r rᵀ h (ablation: Arditi et al. 2024,
    section 2.4, who do so after attention too)."""
    return network.changing(dict.fromkeys(range(len(network.decoder.layers)), partial(_ablated, one.unit_D.float())))


def _moved(vector_D: Tensor, out_BQD: Tensor) -> Tensor:
    return out_BQD + vector_D.to(out_BQD.device, out_BQD.dtype)


def _ablated(unit_D: Tensor, out_BQD: Tensor) -> Tensor:
    unit_D = unit_D.to(out_BQD.device)
    along_BQ1 = (out_BQD.float() @ unit_D).unsqueeze(-1)
    return (out_BQD.float() - along_BQ1 * unit_D).to(out_BQD.dtype)


def names(network: Network) -> tuple[str, ...]:
    """Of the numbers of ``read``."""
    return (*NAMES, *(f"{CHANGE}{k}" for k in range(len(network.decoder.layers))))


def read(network: Network, one: Found, rows: Seq[Sequence], adapted: bool) -> list[tuple[float, ...]]:
    """The numbers of each row, for the network as it is; ``adapted``: with an adapter on it, which is put off to read
    the base in the same batch, so that both round alike. Raises FloatingPointError where one is not finite."""
    own_RKD = base_RKD = states_RKD(network, rows)
    if adapted:
        with adapters.off(network):
            base_RKD = states_RKD(network, rows)
    change_RK = ((own_RKD - base_RKD).norm(dim=-1) / base_RKD.norm(dim=-1)).double().cpu()
    at_RD = own_RKD[:, one.layer].double().cpu()
    raw_R = at_RD @ one.unit_D
    if not bool(raw_R.isfinite().all() & change_RK.isfinite().all()):
        raise FloatingPointError("the hidden states")
    same = torch.tensor([one.zero, one.one, float(one.layer), one.separation], dtype=torch.float64)
    columns = [raw_R, raw_R / at_RD.norm(dim=-1), *(x.expand(len(rows)) for x in same), *change_RK.T]
    return [tuple(row) for row in torch.stack(columns, dim=1).tolist()]
