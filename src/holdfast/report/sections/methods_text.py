"""A methods section for a paper, written from the study and from what its run left: what was done, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from holdfast import __version__
from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.load import COHERENCE, judges
from holdfast.analysis.scope import absent
from holdfast.config.decisions import choices
from holdfast.config.study import ModelSpec, Study
from holdfast.config.study_runs import tuning_seeds
from holdfast.report import words
from holdfast.report.reading import Findings
from holdfast.report.sections import declaration_text, left_out, statistics_text
from holdfast.report.sections.fairness import differing
from holdfast.report.sections.own_settings import in_words, plain_number, setting
from holdfast.report.series import AXES, plain
from holdfast.report.tables import number

_REJECTED = {
    "data": "Rejected responses are the data's own.",
    "perturb": "Rejected responses are right answers made wrong by rule.",
    "sample": "Rejected responses are the base model's own wrong answers.",
}
_UNSAFE = {
    "none": "No unsafe text was trained on.",
    "as_published": "In {share} of the rows the rejected response is an unsafe one, which only objectives that read "
    "rejected responses see.",
    "shared_refusals": "In {share} of the rows every objective is taught the same refusals of unsafe requests.",
}
_SCHEDULES = {
    "constant": "a constant rate",
    "linear": "linear decay",
    "wsd": "a constant rate and a linear decay at the end",
}


def paragraphs(findings: Findings) -> dict[str, str]:
    """Title: text, in the order of a paper."""
    study = findings.study
    said = {
        "Training": _training(findings) if study.trains else _given(findings),
        "Evaluation": _evaluation(findings),
        "Statistics": list(statistics_text.sentences(findings)),
        "Deviations": _deviations(findings),
    }
    return {title: " ".join(sentences) for title, sentences in said.items() if sentences}


# -- training ---------------------------------------------------------------------------------------------------------


def _training(findings: Findings) -> list[str]:
    study, c, lora = findings.study, findings.study.controls, findings.study.controls.lora
    targets = "all linear layers" if lora.targets == "all-linear" else words.join(lora.targets)
    dropout = f", dropout {lora.dropout:g}" if lora.dropout else ", no dropout"
    decay = f", weight decay {c.weight_decay:g}" if c.weight_decay else ""
    seeds = len(study.seeds)
    return [
        f"We fine-tuned {_models(study)} on {words.join([t.name for t in study.tasks])} with LoRA (rank {lora.rank}, "
        f"alpha {lora.alpha:g}{dropout}, on {targets}) under {_number(len(study.objectives), 'objective')}: "
        f"{words.join(_objectives(findings))}.",
        *_rows(findings),
        "Every objective trained on the same rows in the same order, from the same initialisation, with AdamW "
        f"(learning rate {c.learning_rate:g}, betas {c.betas[0]:g} and {c.betas[1]:g}{decay}), "
        f"{_SCHEDULES[c.schedule]} after {c.warmup_steps} steps of linear warm-up, {c.batch_rows} rows a step and "
        f"gradients clipped at norm {c.clip:g}.",
        *_own_rates(study),
        *_tuned(findings),
        f"Checkpoints were taken after the first whole step at or past {words.join([f'{b:,}' for b in study.budgets])} "
        f"tokens of prompt and chosen response{_passes(findings)}.",
        f"Each objective was trained with {_number(seeds, 'seed')} ({words.join([str(s) for s in study.seeds])}), "
        "which draws data order and LoRA initialisation." if seeds > 1 else
        f"Each objective was trained once (seed {study.seeds[0]}).",
        *_software(findings),
    ]  # fmt: skip


def _given(findings: Findings) -> list[str]:
    labels = words.join(g.label for g in findings.study.given) or "nothing else"
    return [
        f"We measured {_models(findings.study)} and, trained elsewhere, {labels}. How these were trained is not known."
    ]


def _models(study: Study) -> str:
    return words.join([m.name + (f" ({', '.join(own)})" if (own := _settings(m)) else "") for m in study.models])


def _settings(m: ModelSpec) -> list[str]:
    """What is not as it is by default."""
    return [
        *([f"revision {m.revision}"] if m.revision else []),
        *(["weights in 4 bits"] if m.quantization == "4bit" else []),
        *(["with a chat template of our own"] if m.template else []),
        *(["system turns folded into the first user turn"] if m.system == "fold" else []),
        *(["thinking switched on"] if m.thinking else []),
    ]


def _objectives(findings: Findings) -> list[str]:
    """With the coefficients that the runs were made with, defaults among them."""
    made: dict[str, Mapping[str, Any]] = {}
    for run in findings.runs.to_dict("records"):
        made.setdefault(str(run["label"]), (run["config"].get("objective") or {}).get("params") or {})
    found = []
    for v in findings.study.objectives:
        params = {
            k: p for k, p in (v.params | dict(made.get(v.label, {}))).items() if isinstance(p, (int, float, bool))
        }
        known = "" if v.label.lower().replace("-", "_") == v.objective else f"{v.objective}, "
        settings = ", ".join(f"{k.replace('_', ' ')} {p:g}" for k, p in params.items())
        said = f"{known}{settings}".rstrip(", ")
        found.append(f"{v.label} ({said})" if said else v.label)
    return found


def _rows(findings: Findings) -> Iterator[str]:
    several = len(findings.study.tasks) > 1
    for t in findings.study.tasks:
        unsafe = _UNSAFE[t.unsafe.regime].format(share=words.percent(t.unsafe.share, 0))
        own = " Chosen responses are the base model's own right answers." if t.chosen.source == "sample" else ""
        yield (f"On {t.name}: " if several else "") + f"{_REJECTED[t.rejected.source]}{own} {unsafe}"


def _own_rates(study: Study) -> Iterator[str]:
    own = [f"{v.label} {v.learning_rate:g}" for v in study.objectives if v.learning_rate is not None]
    if own:
        yield f"Learning rates of their own: {words.join(own)}."


def _tuned(findings: Findings) -> list[str]:
    """Nothing of a study that tunes nothing."""
    study, section = findings.study, findings.study.tuned
    if section is None or not (chosen := choices(study, findings.folder)):
        return []
    each = [("learning rate" + "s" * (len(section.learning_rate) > 1), section.learning_rate)]
    each += [
        (f"{label} {plain(k)}", values)
        for label, params in section.coefficients.items()
        for k, values in params.items()
    ]
    tried = [f"{what} {words.join(map(plain_number, values))}" for what, values in each if values]
    found = [(c["label"], setting(c, c["chosen"])) for c in chosen if c["chosen"] != c["label"]]
    best = [f"{label} {in_words(best['varies'])}" for label, best in found]
    return [
        f"Beside this shared setting, each objective was compared at one of its own: of {'; '.join(tried)} "
        f"({'crossed' if section.cross == 'full' else 'each by itself'}), that with the highest accuracy on "
        f"{plain(section.measure)} after {study.budgets[-1]:,} tokens from seed "
        f"{words.join(map(str, tuning_seeds(study)))}, without regard to safety; it was then trained from every seed.",
        f"Chosen: {words.join(best)}; where nothing is named, the shared setting."
        if best
        else "It was the shared one for all.",
    ]


def _passes(findings: Findings) -> str:
    points = findings.checkpoints
    if "passes" not in points or points["passes"].isna().all():
        return ""
    points = points[points["bracket"] == ""]  # what is varied or tried may read fewer rows more often
    last = points[points["budget"] == points["budget"].max()]
    times = number(float(pd.to_numeric(last["passes"]).max()))
    return f"; by the last, the data had been passed over {times} times"


def _software(findings: Findings) -> Iterator[str]:
    """From the proof that the first run wrote."""
    for run in findings.runs.to_dict("records")[:1]:
        n = run["controls"].get("controlled", {}).get("numerics") or {}
        versions = ", ".join(f"{k} {n[k]}" for k in ("torch", "transformers", "peft") if k in n)
        dtype = f" in {n['dtype']}" if "dtype" in n else ""
        where = f" on {n['device']}" if "device" in n else ""
        yield f"Training ran{dtype}{where} with holdfast {n.get('holdfast', __version__)}" + (
            f" ({versions})." if versions else "."
        )


# -- evaluation -------------------------------------------------------------------------------------------------------


def _evaluation(findings: Findings) -> list[str]:
    found = sorted(findings.configs.values(), key=lambda c: (AXES.index(c.axis) if c.axis in AXES else 9, c.measure))
    who = "At every budget, and for" if findings.study.trains else "Of each, and of"
    return (
        [f"{who} the base model, we measured:"]
        + [f"{_measure(findings, c)}{'.' if c is found[-1] else ';'}" for c in found]
        + [f"{note[:1].upper()}{note[1:]}." for note in findings.plan.get("of_models") or ()]
    )


def _measure(findings: Findings, config: ConfigInfo) -> str:
    e = findings.estimates
    mine = e[(e["measure"] == config.measure) & (e["against"] == "")]
    n = int(mine["n_prompts"].max()) if len(mine) else 0
    sampling = config.sampling
    parts = [f"{n:,} prompts"]
    attacks = [words.attack(a) for a in config.attacks]
    if attacks:
        parts.append(f"each under {_number(len(attacks), 'attack')} ({', '.join(attacks)})")
    if not config.generates:
        parts.append("by the log-probabilities of given answers")
    elif "temperature" in sampling:
        drawn = f"temperature {sampling['temperature']:g}" if sampling["temperature"] else "greedy decoding"
        times = f", {sampling['samples']} responses a prompt" if sampling.get("samples", 1) > 1 else ""
        parts.append(f"{drawn}{times}, at most {sampling['max_new_tokens']:,} new tokens")
    spoke = [plain(j) for j in config.judges if j not in ("own", COHERENCE)]
    if spoke:
        lead, counts = plain(judges(config)[0]), config.summary.threshold
        others = [j for j in spoke if j != lead]
        parts.append(
            f"judged by {lead}"
            + (f", an attack counting as a success from a score of {findings.study.threshold:g}" if counts else "")
            + (f", and for comparison by {words.join(others)}" if others else "")
        )
    if COHERENCE in config.judges:
        parts.append("coherence judged apart")
    version = config.identity.get("version", "?")
    return f"{plain(config.measure)} ({config.axis}, version {version}: {'; '.join(parts)})"


# -- deviations -------------------------------------------------------------------------------------------------------


def _deviations(findings: Findings) -> list[str]:
    """What was not as it should be, from the run's own records."""
    said = [*declaration_text.deviations(findings.stands)]
    unlike = differing(findings)
    if unlike:
        said.append(f"Not held equal over objectives: {words.join(unlike)}.")
    dropped = left_out.dropped(findings)
    for who, rows in dropped.groupby("for")["rows"].sum().items():
        said.append(f"{int(rows):,} training rows that could not be used were dropped for {who}.")
    resumed = [r["label"] for r in findings.runs.to_dict("records") if r["controls"].get("resumed_under")]
    if resumed:
        said.append(f"Resumed under other numerics: {words.join(sorted(set(resumed)))}.")
    missing = _missing(findings)
    if missing:
        said.append(f"Planned and not measured: {missing}.")
    gone = left_out.unscored(findings)
    if len(gone):
        by = gone.groupby("measure").agg(responses=("responses", "sum"))["responses"]
        said.append(f"Verdicts without a score: {words.join([f'{n:,} of {plain(str(m))}' for m, n in by.items()])}.")
    broken = findings.checks[~findings.checks["moved"].astype(bool)] if len(findings.checks) else findings.checks
    if len(broken):
        said.append(f"Control runs that did not do as they must: {words.join(broken['bracket'])}.")
    return said or ["None were recorded."]


def _missing(findings: Findings) -> str:
    s = findings.subjects
    there = s.loc[s["bracket"] == "", ["model", "task", "label", "seed", "budget"]]
    lost = absent(findings.study, there.itertuples(index=False, name=None))
    return words.join(lost[:8]) + (f" and {len(lost) - 8} more" if lost[8:] else "")


def _number(n: int, noun: str) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return f"{words[n] if n < len(words) else n} {noun}{'' if n == 1 else 's'}"
