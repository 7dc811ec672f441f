"""Tables for a paper: LaTeX with booktabs, every cell escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from holdfast.report import claims, speak, standing, tables
from holdfast.report.reading import Findings, Setting, named
from holdfast.store.defuse import file_name, for_terminal
from holdfast.store.files import write_text

_SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "≥": r"$\geq$", "≤": r"$\leq$", "–": "--", "—": "---", "·": r"$\cdot$",
    "κ": r"$\kappa$", "α": r"$\alpha$", "σ": r"$\sigma$", "‖": r"$\Vert$", "“": "``", "”": "''", "’": "'",
    "…": r"\ldots{}",     "→": r"$\rightarrow$", "↓": r"$\downarrow$", "↑": r"$\uparrow$",
}  # fmt: skip
_ANY = re.compile("|".join(map(re.escape, _SIGNS)))


def escaped(text: str) -> str:
    """The text as one line that TeX sets as it stands. What begins with ``[`` or ``*`` is put in braces: at the head of
    a row the line's end before it would take it for its argument."""
    line = _ANY.sub(lambda m: _SIGNS[m[0]], for_terminal(" ".join(text.split())))
    return f"{{{line[0]}}}{line[1:]}" if line[:1] in ("[", "*") else line


def table(rows: pd.DataFrame, caption: str, label: str, mark: str = "", groups: Sequence[str] = ()) -> str:
    """A ``table`` environment (it needs ``\\usepackage{booktabs}``). Where the columns ``groups`` repeat the row above,
    their cells are left empty, and a thin rule stands where they change."""
    numeric = [pd.api.types.is_numeric_dtype(rows[c]) for c in rows.columns]
    lines = [
        r"\begin{table}[t]", r"\centering", r"\small", rf"\caption{{{escaped(caption)}}}",
        rf"\label{{tab:{file_name(label)}}}",
        rf"\begin{{tabular}}{{{''.join('r' if n else 'l' for n in numeric)}}}", r"\toprule",
        " & ".join(escaped(tables.heading(c)) for c in rows.columns) + r" \\", r"\midrule",
    ]  # fmt: skip
    above: dict[str, str] = {}
    for i, row in enumerate(rows.to_dict("records")):
        cells = {str(c): escaped(tables.number(v)) for c, v in row.items()}
        same = {c for c in groups if above.get(c) == cells[c]}
        if groups and i and groups[0] not in same:
            lines.append(r"\addlinespace")
        lines.append(" & ".join("" if c in same else v for c, v in cells.items()) + r" \\")
        above = cells
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*lines, *([rf"\par\smallskip\emph{{{escaped(mark)}}}"] if mark else []), r"\end{table}"]) + "\n"


def write(findings: Findings) -> dict[str, str]:
    """Name: text of every table, written as ``report/tables/NAME.tex``."""
    found = {named(speak.own("objectives"), s.slug): text for s in findings.settings() if (text := objectives(s))}
    found |= {name: text for name, text in (("controls", controls(findings)), ("findings", answers(findings))) if text}
    for name, text in found.items():
        write_text(findings.folder.report / "tables" / f"{name}.tex", text)
    return found


def objectives(s: Setting) -> str:
    """Level and differences of every objective and measure at the last budget; "" where there is nothing."""
    study = s.findings.study
    numbers = tables.headline(s, s.last)
    if numbers.empty:
        return ""
    titles = {x.measure: x.title for x in s.shown}
    against = [
        (k, who) for k, who in (("vs_base", "base"), ("vs_sft", s.findings.reference)) if numbers[k].notna().any()
    ]
    rows = []
    for r in numbers.to_dict("records"):
        row = {"Measure": titles[r["measure"]], speak.own("Objective"): r["objective"]}
        row["Level (%)"] = f"{speak.percent(r['value']).rstrip('%')} {speak.interval(r['low'], r['high'])}".strip()
        for k, who in against:
            gap = "" if speak.missing(r[k]) else speak.points(r[k])
            row[f"Points from {who}"] = f"{gap} {speak.interval(r[f'{k}_low'], r[f'{k}_high'], signed=True)}".strip()
            row[f"p ({who})"] = speak.p_value(r[f"{k}_p_adjusted"]).removeprefix("p = ").removeprefix("p ")
        rows.append(row)
    order = list(titles.values())
    shown = pd.DataFrame(rows).sort_values("Measure", key=lambda c: c.map(order.index), kind="stable")
    counts = f"n = {speak.spread(numbers['n_prompts'])} prompts. {speak.seeds(numbers['n_seeds'])}"
    caption = (
        f"{s.name}{speak.at(s.last)}: levels with {speak.level(study.alpha)} intervals and paired differences in "
        f"percentage points; p after Bonferroni's correction. {counts}."
    )
    return table(shown, caption, named(speak.own("objectives"), s.slug), study.mark, ["Measure"])


def controls(findings: Findings) -> str:
    """What was held fixed over objectives, and whether it was; "" where no proofs were found."""
    found = tables.controls(findings)
    rows = [
        {
            "Control": c.name,
            "Equal": "yes" if c.equal else "by design" if c.declared else "NO",
            "Value": _value(next(iter(c.values.values()))) if c.equal else "differs",
        }
        for c in found
    ]
    if not rows:
        return ""
    shown = pd.DataFrame(rows)
    # Over groups of model, task and seed: one line where all say the same, and no value where theirs differ.
    merged = shown.groupby(["Control", "Equal"], sort=False)["Value"].agg(
        lambda v: v.iloc[0] if v.nunique() == 1 else "by seed or task"
    )
    caption = "What was held fixed over objectives. Digests by their first eight digits."
    return table(merged.reset_index(), caption, "controls", findings.study.mark)


def _value(text: str) -> str:
    return text[:8] if len(text) == 64 else text if len(text) <= 40 else f"{text[:37]}..."


def answers(findings: Findings) -> str:
    """What the study declared, and what came of it; "" where there is no table of findings."""
    wanted = standing.asked(findings.answers, findings.study)
    if not len(wanted):
        return ""
    shown = claims.shown(wanted).rename(columns=lambda c: tables.heading(c).capitalize())
    chosen = standing.chosen(findings.stands)
    caption = (
        f"What was asked ({chosen}) with {speak.level(findings.study.alpha)} intervals; p after Bonferroni's "
        "correction; interest: the smallest difference that matters."
    )
    return table(shown, caption, "findings", findings.study.mark, ["Finding"])
