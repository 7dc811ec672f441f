"""What judges, or a measure, said of a file of responses, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.report import words
from holdfast.report.sections.judge_trust import CONFUSED, agreement
from holdfast.report.table import number


def lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """What ``holdfast judge`` prints."""
    yield f"{summary['responses']:,} responses to {summary['prompts']:,} prompts"
    wide = max(len(label) for label in summary["judges"])
    for label, judge in summary["judges"].items():
        said = ", ".join(f"{k} {v:,}" for k, v in judge["labels"].items())
        why = ", ".join(f"{k} {v:,}" for k, v in judge["reasons"].items())
        yield (
            f"  {label:<{wide}}  unscored {words.percent(judge['share_unscored'])}"
            + (f" ({why})" if why else "")
            + (f"; {said}" if said else "")
        )
    if summary["agreement"]:
        yield "agreement, with 95% intervals clustered by prompt"
    for pair in summary["agreement"]:
        who = pair["judge_a"] + (f" and {pair['judge_b']}" if pair["judge_b"] else "")
        numbers = ", ".join(f"{n} {agreement(pair, n, 3)}" for n in ("raw", "kappa", "alpha"))
        yield f"  {who}, {pair['stratum']} (n {pair['n']:,}): {numbers}"
    if summary.get("confusion"):
        yield f"against people (passed: score at or above {summary['threshold']:g})"
    for c in summary.get("confusion", ()):
        counts = ", ".join(f"{name} {c[k]:,}" for k, name in CONFUSED.items())
        rates = ", ".join(f"{k} {words.percent(c[k])}" for k in ("sensitivity", "specificity"))
        yield f"  {c['judge']}, {c['stratum']}: {counts}; {rates}"
    for one in summary.get("pass_rate", ()):
        if one.get("raw") is not None:
            found = one["prediction_powered"]
            yield (
                f"  pass rate by {one['judge']} {words.percent(one['raw'])}, corrected by "
                f"{found['n_labels']:,} labels {words.estimate(found)}"
            )


def scored(summary: Mapping[str, Any]) -> Iterator[str]:
    """What ``holdfast score`` prints."""
    yield f"{summary['metric']} by {summary['measure']} {words.estimate(summary)}"
    why = ", ".join(f"{k} {v:,}" for k, v in summary["reasons"].items())
    share = words.percent(summary["share_unscored"])
    yield f"{summary['responses']:,} responses, unscored {share}" + (f" ({why})" if why else "")
    for name, value in summary["secondary"].items():
        yield f"  {name} {number(value)}"
