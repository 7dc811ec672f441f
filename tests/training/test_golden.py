"""The losses of six objectives on the miniature are those of the golden files, to 1e-4 relative."""

from __future__ import annotations

import json
import runpy
from functools import cache
from pathlib import Path

import golden
import pytest

from holdfast.store.sources import model_folder
from holdfast.types import UserError

ONE_OBJECTIVE = Path(__file__).parents[2] / "examples/one_objective.py"


@pytest.fixture(scope="module")
def losses_of():
    """Of an objective, by the real loop."""
    try:
        model_folder(golden.MODEL.path)
    except UserError as error:
        pytest.skip(f"the miniature is not built: {error}")
    network = golden.network()
    return cache(lambda name: golden.losses(network, name))


@pytest.mark.parametrize("name", golden.SIX)
def test_losses_equal_the_golden_ones(losses_of, name):
    file = golden.FOLDER / f"{name}.json"
    if not file.exists():
        pytest.skip("no golden file yet: python tests/training/golden.py")
    expected, found = json.loads(file.read_text()), losses_of(name)
    for key in ("objective", "base", "template", "rows"):
        assert found[key] == expected[key], f"not the same {key}: write the golden files anew if that was meant"
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    assert found["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-3)
    for key, values in expected["own"].items():
        assert found["own"][key] == pytest.approx(values, rel=1e-3, abs=1e-6), key
    assert found["adapter"]["norm_of_b"] == pytest.approx(expected["adapter"]["norm_of_b"], rel=1e-3)


@pytest.mark.parametrize("name", golden.SIX)
def test_an_adapter_has_the_bytes_it_had_on_the_same_machine(losses_of, name):
    expected = json.loads((golden.FOLDER / f"{name}.json").read_text())["adapter"]
    found = losses_of(name)["adapter"]
    if found["on"] != expected["on"]:
        pytest.skip("recorded on another machine or with other versions")
    assert found["digest"] == expected["digest"]


@pytest.mark.parametrize("name", ["sft", "dpo"])
def test_the_example_of_one_page_has_the_losses_of_the_real_loop(losses_of, name):
    plain = runpy.run_path(str(ONE_OBJECTIVE))["main"](name, 4)
    assert plain == pytest.approx(losses_of(name)["loss"][:4], rel=1e-6)
