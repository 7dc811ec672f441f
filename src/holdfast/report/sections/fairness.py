"""*Was the comparison fair?*: what was held fixed, side by side over objectives."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from holdfast.config import study_runs
from holdfast.report import words
from holdfast.report.html import element, scrolled
from holdfast.report.phrases import phrase
from holdfast.report.reading import Findings
from holdfast.report.sections.section import Alarm, Block, Folded, Paragraph, Section
from holdfast.report.tables import Table, caption
from holdfast.store import digest
from holdfast.store.digest import brief


@dataclass(frozen=True)
class Control:
    """One thing held fixed, in one group of runs that should agree."""

    group: str
    name: str
    values: Mapping[str, str]  # by objective
    declared: bool = False  # the study itself asks for the difference

    @property
    def equal(self) -> bool:
        return len(set(self.values.values())) <= 1

    @property
    def differs(self) -> bool:
        """Though nobody asked for it."""
        return not self.equal and not self.declared


def section(findings: Findings) -> Section:
    found, mark, trains = controls(findings), findings.study.mark, findings.study.trains
    rows = [{"run": c.group, "control": c.name, "equal": "yes" if c.equal else "NO", **c.values} for c in found]
    return Section(
        "controls",
        "Was the comparison fair?",
        phrase("controls.lead") if trains else "",
        (),
        tuple(side_by_side(found, mark)),
        phrase("controls.absent") if trains else phrase("controls.given"),
        all_equal(found),
        (Table(pd.DataFrame(rows), name="controls", title="What was held fixed"),) if rows else (),
    )


def controls(findings: Findings) -> list[Control]:
    """Every control of every model, task and seed, side by side over objectives."""
    runs = findings.runs
    own = {v.label: v for v in study_runs.own(findings.study)}
    found = []
    proper = runs[(runs["bracket"] == "")] if len(runs) else runs
    for (model, task, seed), group in proper.groupby(["model", "task", "seed"], sort=False):
        proofs = {r["label"]: flat(r["controls"].get("controlled", {})) for r in group.to_dict("records")}
        proofs = {label: values for label, values in proofs.items() if values}
        for name in dict.fromkeys(k for values in proofs.values() for k in values):
            values = {label: v[name] for label, v in proofs.items() if name in v}
            declared = any(own[label].declares(name) for label in values if label in own)
            found.append(Control(f"{model} · {task} · seed {seed}", name, values, declared))
    return found


def flat(value: Mapping[str, Any]) -> dict[str, str]:
    """As texts."""
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in digest.flat(value).items()}


def differing(findings: Findings) -> list[str]:
    """What was not held fixed, though nobody asked for it."""
    return sorted({c.name for c in controls(findings) if c.differs})


def all_equal(found: Sequence[Control]) -> str:
    """In one line."""
    if not found:
        return ""
    bad = sorted({c.name for c in found if c.differs})
    asked = {c.name for c in found if not c.equal and c.declared}
    if bad:
        return f"Not everything was held fixed: {words.join(bad)}."
    other = len({c.name for c in found} - asked)
    if max(len(c.values) for c in found) < 2:
        return f"{other} controls were recorded of one objective: nothing to compare."
    by_design = f"; {len(asked)} differ{'s' * (len(asked) == 1)} because the study asks for it" if asked else ""
    return f"All {other} {'other ' * bool(asked)}controls are equal over objectives{by_design}."


def side_by_side(found: Sequence[Control], mark: str) -> list[Block]:
    """One calm line where all is equal; a difference is loud, and shown value by value."""
    if not found:
        return []
    bad, declared = [c for c in found if c.differs], [c for c in found if not c.equal and c.declared]
    blocks: list[Block] = []
    if bad:
        told = phrase("controls.differs", what=words.join(sorted({c.name for c in bad})))
        blocks.append(Alarm("Not everything was held fixed.", told, _values(bad, mark)))
    else:
        blocks.append(Paragraph(_calm(found, declared), calm=True))
    if declared:
        what = words.join(sorted({c.name for c in declared}))
        blocks += [Paragraph(phrase("controls.by_design", what=what)), _values(declared, mark)]
    return [*blocks, Folded("Every control, side by side", _values(found, mark))]


def _calm(found: Sequence[Control], declared: Sequence[Control]) -> str:
    n, runs = len({c.name for c in found} - {c.name for c in declared}), {c.group for c in found}
    over = max(len(c.values) for c in found)
    if over < 2:
        return phrase("controls.alone", n=n)
    more = f", in each of {len(runs)} groups of model, task and seed" if len(runs) > 1 else ""
    return phrase("controls.equal", n=n, over=over, more=more)


def _values(found: Sequence[Control], mark: str) -> Markup:
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
