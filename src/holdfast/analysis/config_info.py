"""What a folder says of its eval configs (``cell.json``), typed and read in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from holdfast.evals.measures.measure import MetricInfo, Summary
from holdfast.types import Axis


@dataclass(frozen=True)
class ConfigInfo:
    """An eval config as it was when it was measured: what its EvalConfig (``evals/eval_config.py``) wrote down.

    The defaults are of folders from before a key was written. ``id``: of the config; ``measure``: its label in the
    study, ``name``: its registered name, ``display``: as its authors write it; ``task``: "" where it is of none;
    ``judges``: labels; ``of`` and ``varies``: of a config that the consistency section varies.
    """

    id: str
    measure: str
    axis: Axis
    task: str = ""
    judges: tuple[str, ...] = ()
    summary: Summary = field(default_factory=lambda: Summary(""))
    name: str = ""
    display: str = ""
    judge_identities: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)
    attacks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sampling: Mapping[str, Any] = field(default_factory=dict)
    generates: bool = True
    backend: str | None = None  # None, of these three: not written down
    system: str | None = None
    frame: str | None = None
    of: str = ""
    varies: Mapping[str, str] = field(default_factory=dict)

    def but(self, **changed: Any) -> ConfigInfo:
        return replace(self, **changed)


Configs = Mapping[str, ConfigInfo]  # by id

KEYS = ("cell", "measure", "axis", "task", "judges", "summary")  # of ``cell.json``, of every version


def config_info(about: Mapping[str, Any]) -> ConfigInfo:
    """From the object in ``cell.json``; keys that a later version added are left aside."""
    known = {f.name for f in fields(ConfigInfo)}
    given = {k: v for k, v in about.items() if k in known and v is not None}
    given |= {"id": about["cell"], "judges": tuple(about["judges"]), "summary": _summary(about["summary"])}
    return ConfigInfo(**given)


def _summary(about: Mapping[str, Any]) -> Summary:
    known = {f.name for f in fields(Summary)}
    given = {k: v for k, v in about.items() if k in known}
    over = given.get("macro_over")
    given |= {
        "macro_over": None if over is None else tuple(over),
        "secondary": tuple(given.get("secondary") or ()),
        "metrics": {name: MetricInfo(**said) for name, said in (given.get("metrics") or {}).items()},
    }
    return Summary(**given)
