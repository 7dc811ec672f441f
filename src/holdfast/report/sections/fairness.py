"""*Was the comparison fair?*: what was held fixed, side by side over objectives. *Does the ruler work?*: runs whose
effect is known beforehand, and whether the measures show it."""

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
from holdfast.report.series import plain
from holdfast.report.table import Table, caption
from holdfast.store import digest
from holdfast.store.digest import brief
from holdfast.store.files import read_json


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
    files = [Table(pd.DataFrame(rows), name="controls", title="What was held fixed")] if rows else []
    return Section("controls", (), side_by_side(found, mark), all_equal(found), files, said={"trains": trains})


def controls(findings: Findings) -> list[Control]:
    """Every control of every model, task and seed, side by side over objectives."""
    runs = findings.runs
    own = {v.label: v for v in study_runs.own(findings.study)}
    found = []
    proper = runs[(runs["bracket"] == "")] if len(runs) else runs
    for (model, task, seed), group in proper.groupby(["model", "task", "seed"], sort=False):
        proofs = {r["label"]: flat(r["controls"].get("controlled", {})) for r in group.to_dict("records")}
        proofs = {label: values for label, values in proofs.items() if values}
        _same_processor(proofs, findings, model)
        for name in dict.fromkeys(k for values in proofs.values() for k in values):
            values = {label: v[name] for label, v in proofs.items() if name in v}
            declared = any(own[label].declares(name) for label in values if label in own)
            found.append(Control(f"{model} · {task} · seed {seed}", name, values, declared))
    return found


def _same_processor(proofs: Mapping[str, dict[str, str]], findings: Findings, model: str) -> None:
    """A run says its processor only where it is another than that of the model's first run: then all others say it."""
    name, file = "numerics.processor", findings.folder.machine(model)
    if file.is_file() and any(name in values for values in proofs.values()):
        first = read_json(file, "device").get("processor", "none")
        for values in proofs.values():
            values.setdefault(name, first)


def flat(value: Mapping[str, Any]) -> dict[str, str]:
    """As texts."""
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in digest.flat(value).items()}


def differing(findings: Findings) -> list[str]:
    """What was not held fixed, though nobody asked for it."""
    return sorted({c.name for c in controls(findings) if c.differs})


def all_equal(found: Sequence[Control]) -> str:
    """In one line."""
    return phrase("controls.line", **_counts(found)) if found else ""


def _counts(found: Sequence[Control]) -> dict[str, Any]:
    """What differs though nobody asked (``bad``) or because the study does (``asked``), how many controls (``n``) are
    equal, over how many objectives and in how many groups of runs."""
    bad, asked = {c.name for c in found if c.differs}, {c.name for c in found if not c.equal and c.declared}
    n = len({c.name for c in found} - asked)
    over = max(len(c.values) for c in found)
    return {"bad": sorted(bad), "asked": sorted(asked), "n": n, "over": over, "runs": len({c.group for c in found})}


def side_by_side(found: Sequence[Control], mark: str) -> list[Block]:
    """One calm line where all is equal; a difference is loud, and shown value by value."""
    if not found:
        return []
    counts, bad = _counts(found), [c for c in found if c.differs]
    blocks: list[Block] = [Paragraph(phrase("controls.equal", **counts), calm=True)]
    if bad:
        blocks = [Alarm("Not everything was held fixed.", phrase("controls.differs", **counts), _values(bad, mark))]
    if declared := [c for c in found if not c.equal and c.declared]:
        if each := _trained(declared):  # not one setting among others: loud, though it is asked for
            blocks.append(Alarm("Not the same is trained.", phrase("controls.trained", each=each)))
        blocks += [Paragraph(phrase("controls.by_design", **counts)), _values(declared, mark)]
    return [*blocks, Folded("Every control, side by side", _values(found, mark))]


def _trained(declared: Sequence[Control]) -> list[tuple[str, str, int]]:
    """Label, what is trained, and how many numbers, where some train weights and others an adapter, or fewer of them.
    ``Controls.trained`` puts the first in place of an adapter's settings."""
    first = {c.name: c.values for c in reversed(declared)}
    numbers, ranks = first.get("trainable_parameters", {}), first.get("lora.rank", {})
    if not {"full", "body"} & set(ranks.values()):
        return []
    return [(x, rank if rank in ("full", "body") else "lora", int(numbers[x])) for x, rank in ranks.items()]


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


# -- runs whose effect is known ---------------------------------------------------------------------------------------


def control_runs(findings: Findings) -> Section:
    table = known(findings)
    blocks = [Table(table, phrase("control-runs.note"), "control-runs", "Control runs")] if len(table) else []
    return Section("control-runs", (), blocks, as_they_must(table), blocks)


def as_they_must(shown: pd.DataFrame) -> str:
    """In one line."""
    good = int((shown["shown"] == "yes").sum()) if len(shown) else 0
    return phrase("control-runs.line", good=good, of=len(shown)) if len(shown) else ""


def known(findings: Findings) -> pd.DataFrame:
    """A row per run: what it must show, and whether it does."""
    found = findings.checks
    if found.empty:
        return pd.DataFrame()
    share = found["metric"] == "equal answers"
    ends = found[["low", "high"]].to_numpy()
    shown = pd.DataFrame(
        {
            "run": found["bracket"],
            "model": found["model"],
            "must show": found["expected"],
            "measure": [plain(str(m)) for m in found["measure"]],
            "points from base": ["–" if s else words.points(v) for v, s in zip(found["value"], share, strict=True)],
            "interval": [words.interval(low, high, signed=True) or "–" for low, high in ends],
            "p (Holm)": [words.bare_p(p) or "–" for p in found["p_holm"]],
            "shown": found["moved"].map({True: "yes", False: "NO"}),
            "verdict": found["verdict"],
        }
    )
    return shown if found["model"].nunique() > 1 else shown.drop(columns="model")
