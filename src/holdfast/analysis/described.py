"""What a measure and its metrics are, as ``cell.json`` has it from the measure itself.

Folders of versions whose measures did not say so hold no ``summary.metrics``: for these, and for metrics that a measure
does not name, ``_unsaid`` is what was understood of axis and metric then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.analysis.metrics import headline
from holdfast.evals.measures import eq_bench, robustness, task_accuracy, toxigen, truthfulqa, xstest
from holdfast.evals.measures.measure import Better, MetricInfo
from holdfast.evals.measures.persona import P_MATCH
from holdfast.evals.measures.yes_no import P_CORRECT
from holdfast.types import Axis

KNOWN: Mapping[str, MetricInfo] = {
    **task_accuracy.METRICS,
    **robustness.METRICS,
    **eq_bench.METRICS,
    **truthfulqa.TRUTHFUL,
    "p_match": replace(P_MATCH, title="Dark Triad P(match)", better="lower"),
    "p_correct": P_CORRECT,
    "p_true": truthfulqa.P_TRUE,
    "compliance": xstest.COMPLIANCE,
    "toxicity": toxigen.TOXICITY,
    "coherent": MetricInfo("coherent", "higher", title="Coherent responses"),  # these two are counted of every measure
    "unscored": MetricInfo("unscored", "lower"),
}
_OF = {"accuracy": "task_accuracy", "p_match": "dark_triad"}  # of one measure: under other names the title is none
_BY_AXIS: Mapping[str, Better] = {"capability": "higher", "robustness": "lower", "persona": "lower"}


def config(configs: Configs, measure: str, axis: Axis) -> ConfigInfo:
    """That of a measure's label in a table."""
    label = measure.partition(" on ")[0]
    return next((c for c in configs.values() if c.measure == label), ConfigInfo("", label, axis))


def info(config: ConfigInfo, metric: str) -> MetricInfo:
    """Of a metric of the config. A title that names its measure is "" where the study has given that another name."""
    said = config.summary.metrics.get(metric)
    if said is None:
        return _unsaid(config, metric)
    own = config.display
    renamed = config.measure != config.name and own.casefold() in said.title.casefold()
    return replace(said, title="") if renamed else said


def better(config: ConfigInfo, metric: str) -> Better:
    """Which way a verdict calls better; "" where a move is just a move. Of a normative measure it was so until measures
    said otherwise (but for the share of safe prompts answered), and of folders from then it still is."""
    if metric not in config.summary.metrics and config.axis == "normative" and metric != "compliance":
        return ""
    return info(config, metric).better


def display(config: ConfigInfo) -> str:
    """The measure's name as its authors write it; the study's own name for it, in words, where it has given one."""
    label = config.measure
    return config.display if config.display and label == config.name else in_words(label)


def in_words(name: str) -> str:
    """``miniature_dark_triad`` → ``dark triad``."""
    return name.removeprefix("miniature_").replace("_", " ")


def _unsaid(config: ConfigInfo, metric: str) -> MetricInfo:
    axis, label, known = config.axis, config.measure, KNOWN.get(metric)
    summary = config.summary
    if known is None:
        counts = not summary.metric or metric == headline(summary)  # of a detail nothing is known
        known = MetricInfo(metric.replace("_", " "), "higher" if counts else "", low=None, high=None, kind="mean")
    if known.better:
        known = replace(known, better=_BY_AXIS.get(axis, known.better))
    if axis == "normative" or _OF.get(metric, "") not in label:
        known = replace(known, title="")
    return known
