"""A classifier on many features and few rows: multinomial logistic regression with a ridge penalty, whose strength is
chosen by cross-validation in which rows of one group stay together.

What a fit gives on rows that it saw says nothing of it: ``held_out`` has it predict groups that neither the fit nor the
choice of its penalty saw (nested cross-validation; Varma and Simon, *BMC Bioinformatics* 7:91, 2006).

Shape legend: N rows, F features, C classes, R ≤ N the rank of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
Block = tuple[int, float]  # so many features that stand together, and the standard deviation that they get together
OUTER, INNER = 5, 4  # folds
STRENGTHS = (0.1, 1.0, 10.0, 100.0)  # inverse penalties, for blocks of features of variance 1


@dataclass(frozen=True)
class Linear:
    """Log-odds that are linear in the features: ``weight_CF``, ``bias_C``."""

    weight_CF: Array
    bias_C: Array

    def probabilities(self, x_NF: Array) -> Array:
        """(N, C), rows of which sum to 1."""
        logits_NC = x_NF @ self.weight_CF.T + self.bias_C
        odds_NC = np.exp(logits_NC - logits_NC.max(axis=1, keepdims=True))
        return odds_NC / odds_NC.sum(axis=1, keepdims=True)


def fit(x_NF: Array, y_N: Array, groups_N: Array, blocks: Sequence[Block], classes: int, seed: int = 0) -> Linear:
    """``y_N``: the class of each row, 0 to C - 1. ``blocks`` of the features, in their order: what varies more is
    penalised less. Deterministic. A class that no row has gets no probability."""
    parts = _folds(y_N, groups_N, INNER, seed)
    prepared = [(_Rotated(x_NF[train], blocks), train, test) for train, test in parts]
    losses = [sum(_loss(r, x_NF, y_N, train, test, c, classes) for r, train, test in prepared) for c in STRENGTHS]
    rotated = _Rotated(x_NF, blocks)
    return rotated.fitted(y_N, STRENGTHS[int(np.argmin(losses))], classes)


def held_out(
    x_NF: Array, y_N: Array, groups_N: Array, blocks: Sequence[Block], classes: int, sources_N: Array | None = None
) -> Array:
    """(N, C) probabilities of each row by a fit on other groups; with ``sources_N``, on other groups of other sources.
    NaN where those that are left have one class alone."""
    found_NC = np.full((len(y_N), classes), np.nan)
    for train, test in _folds(y_N, groups_N, OUTER, 0):
        for source in [None] if sources_N is None else np.unique(sources_N):
            seen = train if sources_N is None else train[sources_N[train] != source]
            asked = test if sources_N is None else test[sources_N[test] == source]
            if len(asked) and len(np.unique(y_N[seen])) > 1:
                fitted = fit(x_NF[seen], y_N[seen], groups_N[seen], blocks, classes)
                found_NC[asked] = fitted.probabilities(x_NF[asked])
    return found_NC


class _Rotated:
    """Rows centred and scaled, in the R directions that they span: a ridge penalty is the same in any rotation."""

    def __init__(self, x_NF: Array, blocks: Sequence[Block]) -> None:
        weights_F = np.concatenate([np.full(size, weight / np.sqrt(size)) for size, weight in blocks])
        self._mean_F = x_NF.mean(axis=0)
        sd_F = x_NF.std(axis=0)
        self._scale_F = np.where(sd_F > 1e-9, weights_F / np.maximum(sd_F, 1e-9), 0.0)
        z_NF = (x_NF - self._mean_F) * self._scale_F
        values_N, vectors_NN = np.linalg.eigh(z_NF @ z_NF.T)
        kept = values_N > 1e-9 * max(values_N.max(), 1e-12)
        sizes_R = np.sqrt(values_N[kept])
        self.rows_NR = vectors_NN[:, kept] * sizes_R
        self._axes_FR = z_NF.T @ (vectors_NN[:, kept] / sizes_R)

    def fitted(self, y_N: Array, strength: float, classes: int) -> Linear:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=strength, max_iter=1000).fit(self.rows_NR, y_N)
        weight_CR, bias_C = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # of which one row of weights is kept
            weight_CR, bias_C = np.vstack([0 * weight_CR, weight_CR]), np.concatenate([[0.0], bias_C])
        weight_CF, bias = np.zeros((classes, len(self._mean_F))), np.full(classes, -1e3)
        weight_CF[model.classes_] = (weight_CR @ self._axes_FR.T) * self._scale_F
        bias[model.classes_] = bias_C - weight_CF[model.classes_] @ self._mean_F
        return Linear(weight_CF, bias)


def _loss(
    rotated: _Rotated, x_NF: Array, y_N: Array, train: Array, test: Array, strength: float, classes: int
) -> float:
    """Of the held-back rows, summed: − log p of their classes."""
    p_NC = rotated.fitted(y_N[train], strength, classes).probabilities(x_NF[test])
    return float(-np.log(np.maximum(p_NC[np.arange(len(test)), y_N[test]], 1e-12)).sum())


def _folds(y_N: Array, groups_N: Array, parts: int, seed: int) -> list[tuple[Array, Array]]:
    """Rows to train on and to predict; folds whose rows to train on are of one class are left out."""
    from sklearn.model_selection import StratifiedGroupKFold

    parts = min(parts, len(np.unique(groups_N)))
    found = StratifiedGroupKFold(parts, shuffle=True, random_state=seed).split(y_N, y_N, groups_N)
    return [(train, test) for train, test in found if len(np.unique(y_N[train])) > 1]
