"""From examples to the per-token numbers that an objective reads.

Shape legend: N response tokens of a micro-batch, M prompt tokens of its chosen sequences, A all scored tokens (N and M
together, by sequence and position), S sequences, D hidden size.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Seq
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from holdfast.config.study import Controls
from holdfast.data.renderer import Renderer
from holdfast.models import directions, head
from holdfast.models.layouts import Batch, arrange
from holdfast.models.network import Network
from holdfast.models.signals import Forward, read_at, signals_of
from holdfast.objectives.objective import Counts, Objective, Scores
from holdfast.types import Example, Needs, Sequence

Group = tuple[Sequence, ...]  # all sequences that a view makes of one example


class Rows:
    """The stream as an objective sees it: rendered once per example, however many passes are made."""

    def __init__(self, objective: Objective, renderer: Renderer) -> None:
        self._objective, self._renderer = objective, renderer
        self._groups: dict[str, Group] = {}

    def group(self, example: Example) -> Group:
        """All sequences that the view makes of an example, as token ids."""
        if example.id not in self._groups:
            self._groups[example.id] = tuple(self._renderer.sequence(s) for s in self._objective.view(example))
        return self._groups[example.id]

    def groups(self, examples: Seq[Example]) -> list[Group]:
        """Of each example, in their order."""
        return [self.group(e) for e in examples]


def counts(groups: Seq[Group], needs: Needs, progress: float, before: Mapping[str, float] | None = None) -> Counts:
    """The denominators of a whole step; ``before``: the metrics of the step before."""
    whole = _counted(groups, needs, progress)
    parts = [
        _counted([tuple(s for s in group if k in s.segment.parts) for group in groups], needs, progress)
        for k in range(needs.parts if needs.parts > 1 else 0)
    ]
    return replace(whole, parts=tuple(parts), before=before if before and needs.before else {})


def _counted(groups: Seq[Group], needs: Needs, progress: float) -> Counts:
    by_side = {"chosen": 0, "rejected": 0}
    prompt = pairs = 0
    for group in groups:
        pairs += len({s.segment.side for s in group}) == 2
        for s in group:
            # Response tokens with the end of turn: the same tokens that the loss sums over.
            by_side[s.segment.side] += len(s.ids) - s.start
            prompt += s.start - 1 if needs.prompt_logps and s.segment.side == "chosen" else 0
    return Counts(
        chosen_tokens=by_side["chosen"],
        rejected_tokens=by_side["rejected"],
        rows=sum(map(bool, groups)),
        pairs=pairs,
        progress=progress if needs.progress else float("nan"),
        prompt_tokens=prompt,
    )


def lay_out(groups: Seq[Group], needs: Needs, controls: Controls, network: Network) -> Batch:
    """One micro-batch. Where prompts are scored too, a chosen sequence counts as response from its second token on."""
    sequences = [
        replace(s, start=1) if needs.prompt_logps and s.segment.side == "chosen" else s for g in groups for s in g
    ]
    return arrange(sequences, controls.layout, network.renderer.pad_id, network.device)


def scores(
    network: Network,
    groups: Seq[Group],
    needs: Needs,
    controls: Controls,
    references: Mapping[Group, Tensor] | None = None,
) -> Scores:
    """One forward pass over a micro-batch, and what the signals make of it."""
    batch = lay_out(groups, needs, controls, network)
    wanted = signals_of(needs)
    with (
        network.reading({k for signal in wanted.values() for k in signal.layers(network)}) as outputs,
        directions.steering(network, needs.steer),
    ):
        hidden_AD = head.hidden_ND(network, batch)
    logp_A = head.token_logps(network, hidden_AD, batch.target_N, controls.head)

    prompt_logp_M = prompt_segment_M = ref_logp_N = None
    segment_A = batch.segment_N
    is_response_A = None
    if needs.prompt_logps:
        is_response_A = _is_response(groups, batch).to(network.device)
        prompt_logp_M, logp_A = logp_A[~is_response_A], logp_A[is_response_A]
        prompt_segment_M, segment_A = segment_A[~is_response_A], segment_A[is_response_A]

    def responses(x_A: Tensor) -> Tensor:
        return x_A if is_response_A is None else x_A[is_response_A]

    layers = read_at(batch, outputs, responses)
    forward = Forward(network, batch, responses(hidden_AD), controls.head, responses, layers)
    signals = {name: signal.compute(forward) for name, signal in wanted.items()}
    if needs.ref_logps:
        assert references is not None
        # In the order of the groups, which is that of `logp_N` in every layout.
        ref_logp_N = torch.cat([references[g] for g in groups]).to(network.device)

    side = [0 if s.segment.side == "chosen" else 1 for g in groups for s in g]
    # A micro-batch is made of whole groups, so both sides of a pair are in it.
    pair = [i for i, g in enumerate(groups) for _ in g]
    return Scores(
        logp_N=logp_A,
        segment_N=segment_A,
        side_S=torch.tensor(side, device=network.device),
        pair_S=torch.tensor(pair, device=network.device),
        ref_logp_N=ref_logp_N,
        prompt_logp_M=prompt_logp_M,
        signals=signals,
        prompt_segment_M=prompt_segment_M,
        parts_S=tuple(s.segment.parts for g in groups for s in g),
    )


def _is_response(groups: Seq[Group], batch: Batch) -> Tensor:
    """Which scored tokens lie at or after the true start of their response."""
    parts = []
    # `lay_out` moved the starts so that prompts are scored too; here they are told apart again.
    for true, scored in zip((s for g in groups for s in g), batch.sequences, strict=True):
        parts.append(np.arange(scored.start, len(scored.ids)) >= true.start)
    return torch.from_numpy(np.concatenate(parts))
