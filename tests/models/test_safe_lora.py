"""Safe LoRA, against the matrices written out; and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_models as tiny
import torch

from holdfast.config.study import LoraSpec
from holdfast.models import adapters, safe_lora
from holdfast.types import UserError


def matrices(layer) -> tuple[np.ndarray, np.ndarray]:
    """Base weight and change, as fp64."""
    a, b = (getattr(layer, f"lora_{x}")["default"].weight.double().detach().numpy() for x in "AB")
    return layer.get_base_layer().weight.double().detach().numpy(), layer.scaling["default"] * b @ a


@pytest.fixture
def tuned():
    """A network with an adapter that is not zero; and weights that its base was aligned from, the same in the layers of
    keys."""
    network = tiny.network()
    adapters.attach(network, LoraSpec(rank=3), "lora", 0)
    stream = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in adapters.trainable(network).values():
            p.copy_(torch.randn(p.shape, generator=stream) * 0.1)
    other = {}
    for name, layer in network.trained.layers.items():
        w = layer.get_base_layer().weight.detach().clone()
        other[f"{name}.weight"] = w if name.endswith("k_proj") else w + 0.01 * torch.randn(w.shape, generator=stream)
    return network, other


def test_what_is_below_the_threshold_is_projected_and_nothing_else(tuned):
    network, other = tuned
    before = {name: matrices(layer) for name, layer in network.trained.layers.items()}
    written_out = {}
    for name, (w, change) in before.items():
        v = w - other[f"{name}.weight"].double().numpy()
        if v.any():
            c = v @ v.T / np.linalg.norm(v)
            projected = c @ change
            cosine = (change * projected).sum() / np.linalg.norm(change) / np.linalg.norm(projected)
            written_out[name] = cosine, projected
    below = float(np.median([cosine for cosine, _ in written_out.values()]))
    cosines = safe_lora.project(network, other, below)
    assert cosines == pytest.approx({name: cosine for name, (cosine, _) in written_out.items()}, rel=1e-4)
    assert not any(name.endswith("k_proj") for name in cosines)
    changed = 0
    for name, layer in network.trained.layers.items():
        _, change = matrices(layer)
        cosine, projected = written_out.get(name, (1.0, None))
        expected = projected if cosine < below else before[name][1]
        np.testing.assert_allclose(change, expected, rtol=1e-4, atol=1e-7)
        changed += cosine < below
    assert 0 < changed < len(cosines)


def test_what_it_cannot_be_done_on_is_one_sentence(tuned):
    network, other = tuned
    same = {f"{n}.weight": x.get_base_layer().weight for n, x in network.trained.layers.items()}
    with pytest.raises(UserError, match="the base is the unaligned model"):
        safe_lora.project(network, same, 0.5)
    with pytest.raises(UserError, match="another architecture"):
        safe_lora.project(network, {}, 0.5)
    adapters.detach(network)
    with pytest.raises(UserError, match="changes LoRA adapters"):
        safe_lora.project(network, other, 0.5)
