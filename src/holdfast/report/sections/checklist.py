"""A checklist for a paper's appendix, filled in by the run: every parameter of training and of generation, how many
runs, the lowest and highest score, versions and digests, who judged, on what machine and when.

What to report: Fraser et al., arXiv 2506.17209 (all training and generation parameters, number of runs, min–max).
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from holdfast import __version__
from holdfast.analysis.estimates_file import headlines
from holdfast.config.role import Role
from holdfast.report import words
from holdfast.report.charts.theme import BASE
from holdfast.report.reading import Findings
from holdfast.report.sections import declaration_text
from holdfast.report.sections.fairness import flat
from holdfast.report.series import plain
from holdfast.report.tables import number
from holdfast.store.digest import digest, short

Row = tuple[str, str, Any]


def checklist(findings: Findings) -> pd.DataFrame:
    """Columns: part, item, value. What was not known to the run says so."""
    parts = (
        _declared(findings),
        _software(findings),
        _models(findings),
        _data(findings),
        _training(findings),
        _measuring(findings),
    )
    rows = [row for part in (*parts, _runs(findings), _results(findings)) for row in part]
    return pd.DataFrame([(part, item, _said(value)) for part, item, value in rows], columns=["part", "item", "value"])


def _said(value: Any) -> str:
    if value in (None, "", "null") or value == () or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_said(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_said, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


# -- the parts ---------------------------------------------------------------------------------------------------------


def _proofs(findings: Findings) -> list[Mapping[str, Any]]:
    """Of the study proper."""
    runs = findings.runs
    runs = runs[runs["bracket"] == ""] if len(runs) else runs
    return [c["controlled"] for c in (runs["controls"] if len(runs) else ()) if c.get("controlled")]


def _declared(findings: Findings) -> Iterator[Row]:
    stands = findings.stands
    yield "what was declared", "standing", declaration_text.chosen(stands)
    yield "what was declared", "digest recorded; of the study as analysed", f"{stands.digest or 'none'}; {stands.now}"
    yield "what was declared", "changed after there were results", [str(c) for c in stands.changes]
    yield (
        "what was declared",
        "added before; after the first look",
        [f"{words.join([str(c) for c in some]) or 'none'}" for some in (stands.early, stands.late)],
    )
    yield "what was declared", "by default, not stated in the study file", list(stands.defaults)
    yield "what was declared", "analyses", stands.looks


def _software(findings: Findings) -> Iterator[Row]:
    yield "software and hardware", "holdfast", __version__
    yield "software and hardware", "Python", platform.python_version()
    seen: dict[str, list[Any]] = {}
    for proof in _proofs(findings):
        for key, value in (proof.get("numerics") or {}).items():
            if value not in seen.setdefault(key, []):
                seen[key].append(value)
    for key, values in seen.items():
        yield "software and hardware", key if key != "holdfast" else "holdfast of the training", values
    yield "software and hardware", "processes", findings.study.workers or "one per core or GPU"
    yield from (("software and hardware", what, when) for what, when in _dates(findings))


def _dates(findings: Findings) -> Iterator[tuple[str, str]]:
    log = findings.folder.run_log
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    stamps = [m[0] for line in lines if (m := re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d", line))]
    yield "first and last date of the run's log", f"{stamps[0]} – {stamps[-1]}" if stamps else "not known"


def _models(findings: Findings) -> Iterator[Row]:
    bases: dict[str, Mapping[str, Any]] = {}
    for run in findings.runs.to_dict("records"):
        bases.setdefault(run["model"], run["controls"].get("controlled", {}))
    for model in findings.study.models:
        proof = bases.get(model.name, {})
        about = model.model_dump(exclude={"name"})
        about |= {"template": about["template"] or "the model's own", "system": f"system turns: {model.system}"}
        about |= {
            "digest of weights": proof.get("base", "not known"),
            "digest of template": proof.get("template", "not known"),
        }
        yield from ((f"model {model.name}", key, value) for key, value in about.items())


def _data(findings: Findings) -> Iterator[Row]:
    dropped = findings.plan.get("dropped") or {}
    for task in findings.study.tasks:
        part = f"task {task.name}"
        for key, value in flat(task.model_dump(mode="json", exclude={"name"})).items():
            yield part, key, value
        gone = {
            k: v for name, reasons in dropped.items() if name.split(" (")[0] == task.name for k, v in reasons.items()
        }
        yield part, "rows dropped for every objective", gone or "none"


def _training(findings: Findings) -> Iterator[Row]:
    study = findings.study
    if not study.trains:
        yield (
            "training",
            "trained elsewhere",
            [f"{g.label} ({g.adapter or (g.weights and g.weights.path)})" for g in study.given],
        )
        return
    for key, value in flat(study.controls.model_dump(mode="json")).items():
        yield "training, held fixed", key, value
    yield (
        "training, held fixed",
        "trainable parameters",
        sorted({p["trainable_parameters"] for p in _proofs(findings) if "trainable_parameters" in p}),
    )
    for v in study.objectives:
        own = v.model_dump(exclude={"label", "objective"}, exclude_defaults=True)
        runs = findings.runs
        named = runs[runs["label"] == v.label]["config"] if len(runs) else ()
        identity: Mapping[str, Any] = next((c["objective"] for c in named if "objective" in c), {})
        version = f", version {identity['version']}" if identity else ""
        yield f"objective {v.label}", "objective", f"{v.objective}{version}"
        yield f"objective {v.label}", "parameters", identity.get("params") or own.pop("params", {}) or "its defaults"
        if own := {k: x for k, x in own.items() if k != "params"}:
            yield f"objective {v.label}", "differs from the controls in", own
    points = findings.checkpoints
    points = points[points["bracket"] == ""] if len(points) else points
    for name, what in (
        ("steps", "steps"),
        ("shared_tokens", "tokens of the shared view"),
        ("passes", "passes over the data"),
    ):
        if name in points and len(points):
            last = points[points["budget"] == points["budget"].max()][name].astype(float)
            yield "training, held fixed", f"{what} at the last budget", _ends(last)


def _measuring(findings: Findings) -> Iterator[Row]:
    items = findings.table("asked").set_index("cell")["items"]
    for id, config in findings.configs.items():
        part = f"measure {plain(str(config.measure))}" + (f" ({config.task})" if config.task else "")
        identity = config.identity
        yield part, "instrument", f"{identity.get('name', config.measure)}, version {identity.get('version', '?')}"
        yield part, "cell", short(str(id))
        yield part, "prompts", int(items.get(id, 0))
        yield from ((part, key.replace("_", " "), value) for key, value in config.sampling.items())
        for what, value in (
            ("system prompt", config.system),
            ("prompt format", config.frame),
            ("backend", config.backend),
        ):
            if value is not None:
                yield part, what, value
        for name, attack in config.attacks.items():
            yield part, f"attack {name}", f"version {attack.get('version')}, text {short(str(attack.get('hash', '')))}"
        identities = config.judge_identities
        for judge in config.judges:
            who = identities.get(judge, {})
            said = f"version {who['version']}, " if "version" in who else ""
            rubric = f", rubric {short(digest(who['rubric']))}" if who.get("rubric") else ""
            yield part, f"judge {judge}", f"{said}digest {short(digest(who))}{rubric}" if who else "digest not known"


def _runs(findings: Findings) -> Iterator[Row]:
    runs, study = findings.runs, findings.study
    kinds = runs["bracket"] if len(runs) else pd.Series(dtype=str)
    yield "number of runs", "subjects measured", int(findings.subjects["subject"].nunique())
    yield "number of runs", "responses", int(findings.table("asked")["responses"].sum())
    yield "number of runs", "threshold of success; alpha", f"{study.threshold:g}; {study.alpha:g}"
    if not study.trains:
        return
    yield "number of runs", "training runs of the study proper", int((kinds == "").sum())
    yield "number of runs", "training runs that vary (consistency)", int((kinds == Role.VARIATION).sum())
    yield (
        "number of runs",
        "training runs of settings that were tried or chosen",
        int(kinds.isin((Role.TUNING, Role.TUNED)).sum()),
    )
    yield "number of runs", "control runs", int((~kinds.isin(("", Role.VARIATION, Role.TUNING, Role.TUNED))).sum())
    yield "number of runs", "training seeds", list(study.draws)
    yield "number of runs", "budgets, tokens", list(study.ladder)


def _results(findings: Findings) -> Iterator[Row]:
    """Lowest and highest of each measure's headline at the last budget: over training seeds, and over all repeats."""
    table = headlines(findings.estimates, findings.configs, each_seed=True)
    table = table[(table["against"] == "") & (table["bracket"] == "")]
    table = table[table["label"].eq(BASE) | (table["seed"].ge(0) & table["budget"].eq(findings.study.ladder[-1]))]
    single = headlines(findings.estimates, findings.configs)
    single = single[(single["against"] == "") & (single["bracket"] == "") & (single["n_seeds"] == 1)]
    single = single[single["budget"].eq(findings.study.ladder[-1]) & single["label"].ne(BASE)]
    whole = pd.concat([table, single], ignore_index=True)
    for (measure, metric, model, task, label), rows in whole.groupby(
        ["measure", "metric", "model", "task", "label"], sort=False
    ):
        where = (
            " · ".join(x for x in (model, task) if x)
            if len(findings.study.models) > 1 or len(findings.study.tasks) > 1
            else ""
        )
        seeds = f" over {len(rows)} {'training seeds' if findings.study.trains else 'runs'}" if len(rows) > 1 else ""
        item = f"{label}{f' ({where})' if where else ''}, {metric}"
        yield f"lowest and highest, {plain(str(measure))}", item, f"{_percents(rows['value'])}{seeds}"
    ranges = findings.repeated.ranges
    for r in ranges[ranges["factor"] == "all"].to_dict("records") if len(ranges) else ():
        ends = f"{_percents((r['low'], r['high']))} over {int(r['runs'])} repeats of every kind"
        yield f"lowest and highest, {plain(str(r['measure']))}", f"{r['objective']}, {r['metric']}", ends


def _percents(values: Iterable[float]) -> str:
    ends = [words.percent(v) for v in (min(values), max(values))]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} – {ends[1]}"


def _ends(values: pd.Series) -> str:
    low, high = (number(float(v)) for v in (values.min(), values.max()))
    return low if low == high else f"{low} – {high}"
