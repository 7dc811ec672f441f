"""Tables as HTML, and the headline table as the template wants it.

Nothing becomes HTML but by ``element`` and the page's template, which escape whatever is not HTML made by them. No text
is written between tags by hand, so no name of a study can be read as one (tests/report/test_safe.py holds it).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from holdfast.report import speak, standing, tables
from holdfast.report.headline import Series
from holdfast.report.reading import Setting
from holdfast.report.tables import Control
from holdfast.report.theme import BASE
from holdfast.store.digest import brief


def element(tag: str, *children: Any, **attributes: Any) -> Markup:
    """One element. Children are text, and escaped, unless they are elements themselves. Attributes: None and "" are
    left out, ``cls`` is ``class``, ``_`` in a name is ``-``, True is the bare name."""
    said = [Markup("<"), Markup(tag)]
    for name, value in attributes.items():
        if value is not None and value != "" and value is not False:
            key = Markup({"cls": "class"}.get(name, name.replace("_", "-")))
            said.append(Markup(" {}").format(key) if value is True else Markup(' {}="{}"').format(key, value))
    return Markup("").join([*said, Markup(">"), *map(escape, children), Markup("</"), Markup(tag), Markup(">")])


LONG = 40  # characters of a row's name, from where it is set in several lines


@dataclass(frozen=True)
class Block:
    """A piece of HTML for a section; text is escaped."""

    html: Markup

    def __post_init__(self) -> None:
        object.__setattr__(self, "html", escape(self.html))


def title(text: str) -> Block:
    return Block(element("h3", text))


def said(text: str, *, calm: bool = False) -> Block:
    """A paragraph; ``calm``: of what is as it should be."""
    return Block(element("p", text, cls="calm" if calm else ""))


def alarm(strong: str, *rest: Any) -> Block:
    return Block(element("div", element("strong", strong), " ", *rest, cls="alarm", role="alert"))


def listed(points: Iterable[str]) -> Block:
    return Block(element("ul", *(element("li", p) for p in points), cls="caveats"))


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


def caption(text: str, mark: str) -> Markup:
    """Of a table; nothing where nothing is said."""
    marked = element("p", mark, cls="mark") if mark else ""
    return element("caption", text, marked) if text or mark else Markup("")


def scrolled(title: str, *parts: Any, cls: str = "") -> Block:
    """A table that scrolls by itself on a narrow page; ``title`` is read aloud where there is one."""
    aloud: dict[str, Any] = {"tabindex": "0", "role": "region", "aria_label": title} if title else {}
    return Block(element("div", element("table", *parts, cls=cls), cls="scroll", **aloud))


def table(rows: pd.DataFrame, mark: str, text: str = "", bar: str = "", labels: Sequence[str] = ()) -> Block:
    """A data frame as it stands, with ``text`` as its caption; ``bar`` names a column that is also drawn."""
    most = float(rows[bar].max()) if bar and len(rows) else 0.0
    numeric = {c for c in rows.columns if pd.api.types.is_numeric_dtype(rows[c])}
    cls = {c: "number" if c in numeric and c != bar else "" for c in rows.columns}
    head = [element("th", tables.heading(c), scope="col", cls=cls[c]) for c in rows.columns]
    body = []
    for row in rows.to_dict("records"):
        own = str(row.get("objective", ""))
        css: dict[str, Any] = (
            {"style": f"--own:var(--o{list(labels).index(own)})", "data_label": own} if own in labels else {}
        )
        cells = []
        for i, (c, v) in enumerate(row.items()):
            text_ = tables.number(v)
            dot = element("span", cls="dot", aria_hidden="true") if css and c == "objective" else ""
            if i == 0:
                cells.append(element("th", dot, text_, scope="row", cls="long" if len(text_) > LONG else ""))
            elif c == bar:
                wide = 100 * float(v) / most if most and not pd.isna(v) else 0
                drawn = element("span", cls="fill", style=f"width:{wide:.1f}%", aria_hidden="true")
                cells.append(element("td", text_, drawn, cls="bar"))
            else:
                cells.append(element("td", dot, text_, cls=cls[str(c)]))
        body.append(element("tr", *cells, **css))
    return scrolled("", caption(text, mark), element("thead", element("tr", *head)), element("tbody", *body))


def folded(title: str, block: Block) -> Block:
    return Block(element("details", element("summary", title), block.html))


def controls(found: Sequence[Control], mark: str) -> list[Block]:
    """One calm line where all is equal; a difference is loud, and shown value by value."""
    if not found:
        return []
    bad = [c for c in found if not c.equal and not c.declared]
    declared = [c for c in found if not c.equal and c.declared]
    blocks = []
    if bad:
        what = speak.join(sorted({c.name for c in bad}))
        told = f"Differs over objectives: {what}. {_DOUBT}"
        blocks.append(alarm("Not everything was held fixed.", told, _side_by_side(bad, mark).html))
    else:
        blocks.append(said(_all_equal(found, declared), calm=True))
    if declared:
        what = speak.join(sorted({c.name for c in declared}))
        blocks += [said(f"Different because the study asks for it: {what}."), _side_by_side(declared, mark)]
    return [*blocks, folded("Every control, side by side", _side_by_side(found, mark))]


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


def _side_by_side(found: Sequence[Control], mark: str) -> Block:
    labels = list(dict.fromkeys(label for c in found for label in c.values))
    many = len({c.group for c in found}) > 1
    head = [element("th", x, scope="col") for x in (*(["run"] if many else []), "control", *labels)]
    body = []
    for c in found:
        values = [c.values.get(x, "–") for x in labels]
        common = max(set(values), key=values.count)
        tds = [
            element("td", element("code", brief(v)), cls="" if c.equal or v == common else "differs") for v in values
        ]
        run = [element("td", c.group)] if many else []
        body.append(element("tr", *run, element("th", c.name, scope="row"), *tds))
    return scrolled("", caption("", mark), element("thead", element("tr", *head)), element("tbody", *body))


# -- the headline table ------------------------------------------------------------------------------------------

SIGNS = {
    "better": "▲", "worse": "▼", "shown": "✓", "refuted": "✗", "differs": "◆", "equivalent": "=", "inconclusive": "?",
    "small but real": "≈", "one seed": "○",
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
    silent: str = ""  # how many answers say nothing


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
    normative measures are a table of their own."""
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
        undeclared = _undeclared(mine, setting.findings.reference)
        said[0] += (
            f", and differences from {speak.join(who)} in percentage points, paired by prompt, their intervals each by "
            "itself. "
        )
        there = {v for k in ("vs_sft", "vs_base") for v in numbers[f"{k}_verdict"].dropna()}
        means = (
            (("better", "worse"), f"Better and worse: p < {study.alpha:g} after Bonferroni’s correction over all that "
             "the answer compares."),
            (("equivalent",), f"Equivalent: shown to lie within ±{within} points, "
             f"{standing.little(setting.findings.stands)}. By two one-sided tests, corrected likewise; the "
             f"{speak.level(study.alpha)} interval may reach further."),
            (("small but real",), "Small but real: both are shown."),
            (("inconclusive",), "Inconclusive: neither is shown; that is not equality."),
            (("one seed",), "One seed: no verdict on objectives, for these differences are of single checkpoints."),
        )  # fmt: skip
        said[0] += " ".join(text for verdicts, text in means if there & set(verdicts)) + undeclared
    else:
        said[0] += ". Nothing was compared: `holdfast analyse` writes the findings."
    of_seeds = speak.seeds(numbers.loc[numbers["objective"] != BASE, "n_seeds"])
    return " ".join([*said, f"n = {speak.spread(numbers['n_prompts'])} prompts. {of_seeds}."])


def _undeclared(found: pd.DataFrame, reference: str) -> str:
    """Of the comparisons of a table, which were not declared."""
    mine = found["declared"].astype(bool)
    names = {"sft": reference, "base": "the base"}
    whole = [names[a] for a, some in mine.groupby(found["against"], sort=False) if not some.any()]
    if mine.all():
        return ""
    if not mine.any():
        return " Not declared beforehand, so exploratory."
    who = f"Those with {speak.join(whole)} were" if whole else "Some of these were"
    return f" {who} not declared beforehand: exploratory."


def _cell(setting: Setting, row: dict[str, Any]) -> Cell:
    share = row[tables.SILENT]
    told = not speak.missing(share) and (share > 0 or row["metric"] == "asr")  # of harm it is said even where it is 0
    silent = f"no answer {speak.percent(share)}" if told else ""
    if speak.missing(row["value"]):
        return Cell("unscored", silent=silent)
    against = (("vs_sft", setting.findings.reference), ("vs_base", "base"))
    differences = tuple(_difference(row, name, who) for name, who in against if not speak.missing(row[name]))
    return Cell(speak.percent(row["value"]), speak.interval(row["low"], row["high"]), differences, silent)


def _difference(row: dict[str, Any], name: str, against: str) -> Difference:
    ends = speak.interval(row[f"{name}_low"], row[f"{name}_high"], signed=True)
    p = speak.p_value(row[f"{name}_p_adjusted"])
    return Difference(against, speak.points(row[name]), ends, p, str(row[f"{name}_verdict"]))
