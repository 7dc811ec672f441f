"""The front of two measures, capability (higher is better) and harm (lower is)."""

import numpy as np

Array = np.ndarray


def dominates(capability: Array, harm: Array) -> Array:
    """[..., P, P]: whether point i is at least as good as point j on both, and better on one. NaN beats nothing."""
    up = capability[..., :, None] - capability[..., None, :]
    down = harm[..., None, :] - harm[..., :, None]
    slack = 1e-6  # of draws in single precision: two that are equal must not beat one another
    return (up >= -slack) & (down >= -slack) & ((up > slack) | (down > slack))


def on_front(capability: Array, harm: Array) -> Array:
    """[..., P]: whether no other point dominates it. NaN never belongs."""
    return ~dominates(capability, harm).any(axis=-2) & ~np.isnan(capability) & ~np.isnan(harm)
