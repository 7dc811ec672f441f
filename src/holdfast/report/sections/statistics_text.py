"""The statistics of the methods section: what this run used for which numbers, and whose method it is.

What each is: ``docs/statistics.md``.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from holdfast.analysis.answer_rows import one_seed
from holdfast.analysis.described import info
from holdfast.analysis.metrics import headline
from holdfast.report import words
from holdfast.report.reading import Findings
from holdfast.report.sections import declaration_text

# Of findings, so far as the run has any: what was done for them.
_OF_FINDINGS = {
    ("slope", "area"): "Slopes and areas are over log2 of the budget, taken of each prompt and seed before "
    "anything is averaged (Frison and Pocock 1992).",
    ("coupling",): "A coupling is the slope of safety over the budgets by that of capability, its interval the set of "
    "Fieller (1954) at a fifth of alpha, for it is given only where it has ends (Benjamini and Yekutieli 2005); of a "
    "difference, that of Zou and Donner (2008).",
    ("apart", "interaction"): "Whether objectives are apart, or diverge with the budget, is tested by the one most "
    "clearly apart from the mean of all, corrected for their number and dependence (Conneely and Boehnke 2007).",
    ("dissociation", "specificity"): "Dissociation and specificity have several conditions, each of which must hold "
    "(intersection-union tests; Berger 1982).",
    (
        "matched",
        "at_safety",
        "front",
    ): "Comparisons at equal capability, and the front, are made anew in every draw of a "
    "bootstrap of prompts, crossed with seeds where there are several (Owen 2007); what lies between two checkpoints "
    "is known no closer than by both (Imbens and Manski 2004).",
    ("between",): "The models' share of the variance has a percentile interval of a crossed bootstrap (Owen 2007).",
    ("consistency",): "Components of variance are those of the analysis of variance or, where answers are missing, of "
    "REML (Searle, Casella and McCulloch 1992), with generalised intervals (Weerahandi 1993) of the former.",
}


def sentences(findings: Findings) -> Iterator[str]:
    """In the order of a paper: what replicates, levels, differences, many tests, what was declared."""
    e = findings.estimates
    levels, several = e[e["against"] == ""], len(findings.study.draws) > 1
    yield (
        "The prompt is what is sampled: all answers to one prompt, under every attack and in every sample, are one "
        "cluster, and a mean over attacks or traits is linearised to one value a prompt (Binder 1983). Responses "
        "without a score are left out of every rate and counted, and no verdict is given that does not hold with each "
        "of them at its worst (Horowitz and Manski 2000)."
    )
    shares = levels[levels["method"].str.startswith("Wilson")]
    means = levels[levels["method"].str.startswith("t ")]
    yield from _levels(findings, _names(findings, shares, "shares"), _names(findings, means, "other means"), several)
    if (e["against"] != "").any():
        yield from _differences(findings, len(shares) > 0, len(means) > 0, several)
    if e["metric"].str.endswith("_corrected").any():
        yield (
            "Rates that people's labels correct are prediction-powered (Angelopoulos et al. 2023), which assumes "
            "nothing of the judge; those of Rogan and Gladen (1978) beside them assume that it errs alike on all."
        )
    yield (
        "p-values of estimates are corrected by the method of Holm (1979) within families of one kind of comparison, "
        f"measure and metric, over {words.own('objectives')} and budgets; verdicts by Bonferroni's, "
        "within such families, and within one family of all that the answer compares, over measures and references."
    )
    if several and len(findings.labels) > 1:
        yield words.own(
            "For verdicts the variance of the seeds' means is pooled over the objectives of one comparison (Dunnett "
            "1955), and none is given that does not hold by each objective's own variance as well."
        )
    yield from _declared(findings)


def _names(findings: Findings, levels: pd.DataFrame, kind: str) -> str:
    """Shares (attack success and accuracy); "" where there are none. Headlines first, and safety before the rest."""
    there = set(zip(levels["measure"], levels["metric"], strict=True))
    axes = ("robustness", "capability", "persona", "normative")
    configs = [c for axis in axes for c in findings.configs.values() if c.axis == axis]
    first = [(c, headline(c.summary)) for c in configs]
    others = [(c, metric) for c in configs for measure, metric in sorted(there) if measure == c.measure]
    named = [info(c, metric).words for c, metric in (*first, *others) if (c.measure, metric) in there]
    named = [name for name in dict.fromkeys(named) if name]
    return f"{kind}{f' ({words.join(named)})' if named else ''}" if len(levels) else ""


def _levels(findings: Findings, shares: str, means: str, several: bool) -> Iterator[str]:
    alpha = words.level(findings.study.alpha)
    if shares:
        yield (
            f"Levels of {shares} have {alpha} intervals of Wilson (1927) on the cluster-effective number of responses "
            "(Korn and Graubard 1998; Franco et al. 2019)."
        )
    if means:
        yield f"Levels of {means} have {alpha} t intervals clustered by prompt (Binder 1983)."
    if several:
        yield (
            "For the base model, which has no seeds, their variance is that over prompts. A trained model is the mean "
            f"over {words.seeds([len(findings.study.draws)])}, crossed with the prompts: the variance is that of both "
            "(two-way random effects; Searle, Casella and McCulloch 1992), its degrees of freedom are those of "
            "Satterthwaite (1946), and the interval is widened where Student's t on the seeds' means (Student 1908) "
            "reaches further."
        )
    else:
        yield (
            f"With {words.pooled(1).lower()} the intervals are about other "
            "prompts for the same checkpoints, and hold no variance of training."
        )


def _differences(findings: Findings, shares: bool, means: bool, several: bool) -> Iterator[str]:
    versus = f" and from {findings.reference}" if (findings.estimates["against"] == "sft").any() else ""
    yield (
        f"Differences from the base model{versus} are paired by prompt"
        f"{', attack and seed' if several else ' and attack'}."
    )
    if shares:
        yield "Those of shares have the intervals of Bonett and Price (2012), which imagine two more prompts."
    if means:
        yield f"Those of {'other ' if shares else ''}means have paired t intervals."
    yield (
        "Variance, degrees of freedom and widening over seeds are as for levels; the test is t with the same variance "
        "and degrees of freedom, and Student's t on the seeds' means, of which the larger p counts." if several else
        "They are tested by flipping the signs of whole prompts (Fisher 1935; Phipson and Smyth 2010), which for one "
        "answer a prompt is the exact test of McNemar (1947); of what is asked p is that of the interval's own t test "
        "where that is larger."
    )  # fmt: skip


def _declared(findings: Findings) -> Iterator[str]:
    asked, answers = findings.study.declared, findings.answers
    if not len(answers):
        return
    margins = ", ".join(
        f"{axis.replace('_', ' of ')} {margin:g}" for axis, margin in asked.interest.model_dump().items()
    )
    yield from declaration_text.sentences(findings.stands)
    wanted = declaration_text.asked(answers, findings.study)
    yield (
        f"Asked: {declaration_text.in_words(wanted, findings.study, findings.reference)}; "
        f"smallest differences of interest: {margins}. "
        + ("With one training seed no verdict on objectives is given." if one_seed(answers[answers["verdict"] != ""])
           else "A difference shown to be smaller, by two one-sided tests (Schuirmann 1987), is called equivalent; one "
           "that is also shown not to be 0 small but real.")
    )  # fmt: skip
    if asked.prompts == "fixed":
        yield "For these the prompts are taken as fixed: seeds alone replicate, and Student's t on their means decides."
    there = set(answers["estimand"])
    yield from (words.own(said) for kinds, said in _OF_FINDINGS.items() if there & set(kinds))
