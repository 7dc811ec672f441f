"""How far a checkpoint has moved from its base, on fixed held-out examples, for every objective alike.

The examples are shown bare (prompt and response as they stand), whatever the objective showed in training.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq

import torch
from torch import Tensor

from holdfast.config.study import Controls
from holdfast.models import adapters, head
from holdfast.models.layouts import Batch, arrange, micro_batches
from holdfast.models.network import Network
from holdfast.objectives import views
from holdfast.types import Example


class Probes:
    """The examples as sequences, chosen and rejected; those too long for training are left out. What the base makes of
    them is run once, at the first checkpoint."""

    def __init__(self, network: Network, examples: Seq[Example], controls: Controls) -> None:
        groups = [tuple(network.renderer.sequence(s) for s in views.pair(e)) for e in examples]
        limit = min(controls.max_tokens, network.max_positions)
        self.groups = [g for g in groups if all(len(s.ids) <= limit for s in g)]
        self._base: dict[tuple[int, ...], Tensor] = {}  # by the rows of a batch, whose shape rounds

    def base_ND(self, network: Network, rows: Seq[int], batch: Batch) -> Tensor:
        """The base's hidden states that predict the response tokens of these rows."""
        if (key := tuple(rows)) not in self._base:
            with adapters.off(network):
                self._base[key] = head.hidden_ND(network, batch)
        return self._base[key]


def distance(network: Network, probes: Probes, controls: Controls, micro_tokens: int) -> dict[str, float | int | None]:
    """Measured with the adapter as it stands:

    - ``kl_base``: mean over chosen response tokens of KL(policy || base), nats;
    - ``chosen_logp``, ``rejected_logp``: summed over a response, mean over responses, nats; ``…_per_token``: mean over
      tokens; ``base_…``: the same with the adapter off;
    - ``margin``: mean over pairs of summed chosen minus summed rejected log-prob, nats; ``base_margin`` likewise;
    - ``adapter_norm``: Frobenius norm of the change of all weights together.

    A number is None where there is nothing to measure it on.
    """
    chosen, rejected = _Side(), _Side()
    with torch.no_grad():
        for indices in micro_batches(probes.groups, "padded", micro_tokens):
            sequences = [s for i in indices for s in probes.groups[i]]
            batch = arrange(sequences, "padded", network.renderer.pad_id, network.device)
            hidden_ND = head.hidden_ND(network, batch)
            base_ND = probes.base_ND(network, indices, batch)
            # Summed in fp64: differences of sums over thousands of tokens are what is reported.
            logp_N = head.token_logps(network, hidden_ND, batch.target_N, controls.head).double()
            with adapters.off(network):
                base_N = head.token_logps(network, base_ND, batch.target_N, controls.head).double()
            kl_N = head.token_kls(network, hidden_ND, base_ND, "policy_reference", controls.head).double()
            for n, s in enumerate(sequences):
                mine = batch.segment_N == n
                side = chosen if s.segment.side == "chosen" else rejected
                side.add(s.segment.example_id, logp_N[mine], base_N[mine], kl_N[mine])
    pairs = [e for e in rejected.logp if e in chosen.logp]
    return {
        "examples": len(probes.groups),
        "kl_base": chosen.per_token(chosen.kl),
        "chosen_logp": _mean(chosen.logp.values()),
        "chosen_logp_per_token": chosen.per_token(chosen.logp),
        "base_chosen_logp": _mean(chosen.base.values()),
        "base_chosen_logp_per_token": chosen.per_token(chosen.base),
        "rejected_logp": _mean(rejected.logp.values()),
        "rejected_logp_per_token": rejected.per_token(rejected.logp),
        "base_rejected_logp": _mean(rejected.base.values()),
        "base_rejected_logp_per_token": rejected.per_token(rejected.base),
        "margin": _mean(chosen.logp[e] - rejected.logp[e] for e in pairs),
        "base_margin": _mean(chosen.base[e] - rejected.base[e] for e in pairs),
        "adapter_norm": adapters.norm(network),
    }


class _Side:
    """Sums over each example's response tokens, by example."""

    def __init__(self) -> None:
        self.logp: dict[str, float] = {}
        self.base: dict[str, float] = {}
        self.kl: dict[str, float] = {}
        self.tokens = 0

    def add(self, example: str, logp_T: torch.Tensor, base_T: torch.Tensor, kl_T: torch.Tensor) -> None:
        self.logp[example], self.base[example] = float(logp_T.sum()), float(base_T.sum())
        self.kl[example] = float(kl_T.sum())
        self.tokens += len(logp_T)

    def per_token(self, sums: dict[str, float]) -> float | None:
        return sum(sums.values()) / self.tokens if self.tokens else None


def _mean(values) -> float | None:
    values = list(values)
    return sum(values) / len(values) if values else None
