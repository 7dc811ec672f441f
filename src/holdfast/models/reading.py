"""Rows that are read and not trained on or written: in batches of like length, padded on the right.

Shape legend: B rows, L positions.
"""

from __future__ import annotations

import collections.abc as abc
from typing import TypeVar

import torch
from torch import Tensor

from holdfast.models import memory
from holdfast.models.network import Network
from holdfast.types import Sequence

Answer = TypeVar("Answer")
ROWS = 64  # of a batch


def in_batches(
    work: abc.Callable[[list[Sequence]], list[Answer]],
    rows: abc.Sequence[Sequence],
    network: Network,
    room: int = 0,
    most: int = ROWS,
) -> list[Answer]:
    """``work`` on rows of like length at once, the longest first, padded to at most ``room`` positions (0: what memory
    has room for) and ``most`` rows. Answers in the order of the rows."""
    room = room or memory.batch_tokens(network)
    batches = list[list[int]]()
    for n in sorted(range(len(rows)), key=lambda n: (-len(rows[n].ids), n)):
        longest = len(rows[batches[-1][0]].ids) if batches else room
        if not batches or longest * (len(batches[-1]) + 1) > room or len(batches[-1]) == most:
            batches.append([])
        batches[-1].append(n)
    answers = {
        n: answer
        for batch in batches
        for n, answer in zip(batch, memory.halving(work, [rows[n] for n in batch], network.spec.name), strict=True)
    }
    return [answers[n] for n in range(len(rows))]


def padded(network: Network, rows: abc.Sequence[Sequence]) -> tuple[Tensor, Tensor]:
    """Ids and positions, (B, L). What is padded comes last, where no position before it looks."""
    width = max(len(row.ids) for row in rows)
    ids = [[*row.ids, *[network.renderer.pad_id] * (width - len(row.ids))] for row in rows]
    positions_BL = torch.arange(width, device=network.device).expand(len(rows), width)
    return torch.tensor(ids, device=network.device), positions_BL
