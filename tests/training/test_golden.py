"""The losses of six objectives on the miniature are those of the golden files, to 1e-4 relative."""

from __future__ import annotations

import json

import golden
import pytest

from holdfast.store.sources import model_folder
from holdfast.words import UserError


@pytest.fixture(scope="module")
def miniature():
    try:
        model_folder(golden.MODEL.path)
    except UserError as error:
        pytest.skip(f"the miniature is not built: {error}")
    return golden.network()


@pytest.mark.parametrize("name", golden.SIX)
def test_losses_are_golden(miniature, name):
    file = golden.FOLDER / f"{name}.json"
    if not file.exists():
        pytest.skip("no golden file yet: python tests/training/golden.py")
    expected, found = json.loads(file.read_text()), golden.losses(miniature, name)
    for key in ("objective", "base", "template", "rows"):
        assert found[key] == expected[key], f"not the same {key}: write the golden files anew if that was meant"
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    assert found["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-3)
    for key, values in expected["own"].items():
        assert found["own"][key] == pytest.approx(values, rel=1e-3, abs=1e-6), key
