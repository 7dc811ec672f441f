"""A methods section for a paper, written from the study and from what its run left: what was done, with the statistics
that this run used for which numbers (``docs/statistics.md``), and nothing else. Its words: ``methods.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from holdfast import __version__
from holdfast.analysis.answer_rows import one_seed
from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.described import info
from holdfast.analysis.load import COHERENCE, judges
from holdfast.analysis.metrics import headline
from holdfast.analysis.scope import absent
from holdfast.config.decisions import choices
from holdfast.config.role import Role
from holdfast.config.study import Study
from holdfast.config.study_runs import tuning_seeds
from holdfast.config.variant import Variant
from holdfast.report import words
from holdfast.report.phrases import phrase, phrases
from holdfast.report.reading import Findings
from holdfast.report.sections import declaration_text, left_out
from holdfast.report.sections.fairness import differing
from holdfast.report.sections.own_settings import in_words, plain_number
from holdfast.report.series import AXES, HARM_FIRST, plain
from holdfast.report.table import number


def paragraphs(findings: Findings) -> dict[str, str]:
    """Title: text, in the order of a paper."""
    return {
        "Training": _training(findings) if findings.study.trains else _given(findings),
        "Evaluation": _evaluation(findings),
        "Statistics": _statistics(findings),
        "Deviations": _deviations(findings),
    }


# -- training ---------------------------------------------------------------------------------------------------------


def _training(findings: Findings) -> str:
    study = findings.study
    first = next((run["controls"].get("controlled", {}) for run in findings.runs.to_dict("records")), None)
    numerics = None if first is None else first.get("numerics") or {}
    return phrase(
        "methods.training",
        study=study,
        c=study.controls,
        lora=study.controls.lora,
        models=_models(study),
        objectives=_objectives(findings),
        rates=[f"{v.label} {v.learning_rate:g}" for v in study.objectives if v.learning_rate is not None],
        tuned=_tuned(findings),
        passes=_passes(findings),
        numerics=numerics,
        versions=[f"{k} {numerics[k]}" for k in ("torch", "transformers", "peft") if k in numerics] if numerics else [],
        version=__version__,
    )


def _given(findings: Findings) -> str:
    labels = [g.label for g in findings.study.given]
    return phrase("methods.given", models=_models(findings.study), labels=labels)


def _models(study: Study) -> list[str]:
    """Each with what is not as it is by default."""
    found = []
    for m in study.models:
        own = {
            "revision": m.revision, "bits": m.quantization == "4bit", "template": m.template,
            "fold": m.system == "fold", "thinking": m.thinking,
        }  # fmt: skip
        said = phrases("methods.model", own, m=m)
        found.append(f"{m.name} ({', '.join(said)})" if said else m.name)
    return found


def _objectives(findings: Findings) -> list[str]:
    """With the coefficients that the runs were made with, defaults among them."""
    made: dict[str, Mapping[str, Any]] = {}
    for run in findings.runs.to_dict("records"):
        made.setdefault(str(run["label"]), (run["config"].get("objective") or {}).get("params") or {})
    found = []
    for v in findings.study.objectives:
        said = [] if v.label.lower().replace("-", "_") == v.objective else [v.objective]
        params, c = v.params | dict(made.get(v.label, {})), Variant(Role.STUDY, v).controls(findings.study.controls)
        if c.trained != findings.study.controls.trained:
            said.append(phrase(f"methods.trained.{c.trainable}", lora=c.lora).rstrip(","))
        said += [f"{k.replace('_', ' ')} {p:g}" for k, p in params.items() if isinstance(p, (int, float, bool))]
        found.append(f"{v.label} ({', '.join(said)})" if said else v.label)
    return found


def _tuned(findings: Findings) -> str:
    """Nothing of a study that tunes nothing."""
    study, section = findings.study, findings.study.tuned
    if section is None or not (chosen := choices(study, findings.folder)):
        return ""
    each = [("learning rate" + "s" * (len(section.learning_rate) > 1), section.learning_rate)]
    each += [
        (f"{label} {plain(k)}", values)
        for label, params in section.coefficients.items()
        for k, values in params.items()
    ]
    found = [(c.label, c.of(c.chosen)) for c in chosen if c.chosen != c.label]
    return phrase(
        "methods.tuned",
        section=section,
        tried=[f"{what} {words.join(map(plain_number, values))}" for what, values in each if values],
        budget=study.budgets[-1],
        seeds=tuning_seeds(study),
        best=[f"{label} {in_words(best.varies)}" for label, best in found],
    )


def _passes(findings: Findings) -> str:
    points = findings.checkpoints
    if "passes" not in points or points["passes"].isna().all():
        return ""
    points = points[points["bracket"] == ""]  # what is varied or tried may read fewer rows more often
    last = points[points["budget"] == points["budget"].max()]
    return number(float(pd.to_numeric(last["passes"]).max()))


# -- evaluation -------------------------------------------------------------------------------------------------------


def _evaluation(findings: Findings) -> str:
    found = sorted(findings.configs.values(), key=lambda c: (AXES.index(c.axis) if c.axis in AXES else 9, c.measure))
    return phrase(
        "methods.evaluation",
        trains=findings.study.trains,
        threshold=findings.study.threshold,
        measures=[_measure(findings, c) for c in found],
        notes=findings.plan.get("of_models") or (),
    )


def _measure(findings: Findings, config: ConfigInfo) -> dict[str, Any]:
    e = findings.estimates
    asked = e.loc[(e["measure"] == config.measure) & (e["against"] == ""), "n_prompts"]
    lead = plain(judges(config)[0])
    spoke = [plain(j) for j in config.judges if j not in ("own", COHERENCE)]
    return {
        "name": config.measure,
        "axis": config.axis,
        "version": config.identity.get("version", "?"),
        "prompts": int(asked.max()) if len(asked) else 0,
        "attacks": list(config.attacks),
        "generates": config.generates,
        "sampling": {"samples": 1, **config.sampling},
        "judges": [lead] if spoke else [],
        "others": [j for j in spoke if j != lead],
        "counts": config.summary.threshold,
        "coherence": COHERENCE in config.judges,
    }


# -- statistics -------------------------------------------------------------------------------------------------------


def _statistics(findings: Findings) -> str:
    """In the order of a paper: what replicates, levels, differences, many tests, what was declared."""
    e, study = findings.estimates, findings.study
    levels, several = e[e["against"] == ""], len(study.draws) > 1
    sides = {"base": "the base model", "sft": findings.reference}
    said = phrase(
        "methods.statistics",
        shares=_names(findings, levels[levels["method"].str.startswith("Wilson")], "shares"),
        means=_names(findings, levels[levels["method"].str.startswith("t ")], "other means"),
        level=words.level(study.alpha),
        several=several,
        seeds=words.seeds([len(study.draws)]) if several else words.pooled(1).lower(),
        against=[f"from {name}" for side, name in sides.items() if (e["against"] == side).any()],
        corrected=e["metric"].str.endswith("_corrected").any(),
        pooled=several and len(findings.labels) > 1,
    )
    return f"{said} {_findings(findings)}".strip()


def _names(findings: Findings, levels: pd.DataFrame, kind: str) -> str:
    """Shares (attack success and accuracy); "" where there are none. Headlines first, and safety before the rest."""
    there = set(zip(levels["measure"], levels["metric"], strict=True))
    configs = [c for axis in HARM_FIRST for c in findings.configs.values() if c.axis == axis]
    first = [(c, headline(c.summary)) for c in configs]
    others = [(c, metric) for c in configs for measure, metric in sorted(there) if measure == c.measure]
    named = [info(c, metric).words for c, metric in (*first, *others) if (c.measure, metric) in there]
    named = [name for name in dict.fromkeys(named) if name]
    return f"{kind}{f' ({words.join(named)})' if named else ''}" if len(levels) else ""


def _findings(findings: Findings) -> str:
    study, answers = findings.study, findings.answers
    if not len(answers):
        return ""
    margins = study.declared.interest.model_dump()
    return phrase(
        "methods.findings",
        declared=declaration_text.sentences(findings.stands),
        asked=declaration_text.in_words(declaration_text.asked(answers, study), study, findings.reference),
        margins=[f"{axis.replace('_', ' of ')} {margin:g}" for axis, margin in margins.items()],
        one_seed=one_seed(answers[answers["verdict"] != ""]),
        fixed=study.declared.prompts == "fixed",
        there=set(answers["estimand"]),
    )


# -- deviations -------------------------------------------------------------------------------------------------------


def _deviations(findings: Findings) -> str:
    """What was not as it should be, from the run's own records."""
    gone, checks, s = left_out.unscored(findings), findings.checks, findings.subjects
    by = gone.groupby("measure")["responses"].sum() if len(gone) else {}
    there = s.loc[s["bracket"] == "", ["model", "task", "label", "seed", "budget"]]
    said = phrase(
        "methods.deviations",
        declared=declaration_text.deviations(findings.stands),
        unlike=differing(findings),
        dropped=left_out.dropped(findings).groupby("for")["rows"].sum(),
        resumed=sorted({r["label"] for r in findings.runs.to_dict("records") if r["controls"].get("resumed_under")}),
        missing=absent(findings.study, there.itertuples(index=False, name=None)),
        unscored=[f"{n:,} of {plain(str(measure))}" for measure, n in by.items()],
        broken=list(checks.loc[~checks["moved"].astype(bool), "bracket"]) if len(checks) else [],
    )
    return said or "None were recorded."
