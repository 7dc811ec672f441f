"""*For a paper*: methods and tables to copy."""

from __future__ import annotations

import pandas as pd

from holdfast.report import words
from holdfast.report.phrases import phrase
from holdfast.report.reading import Findings, Setting, named
from holdfast.report.sections import asked, declaration_text, fairness, methods_text
from holdfast.report.sections.first_table import gap, numbers
from holdfast.report.sections.section import Copied, Section
from holdfast.report.table import Table, as_latex, heading
from holdfast.store.defuse import for_markdown


def section(findings: Findings) -> Section:
    found, text = latex(findings), methods(findings)
    blocks = [Copied("Methods", text, prose=True)]
    blocks += [Copied(f"LaTeX: {name}", tex) for name, tex in found.items()]
    line = f"The methods in words, and {len(found)} LaTeX table{'s' * (len(found) != 1)}."
    texts = {f"tables/{name}.tex": tex for name, tex in found.items()}
    texts["methods.md"] = "\n\n".join(map(for_markdown, text.split("\n\n"))) + "\n"
    return Section("paper", (), blocks, line, texts=texts)


def methods(findings: Findings) -> str:
    """A methods section, and the study's mark, as paragraphs."""
    mark = findings.study.mark
    said = [f"{title}. {body}" for title, body in methods_text.paragraphs(findings).items()]
    return "\n\n".join([*said, *([mark] if mark else [])])


def latex(findings: Findings) -> dict[str, str]:
    """Name: text of every table."""
    mark = findings.study.mark
    some: list[tuple[Table | None, list[str]]] = [(objectives(s), ["Measure"]) for s in findings.settings()]
    some += [(controls(findings), []), (answers(findings), ["Finding"])]
    return {t.name: as_latex(t, mark, groups) for t, groups in some if t is not None}


def objectives(s: Setting) -> Table | None:
    """Level and differences of every objective and measure at the last budget; None where there is nothing."""
    found = numbers(s, s.last)
    if found.empty:
        return None
    titles = {x.measure: x.title for x in s.shown}
    against = [(k, who) for k, who in (("vs_base", "base"), ("vs_sft", s.findings.reference)) if found[k].notna().any()]
    rows = []
    for r in found.to_dict("records"):
        row = {"Measure": titles[r["measure"]], words.own("Objective"): r["objective"]}
        row["Level (%)"] = words.estimate(r).replace("%", "")
        for k, who in against:
            row[f"Points from {who}"] = gap(r, k)
            row[f"p ({who})"] = words.bare_p(r[f"{k}_p_adjusted"])
        rows.append(row)
    order = list(titles.values())
    shown = pd.DataFrame(rows).sort_values("Measure", key=lambda c: c.map(order.index), kind="stable")
    note = phrase(
        "paper.objectives", name=s.name, at=words.at(s.last), level=words.level(s.findings.study.alpha),
        n=words.spread(found["n_prompts"]), seeds=words.seeds(found["n_seeds"]),
    )  # fmt: skip
    return Table(shown, note, named(words.own("objectives"), s.slug))


def controls(findings: Findings) -> Table | None:
    """What was held fixed over objectives, and whether it was; None where no proofs were found."""
    rows = [
        {
            "Control": c.name,
            "Equal": "yes" if c.equal else "by design" if c.declared else "NO",
            "Value": _value(next(iter(c.values.values()))) if c.equal else "differs",
        }
        for c in fairness.controls(findings)
    ]
    if not rows:
        return None
    # Over groups of model, task and seed: one line where all say the same, and no value where theirs differ.
    merged = (
        pd.DataFrame(rows)
        .groupby(["Control", "Equal"], sort=False)["Value"]
        .agg(lambda v: v.iloc[0] if v.nunique() == 1 else "by seed or task")
    )
    return Table(merged.reset_index(), phrase("paper.controls"), "controls")


def _value(text: str) -> str:
    return text[:8] if len(text) == 64 else text if len(text) <= 40 else f"{text[:37]}..."


def answers(findings: Findings) -> Table | None:
    """What the study declared, and what came of it; None where there is no table of findings."""
    wanted = declaration_text.asked(findings.answers, findings.study)
    if not len(wanted):
        return None
    shown = asked.shown(wanted, findings.reference).rename(columns=lambda c: heading(c).capitalize())
    chosen = declaration_text.chosen(findings.stands)
    note = phrase("paper.findings", chosen=chosen, level=words.level(findings.study.alpha))
    return Table(shown, note, "findings")
