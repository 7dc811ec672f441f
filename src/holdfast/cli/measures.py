"""What can be measured, and what each number means."""

from __future__ import annotations

import textwrap
from typing import Annotated, Any

import typer

from holdfast.cli.arguments import AsJson, say, told

app = typer.Typer()
WIDTH = 100


@app.command()
def measures(
    name: Annotated[str | None, typer.Argument(help="one measure, to be shown in full; default: a list of all")] = None,
    as_json: AsJson = False,
) -> None:
    """List the measures, or show one: what it measures, its data and licence, its score, its traps and parameters."""
    from holdfast.evals.measures import catalogue

    found: Any = catalogue.entry(name) if name else catalogue.listing()
    if told(as_json, found):
        return
    if name:
        _show(found)
    else:
        for m in found:
            say(f"{m['name']:<22} {m['axis']:<11} {m.get('error') or m['title']}")


def _show(measure: dict[str, Any]) -> None:
    card = measure["card"]
    say(f"{measure['name']}: {card.get('title', 'no card')}")
    say(f"{measure['axis']}, version {measure['version']}; judges: {', '.join(measure['judges'])}")
    for field, value in card.items():
        if field != "title":
            _field(field, value)
    say("\nparameters")
    for key, parameter in measure["params"].items():
        default = "required" if parameter["required"] else f"default {parameter['default']!r}"
        say(f"  {key} ({parameter['type'].replace('typing.', '')}): {default}")
    say(f"\n{measure['about']}")


def _field(field: str, value: Any) -> None:
    if isinstance(value, dict):
        value = [f"{key}: {what}" for key, what in value.items()]
    for n, line in enumerate(value if isinstance(value, list) else [value]):
        head = f"{field}:" if n == 0 else ""
        say(textwrap.fill(str(line), WIDTH, initial_indent=f"{head:<12}", subsequent_indent=" " * 12))
