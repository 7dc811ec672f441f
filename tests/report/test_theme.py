"""The palette stays apart for readers who see colours otherwise, and is stable by name."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from holdfast.report.charts import theme

OBJECTIVES = ("sft", "dpo", "cft", "ip", "orpo", "kl")
# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def _linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def _lab(linear: np.ndarray) -> np.ndarray:
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(linear, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("vision", list(VISION))
def test_objectives_stay_apart(scheme: theme.Scheme, vision: str) -> None:
    seen = [_lab(np.array(VISION[vision]) @ _linear(c)) for c in theme.colours(OBJECTIVES, scheme)]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 12


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_with_the_page(scheme: theme.Scheme) -> None:
    def luminance(c: str) -> float:
        return float(_linear(c) @ [0.2126, 0.7152, 0.0722])

    paper = luminance(theme.INK[scheme]["paper"])
    for c in theme.colours(OBJECTIVES, scheme):
        low, high = sorted((paper, luminance(c)))
        assert (high + 0.05) / (low + 0.05) >= 3
    low, high = sorted((paper, luminance(theme.INK[scheme]["muted"])))
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_a_colour_goes_with_the_name() -> None:
    alone = theme.colours(["orpo"], "light")
    assert theme.colours(["dpo", "mine", "orpo"], "light")[2] == alone[0]
    many = [f"variant {i}" for i in range(20)]
    assert len(theme.colours(many, "dark")) == len(theme.shapes(many)) == 20
