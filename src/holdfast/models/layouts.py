"""How sequences are laid out as rows: one mechanism for padded, packed and prefix-shared batches.

A sequence is run without its last token, which predicts nothing. What is run is a *tree* of at most two levels: a root
block, and blocks that continue it. A sequence alone is a root; the sequences of one example that have the same prompt
ids are one tree, their prompt its root, in the layout ``shared``. Rows hold trees side by side:

    padded   one sequence a row, plain causal attention (right padding is invisible to it: no mask is needed)
    packed   several sequences a row
    shared   several trees a row, so that a pair's prompt is run once

A token attends to what stands before it in its own block and in its block's root. Positions continue from the root,
so each sequence sees exactly what it would see alone. Masks come from lengths, never from the pad id. The response
tokens N come in the same order, by sequence and then position, in every layout.

Shape legend: B rows, L positions, N response tokens of all sequences, flattened.
"""

from __future__ import annotations

import bisect
import collections.abc as abc
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from holdfast.types import Sequence

Layout = Literal["padded", "packed", "shared"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for the network, and where each response token's log-prob is read from.

    ``mask`` keeps where it is true: (B, L) for ``padded``, where it only says what is padding, and (B, 1, L, L) for
    the others, where it is the attention mask. ``source_N`` is the flat index b·L + l of the position that predicts a
    token; ``target_N`` is the token; ``segment_N`` the index of its sequence in ``sequences``.
    """

    ids_BL: Tensor
    positions_BL: Tensor
    mask: Tensor
    source_N: Tensor
    target_N: Tensor
    segment_N: Tensor
    sequences: tuple[Sequence, ...]

    @property
    def attention_BQK(self) -> Tensor | None:
        """The (B, L, L) mask to run under, or None where plain causal attention is right."""
        return self.mask[:, 0] if self.mask.ndim == 4 else None


@dataclass(frozen=True, slots=True)
class _Tree:
    """Blocks of token ids, the root first, in local coordinates; ``sources`` has one array per member sequence."""

    blocks: tuple[tuple[int, ...], ...]
    members: tuple[int, ...]
    sources: tuple[np.ndarray, ...]

    @property
    def length(self) -> int:
        return sum(len(block) for block in self.blocks)


def arrange(
    sequences: abc.Sequence[Sequence], layout: Layout, pad_id: int, device: torch.device | str = "cpu"
) -> Batch:
    """Lay the sequences out. Consecutive sequences of one example with equal prompt ids share it in ``shared``."""
    assert all(1 <= s.start < len(s.ids) for s in sequences), "a sequence needs a prompt and a response"
    trees = _trees(sequences, layout)
    width = max(tree.length for tree in trees)
    rows = [[i] for i in range(len(trees))] if layout == "padded" else _bins([t.length for t in trees], width)

    # An example of `shared`: prompt p1 p2, chosen c1 c2, rejected r1 r2. Last tokens are not run, so the row holds
    #     ids        p1 p2 c1 r1
    #     positions   0  1  2  2    both responses go on from the prompt
    #     block       0  0  1  2
    #     root        0  0  0  0    so c1 and r1 see p1 p2, and not one another
    # p2 predicts both c1 and r1: it is the source of two tokens.
    shape = len(rows), width
    ids, positions = np.full(shape, pad_id, np.int64), np.tile(np.arange(width), (len(rows), 1))
    block, root = np.full(shape, -1, np.int64), np.full(shape, -2, np.int64)  # padding is no block, and has no root
    sources: dict[int, np.ndarray] = {}
    for b, row in enumerate(rows):
        at = number = 0
        for tree in (trees[i] for i in row):
            sources |= {m: b * width + at + s for m, s in zip(tree.members, tree.sources, strict=True)}
            first = number
            for tokens in tree.blocks:
                span = slice(at, at + len(tokens))
                depth = 0 if number == first else len(tree.blocks[0])
                ids[b, span] = tokens
                positions[b, span] = np.arange(depth, depth + len(tokens))
                block[b, span], root[b, span] = number, first
                at, number = span.stop, number + 1

    # By sequence and then position, whatever the row a sequence was put into: every layout gives the same N.
    n = [len(s.ids) - s.start for s in sequences]
    return Batch(
        ids_BL=torch.from_numpy(ids).to(device),
        positions_BL=torch.from_numpy(positions).to(device),
        mask=_mask(block, root, layout).to(device),
        source_N=torch.from_numpy(np.concatenate([sources[i] for i in range(len(sequences))])).to(device),
        target_N=torch.tensor([t for s in sequences for t in s.response_ids], device=device),
        segment_N=torch.from_numpy(np.repeat(np.arange(len(sequences)), n)).to(device),
        sequences=tuple(sequences),
    )


def micro_batches(
    groups: abc.Sequence[abc.Sequence[Sequence]], layout: Layout, micro_tokens: int, ahead: int = 0
) -> list[list[int]]:
    """Split the groups (all sequences of one example) into micro-batches of at most ``micro_tokens`` padded tokens.

    Returns lists of indices into ``groups``: whole groups, sorted by length so that little is padding, the longest
    first so that memory that is too small shows at once. A group longer than the bound stands alone. ``ahead`` is the
    length of a prefix that every row goes on from.
    """
    lengths = [sorted((tree.length for tree in _trees(group, layout)), reverse=True) for group in groups]
    order = sorted(range(len(groups)), key=lambda i: (-lengths[i][0], i))
    batches: list[list[int]] = []
    held: list[int] = []
    room: list[int] = []  # of each row of the last batch
    for i in order:
        if batches:
            width, least = held[0], min(held)
            # Rows are filled from the longest tree to the shortest: only what is no longer than those there goes on.
            later = lengths[i][0] <= least
            grown = _room(lengths[i], width, layout, room) if later else _room(held + lengths[i], width, layout)
            if (ahead + width) * len(grown) <= micro_tokens:
                batches[-1].append(i)
                held, room = held + lengths[i], grown
                continue
        batches.append([i])
        held, room = lengths[i], _room(lengths[i], lengths[i][0], layout)
    return batches


def smaller(micro_tokens: int, groups: abc.Sequence[abc.Sequence[Sequence]], layout: Layout) -> int:
    """A bound that splits the groups into more micro-batches, by halving; where each stands alone there is none."""
    parts = len(micro_batches(groups, layout, micro_tokens))
    while micro_tokens > 1 and len(micro_batches(groups, layout, micro_tokens)) == parts < len(groups):
        micro_tokens //= 2
    return micro_tokens


def _trees(sequences: abc.Sequence[Sequence], layout: Layout) -> list[_Tree]:
    """The trees that the sequences make, in order of their first members."""
    groups: list[list[int]] = []
    for i, sequence in enumerate(sequences):
        other = sequences[groups[-1][0]] if groups else None
        if (
            layout == "shared"
            and other is not None
            and sequence.segment.example_id == other.segment.example_id
            and sequence.prompt_ids == other.prompt_ids
        ):
            groups[-1].append(i)
        else:
            groups.append([i])
    return [_tree(sequences, group) for group in groups]


def _tree(sequences: abc.Sequence[Sequence], members: list[int]) -> _Tree:
    if len(members) == 1:
        s = sequences[members[0]]
        return _Tree((s.ids[:-1],), tuple(members), (np.arange(s.start - 1, len(s.ids) - 1),))
    prompt = sequences[members[0]].prompt_ids
    blocks, sources, at = [prompt], [], len(prompt)
    for i in members:
        block = sequences[i].response_ids[:-1]
        sources.append(np.concatenate([[len(prompt) - 1], np.arange(at, at + len(block))]))  # the first from the root
        blocks.append(block)
        at += len(block)
    return _Tree(tuple(blocks), tuple(members), tuple(sources))


def _bins(lengths: abc.Sequence[int], capacity: int) -> list[list[int]]:
    """First-fit decreasing: which trees share a row. Rows are as wide as the longest tree: attention costs B·L²."""
    # Longest first, so that short ones fill the gaps. Ties go by index: the same batch is laid out alike on every run.
    bins: list[list[int]] = []
    room: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        b = _fit(lengths[i], capacity, room)
        if b == len(bins):
            bins.append([])
        bisect.insort(bins[b], i)
    return bins


def _room(lengths: abc.Sequence[int], capacity: int, layout: Layout, before: abc.Sequence[int] = ()) -> list[int]:
    """What is left of each row: of those ``before``, and of new ones. As ``_bins`` fills them."""
    room = list(before)
    for length in sorted(lengths, reverse=True):
        if layout == "padded":
            room.append(capacity - length)
        else:
            _fit(length, capacity, room)
    return room


def _fit(length: int, capacity: int, room: list[int]) -> int:
    """The first row with room for a tree, which is taken from it; a new one where there is none."""
    b = next((b for b, left in enumerate(room) if left >= length), len(room))
    if b == len(room):
        room.append(capacity)
    room[b] -= length
    return b


def _mask(block_BL: np.ndarray, root_BL: np.ndarray, layout: Layout) -> Tensor:
    block, root = torch.from_numpy(block_BL), torch.from_numpy(root_BL)
    if layout == "padded":
        return block >= 0
    same = (block[:, :, None] == block[:, None, :]) | (root[:, :, None] == block[:, None, :])
    # Padding forms one causal block of its own (-1): a row of the mask that keeps nothing would give NaN.
    return same.tril().unsqueeze(1)
