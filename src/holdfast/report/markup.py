"""Tables as HTML, and the headline table as the template wants it. Every word that comes from a study is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from holdfast.report import speak, standing, tables
from holdfast.report.headline import Series
from holdfast.report.reading import Setting
from holdfast.report.tables import Control
from holdfast.report.theme import BASE
from holdfast.store.digest import brief


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
            dot = '<span class="dot" aria-hidden="true"></span>' if css and c == "objective" else ""
            text = dot + escape(tables.number(v))
            if i == 0:
                cells.append(f'<th scope="row">{text}</th>')
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
            f"<td{'' if c.equal or v == common else ' class=differs'}><code>{escape(brief(v))}</code></td>"
            for v in values
        )
        run = f"<td>{escape(c.group)}</td>" if many else ""
        body.append(f'<tr>{run}<th scope="row">{escape(c.name)}</th>{tds}</tr>')
    foot = f'<caption><p class="mark">{escape(mark)}</p></caption>' if mark else ""
    return (
        f'<div class="scroll"><table>{foot}<thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
    )


# -- the headline table ------------------------------------------------------------------------------------------

SIGNS = {
    "better": "▲", "worse": "▼", "shown": "✓", "refuted": "✗", "differs": "◆", "equivalent": "=", "cannot tell": "?",
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    against: str
    text: str
    interval: str
    p: str
    verdict: str

    @property
    def sign(self) -> str:
        return SIGNS.get(self.verdict, "")

    @property
    def css(self) -> str:
        return self.verdict.replace(" ", "-")


@dataclass(frozen=True)
class Cell:
    text: str
    interval: str = ""
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


def headlines(setting: Setting, numbers: pd.DataFrame) -> list[Headline]:
    """A row per objective, a column per measure; in a cell the level, and its differences from SFT and the base. The
    normative measures, of which no way is better, are a table of their own."""
    if numbers.empty:
        return []
    there = [s for s in setting.shown if s.measure in set(numbers["measure"])]
    lead = [s for s in there if s.axis != "normative"]
    rest = [s for s in there if s.axis == "normative"]
    what = "Objectives" if setting.findings.study.trains else "Levels"
    titles = ((f"{what}{speak.at(setting.last)}", lead), (f"Normative measures{speak.at(setting.last)}", rest))
    return [_headline(setting, numbers, title, some) for title, some in titles if some]


def _headline(setting: Setting, numbers: pd.DataFrame, title: str, shown: list[Series]) -> Headline:
    labels, rows = setting.findings.labels, []
    numbers = numbers[numbers["measure"].isin([s.measure for s in shown])]
    for label in (BASE, *labels):
        own = numbers[numbers["objective"] == label].set_index("measure")
        cells = tuple(_cell(setting, own.loc[s.measure].to_dict()) if s.measure in own.index else None for s in shown)
        if any(cells):
            rows.append(Row(label, "base" if label == BASE else f"o{labels.index(label)}", cells))
    return Headline(title, _meaning(setting, numbers), tuple(shown), tuple(rows))


def _meaning(setting: Setting, numbers: pd.DataFrame) -> str:
    study = setting.findings.study
    said = [f"Levels with {speak.level(study.alpha)} intervals"]
    who = [w for k, w in (("vs_sft", setting.findings.reference), ("vs_base", "the base")) if numbers[k].notna().any()]
    if who:
        mine = setting.answers()
        mine = mine[(mine["finding"] == "last") & mine["measure"].isin(numbers["measure"])]
        within = " or ".join(f"{100 * x:g}" for x in sorted(mine["interest"].unique(), reverse=True))
        undeclared = "" if mine["declared"].all() else " Not declared beforehand, so exploratory."
        said[0] += (
            f", and differences from {speak.join(who)} in percentage points, paired by prompt. Better and worse: "
            f"p < {study.alpha:g} after Holm’s correction over objectives (the intervals are not corrected). "
            f"Equivalent: shown to lie within ±{within} points, {standing.little(setting.findings.stands)} (two "
            f"one-sided tests; the {speak.level(study.alpha)} interval may reach further). Cannot tell: neither "
            f"is shown; that is not equality.{undeclared}"
        )
    else:
        said[0] += ". Nothing was compared: `holdfast analyse` writes the findings."
    of_seeds = speak.seeds(numbers.loc[numbers["objective"] != BASE, "n_seeds"])
    return " ".join([*said, f"n = {speak.spread(numbers['n_prompts'])} prompts. {of_seeds}."])


def _cell(setting: Setting, row: dict[str, Any]) -> Cell:
    if speak.missing(row["value"]):
        return Cell("unscored")
    against = (("vs_sft", setting.findings.reference), ("vs_base", "base"))
    differences = tuple(_difference(row, name, who) for name, who in against if not speak.missing(row[name]))
    return Cell(speak.percent(row["value"]), speak.interval(row["low"], row["high"]), differences)


def _difference(row: dict[str, Any], name: str, against: str) -> Difference:
    ends = speak.interval(row[f"{name}_low"], row[f"{name}_high"], signed=True)
    p = speak.p_value(row[f"{name}_p_holm"])
    return Difference(against, speak.points(row[name]), ends, p, str(row[f"{name}_verdict"]))
