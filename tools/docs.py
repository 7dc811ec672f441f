"""The reference parts of ``docs/study.md`` and other pages, from the code itself; a test keeps them
current.

python -m tools.docs docs
"""

from __future__ import annotations

import re
import sys
import typing
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from holdfast.config.messages import section_of
from holdfast.config.study import Spec, Study

MANY = 6  # commands that have an argument alike
BEGIN, END = "<!-- made from the code: begin -->", "<!-- end -->"


def study_tables() -> str:
    """One table for each part, the study first, each part after the one that names it."""
    parts: list[type[Spec]] = []

    def visit(part: type[Spec]) -> None:
        if part not in parts:
            parts.append(part)
            for field in part.model_fields.values():
                inner = section_of(field.annotation)
                if inner:
                    visit(inner)

    visit(Study)
    return "\n".join(_table(p) for p in parts)


def store_tables() -> str:
    """One table for each Parquet schema."""
    from holdfast.store.schemas import COLUMNS, FRAMES, about

    lines = []
    for name, (version, columns) in COLUMNS.items():
        lines += [f"### {name} (schema version {version})", "", "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| `{c.name}` | {c.type}{' or null' if c.null else ''} | {c.about} |" for c in columns]
        lines.append("")
    for name, (version, names) in FRAMES.items():
        lines += [f"### analysis: {name} (schema version {version})", "", "| column | meaning |", "|---|---|"]
        lines += [f"| `{c}` | {about(name, c)} |" for c in names.split()]
        lines.append("")
    return "\n".join(lines)


def measure_table() -> str:
    """A row for each of holdfast's own measures, from its card; the miniature's are on its own page."""
    from holdfast import registry
    from holdfast.evals.measures import catalogue

    lines = ["| measure | axis | what it measures | items | licence |", "|---|---|---|---|---|"]
    for name in (m["name"] for m in catalogue.listing()):
        if registry.get("measures", name).__module__.startswith("holdfast.evals.measures."):
            one = catalogue.entry(name)
            about = one["card"]
            cells = [f"`{name}`", one["axis"], *(str(about.get(k, "")) for k in ("what", "items", "licence"))]
            lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join([*lines, ""])


def endpoint_table() -> str:
    """What an endpoint is told."""
    from holdfast.evals.judges.endpoint import EndpointSpec

    return _table(EndpointSpec)


def command_tables() -> str:
    """A heading for each command with its help, and what is its own; arguments of many commands stand once, before."""
    import typer

    from holdfast.cli.app import app

    found: list[tuple[str, str, list[tuple[str, str]]]] = []

    def visit(command: Any, name: str) -> None:
        inner = getattr(command, "commands", {})
        for word, one in inner.items():
            visit(one, f"{name} {word}")
        if not inner:
            found.append((name, (command.help or "").strip(), [_parameter(p) for p in command.params]))

    visit(typer.main.get_command(app), "holdfast")
    times = Counter(row for *_, rows in found for row in rows)
    shared = [row for row, n in times.items() if n >= MANY]
    head = ["| argument or option | meaning |", "|---|---|"]
    lines = ["### Shared by many", "", *head, *(f"| {said} | {about} |" for said, about in shared), ""]
    for name, about, rows in found:
        usage = " ".join(said.removesuffix(" (required)").strip("`") for said, _ in rows if (said, _) in shared)
        lines += [f"### `{name}`", "", f"{about} Shared: {usage}." if usage else about, ""]
        own = [f"| {said} | {meaning} |" for said, meaning in rows if (said, meaning) not in shared]
        lines += [*head, *own, ""] if own else []
    return "\n".join(lines)


def _parameter(p: Any) -> tuple[str, str]:
    option = p.opts[0].startswith("-")
    said = ", ".join([*p.opts, *p.secondary_opts]) if option else p.metavar or p.name.upper()
    about = " ".join((getattr(p, "help", None) or "").split()).replace("|", "\\|")
    return f"`{said}`{' (required)' if p.required else ''}", about


PAGES = {
    "commands.md": command_tables,
    "study.md": study_tables,
    "store.md": store_tables,
    "measures.md": measure_table,
    "judges.md": endpoint_table,
}


def update(page: str, tables: str) -> str:
    """The page with its table part made anew."""
    return re.sub(f"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda _: f"{BEGIN}\n{tables}{END}", page, flags=re.DOTALL)


def _table(part: type[Spec]) -> str:
    lines = [f"### {_title(part)}", "", (part.__doc__ or "").strip(), ""]
    lines += ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, field in part.model_fields.items():
        cells = (f"`{field.alias or name}`", _type(field), _default(field), field.description or "")
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join([*lines, ""])


def _title(part: type[Spec]) -> str:
    return part.__name__.removesuffix("Spec")


def _type(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [(s, v) for m in field.metadata for k, s in signs.items() if (v := getattr(m, k, None)) is not None]
    bounds = [
        (s, v) for s, v in bounds if v < 1e6
    ]  # what is beyond bounds slips of the hand, and tells nobody anything
    return ", ".join([_said(field.annotation), *(f"{sign} {value:g}" for sign, value in bounds)])


def _said(kind: Any) -> str:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and issubclass(kind, Spec):
        return f"[{_title(kind)}](#{_title(kind).lower()})"
    if origin is typing.Annotated:
        return _type(FieldInfo.from_annotation(kind))
    if origin is typing.Literal:
        return " or ".join(f"`{v}`" for v in inner)
    if origin is tuple:
        return f"list of {_said(inner[0])}"
    if origin is dict:
        return "mapping"
    if inner:
        return " or ".join(_said(i) for i in inner if i is not type(None))
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}[kind]


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "**required**"
    if isinstance(value, Spec):
        return "its defaults"
    if isinstance(value, tuple | list):
        return f"`{list(value)}`"
    if value in (None, "", {}):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    for name, tables in PAGES.items():
        path = Path(sys.argv[1]) / name
        path.write_text(update(path.read_text(encoding="utf-8"), tables()), encoding="utf-8")
