"""The report's tables as data frames, and the two ways they are written: CSV and Markdown.

A table knows its numbers, not its looks; ``page.py`` and ``markup.py`` show them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from holdfast.analysis.gate import NO_ANSWER as SILENT
from holdfast.analysis.gate import GateVerdict
from holdfast.config import study_runs
from holdfast.config.study import Study
from holdfast.report import speak
from holdfast.report.headline import Series, plain
from holdfast.report.reading import Findings, Setting, named
from holdfast.report.theme import BASE
from holdfast.store import digest
from holdfast.store.defuse import csv, file_name, for_markdown
from holdfast.store.files import write_text


def headline(setting: Setting, budget: int) -> pd.DataFrame:
    """A row per objective and measure at the last budget: level, share of answers that say nothing, and difference from
    the base and from SFT with interval, p after correction and verdict, which are the finding ``last``."""
    rows, found = [], setting.answers()
    silence = setting.estimates[setting.estimates["metric"] == SILENT]
    found = found[(found["finding"] == "last") & (found["budget"] == budget)]
    for s in setting.shown:
        level = s.of(setting.estimates)
        level = level[(level["budget"] == budget) | (level["label"] == BASE)].set_index("label")
        silent = replace(s, metric=SILENT).of(silence).set_index(["label", "budget"])["value"].to_dict()
        own = found[(found["measure"] == s.measure) & (found["metric"] == s.metric)]
        against = {f"vs_{a}": own[own["against"] == a].set_index("label") for a in ("base", "sft")}
        for label in (BASE, *setting.findings.labels):
            if label not in level.index:
                continue
            row: dict[str, Any] = {"objective": label, "measure": s.measure, "metric": s.metric, "judge": s.judge}
            row |= {"budget": budget if label != BASE else 0}
            row |= {SILENT: silent.get((label, row["budget"]))}
            row |= {k: level.loc[label, k] for k in ("value", "low", "high", "n_prompts", "n_unscored", "n_seeds")}
            for name, d in against.items():
                for k in ("value", "low", "high", "p", "p_adjusted", "verdict"):
                    row[f"{name}_{k}" if k != "value" else name] = d.loc[label, k] if label in d.index else None
            rows.append(row)
    return pd.DataFrame(rows)


def spoken(table: pd.DataFrame, series: list[Series]) -> pd.DataFrame:
    """The headline table as a reader wants it in Markdown: a row per objective, a column per number."""
    out: dict[str, dict[str, str]] = {}
    titles = {s.measure: s.title for s in series}
    for r in table.to_dict("records"):
        config = out.setdefault(r["objective"], {"objective": r["objective"]})
        title = titles[r["measure"]]
        config[title] = level(r)
        for name, against in (("vs_base", "base"), ("vs_sft", "SFT")):
            if table[name].notna().any():
                said = "" if speak.missing(r[name]) else speak.points(r[name])
                ends = speak.interval(r[f"{name}_low"], r[f"{name}_high"], signed=True)
                verdict = "" if speak.missing(r[name]) else r[f"{name}_verdict"]
                config[f"{title}: points from {against}"] = f"{said} {ends} {verdict}".strip()
    return pd.DataFrame(list(out.values())).fillna("")


def level(r: Mapping[Any, Any]) -> str:
    """A row's level, beside it how many of its answers say nothing: a model that is silent is not safe."""
    share = r.get(SILENT)
    silent = "" if speak.missing(share) or not share else f"; no answer {speak.percent(share)}"
    return f"{speak.estimate(r)}{silent}"


SPENT = {  # column of the checkpoints → what a reader calls it
    "steps": "steps",
    "passes": "passes over the data",
    "shared_tokens": "shared tokens",
    "forward_tokens": "forward tokens",
    "supervised_tokens": "supervised tokens",
    "flops": "FLOPs",
    "kl_base": "KL from base (nats/token)",
    "adapter_norm": "adapter norm",
    "clipped_share": "clipped steps",
    "chosen_logp_per_token": "log-prob chosen (nats/token)",
    "rejected_logp_per_token": "log-prob rejected (nats/token)",
    "margin": "margin (nats)",
}


def spent(setting: Setting) -> pd.DataFrame:
    """What each objective did to reach a budget, mean over seeds: passes, tokens, distance moved, log-probs."""
    return _means(setting, SPENT)


UNSAFE = {
    "unsafe_tokens": "unsafe tokens read",
    "unsafe_rows": "unsafe rows",
    "refusal_rows": "refusal rows",
    "rejected_tokens": "rejected tokens read",
}


def unsafe(setting: Setting) -> pd.DataFrame:
    """Who read unsafe text, by budget."""
    return _means(setting, UNSAFE)


def _means(setting: Setting, names: Mapping[str, str]) -> pd.DataFrame:
    points = setting.checkpoints
    there = [c for c in names if c in points and points[c].notna().any()]
    if not there:
        return pd.DataFrame()
    numbers = points[["label", "budget"]].join(points[there].apply(pd.to_numeric, errors="coerce"))
    means = numbers.groupby(["label", "budget"], sort=False).mean().reset_index()
    order = {label: i for i, label in enumerate(setting.findings.labels)}
    means = means[means["label"].isin(order)].sort_values(
        ["budget", "label"], key=lambda c: c.map(order) if c.name == "label" else c
    )
    return means.rename(columns={"label": "objective", **names}).reset_index(drop=True)


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


def controls_frame(found: list[Control]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"run": c.group, "control": c.name, "equal": "yes" if c.equal else "NO", **c.values} for c in found]
    )


def gate(verdict: GateVerdict) -> pd.DataFrame:
    """A row per check, what failed first."""
    rows = [
        {"subject": c.label, "verdict": "kept" if c.passed else "FAILED"}
        | {"found": c.number, "to keep": c.bound, "measure": c.what}
        for c in sorted(verdict.checks, key=lambda c: c.passed)
    ]
    return pd.DataFrame(rows)


def own_conditions(setting: Setting) -> pd.DataFrame:
    """Levels at the last budget under an objective's own evaluation string, beside the plain prompt."""
    rows = []
    for s in setting.shown:
        e = setting.estimates
        for other in dict.fromkeys(e.loc[(e["measure"] == s.measure) & (e["format"] != s.format), "format"]):
            level = replace(s, format=other).of(e)
            plain_level = s.of(e).set_index(["label", "budget"])
            for r in level[level["budget"] == level["budget"].max()].to_dict("records"):
                key = (r["label"], r["budget"])
                if r["label"] == BASE or key not in plain_level.index:
                    continue
                p = plain_level.loc[key]
                rows.append(
                    {
                        "objective": r["label"],
                        "asked with": other,
                        "measure": s.title,
                        "level": speak.percent(r["value"]),
                        "interval": speak.interval(r["low"], r["high"]),
                        "plain prompt": speak.estimate(p),
                    }
                )
    return pd.DataFrame(rows)


def control_runs(findings: Findings) -> pd.DataFrame:
    """Runs whose effect is known beforehand, and whether the measures show it."""
    found = findings.checks
    if found.empty:
        return pd.DataFrame()
    share = found["metric"] == "equal answers"
    shown = pd.DataFrame(
        {
            "run": found["bracket"],
            "model": found["model"],
            "must show": found["expected"],
            "measure": [plain(str(m)) for m in found["measure"]],
            "points from base": ["–" if s else speak.points(v) for v, s in zip(found["value"], share, strict=True)],
            "interval": [
                speak.interval(low, high, signed=True) or "–" for low, high in found[["low", "high"]].to_numpy()
            ],
            "p (Holm)": [speak.p_value(p) or "–" for p in found["p_holm"]],
            "shown": found["moved"].map({True: "yes", False: "NO"}),
            "verdict": found["verdict"],
        }
    )
    return shown if found["model"].nunique() > 1 else shown.drop(columns="model")


def unscored(findings: Findings) -> pd.DataFrame:
    """Responses that no score was given to, by reason."""
    every = findings.table("verdicts")
    gone = every[every["reason"].notna() & (every["judge"] != "") & (every["reason"] != "not labelled")]
    if gone.empty:  # by people: see ``judged``
        return pd.DataFrame(columns=["measure", "judge", "reason", "responses", "of"])
    total = every.groupby(["measure", "judge"])["responses"].sum().rename("of")
    counts = gone.groupby(["measure", "judge", "reason"])["responses"].sum().reset_index()
    return counts.join(total, on=["measure", "judge"])


def dropped(findings: Findings) -> pd.DataFrame:
    """Training rows that some objective could not use and so none was given, by reason; beside them those that a run
    with rows of its own (``Variant.task``) left out for itself."""
    rows = [
        {
            "task": task,
            "reason": str(reason),
            "rows": int(n),
            "for": "runs that vary the task" if own else "all objectives",
        }
        for task, reasons in (findings.plan.get("dropped") or {}).items()
        for own in ("~" in task,)
        for reason, n in reasons.items()
    ]
    return pd.DataFrame(rows, columns=["task", "reason", "rows", "for"])


_OF_TRAINING = {"tasks", "objectives", "budgets", "seeds", "controls", "control_runs", "matched", "tuned"}


def parameters(study: Study) -> pd.DataFrame:
    """The study file, resolved, a row per setting."""
    apart = {"name", "about", "mark"} | (set() if study.trains else _OF_TRAINING)
    settings = flat(study.model_dump(mode="json", by_alias=True, exclude=apart))
    rows: list[dict[str, str]] = []
    for key, value in settings.items():
        parsed = json.loads(value) if value[:1] == "[" else None
        if isinstance(parsed, list) and parsed and isinstance(parsed[0], dict):
            for part in parsed:
                name = part.get("label") or part.get("name") or part.get("measure") or part.get("kind")
                rows += [{"parameter": f"{key} · {name} · {k}", "value": v} for k, v in flat(part).items()]
        else:
            rows.append({"parameter": key, "value": value})
    return pd.DataFrame(rows)


def instruments(findings: Findings) -> pd.DataFrame:
    """What was measured with: version, judges, and the digest of every attack's text."""
    rows = []
    for config in findings.configs.values():
        identity = config.identity
        attacks = config.attacks
        said = ", ".join(
            f"{speak.attack(a)} v{v.get('version', '?')} ({str(v.get('hash', ''))[:8]})" for a, v in attacks.items()
        )
        rows.append(
            {
                "measure": plain(config.measure),
                "axis": config.axis,
                "task": config.task or "–",
                "version": str(identity.get("version", "")),
                "judges": ", ".join(map(plain, config.judges)),
                "attack texts": said or "–",
                "cell": config.id[:12],
            }
        )
    return pd.DataFrame(rows)


def write(
    folder: Path, name: str, table: pd.DataFrame, mark: str, shown: pd.DataFrame | None = None, title: str = ""
) -> None:
    """``name.csv`` with every number, and ``name.md`` to read (``shown``, where that is another form of it)."""
    full = table.assign(mark=mark) if mark else table
    at = folder / file_name(name)
    write_text(at.with_name(f"{at.name}.csv"), csv(full.rename(columns=heading)))
    write_text(at.with_name(f"{at.name}.md"), markdown(table if shown is None else shown, mark, title))


def save(of: Findings | Setting, name: str, table: pd.DataFrame, title: str, shown: pd.DataFrame | None = None) -> None:
    """``write`` into the report's folder, with the study's mark; what is of a setting, under its name. ``made``, which
    holds accounts of an error and no number, is left out."""
    table = table.drop(columns="made", errors="ignore")
    findings, name = (of.findings, named(name, of.slug)) if isinstance(of, Setting) else (of, name)
    write(findings.folder.report / "tables", name, table, findings.study.mark, shown, title)


def markdown(table: pd.DataFrame, mark: str, title: str = "") -> str:
    """A pipe table, with the study's mark below it."""
    head = [f"**{for_markdown(title)}**", ""] if title else []
    configs = [[_config(v) for v in row] for row in table.itertuples(index=False)]
    lines = ["| " + " | ".join(_config(heading(c)) for c in table.columns) + " |", "|" + " --- |" * len(table.columns)]
    lines += ["| " + " | ".join(row) + " |" for row in configs]
    return "\n".join([*head, *lines, *(["", f"*{for_markdown(mark)}*"] if mark else [])]) + "\n"


def _config(value: Any) -> str:
    return for_markdown(number(value))


def heading(column: Any) -> str:
    """A column's name as it is shown."""
    return speak.own(column) if column == "objective" else str(column)


def number(value: Any) -> str:
    """A number with as many digits as it deserves; text as it is."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return speak.significant(value) if abs(value) < 1e3 else f"{int(speak.fixed(value, 0)):,}"
