"""Hidden states of whole answers, as numbers for a small model on top: what a language model makes of a response.

Shape legend: B rows, L positions, D hidden size, R answers, F = 4 D.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from holdfast.config.study import ModelSpec
from holdfast.models import reading
from holdfast.models.network import load
from holdfast.types import Segment, Turn, UserError
from holdfast.types import Sequence as Answered


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
        fitting = {n for n, row in enumerate(rows) if len(row.ids) <= network.max_positions}
        found = iter(reading.in_batches(self._read, [rows[n] for n in sorted(fitting)], network))
        return [next(found) if n in fitting else None for n in range(len(rows))]

    @torch.no_grad()
    def _read(self, rows: list[Answered]) -> list[np.ndarray]:
        network = self._network
        with network.reading([self._middle]) as layers:
            last_BLD = network.body(*reading.padded(network, rows))
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
