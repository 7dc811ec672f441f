"""A checklist for a paper's appendix, filled in by the run: every parameter of training and of generation, how many
runs, the lowest and highest score, versions and digests, who judged, on what machine and when.

What to report: Fraser et al., arXiv 2506.17209 (all training and generation parameters, number of runs, min–max).
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from holdfast import __version__
from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.estimates_file import headlines
from holdfast.config.role import Role
from holdfast.config.study import ModelSpec, TaskSpec, VariantSpec
from holdfast.report import words
from holdfast.report.charts.theme import BASE
from holdfast.report.reading import Findings
from holdfast.report.sections import declaration_text
from holdfast.report.sections.fairness import flat
from holdfast.report.series import plain
from holdfast.report.table import number
from holdfast.store.digest import digest, short

Items = Iterator[tuple[str, Any]]


def checklist(findings: Findings) -> pd.DataFrame:
    """Columns: part, item, value. What was not known to the run says so."""
    study = findings.study
    parts: list[tuple[str, Items]] = [
        ("what was declared", _declared(findings)),
        ("software and hardware", _software(findings)),
        *((f"model {m.name}", _model(findings, m)) for m in study.models),
        *((f"task {t.name}", _task(findings, t)) for t in study.tasks),
        ("training, held fixed" if study.trains else "training", _training(findings)),
        *((f"objective {v.label}", _objective(findings, v)) for v in study.objectives if study.trains),
        ("training, held fixed", _counts(findings)),
        *((_called(c), _measure(findings, c)) for c in findings.configs.values()),
        ("number of runs", _runs(findings)),
    ]
    rows = [(part, item, _said(value)) for part, items in parts for item, value in items]
    rows += [(f"lowest and highest, {plain(measure)}", item, ends) for measure, item, ends in _results(findings)]
    return pd.DataFrame(rows, columns=["part", "item", "value"])


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


def _proper(rows: pd.DataFrame) -> pd.DataFrame:
    """Of the study proper."""
    return rows[rows["bracket"] == ""] if len(rows) else rows


def _proofs(findings: Findings) -> list[Mapping[str, Any]]:
    runs = _proper(findings.runs)
    return [c["controlled"] for c in (runs["controls"] if len(runs) else ()) if c.get("controlled")]


# -- the parts ---------------------------------------------------------------------------------------------------------


def _declared(findings: Findings) -> Items:
    stands = findings.stands
    yield "standing", declaration_text.chosen(stands)
    yield "digest recorded; of the study as analysed", f"{stands.digest or 'none'}; {stands.now}"
    yield "changed after there were results", [str(c) for c in stands.changes]
    added = [words.join([str(c) for c in some]) or "none" for some in (stands.early, stands.late)]
    yield "added before; after the first look", added
    yield "by default, not stated in the study file", list(stands.defaults)
    yield "analyses", stands.looks


def _software(findings: Findings) -> Items:
    yield "holdfast", __version__
    yield "Python", platform.python_version()
    seen: dict[str, list[Any]] = {}
    for proof in _proofs(findings):
        for key, value in (proof.get("numerics") or {}).items():
            if value not in seen.setdefault(key, []):
                seen[key].append(value)
    yield from ((key if key != "holdfast" else "holdfast of the training", values) for key, values in seen.items())
    yield "processes", findings.study.workers or "one per core or GPU"
    log = findings.folder.run_log
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    stamps = [m[0] for line in lines if (m := re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d", line))]
    yield "first and last date of the run's log", f"{stamps[0]} – {stamps[-1]}" if stamps else "not known"


def _model(findings: Findings, model: ModelSpec) -> Items:
    runs = findings.runs[findings.runs["model"] == model.name].to_dict("records")
    proof: Mapping[str, Any] = next((r["controls"].get("controlled", {}) for r in runs), {})
    about = model.model_dump(exclude={"name"})
    about |= {"template": about["template"] or "the model's own", "system": f"system turns: {model.system}"}
    yield from about.items()
    yield "digest of weights", proof.get("base", "not known")
    yield "digest of template", proof.get("template", "not known")


def _task(findings: Findings, task: TaskSpec) -> Items:
    yield from flat(task.model_dump(mode="json", exclude={"name"})).items()
    gone = (findings.plan.get("dropped") or {}).items()
    mine = {k: n for name, reasons in gone if name.split(" (")[0] == task.name for k, n in reasons.items()}
    yield "rows dropped for every objective", mine or "none"


def _training(findings: Findings) -> Items:
    study = findings.study
    if not study.trains:
        given = [f"{g.label} ({g.adapter or (g.weights and g.weights.path)})" for g in study.given]
        yield "trained elsewhere", given
        return
    yield from flat(study.controls.model_dump(mode="json")).items()
    known = sorted({p["trainable_parameters"] for p in _proofs(findings) if "trainable_parameters" in p})
    yield "trainable parameters", known


def _objective(findings: Findings, v: VariantSpec) -> Items:
    own, runs = v.model_dump(exclude={"label", "objective"}, exclude_defaults=True), findings.runs
    named = runs[runs["label"] == v.label]["config"] if len(runs) else ()
    identity: Mapping[str, Any] = next((c["objective"] for c in named if "objective" in c), {})
    yield "objective", v.objective + (f", version {identity['version']}" if identity else "")
    yield "parameters", identity.get("params") or own.get("params") or "its defaults"
    own.pop("params", None)
    if own:
        yield "differs from the controls in", own


def _counts(findings: Findings) -> Items:
    points = _proper(findings.checkpoints)
    what = {"steps": "steps", "shared_tokens": "tokens of the shared view", "passes": "passes over the data"}
    for name in what if findings.study.trains and len(points) else ():
        if name in points:
            last = points[points["budget"] == points["budget"].max()][name].astype(float)
            yield f"{what[name]} at the last budget", _ends(last, lambda n: number(float(n)))


def _called(config: ConfigInfo) -> str:
    return f"measure {plain(str(config.measure))}" + (f" ({config.task})" if config.task else "")


def _measure(findings: Findings, config: ConfigInfo) -> Items:
    items, identity = findings.table("asked").set_index("cell")["items"], config.identity
    yield "instrument", f"{identity.get('name', config.measure)}, version {identity.get('version', '?')}"
    yield "eval config", short(str(config.id))
    yield "prompts", int(items.get(config.id, 0))
    yield from ((key.replace("_", " "), value) for key, value in config.sampling.items())
    more = {"system prompt": config.system, "prompt format": config.frame, "backend": config.backend}
    yield from ((what, value) for what, value in more.items() if value is not None)
    for name, attack in config.attacks.items():
        yield f"attack {name}", f"version {attack.get('version')}, text {short(str(attack.get('hash', '')))}"
    for judge in config.judges:
        who = config.judge_identities.get(judge, {})
        version = f"version {who['version']}, " if "version" in who else ""
        rubric = f", rubric {short(digest(who['rubric']))}" if who.get("rubric") else ""
        yield f"judge {judge}", f"{version}digest {short(digest(who))}{rubric}" if who else "digest not known"


def _runs(findings: Findings) -> Items:
    runs, study = findings.runs, findings.study
    kinds = runs["bracket"] if len(runs) else pd.Series(dtype=str)
    yield "subjects measured", int(findings.subjects["subject"].nunique())
    yield "responses", int(findings.table("asked")["responses"].sum())
    yield "threshold of success; alpha", f"{study.threshold:g}; {study.alpha:g}"
    if study.trains:
        settings = (Role.TUNING, Role.TUNED)
        yield "training runs of the study proper", int((kinds == "").sum())
        yield "training runs that vary (consistency)", int((kinds == Role.VARIATION).sum())
        yield "training runs of settings that were tried or chosen", int(kinds.isin(settings).sum())
        if study.relearning is not None:
            yield "runs that relearn", int((kinds == Role.RELEARNT).sum())
        yield "control runs", int((~kinds.isin(("", Role.VARIATION, Role.RELEARNT, *settings))).sum())
        yield "training seeds", list(study.draws)
        yield "budgets, tokens", list(study.ladder)


def _results(findings: Findings) -> Iterator[tuple[str, str, str]]:
    """Lowest and highest of each measure's headline at the last budget, with the measure and of whom it is: over
    training seeds, and over all repeats."""
    study, e = findings.study, findings.estimates[findings.estimates["against"] == ""]
    each, over = (_proper(headlines(e, findings.configs, each_seed=yes)) for yes in (True, False))
    at_last = each["budget"].eq(study.ladder[-1])
    each = each[each["label"].eq(BASE) | (each["seed"].ge(0) & at_last)]
    over = over[over["n_seeds"].eq(1) & over["budget"].eq(study.ladder[-1]) & over["label"].ne(BASE)]
    several = len(study.models) > 1 or len(study.tasks) > 1
    by = ["measure", "metric", "model", "task", "label"]
    for (measure, metric, *place, label), rows in pd.concat([each, over]).groupby(by, sort=False):
        where = " · ".join(x for x in place if x) if several else ""
        seeds = f" over {len(rows)} {'training seeds' if study.trains else 'runs'}" if len(rows) > 1 else ""
        yield measure, f"{label}{where and f' ({where})'}, {metric}", _ends(rows["value"], words.percent) + seeds
    ranges = findings.repeated.ranges
    for r in ranges[ranges["factor"] == "all"].to_dict("records") if len(ranges) else ():
        ends = f"{_ends((r['low'], r['high']), words.percent)} over {int(r['runs'])} repeats of every kind"
        yield str(r["measure"]), f"{r['objective']}, {r['metric']}", ends


def _ends(values: Iterable[float], say: Callable[[float], str]) -> str:
    low, high = say(min(values)), say(max(values))
    return low if low == high else f"{low} – {high}"
