"""A figure in its three homes: a specification for the page, and an SVG and a PNG file that stand alone.

The study's mark is part of every chart itself, so it stays on a chart that is copied out of the page.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import platformdirs
import vl_convert

from holdfast.report.charts import theme
from holdfast.report.charts.plot import Figure
from holdfast.store.files import write_bytes, write_json, write_text
from holdfast.types import UserError

WIDTH = 660  # pixels of a file's plot
SCALE = 2.0  # of the PNG
VEGA_LITE = "6.4"  # that charts are written for, as vl-convert names it
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.4.1.json"


def for_page(figure: Figure, mark: str) -> dict[str, Any]:
    """As wide as its place in the page; the page says the title, the chart the mark."""
    spec = {**figure.spec, "width": "container", "height": figure.height, "description": figure.alt}
    spec["autosize"] = {"type": "fit-x", "contains": "padding", "resize": True}
    if mark:
        lines = textwrap.wrap(mark, 64)
        spec["title"] = {"text": lines, "fontSize": 11, "fontWeight": "normal", "color": {"expr": _MUTED}, "offset": 8}
    return spec


# A title has no style of its own to take the muted colour from, so it asks for the scheme's by the paper behind it.
_MUTED = (
    f"background === '{theme.INK['dark']['paper']}' ? '{theme.INK['dark']['muted']}' : '{theme.INK['light']['muted']}'"
)


def write(folder: Path, name: str, figure: Figure, mark: str, labels: Sequence[str]) -> None:
    """``name.svg``, ``name.png`` and the Vega-Lite of both, in the light scheme, with title and mark."""
    title: dict[str, Any] = {"text": textwrap.wrap(figure.title, 70)}
    if mark:
        title["subtitle"] = textwrap.wrap(mark, 100)
    size = {"width": WIDTH, "height": figure.height}
    free = [
        {k: v for k, v in p.items() if k != "bind"} for p in figure.spec.get("params", [])
    ]  # a file has no controls
    config = theme.config(labels, "light")
    spec = {**figure.spec, **size, "title": title, "description": figure.alt, "params": free, "config": config}
    write_json(folder / f"{name}.json", {"$schema": SCHEMA, **spec})
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    write_text(folder / f"{name}.svg", svg)
    write_bytes(folder / f"{name}.png", vl_convert.svg_to_png(svg, scale=SCALE))


def configs(labels: Sequence[str]) -> dict[str, Any]:
    """What the page gives to every chart, by scheme."""
    return {scheme: theme.config(labels, scheme) for scheme in ("light", "dark")}


@cache
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script. To bundle them takes longer than to draw ten charts, so that it is
    kept in the user's cache; where nothing can be kept it is made again."""
    kept = Path(platformdirs.user_cache_dir("holdfast")) / "vega" / f"{version('vl-convert-python')}-{VEGA_LITE}.js"
    try:
        script = kept.read_text(encoding="utf-8")
    except OSError:
        # The annotation asks for a snippet; the function does not.
        script = vl_convert.javascript_bundle(vl_version=VEGA_LITE)  # type: ignore[call-arg]
        with suppress(UserError, OSError):
            write_text(kept, script)
    return script.replace("</script", "<\\/script")
