"""How the report looks: one palette, two schemes, and the Vega configuration made from them.

Charts never name a colour. They name a *role* (a Vega style, or the ``category`` range), and a configuration gives the
roles their colours, so one specification serves the light page, the dark page and the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Scheme = Literal["light", "dark"]

BASE = "base"
FONT = "Inter, ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, 'DejaVu Sans', sans-serif"

# Chosen to stay apart under deuteranopia, protanopia and tritanopia (tests/report/test_theme.py measures it) and to
# have 3:1 contrast with the page. Shapes say the same again.
_NAMED: dict[str, tuple[str, str]] = {
    "sft": ("#2846b8", "#7c90f7"),
    "dpo": ("#cc5f3c", "#e07f2e"),
    "cft": ("#0f5a4c", "#4fcf9a"),
    "ip": ("#a08a10", "#efe06a"),
    "orpo": ("#93308c", "#de5a9e"),
    "kl": ("#3f98d8", "#b6ddfb"),
}
_SPARE: tuple[tuple[str, str], ...] = (
    ("#6a3d1f", "#c99a76"),
    ("#7a1f3d", "#e5798f"),
    ("#5b6b1e", "#b5c95a"),
    ("#4f3fa3", "#a89cf0"),
    ("#1f6b75", "#6fc3cf"),
    ("#8a6f8f", "#c9b3cd"),
)
_SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "stroke", "arrow")

INK: dict[Scheme, dict[str, str]] = {
    "light": {
        "paper": "#fdfdfb",
        "raised": "#f5f5f1",
        "ink": "#1b1e22",
        "muted": "#63686e",
        "rule": "#e2e2dc",
        "alarm": "#b3261e",
        "heat_low": "#f3f1ea",
        "heat_high": "#9c2f10",
        "good": "#1d6b4f",
        "harm": "#a8341a",
        "harm_pale": "#e0a48f",
        "calm": "#9fb3bd",
        "calm_pale": "#dde5e8",
    },
    "dark": {
        "paper": "#15171b",
        "raised": "#1d2025",
        "ink": "#e9e7e2",
        "muted": "#9ca1a8",
        "rule": "#30343a",
        "alarm": "#ff8f80",
        "heat_low": "#23262b",
        "heat_high": "#ff9466",
        "good": "#63c79b",
        "harm": "#f07a54",
        "harm_pale": "#84483a",
        "calm": "#5f7682",
        "calm_pale": "#343f46",
    },
}


def colours(labels: Sequence[str], scheme: Scheme) -> list[str]:
    """A colour per label: an objective's own where the label is its name, else one that none of them has."""
    which = 0 if scheme == "light" else 1
    taken = {label.lower() for label in labels} & _NAMED.keys()
    free = (() if taken else tuple(_NAMED.values())) + _SPARE
    spare = iter(free * (1 + len(labels) // len(free)))
    return [(_NAMED.get(label.lower()) or next(spare))[which] for label in labels]


def _parts(scheme: Scheme) -> list[str]:
    return [pair[0 if scheme == "light" else 1] for pair in (*_NAMED.values(), *_SPARE)]


def shapes(labels: Sequence[str]) -> list[str]:
    """A point shape per label, by the same rule."""
    known = list(_NAMED)
    taken = {label.lower() for label in labels} & _NAMED.keys()
    spare = iter(_SHAPES[len(known) if taken else 0 :] * (1 + len(labels)))
    return [_SHAPES[known.index(x.lower())] if x.lower() in _NAMED else next(spare) for x in labels]


def config(labels: Sequence[str], scheme: Scheme) -> dict[str, Any]:
    """The Vega-Lite configuration of a scheme; ``labels`` are the study's objectives in their charted order."""
    c = INK[scheme]
    text = {"font": FONT, "color": c["ink"]}
    return {
        "background": c["paper"],
        "font": FONT,
        "padding": {"left": 4, "right": 12, "top": 4, "bottom": 4},
        "view": {"stroke": None},
        "range": {
            "category": colours(labels, scheme),
            "heatmap": [c["heat_low"], c["heat_high"]],
            "ramp": [c["calm"], c["heat_low"], c["heat_high"]],  # down, nowhere, up
            "ordinal": [c["harm"], c["harm_pale"], c["calm_pale"], c["calm"]],  # harm × coherence, harm first
            "diverging": [c["calm_pale"], c["calm"], *_parts(scheme)],  # parts of a whole, what is left over first
        },
        "axis": {
            "domainColor": c["muted"],
            "tickColor": c["rule"],
            "gridColor": c["rule"],
            "gridWidth": 0.75,
            "labelColor": c["muted"],
            "titleColor": c["ink"],
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": 500,
            "titlePadding": 10,
            "labelPadding": 5,
        },
        "legend": {
            "labelColor": c["ink"],
            "titleColor": c["muted"],
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": 500,
            "symbolStrokeWidth": 1.5,
            "symbolSize": 70,
            "columnPadding": 14,
            "rowPadding": 4,
        },
        "title": {
            "color": c["ink"],
            "subtitleColor": c["muted"],
            "fontSize": 15,
            "fontWeight": 600,
            "subtitleFontSize": 11,
            "subtitlePadding": 4,
            "anchor": "start",
            "frame": "bounds",
            "offset": 12,
        },
        "style": {
            "base-point": {"color": c["ink"], "stroke": c["paper"]},
            "base-line": {"color": c["ink"], "strokeDash": [5, 4], "strokeWidth": 1.25},
            "base-band": {"color": c["muted"], "fillOpacity": 0.12},
            "base-label": text | {"fontSize": 11, "color": c["muted"]},
            "leader": {"color": c["muted"]},
            "halo": {"stroke": c["paper"]},
            "note": text | {"fontSize": 11.5, "fontStyle": "italic", "color": c["muted"]},
            "cell": {"stroke": c["paper"], "strokeWidth": 2},
            "cell-low": text | {"fontSize": 12.5, "fontWeight": 500},
            "cell-high": text | {"fontSize": 12.5, "fontWeight": 500, "color": c["paper"]},
            "cell-low-small": text | {"fontSize": 9.5, "fillOpacity": 0.75},
            "cell-high-small": text | {"fontSize": 9.5, "color": c["paper"], "fillOpacity": 0.85},
            "segment": {"stroke": c["paper"], "strokeWidth": 1.5},
        },
    }


def css(labels: Sequence[str]) -> str:
    """The same colours as CSS custom properties, for the page around the charts."""

    def rules(scheme: Scheme) -> str:
        inks = "".join(f"--{k.replace('_', '-')}:{v};" for k, v in INK[scheme].items())
        own = "".join(f"--o{i}:{v};" for i, v in enumerate(colours(labels, scheme)))
        return f"color-scheme:{scheme};{inks}{own}"

    return (
        f":root{{{rules('light')}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-scheme=light]){{{rules('dark')}}}}}\n"
        f"@media screen{{:root[data-scheme=dark]{{{rules('dark')}}}}}\n"
    )
