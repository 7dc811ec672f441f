"""Named, counter-based random streams. There is no global seed in holdfast.

A stream is named by the things that determine it, e.g. ``generator("order", seed, pass_)``. Two places that use
different names can never disturb one another, and a number depends on its name alone, never on how many
numbers were drawn before it or on which rows happened to share a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

Name = str | int


def _digest(names: Iterable[Name]) -> bytes:
    # The type is part of the name (1 is not "1"), and lengths are written out so that no two names can run together.
    parts = [f"{type(n).__name__}:{len(str(n))}:{n}" for n in names]
    return hashlib.blake2b("|".join(parts).encode(), digest_size=16).digest()


def seed(*names: Name) -> int:
    """A 63-bit seed for libraries that want one (``torch.Generator``)."""
    return int.from_bytes(_digest(names)[:8], "little") >> 1


def generator(*names: Name) -> np.random.Generator:
    """A Philox generator (Salmon et al. 2011) keyed by the names."""
    return np.random.Generator(np.random.Philox(key=int.from_bytes(_digest(names), "little")))


def uniform(*names: Name) -> float:
    """One number in [0, 1) for these names: for hash-keyed choices such as splits, shares and item limits."""
    return int.from_bytes(_digest(names)[:7], "little") / 2**56


def order(ids: Iterable[str], *names: Name) -> list[str]:
    """The ids in an order that depends on the names and on each id, not on the order they came in."""
    return sorted(ids, key=lambda i: (_digest((*names, i)), i))
