"""Tables as HTML, and the headline table as the template wants it. Every word that comes from a study is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from holdfast.report import labels as place
from holdfast.report import speak, tables
from holdfast.report.headline import Series
from holdfast.report.reading import Setting
from holdfast.report.tables import Control
from holdfast.report.theme import BASE


@dataclass(frozen=True)
class Block:
    """A piece of HTML for a section."""

    html: str


@dataclass(frozen=True)
class Group:
    """A section: figures, tables, and what to say where there is nothing to show. ``finding``: what it found in one
    line, as text; it is read while the section is folded."""

    id: str
    title: str
    lead: str = ""
    figures: tuple[Any, ...] = ()
    tables: tuple[Block, ...] = ()
    absent: str = "Not measured in this study."
    finding: str = ""


def table(rows: pd.DataFrame, mark: str, caption: str = "", bar: str = "", labels: Sequence[str] = ()) -> Block:
    """A data frame as it stands; ``bar`` names a column that is also drawn."""
    most = float(rows[bar].max()) if bar and len(rows) else 0.0
    numeric = {c for c in rows.columns if pd.api.types.is_numeric_dtype(rows[c])}
    cls = {c: ' class="number"' if c in numeric and c != bar else "" for c in rows.columns}
    head = "".join(f'<th scope="col"{cls[c]}>{escape(str(c))}</th>' for c in rows.columns)
    body = []
    for row in rows.to_dict("records"):
        own = str(row.get("objective", ""))
        css = f' style="--own:var(--o{list(labels).index(own)})" data-label="{escape(own)}"' if own in labels else ""
        cells = []
        for i, (c, v) in enumerate(row.items()):
            text = escape(tables.number(v))
            if i == 0:
                dot = '<span class="dot" aria-hidden="true"></span>' if css else ""
                cells.append(f'<th scope="row">{dot}{text}</th>')
            elif c == bar:
                wide = 100 * float(v) / most if most and not pd.isna(v) else 0
                drawn = f'<span class="fill" style="width:{wide:.1f}%" aria-hidden="true"></span>'
                cells.append(f'<td class="bar">{text}{drawn}</td>')
            else:
                cells.append(f"<td{cls[str(c)]}>{text}</td>")
        body.append(f"<tr{css}>{''.join(cells)}</tr>")
    said = escape(caption) + (f'<p class="mark">{escape(mark)}</p>' if mark else "")
    foot = f"<caption>{said}</caption>" if said else ""
    html = (
        f'<div class="scroll"><table>{foot}<thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
    )
    return Block(html)


def folded(title: str, block: Block) -> Block:
    return Block(f"<details><summary>{escape(title)}</summary>{block.html}</details>")


def controls(found: Sequence[Control], mark: str) -> list[Block]:
    """One calm line where all is equal; a difference is loud, and shown value by value."""
    if not found:
        return []
    bad = [c for c in found if not c.equal and not c.declared]
    declared = [c for c in found if not c.equal and c.declared]
    blocks = []
    if bad:
        what = escape(speak.join(sorted({c.name for c in bad})))
        said = f"<strong>Not everything was held fixed.</strong> Differs over objectives: {what}. {_DOUBT}"
        blocks.append(Block(f'<div class="alarm" role="alert">{said}{_side_by_side(bad, mark)}</div>'))
    else:
        blocks.append(Block(f'<p class="calm">{_all_equal(found, declared)}</p>'))
    if declared:
        what = speak.join(sorted({c.name for c in declared}))
        blocks.append(
            Block(f"<p>Different because the study asks for it: {escape(what)}.</p>{_side_by_side(declared, mark)}")
        )
    return [*blocks, folded("Every control, side by side", Block(_side_by_side(found, mark)))]


_DOUBT = "Differences between objectives in this study may come from this."


def _all_equal(found: Sequence[Control], declared: Sequence[Control]) -> str:
    names, runs = {c.name for c in found} - {c.name for c in declared}, {c.group for c in found}
    over = max(len(c.values) for c in found)
    if over < 2:
        return f"{len(names)} controls were recorded; there is one objective, so nothing to compare."
    more = f", in each of {len(runs)} groups of model, task and seed" if len(runs) > 1 else ""
    return (
        f"All {len(names)} controls are equal over {over} objectives{more}: data order, response tokens, LoRA "
        "initialisation, optimiser, template, base model and numerics."
    )


def _side_by_side(found: Sequence[Control], mark: str) -> str:
    labels = list(dict.fromkeys(label for c in found for label in c.values))
    many = len({c.group for c in found}) > 1
    head = "".join(f'<th scope="col">{escape(x)}</th>' for x in (*(["run"] if many else []), "control", *labels))
    body = []
    for c in found:
        values = [c.values.get(x, "–") for x in labels]
        common = max(set(values), key=values.count)
        tds = "".join(
            f"<td{'' if c.equal or v == common else ' class=differs'}><code>{escape(_short(v))}</code></td>"
            for v in values
        )
        run = f"<td>{escape(c.group)}</td>" if many else ""
        body.append(f'<tr>{run}<th scope="row">{escape(c.name)}</th>{tds}</tr>')
    foot = f'<caption><p class="mark">{escape(mark)}</p></caption>' if mark else ""
    return (
        f'<div class="scroll"><table>{foot}<thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
    )


def _short(value: str) -> str:
    """A digest by its first twelve digits; anything else as it is."""
    return value[:12] if len(value) == 64 and all(c in "0123456789abcdef" for c in value) else value


# -- the headline table ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """An interval as percentages of its column's range."""

    low: float
    high: float
    value: float
    base: float


@dataclass(frozen=True)
class Difference:
    against: str
    text: str
    interval: str
    p: str
    strong: bool


@dataclass(frozen=True)
class Cell:
    text: str
    interval: str = ""
    bar: Bar | None = None
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Row:
    label: str
    css: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class Headline:
    title: str
    caption: str
    columns: tuple[Series, ...]
    rows: tuple[Row, ...]


def headline(setting: Setting, numbers: pd.DataFrame, budget: int) -> Headline | None:
    """A row per objective, a column per measure; in a cell the level, and its differences from base and SFT."""
    if numbers.empty:
        return None
    study, labels = setting.findings.study, setting.findings.labels
    shown = [s for s in setting.series if s.measure in set(numbers["measure"])]
    rows: list[Row] = []
    for label in (BASE, *labels):
        cells = tuple(
            _cell(setting, numbers[numbers["measure"] == s.measure].set_index("objective"), label) for s in shown
        )
        if any(cells):
            rows.append(Row(label, "base" if label == BASE else f"o{labels.index(label)}", cells))
    corrected = numbers[["vs_base_p_holm", "vs_sft_p_holm"]].notna().any(axis=None)
    caption = (
        f"Levels with {speak.level(study.alpha)} intervals; the vertical tick is the base model. Differences from the "
        f"base{_and_from(numbers, setting)} in percentage points, paired by prompt"
        + (", p after Holm’s correction over all that is compared" if corrected else "")
        + f"; bold where p < {study.alpha:g}. {speak.seeds(numbers.loc[numbers['objective'] != BASE, 'n_seeds'])}."
    )
    title = f"Objectives{speak.at(budget)}" if study.trains else f"Levels{speak.at(budget)}"
    return Headline(title, caption, tuple(shown), tuple(rows))


def _and_from(numbers: pd.DataFrame, setting: Setting) -> str:
    return f" and from {setting.findings.reference}" if numbers["vs_sft"].notna().any() else ""


def _cell(setting: Setting, column: pd.DataFrame, label: str) -> Cell | None:
    if label not in column.index:
        return None
    row = column.loc[label].to_dict()
    if speak.missing(row["value"]):
        return Cell("unscored")
    span = place.domain(column[["value", "low", "high"]], top=1.0)
    low, high = (row["value"] if speak.missing(row[k]) else row[k] for k in ("low", "high"))
    base = column.loc[BASE, "value"] if BASE in column.index else None
    bar = Bar(*(_place(v, span) for v in (low, high, row["value"], base)))
    against = (("vs_base", "base"), ("vs_sft", setting.findings.reference))
    differences = tuple(
        _difference(row, name, who, setting.findings.study.alpha)
        for name, who in against
        if not speak.missing(row[name])
    )
    return Cell(speak.percent(row["value"]), speak.interval(row["low"], row["high"]), bar, differences)


def _place(value: Any, span: Sequence[float]) -> float:
    """Per cent of the column's range; what is missing lies outside of it."""
    if speak.missing(value):
        return -50.0
    return round(100 * (float(value) - span[0]) / max(span[1] - span[0], 1e-12), 1)


def _difference(row: dict[str, Any], name: str, against: str, alpha: float) -> Difference:
    p, _ = tables.p_value(row, name)
    ends = speak.interval(row[f"{name}_low"], row[f"{name}_high"], signed=True)
    strong = not speak.missing(p) and float(p or 0) < alpha
    return Difference(against, speak.points(row[name]), ends, speak.p_value(p), strong)
