"""The columns of a study's tables: name, type and meaning of each, with a version that stands in every file.

``docs/store.md`` is written from them.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa


class Column(NamedTuple):
    name: str
    type: pa.DataType
    about: str
    null: bool = False


TEXT, REAL, WHOLE, FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_TURNS = pa.list_(pa.struct([("role", TEXT), ("content", TEXT)]))

COLUMNS: dict[str, tuple[int, tuple[Column, ...]]] = {
    "subjects": (
        2,
        (
            Column("subject", TEXT, "digest of base, adapter weights and template"),
            Column("model", TEXT, "the study's label of the model"),
            Column("task", TEXT, 'label of the task; "" for the base model'),
            Column("label", TEXT, 'label of the objective; "base" for the base model'),
            Column("objective", TEXT, 'registered name of the objective; "" for the base model'),
            Column("params", TEXT, "the objective's parameters, as JSON"),
            Column("seed", WHOLE, "-1 for the base model"),
            Column("budget", WHOLE, "tokens of the shared view; 0 for the base model"),
            Column(
                "bracket", TEXT, 'noop, harmful, refusal, trait, variation, tuning or tuned; "" for the study proper'
            ),
            Column("trajectory", TEXT, 'id of the run; "" for the base model'),
            Column("adapter", TEXT, 'folder of the adapter, relative to the study\'s where it lies in it; "" for none'),
            Column("weights", TEXT, 'name of a whole model that was given; "" where the model or its adapter speaks'),
        ),
    ),
    "runs": (
        1,
        (
            Column("id", TEXT, "of the run, and of its folder"),
            Column("model", TEXT, "the study's label of the model"),
            Column("task", TEXT, "label of the task"),
            Column("label", TEXT, "label of the objective, or of its variant"),
            Column("objective", TEXT, "registered name of the objective"),
            Column("params", TEXT, "the objective's parameters, as JSON"),
            Column("seed", WHOLE, "training seed"),
            Column("learning_rate", REAL, "after warm-up"),
            Column("role", TEXT, "study, control, variation, tuning, tuned or relearnt"),
            Column("order", TEXT, "digest of the order of rows"),
            Column("of", TEXT, 'label of the objective that it is a variant of; "" for none'),
            Column("overrides", TEXT, "levels of the factors that are otherwise, as JSON"),
            Column("parent", TEXT, 'id of the run that a second round goes on from; "" if afresh'),
            Column("budget", pa.list_(WHOLE), "of each checkpoint, as all that follow: tokens of the shared view"),
            Column("tokens", pa.list_(WHOLE), "of the shared view, at the end of the step that reaches the budget"),
            Column("forward_tokens", pa.list_(WHOLE), "through the policy"),
            Column("reference_tokens", pa.list_(WHOLE), "through the reference, each row once"),
            Column("steps", pa.list_(WHOLE), "of the optimiser"),
            Column("rows", pa.list_(WHOLE), "read, those of another pass again"),
            Column("passes", pa.list_(REAL), "over the split"),
            Column("supervised_tokens", pa.list_(WHOLE), "that carry a loss"),
            Column("unsafe_tokens", pa.list_(WHOLE), "of unsafe text"),
        ),
    ),
    "items": (
        1,
        (
            Column("id", TEXT, "digest of the item's content"),
            Column("prompt", _TURNS, "the plain question, which a judge sees"),
            Column("reference", TEXT, 'the right answer; "" for none'),
            Column("fields", TEXT, "what the measure needs beside it, as a JSON object of strings"),
            Column("forbidden", FLAG, "whether a response may be harmful and is masked in the report"),
            Column("measure", TEXT, "label of the measure"),
            Column("cell", TEXT, "id of the cell"),
        ),
    ),
    "records": (
        1,
        (
            Column("id", TEXT, "digest of the request and what was made of it"),
            Column("subject", TEXT, "who answered"),
            Column("measure", TEXT, "label of the measure"),
            Column("item", TEXT, "id of the item"),
            Column("attack", TEXT, "name of the attack; none for the direct request"),
            Column(
                "format",
                TEXT,
                "default, or another way of asking (an objective's own condition, a round before the last)",
            ),
            Column("sample", WHOLE, "number of the response, from 0"),
            Column("response", TEXT, "what the model wrote"),
            Column("plain", TEXT, "that, decoded back by the attack's codec: what a judge reads"),
            Column("n_tokens", WHOLE, "tokens of the response"),
            Column(
                "finish",
                TEXT,
                "stop, length or overlong of a response; scored or overlong of continuations; read; unasked, "
                "untranslated, another_base",
            ),
            Column(
                "continuations",
                pa.list_(TEXT),
                "texts whose log-probability was asked for, or names of what was read in hidden states; empty for a "
                "response",
            ),
            Column("logps", pa.list_(REAL), "summed log-probability of each, nats; of a reading its values"),
        ),
    ),
    "judgements": (
        2,
        (
            Column("record", TEXT, "id of the record"),
            Column("judge", TEXT, "label of the judge; own for the measure's rule"),
            Column("score", REAL, "in the measure's unit; null: unscored", True),
            Column("label", TEXT, "short class: correct, refusal, …"),
            Column("reason", TEXT, "why it is unscored; null where it is scored", True),
            Column("details", TEXT, "secondary numbers, as a JSON object"),
            Column("judge_id", TEXT, "digest of all that determines the judge's verdicts"),
            Column("rubric", TEXT, 'hash of the text of its rubric; "" for none'),
            Column("words", TEXT, "what the judge wrote; empty for a judge that only counts"),
        ),
    ),
    "estimates": (
        3,
        (
            Column("estimand", TEXT, "what the value is of: level, difference, slope, … (docs/findings.md)"),
            Column("model", TEXT, 'label of the model; "" where it is about several'),
            Column("task", TEXT, 'label of the task; "" for the base model'),
            Column("label", TEXT, 'label of the objective, or base; "" where it is about all of them'),
            Column("objective", TEXT, "registered name of the objective"),
            Column("against", TEXT, 'base or sft: what it is compared with; "" for nothing'),
            Column("seed", WHOLE, "-1: over all seeds"),
            Column("budget", WHOLE, "tokens of the shared view; 0 for the base model; -1: over all budgets"),
            Column("bracket", TEXT, 'kind of the control run; "" for the study proper'),
            Column("measure", TEXT, "label of the measure; of several, joined by ×"),
            Column("axis", TEXT, "capability, robustness, persona or normative"),
            Column("metric", TEXT, "what the value is"),
            Column("condition", TEXT, 'attack, trait or other group; "macro" for their mean'),
            Column("format", TEXT, "default, or the label of another way of asking"),
            Column("judge", TEXT, "who decided"),
            Column("regime", TEXT, "shared: one setting for all objectives; tuned: each at its own (docs/tuned.md)"),
            Column("value", REAL, "in the metric's unit, or as docs/findings.md says; null: cannot be computed", True),
            Column("low", REAL, "lower end of the interval, in the same unit; null: none", True),
            Column("high", REAL, "upper end of the interval", True),
            Column("low_all", REAL, "lower end of an interval that holds for the whole family at once", True),
            Column("high_all", REAL, "upper end of that", True),
            Column("bound_low", REAL, "lower end where missing scores are at their worst; null: none is missing", True),
            Column("bound_high", REAL, "upper end of that", True),
            Column("method", TEXT, "of interval and test"),
            Column("unit", TEXT, "unit of replication: prompt, seed, …"),
            Column("n_prompts", WHOLE, "distinct items"),
            Column("n_records", WHOLE, "responses, scored and unscored; null: of a comparison with a verdict", True),
            Column("n_unscored", WHOLE, "of those, unscored", True),
            Column("n_seeds", WHOLE, "training seeds"),
            Column("effective_n", REAL, "of a level: sample size after clustering", True),
            Column("p", REAL, "of the test that the value is 0; null where nothing is tested", True),
            Column("p_adjusted", REAL, "the same, corrected in its family (Holm; with a verdict Bonferroni)", True),
            Column("p_equal", REAL, "that the value is not within ± interest (two one-sided tests)", True),
            Column("p_worse", REAL, "that the value is worse by interest or more; of no direction: p_equal", True),
            Column("p_missing", REAL, "of a difference: that as many scores are missing on both sides", True),
            Column("family", TEXT, 'tests that are corrected together; "" for none'),
            Column("declared", FLAG, "whether the study asked for it beforehand; else it is exploratory"),
            Column("interest", REAL, "smallest value of interest, in the value's unit", True),
            Column(
                "verdict",
                TEXT,
                "worse, better, differs (neither way is better), equivalent, small but real (both), inconclusive; of a "
                'statement with several conditions shown, refuted or inconclusive; one seed: no verdict; "": none',
            ),
            Column("warning", TEXT, "what the design cannot say"),
            Column("note", TEXT, "what a reader must know"),
        ),
    ),
}

SCHEMAS: dict[str, tuple[int, pa.Schema]] = {
    name: (version, pa.schema([pa.field(c.name, c.type, nullable=c.null) for c in columns]))
    for name, (version, columns) in COLUMNS.items()
}

# What the analysis leaves for the page, by name: version and columns. They are made of data frames whose functions say
# more (``analysis/analyse.py`` names them); a file has those that apply, of the frame's own types. What each
# column is stands in ``FRAME_COLUMNS``: the same in all of them, but for those under ``frame.column``.
FRAMES: dict[str, tuple[int, str]] = {
    "matched": (1, "model task match capability harm judge sft target void ceiling prompts"),
    "at_distance": (1, "model task cell judge sft prompts"),
    "versus": (
        1,
        "label level distance value low high share n_seeds n_reached budget between capability capability_low "
        "capability_high gap gap_low gap_high p gap_share n_pairs untold bound_low bound_high p_adjusted verdict limit "
        "sft",
    ),
    "fronts": (1, "model task measure judge n_seeds"),
    "front": (1, "label budget capability harm on_front anywhere probability best"),
    "dominance": (1, "label over probability"),
    "ways": (
        1,
        "model task label benchmark judge threshold responses budgets regime against value low high p verdict declared "
        "n_prompts n_seeds",
    ),
    "stability": (
        1,
        "model task label against value verdict n_ways n_distinct agree same_sign higher unclear lower flips loses",
    ),
    "coherence": (1, "model task label budget measure judge what value low high n_prompts n_seeds"),
    "agreement": (
        1,
        "cell judge_a judge_b stratum n n_prompts raw raw_low raw_high kappa kappa_low kappa_high alpha alpha_low "
        "alpha_high",
    ),
    "confusion": (1, "cell judge people both_pass judge_only humans_only neither sensitivity specificity"),
    "verdicts": (1, "cell measure judge reason responses"),
    "asked": (1, "cell items responses"),
    "screened": (1, "model task measure responses incoherent"),
    "sample": (1, "cell item"),
    "brackets": (
        1,
        "model task label seed budget bracket expected measure metric value low high p_holm moved verdict",
    ),
    "settings": (1, "of_model of_task " + " ".join(c.name for c in COLUMNS["estimates"][1])),
    "published": (
        1,
        "source model task label budget measure metric published printed value low high difference d_low d_high p "
        "verdict doubt note",
    ),
    "needed": (1, "model task measure against interest target seeds prompts seeds_needed prompts_needed basis"),
    "procedures": (1, "what theirs ours"),
    "relearning": (
        1,
        "model task measure axis judge label budget value low high gap gap_low gap_high p_adjusted n_seeds n_prompts",
    ),
    "gives_in": (1, "model task measure label value low high n_reached n_seeds"),
    "traits": (1, "model task measure label budget trait value low high p p_holm group"),
    "layers": (1, "model task label budget measure layer value chosen separation n_prompts n_seeds"),
    "inside": (1, "model task trait measure probe value low high subjects runs"),
    "claims": (1, "model task claim about verdict rule evidence warning source"),
}

FRAME_COLUMNS: dict[str, str] = {
    **{c.name: c.about for c in COLUMNS["estimates"][1]},
    "about": "the claim, in words",
    "agree": "share of ways with the study's own verdict",
    "alpha": "Krippendorff's alpha",
    "alpha_high": "upper end of its interval",
    "alpha_low": "lower end of its interval",
    "anywhere": "probability of being on the front of all budgets",
    "at_distance.prompts": "distinct items",
    "at_distance.sft": "label that SFT goes by",
    "basis": "where the spread of a difference is known from",
    "benchmark": "label of the measure of attack success",
    "best": "probability of beating all others on both capability and safety",
    "between": "what to say of the checkpoints around, where they are far apart",
    "both_pass": "weighted responses that judge and people pass",
    "bracket": 'kind of the control run; "" for the study proper',
    "budget": "tokens of the shared view; of what is matched the median over runs",
    "budgets": "last, mean or slope: of which average over budgets",
    "capability": "value of capability; of `matched` the config that it is reported by",
    "capability_high": "upper end of its interval",
    "capability_low": "lower end of its interval",
    "ceiling": "attack success at which capability is compared",
    "cell": "id of the eval config",
    "chosen": "layer whose projection is the score, chosen on the base model",
    "claim": "name of the claim",
    "d_high": "upper end of the difference's interval",
    "d_low": "lower end of the difference's interval",
    "difference": "own value less the published one",
    "distance": "KL from the base model, nats per token",
    "doubt": "why the published figure may not be comparable",
    "evidence": "the verdicts that decided, counted",
    "expected": "what the control run must show",
    "flips": "choices that alone turn the verdict round",
    "gap": "difference from SFT there",
    "gap_high": "upper end of its interval",
    "gap_low": "lower end of its interval",
    "gap_share": "share of draws in which both get there",
    "gives_in.value": "tokens of relearning until half of the attacks succeed: median over the runs that get there",
    "group": "number of the traits that move alike, in the order shown",
    "harm": "attack success; of `matched` the config that it is measured by",
    "higher": "share of ways in which it is shown higher",
    "humans_only": "weighted responses that people pass alone",
    "incoherent": "share that the coherence judge did not pass",
    "inside.value": "rank correlation of the two drifts from the base model, over subjects",
    "item": "id of the item",
    "items": "distinct items asked",
    "judge": "who decided; of `ways` which judge",
    "judge_a": "the one judge",
    "judge_b": "the other judge",
    "judge_only": "weighted responses that the judge passes alone",
    "kappa": "Cohen's kappa",
    "kappa_high": "upper end of its interval",
    "kappa_low": "lower end of its interval",
    "layer": "number of the layer, from 0",
    "layers.value": "how far its hidden states are from the base model's, of their norm: mean over prompts and seeds",
    "level": "number of the level, or capability at it",
    "limit": "how far the difference can be from 0 at all",
    "loses": "choices that alone make it unclear, or clear",
    "lower": "share of ways in which it is shown lower",
    "match": "the config that capability is matched on",
    "moved": "whether it did as it must",
    "n": "responses that both judged",
    "n_distinct": "of these, those whose numbers no other has",
    "n_pairs": "seeds of which both get there",
    "n_reached": "runs that get there",
    "n_ways": "ways of making the comparison",
    "needed.prompts": "items that were asked",
    "needed.seeds": "training seeds that there are",
    "needed.target": "power with which a difference of interest is to be told",
    "neither": "weighted responses that neither passes",
    "of_model": "label of the model that the rows are compared within",
    "of_task": "label of the task likewise",
    "on_front": "whether the values alone put it on the front",
    "ours": "how it is done here",
    "over": "label of whom it beats",
    "p_holm": "p after Holm's correction in its family",
    "people": "label of the judge whose labels are people's",
    "printed": "the published figure as it was printed",
    "probability": "share of joint draws of prompts and seeds in which it holds",
    "probe": "label of the measure that reads hidden states",
    "procedures.what": "the part of the procedure; ±: what theirs is",
    "prompts": "distinct items",
    "prompts_needed": "fewest prompts that tell it, with as many seeds; NaN: out of reach",
    "published": "the published figure; NaN for a range",
    "raw": "share of equal verdicts",
    "raw_high": "upper end of its interval",
    "raw_low": "lower end of its interval",
    "reason": 'why responses are unscored; "" where they are scored',
    "responses": "how many; of `ways` which of them count",
    "rule": "of which rows the claim is made, and what they must show",
    "same_sign": "share of ways with the same sign",
    "seeds_needed": "fewest seeds that tell it, with as many prompts; NaN: out of reach",
    "sensitivity": "of what people pass, the share that the judge passes",
    "settings.regime": "shared, tuned or tried: which setting the rows are of",
    "runs": "distinct runs among the subjects",
    "separation": "d' of the base model's held-out conversations at that layer",
    "sft": "SFT's value there; of `matched` the label that SFT goes by",
    "share": "share of draws that get there",
    "source": "where it was published",
    "specificity": "of what people do not pass, the share that the judge does not",
    "stratum": "of which responses: all, of which model, or under which attack or coherence",
    "subjects": "trained subjects that both were measured on",
    "target": "capability at which attack success is compared; NaN: none is declared",
    "trait": "label of the statements",
    "theirs": "how it is done where the figure was published",
    "threshold": "score from which a response counts as harm; mean: the mean score",
    "unclear": "share of ways in which nothing is shown",
    "untold": 'why there is no verdict; "" where there is one',
    "value": "in the metric's unit",
    "void": "whether the base model meets the target already",
    "what": "the rule for incoherent responses (all, coherent, none, worst), or a quadrant of harm and coherence",
}


def about(frame: str, column: str) -> str:
    """What a column of one of ``FRAMES`` is."""
    return FRAME_COLUMNS.get(f"{frame}.{column}") or FRAME_COLUMNS[column]
