"""Hidden states of whole answers, as numbers for a small model on top: what a language model makes of a response.

Shape legend: B rows, L positions, D hidden size, R answers, F = 4 D.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from holdfast.config.study import ModelSpec
from holdfast.models import memory
from holdfast.models.network import load
from holdfast.types import Segment, Turn, UserError
from holdfast.types import Sequence as Answered

ROWS = 64  # of a batch


class States:
    """``spec``'s network, read while it goes over question and answer in its own template.

    ``digest`` names weights and template: what determines the numbers but for rounding.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._network = load(spec)
        self.digest = {"weights": self._network.digest, "template": self._network.renderer.digest}
        self._middle = len(self._network.decoder.layers) // 2

    def read(self, answers: Sequence[tuple[str, str]]) -> list[np.ndarray | None]:
        """(F,) fp32 of each question and answer, in their order: of the middle layer and of the last hidden states, the
        mean over the answer and the answer's last token. None where a row is longer than the model's context.

        Raises UserError where numbers are not finite.
        """
        network = self._network
        segments = [Segment("", "chosen", (Turn("user", question),), answer) for question, answer in answers]
        rows = [network.renderer.sequence(segment) for segment in segments]
        fitting = [n for n, row in enumerate(rows) if len(row.ids) <= network.max_positions]
        found: list[np.ndarray | None] = [None] * len(rows)
        room, batch = memory.batch_tokens(network), list[int]()
        for n in sorted(fitting, key=lambda n: -len(rows[n].ids)):
            if batch and (len(rows[batch[0]].ids) * (len(batch) + 1) > room or len(batch) == ROWS):
                self._into(found, batch, rows)
                batch = []
            batch.append(n)
        if batch:
            self._into(found, batch, rows)
        return found

    def _into(self, found: list[np.ndarray | None], batch: list[int], rows: list[Answered]) -> None:
        answered = memory.halving(self._read, [rows[n] for n in batch], self._network.spec.name)
        for n, states in zip(batch, answered, strict=True):
            found[n] = states

    @torch.no_grad()
    def _read(self, rows: list[Answered]) -> list[np.ndarray]:
        network = self._network
        width = max(len(row.ids) for row in rows)
        padded = [[*row.ids, *[network.renderer.pad_id] * (width - len(row.ids))] for row in rows]
        ids_BL = torch.tensor(padded, device=network.device)
        positions_BL = torch.arange(width, device=network.device).expand(len(rows), width)
        # What is padded comes last, where no position before it looks.
        with network.reading([self._middle]) as layers:
            last_BLD = network.body(ids_BL, positions_BL)
        found = [
            torch.cat([part for states_BLD in (layers[self._middle], last_BLD) for part in _of(states_BLD[k], row)])
            for k, row in enumerate(rows)
        ]
        numbers = torch.stack(found).cpu().numpy()
        if not np.isfinite(numbers).all():
            raise UserError(f"the model {network.spec.name} gives numbers that are not finite: try dtype float32")
        return list(numbers)


def _of(states_LD: Tensor, row: Answered) -> tuple[Tensor, Tensor]:
    answer_RD = states_LD[row.start : len(row.ids)].float()
    return answer_RD.mean(0), answer_RD[-1]
