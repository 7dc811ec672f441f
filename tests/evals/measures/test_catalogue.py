"""Every measure says what it is: a complete card, shown by ``holdfast measures``."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from holdfast import registry
from holdfast.cli.app import app
from holdfast.evals.measures import catalogue
from holdfast.types import UserError

FIELDS = ("title", "what", "paper", "data", "revision", "licence", "items", "score", "unit", "traps", "changes")
OURS = [n for n in registry.names("measures") if registry.get("measures", n).__module__.startswith("holdfast.")]


@pytest.mark.parametrize("name", OURS)
def test_every_measure_has_a_complete_card(name):
    measure = catalogue.entry(name)
    card = measure["card"]
    assert [field for field in FIELDS if not card.get(field)] == []
    assert isinstance(card["traps"], list)
    assert str(measure["version"]) in {str(version) for version in card["changes"]}
    assert measure["axis"] in ("capability", "robustness", "persona", "normative")
    assert set(measure["judges"]) <= {"own", *registry.names("judges")}


def test_the_list_holds_all_of_them_and_one_that_does_not_load(monkeypatch):
    get = registry.get

    def broken(group, name):
        if name == "gsm8k":
            raise UserError("it fails")
        return get(group, name)

    monkeypatch.setattr(registry, "get", broken)
    found = {m["name"]: m for m in catalogue.listing()}
    assert set(found) == set(registry.names("measures"))
    assert found["gsm8k"]["error"] == "it fails"
    assert found["dark_triad"]["axis"] == "persona"


def test_the_command_lists_and_shows():
    run = CliRunner().invoke
    listed = run(app, ["measures"]).stdout.splitlines()
    assert [line.split()[0] for line in listed] == [m["name"] for m in catalogue.listing()]
    shown = run(app, ["measures", "gsm8k"]).stdout
    for word in ("Cobbe", "MIT", "traps:", "shots (int): default 0", "judges: own", "version 2"):
        assert word in shown
    assert json.loads(run(app, ["measures", "--json"]).stdout) == catalogue.listing()
    assert json.loads(run(app, ["measures", "true_false", "--json"]).stdout)["params"]["path"]["required"] is True


def test_a_name_that_is_none_gets_the_nearest():
    with pytest.raises(UserError, match="did you mean dark_triad"):
        catalogue.entry("dark_tried")


def test_no_torch_is_loaded_for_it():
    listed = "import sys; from holdfast.evals.measures.catalogue import listing; listing()"
    code = f"{listed}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
