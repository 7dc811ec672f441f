"""A stranger's objective: at most 40 lines, found by entry point, trained without a change to holdfast."""

from __future__ import annotations

import importlib
import math
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from holdfast import registry
from holdfast.objectives.objective import Counts, Scores
from holdfast.types import Example, Turn, UserError

EXAMPLE = Path(__file__).parents[2] / "examples" / "seventh-objective"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The example as a package on the path: its module, and the metadata that an installer makes of its pyproject."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"]
    (info / "entry_points.txt").write_text(
        "".join(f"[{g}]\n" + "".join(f"{n} = {v}\n" for n, v in entries.items()) for g, entries in groups.items())
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    importlib.invalidate_caches()
    registry._entries.cache_clear()
    yield
    registry._entries.cache_clear()
    sys.modules.pop("holdfast_unlikelihood", None)


def test_the_example_objective_has_at_most_40_lines():
    assert len((EXAMPLE / "holdfast_unlikelihood.py").read_text().splitlines()) <= 40


def test_the_example_objective_is_found_described_and_checked(installed):
    assert "unlikelihood" in registry.names("objectives")
    described = registry.describe("objectives", "unlikelihood")
    assert {k: v["default"] for k, v in described["params"].items()} == {"weight": 0.5}
    found = registry.build("objectives", "unlikelihood", {"weight": 1.5})
    assert registry.identity(found) == {"name": "unlikelihood", "version": 1, "params": {"weight": 1.5}}
    with pytest.raises(UserError, match="weight"):
        registry.build("objectives", "unlikelihood", {"weight": -1})
    with pytest.raises(UserError, match="margin"):
        registry.build("objectives", "unlikelihood", {"margin": 1})


def test_the_example_objectives_loss_equals_its_formula(installed):
    found = registry.build("objectives", "unlikelihood", {"weight": 1.5})
    assert len(found.view(Example("a", (Turn("user", "?"),), "yes", "no"))) == 2
    logp_N = torch.tensor([-1.0, -2.0, -0.5, -0.25, -0.75])
    scores = Scores(logp_N, torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0, 1]), torch.tensor([0, 0]))
    loss, totals = found.loss(scores, Counts(2, 3, 1, 1, math.nan))
    unlikely = -sum(math.log(1 - math.exp(x)) for x in (-0.5, -0.25, -0.75))
    assert float(loss) == pytest.approx(1.5 + 1.5 * unlikely / 3, rel=1e-6)
    assert totals["unlikelihood"].sum == pytest.approx(unlikely, rel=1e-6)
