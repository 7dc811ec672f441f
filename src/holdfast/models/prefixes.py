"""Which prompts share a beginning that is worth running once.

Few-shot prompts, an attack's wrapping, a persona question's template and samples of one prompt begin with the same
tokens. A *prefix* is run once and the prompts that begin with it go on from its keys and values. A prefix of P tokens
of n prompts saves P·(n − 1) positions and costs a forward of its own. Prefixes are nested (a system prompt, within it
a template, within it a question); each prompt takes part in one of them, and those are chosen that save most together.
"""

from __future__ import annotations

import collections.abc as abc
from dataclasses import dataclass, field
from itertools import pairwise

# What a forward costs beside its positions, in positions: an estimate, high for a small model on a processor and low
# for a GPU. Near the bound little hangs on it.
FORWARD = 128

Ids = tuple[int, ...]


def plan(prompts: abc.Sequence[Ids], forward: int = FORWARD) -> list[int]:
    """How many first ids of each prompt are run once with those of others; 0 where that does not pay.

    Always less than the whole prompt: its last token is what predicts. Depends on the set of prompts, not their order.
    """
    heads = [ids[:-1] for ids in prompts]
    # In sorted order prompts with a common beginning are neighbours, so neighbours' depths are the whole tree.
    order = sorted(range(len(prompts)), key=heads.__getitem__)
    depths = [_common(heads[a], heads[b]) for a, b in pairwise(order)]
    shared = [0] * len(prompts)
    for depth, start, stop in _best(depths, forward):
        for i in order[start:stop]:
            shared[i] = depth
    return shared


@dataclass
class _Node:
    """Prompts ``start`` to ``stop``, in sorted order, that have their first ``depth`` tokens in common."""

    depth: int
    start: int
    saved: int = 0  # by the nodes below it that were chosen
    chosen: list[tuple[int, int, int]] = field(default_factory=list)


def _best(depths: abc.Sequence[int], forward: int) -> list[tuple[int, int, int]]:
    """(depth, start, stop) of the prefixes that save most, none within another.

    The nodes of the tree of common prefixes are closed from the leaves up, each when the sorted prompts leave it: it
    is taken whole where that saves more than the best of what is below it.
    """
    stack = [_Node(0, 0)]
    for at, depth in enumerate([*depths, 0]):
        below = _Node(0, at)  # one prompt alone
        while stack[-1].depth > depth:
            below = _close(stack.pop(), below, at + 1, forward)
        if stack[-1].depth < depth:
            stack.append(_Node(depth, below.start))
        _take(stack[-1], below)
    return stack[0].chosen


def _close(node: _Node, below: _Node, stop: int, forward: int) -> _Node:
    _take(node, below)
    saves = node.depth * (stop - node.start - 1) - forward
    if saves > node.saved:
        node.saved, node.chosen = saves, [(node.depth, node.start, stop)]
    return node


def _take(node: _Node, below: _Node) -> None:
    node.saved += below.saved
    node.chosen += below.chosen


def _common(a: Ids, b: Ids) -> int:
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
