"""Figures that others printed, beside a study's own: which of them a study has a config for, and whether the two agree.

The figures and where they come from stand in ``published.yaml``. What was printed after ± is read as the half width of
a 95% interval. The test is that of two independent estimates (``compare.independent``): the two share neither the
prompts' wording nor training runs, so nothing is paired.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from holdfast.analysis.compare import independent
from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.analysis.contrasts import DEFAULT
from holdfast.analysis.cube import headline_cube
from holdfast.analysis.estimates_file import headlines
from holdfast.analysis.load import judges
from holdfast.config.study import Study
from holdfast.stats.methods import contrast
from holdfast.store.documents import parse_yaml

COLUMNS = [
    "source", "model", "task", "label", "budget", "measure", "metric", "published", "printed", "value", "low", "high",
    "difference", "d_low", "d_high", "p", "verdict", "doubt", "note",
]  # fmt: skip
MEAN = "mean"


@cache
def data() -> dict[str, Any]:
    """The file: ``sources``, ``figures``, ``doubts`` (key: sentence) and ``families``."""
    file = files("holdfast.analysis").joinpath("published.yaml")
    return parse_yaml(file.read_text(encoding="utf-8"), file.name)


def matches(study: Study, figure: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(model, task, label) of every eval config of the study that the figure is about, but for budget and measure."""
    named = data()["families"]
    for m in study.models:
        if not _is(named["models"].get(figure["model"], ()), m.path, m.name):
            continue
        for t in study.tasks:
            known = named["tasks"].get(figure["task"], ())
            if t.task in known or _is(known, t.name):
                yield from ((m.name, t.name, v.label) for v in study.objectives if v.objective == figure["objective"])


def _is(wanted: Any, *names: str) -> bool:
    plain = [re.sub("[^a-z0-9]", "", name.lower()) for name in names]
    return any(w in name for w in wanted for name in plain)


def beside(study: Study, estimates: pd.DataFrame, about: Configs, frame: Any) -> pd.DataFrame:
    """A row per published figure that the study has an eval config for, ``COLUMNS``; none: an empty table.

    ``frame``: a function that gives ``load_records``'s table, called only where a mean over budgets is wanted.
    ``published``: the figure, NaN for a range; ``printed``: as it was printed; ``difference``: own minus published.
    """
    rows = []
    for figure in data()["figures"]:
        for model, task, label in matches(study, figure):
            for config in about.values():
                named = data()["families"]["measures"].get(figure["metric"], ())
                if (config.name or config.measure) not in named or config.task not in ("", task):
                    continue
                who = {"model": model, "task": task, "label": label}
                if figure["budget"] == MEAN:
                    own, note = _mean(study, frame(), config, who, data()["sources"][figure["source"]]["budgets"])
                else:
                    own, note = _level(estimates, about, config, who, figure)
                if own is not None:
                    rows.append(_row(figure, who, config, own, note, study.alpha))
    return pd.DataFrame(rows, columns=COLUMNS)


Own = tuple[float, float, float]


def _level(
    estimates: pd.DataFrame,
    about: Configs,
    config: ConfigInfo,
    who: Mapping[str, str],
    figure: Mapping[str, Any],
) -> tuple[Own | None, str]:
    lead = headlines(estimates, about)
    keep = (lead["against"] == "") & (lead["bracket"] == "") & (lead["budget"] == figure["budget"])
    keep &= (lead["measure"] == config.measure) & (lead["metric"] == figure["metric"])
    for column, value in who.items():
        keep &= lead[column] == value
    rows = lead[keep & lead["value"].notna()]
    return (tuple(rows.iloc[0][["value", "low", "high"]]) if len(rows) else None), ""  # type: ignore[return-value]


def _mean(
    study: Study, frame: pd.DataFrame, config: ConfigInfo, who: Mapping[str, str], theirs: list[int]
) -> tuple[Own | None, str]:
    """The plain mean over budgets, on all budgets of the paper that the study has, with an interval that knows that all
    of them were asked the same prompts (and have the same seeds)."""
    rows = frame[(frame["cell"] == config.id) & (frame["judge"] == judges(config)[0]) & (frame["bracket"] == "")]
    rows = rows[(rows["format"] == DEFAULT) & rows["budget"].isin(theirs)]
    for column, value in who.items():
        rows = rows[rows[column] == value]
    if rows["budget"].nunique() < 2:
        return None, ""
    rows = rows.reset_index(drop=True)
    places, cube = headline_cube(rows, config, study.threshold)
    metric, weights, budgets = cube.metric, cube.weights, len(cube.who)
    assert weights is not None, "asked of what was estimated"
    y = np.concatenate(list(cube.values), axis=-1)  # S, I, budgets × G
    share, every = metric.kind == "share", np.tile(weights, budgets) / budgets
    made = contrast(y, every, "level", share=share, bounds=metric.bounds, alpha=study.alpha, answers=places.samples)
    lacking = sorted(set(theirs) - set(rows["budget"]))
    note = f"mean over {budgets} of their {len(theirs)} budgets" if lacking else ""
    return (float(made.value), float(made.low), float(made.high)), note


def _row(
    figure: Mapping[str, Any], who: Mapping[str, str], config: ConfigInfo, own: Own, note: str, alpha: float
) -> dict[str, Any]:
    source, half = data()["sources"][figure["source"]], figure.get("half")
    row = {
        "source": f"arXiv {source['arxiv']}" + (f", {figure['place']}" if figure.get("place") else ""),
        **who,
        "budget": figure["budget"],
        "measure": config.measure,
        "metric": figure["metric"],
        "published": figure.get("value", np.nan),
        "printed": _printed(figure),
        **dict(zip(("value", "low", "high"), own, strict=True)),
        **dict.fromkeys(("difference", "d_low", "d_high", "p"), np.nan),
        "doubt": "; ".join(data()["doubts"][d] for d in figure["doubt"]),
        "note": note,
    }
    if half is None:  # no test: it is only looked whether the figure lies within one's own interval
        low, high = figure.get("low", figure.get("value")), figure.get("high", figure.get("value"))
        return row | {"verdict": "within our interval" if own[1] <= high and low <= own[2] else "outside our interval"}
    half *= ndtri(1 - alpha / 2) / ndtri(0.975)
    theirs = (figure["value"], figure["value"] - half, figure["value"] + half)
    gap = independent(theirs, own, alpha)
    return row | {
        **dict(zip(("difference", "d_low", "d_high", "p"), (gap.value, gap.low, gap.high, gap.p), strict=True)),
        "verdict": "compatible" if gap.p >= alpha else "higher here" if gap.value > 0 else "lower here",
    }


def _printed(figure: Mapping[str, Any]) -> str:
    if "value" not in figure:
        return f"{100 * figure['low']:.1f}–{100 * figure['high']:.1f}"
    return f"{100 * figure['value']:.1f}" + (f" ± {100 * figure['half']:.1f}" if figure.get("half") else "")


# -- how the two were done --------------------------------------------------------------------------------------------


def procedures(study: Study, about: Configs, table: pd.DataFrame) -> pd.DataFrame:
    """What is known of how the figures in ``table`` were got, beside this study: what, theirs, ours; what their ± is
    (``±``) last."""
    sources = {s["arxiv"]: s for s in data()["sources"].values()}
    rows = []
    for arxiv in dict.fromkeys(table["source"].str.extract(r"arXiv ([\d.]+)")[0]):
        for what, theirs in sources[arxiv]["procedure"].items():
            rows.append({"what": what, "theirs": theirs or "not said", "ours": _ours(study, about, table, what)})
    halves = "; ".join(s["half_means"] for s in data()["sources"].values() if s["half_means"])
    rows += [{"what": "±", "theirs": halves, "ours": ""}] if rows else []
    return pd.DataFrame(rows, columns=["what", "theirs", "ours"])


def _ours(study: Study, about: Configs, table: pd.DataFrame, what: str) -> str:
    c, lora = study.controls, study.controls.lora
    models = [m for m in study.models if m.name in set(table["model"])]
    tasks = [t for t in study.tasks if t.name in set(table["task"])]
    variants = [v for v in study.objectives if v.label in set(table["label"])]
    measured = [m for m in about.values() if m.measure in set(table["measure"])]
    attacked = [m for m in measured if m.axis == "robustness"]

    def each(some: Any, say: Any) -> str:
        return "; ".join(dict.fromkeys(str(say(x)) for x in some)) or "–"

    def params(name: str) -> str:
        own = [v for v in variants if v.objective == name]
        return each(own, lambda v: _settings(v.params)) if own else "no such objective"

    def sampled(m: ConfigInfo) -> str:
        s = m.sampling
        return f"{s.get('samples', '–')}, {s.get('temperature', '–')} ({m.measure})"

    targets = lora.targets if isinstance(lora.targets, str) else ", ".join(lora.targets)
    capable = [m for m in measured if m.axis == "capability"]
    said = {
        "chat template": each(models, lambda m: m.template or "the model's own"),
        "base model, exact checkpoint": each(models, lambda m: m.path + (f" @ {m.revision}" if m.revision else "")),
        "LoRA rank, alpha, targets": f"none: {c.trainable} trained"
        if c.trainable != "lora"
        else f"{lora.rank}, {lora.alpha:g}, {targets}" + (f" ({lora.kind})" if lora.kind != "LoRA" else ""),
        "learning rate, schedule, batch": f"{c.learning_rate:g}, {c.schedule} after {c.warmup_steps} steps of warm-up, "
        f"{c.batch_rows} rows",
        "training seeds": str(len(study.draws)),
        "what a budget counts": "tokens of prompt and chosen response, alike for all objectives",
        "budgets": ", ".join(f"{b:,}" for b in study.ladder),
        "coefficients of the objective": each(variants, lambda v: f"{v.label}: {_settings(v.params)}"),
        "rejected responses": each(tasks, lambda t: f"{t.rejected.source}; unsafe texts: {t.unsafe.regime}"),
        "control token (CFT)": params("cft"),
        "instruction (IP)": params("ip"),
        "forbidden prompts": each(attacked, lambda m: m.measure),
        "attacks": each(attacked, lambda m: ", ".join(m.attacks) + "; texts of this program"),
        "judge, threshold": each(attacked, lambda m: f"{judges(m)[0]}, {study.threshold:g}"),
        "responses per prompt, temperature": each(measured, sampled),
        "extraction of answers": each(capable, lambda m: f"{m.measure}, version {m.identity.get('version')}"),
    }
    return said[what]


def _settings(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in params.items()) or "this program's defaults"
