"""Sentences of the page by section: templates (Jinja's) in ``phrases.yaml`` and, of the methods text, ``methods.yaml``.

A section takes rows, chooses a template and fills it. In a template numbers and names pass through the filters below;
``say`` puts one template into another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined, Template, pass_context
from jinja2.runtime import Context

from holdfast.report import words
from holdfast.report.charts.theme import BASE
from holdfast.report.series import Series
from holdfast.store.documents import parse_yaml

_TAG = re.compile(r"(\{[{%].*?[%}]\})")


def phrase(key: str, **values: Any) -> str:
    """``phrase("judges.agreement", level="95%")``. Of a study that trains nothing, what we wrote says subjects for
    objectives; names and numbers that are filled in stay as they are."""
    return _template(key, words.audits()).render(values).strip()


def evidence(rows: pd.DataFrame, s: Series) -> str:
    """What is estimated, and what it rests on: interval method, unit of replication, n, unscored, judge, seeds."""
    return phrase(
        "charts.evidence",
        estimated=s.info.estimated,
        known=sorted({(m, u) for m, u in zip(rows["method"], rows["unit"], strict=True) if m}),
        prompts=words.spread(rows["n_prompts"]),
        responses=words.spread(rows["n_records"]),
        unscored=int(rows["n_unscored"].sum()),
        judge="" if s.judge == "own" else s.judge,
        others=[j for j in s.judges if j not in (s.judge, "own")],
        seeds=words.seeds(rows.loc[rows["label"] != BASE, "n_seeds"]),
    )


def is_phrase(key: str) -> bool:
    section, name = key.split(".")
    return name in _sources().get(section, {})


def phrases(section: str, holds: Mapping[str, Any], **values: Any) -> list[str]:
    """Of these names of a section, the phrases whose condition holds."""
    return [phrase(f"{section}.{name}", **values) for name, yes in holds.items() if yes]


@pass_context
def _say(context: Context, key: str, **values: Any) -> str:
    """Another, with what this one is filled with and ``values``."""
    return phrase(key, **(context.get_all() | values))


@cache
def _template(key: str, _audit: bool) -> Template:
    found: Any = _sources()
    for part in key.split("."):
        found = found[part]
    return _environment().from_string("".join(t if _TAG.match(t) else words.own(t) for t in _TAG.split(found)))


@cache
def _sources() -> dict[str, Any]:
    at = files("holdfast.report")
    both = [
        parse_yaml(at.joinpath(name).read_text(encoding="utf-8"), name) for name in ("phrases.yaml", "methods.yaml")
    ]
    return {k: v for one in both for k, v in one.items()}


@cache
def _environment() -> Environment:
    env = Environment(undefined=StrictUndefined, autoescape=False)  # text: what becomes HTML is escaped there
    env.globals |= {"say": _say}
    env.filters |= {
        "attack": words.attack, "count": words.count, "fixed": words.fixed, "inside": words.lower, "listed": words.join,
        "percent": words.percent, "plain": words.as_words, "points": words.points, "significant": words.significant,
        "tokens": words.tokens, "g": lambda x: f"{x:g}", "n": lambda x: f"{x:,}", "s": lambda x: "" if x == 1 else "s",
    }  # fmt: skip
    return env
