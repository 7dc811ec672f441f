"""What a stranger's package registers is found, checked and built as our own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast import registry
from holdfast.types import UserError

PLUGIN = '''
from dataclasses import dataclass, field
from typing import ClassVar, Literal

@dataclass(frozen=True)
class Hinge:
    """A hinge on the margin."""
    name: ClassVar[str] = "hinge"
    version: ClassVar[int] = 3
    beta: float = 1
    kind: Literal["a", "b"] = "a"
    texts: tuple[str, ...] = ()
    place: str = field(default="here", metadata={"identity": False})
    table: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        if self.beta < 0:
            raise ValueError("beta is negative")

@dataclass(frozen=True)
class Needy:
    path: str

def factory(n: int = 2):
    return ("made", n)

class Plain:
    def __init__(self, n: int = 1):
        self.n = n
'''
ENTRIES = """[holdfast.objectives]
hinge = stranger_plugin:Hinge
needy = stranger_plugin:Needy
factory = stranger_plugin:factory
plain = stranger_plugin:Plain
broken = stranger_plugin:Missing
"""


@pytest.fixture(autouse=True)
def _stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "stranger_plugin.py").write_text(PLUGIN)
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRIES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "stranger_plugin", raising=False)
    registry._entries.cache_clear()
    yield
    registry._entries.cache_clear()


def test_a_strangers_objective_is_found_and_built() -> None:
    assert "hinge" in registry.names("objectives")
    made = registry.build("objectives", "hinge", {"beta": 2, "texts": ["x"]})
    assert made.beta == 2.0
    assert made.texts == ("x",)


def test_our_own_are_found_in_every_group() -> None:
    assert {"sft", "dpo", "cft", "ip", "orpo", "kl"} <= set(registry.names("objectives"))
    assert "gsm8k" in registry.names("tasks")


def test_naming_what_is_registered_imports_nothing() -> None:
    registry.names("objectives")
    assert "stranger_plugin" not in sys.modules


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"there is no objective named 'hing'; did you mean hinge\?"):
        registry.build("objectives", "hing")


def test_an_unknown_parameter_is_met_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"objective 'hinge' has no parameter 'bta'; it has the parameters beta, kind"):
        registry.build("objectives", "hinge", {"bta": 1})


@pytest.mark.parametrize(("params", "says"), [({"beta": "much"}, "number"), ({"kind": "c"}, "'a' or 'b'")])
def test_an_ill_typed_parameter_is_named(params: dict, says: str) -> None:
    with pytest.raises(UserError, match=rf"the parameter '{next(iter(params))}' of the objective 'hinge' .*{says}"):
        registry.build("objectives", "hinge", params)


def test_what_the_object_itself_refuses_and_what_it_lacks_is_a_users_mistake() -> None:
    with pytest.raises(UserError, match="beta is negative"):
        registry.build("objectives", "hinge", {"beta": -1})
    with pytest.raises(UserError, match="objective 'needy' needs the parameter 'path'"):
        registry.build("objectives", "needy")


def test_an_entry_that_cannot_be_loaded_is_said_in_a_sentence() -> None:
    with pytest.raises(UserError, match="'broken' is registered as stranger_plugin:Missing, which fails"):
        registry.get("objectives", "broken")


def test_any_callable_is_an_entry() -> None:
    assert registry.build("objectives", "factory", {"n": 3}) == ("made", 3)
    assert registry.build("objectives", "plain", {"n": 3}).n == 3


def test_identity_has_every_parameter_and_is_the_same_however_it_was_written() -> None:
    default = registry.identity(registry.build("objectives", "hinge"))
    assert default == {"name": "hinge", "version": 3, "params": {"beta": 1.0, "kind": "a", "texts": [], "table": {}}}
    assert isinstance(default["params"]["beta"], float)
    assert registry.identity(registry.build("objectives", "hinge", {"beta": 1, "texts": []})) == default


def test_where_data_lie_is_no_part_of_identity() -> None:
    here, there = (registry.build("objectives", "hinge", {"place": p}) for p in ("here", "there"))
    assert here != there
    assert registry.identity(here) == registry.identity(there)


def test_a_description_is_plain() -> None:
    said = registry.describe("objectives", "hinge")
    assert said["version"] == 3
    assert said["doc"] == "A hinge on the margin."
    assert said["params"]["beta"] == {"type": "float", "required": False, "default": 1}
    assert registry.describe("objectives", "needy")["params"]["path"] == {"type": "str", "required": True}


def test_two_packages_with_one_name_are_refused(tmp_path: Path) -> None:
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[holdfast.objectives]\nhinge = elsewhere:Hinge\n")
    with pytest.raises(UserError, match="two packages register 'hinge'"):
        registry.get("objectives", "hinge")


def test_store_and_registry_load_no_torch() -> None:
    code = (
        "import sys, holdfast.registry, holdfast.store.digest, holdfast.store.tables, holdfast.store.files, "
        "holdfast.store.folder, holdfast.store.sources; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
