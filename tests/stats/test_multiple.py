"""Many comparisons at once."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.stats.multiple import many_to_one


def test_many_to_one_does_not_hang_on_the_basis_of_equal_eigenvalues(monkeypatch):
    """Comparisons that all share one reference have K - 1 equal eigenvalues, whose vectors any processor may turn."""
    together = np.full((5, 5), 0.5) + 0.5 * np.eye(5)
    p = np.array([0.01, 0.03, 0.2, 0.5, 0.9])
    one, level = many_to_one(p, together)
    values, vectors = np.linalg.eigh(together)
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))
    turned = vectors.copy()
    turned[:, :4] = vectors[:, :4] @ turn
    assert np.allclose(turned * values @ turned.T, together)
    monkeypatch.setattr(np.linalg, "eigh", lambda _: (values, turned))
    other, same = many_to_one(p, together)
    assert other == pytest.approx(one, abs=1e-12)
    assert same == pytest.approx(level, rel=1e-12)
