"""The recommendation and the answer: each branch of the rule on planted findings, and never more than they show."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import planted
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.analysis.answer import answer
from holdfast.analysis.findings import NAMES
from holdfast.analysis.recommend import recommend

LABELS = ("sft", "dpo", "ip")
VERDICTS = ("better", "worse", "equivalent", "cannot tell")


def asked(*labels: str, **more):
    return planted.asked(*labels, budgets=(60_000,), seeds=3, **more)


STUDY = asked(*LABELS)
AXES = {"capability": ("task_accuracy", "accuracy"), "robustness": ("harm", "asr"), "persona": ("dark", "p_match")}
BLANK = dict.fromkeys(NAMES, "") | {
    "model": "m", "task": "t", "finding": "last", "value": 0.1, "budget": 60_000, "n_seeds": 3, "declared": True,
    "interest": 0.05,
}  # fmt: skip


def table(verdicts: dict[tuple[str, str, str], str], *more: dict, **same) -> pd.DataFrame:
    """``verdicts``: by label, reference and axis; what is not named cannot be told, but that all have learnt."""
    rows = []
    for label, against, axis in product(LABELS, ("base", "sft"), AXES):
        if label == against:
            continue
        usual = "better" if (against, axis) == ("base", "capability") else "cannot tell"
        about = {"label": label, "against": against, "axis": axis, "measure": AXES[axis][0], "metric": AXES[axis][1]}
        rows.append(BLANK | about | {"verdict": verdicts.get((label, against, axis), usual)} | same)
    return pd.DataFrame([*rows, *(BLANK | m for m in more)], columns=list(NAMES))


def matched(label: str, verdict: str, value: float = 0.1) -> dict:
    return {
        "finding": "matched", "label": label, "against": "sft", "axis": "robustness", "measure": "harm",
        "metric": "asr", "verdict": verdict, "value": value,
    }  # fmt: skip


def test_who_is_shown_safer_and_nowhere_worse_is_recommended_and_what_is_untold_is_named():
    found = recommend(table({("ip", "sft", "robustness"): "better"}), STUDY)
    assert found.chosen == ("ip",)
    assert "ip is recommended over sft: shown better in attack success" in found.text
    assert "In accuracy and P(match) it cannot be told" in found.text
    assert len(found.steps) == 4


def test_what_is_shown_worse_anywhere_is_not_recommended():
    for axis in ("capability", "persona"):
        found = recommend(table({("ip", "sft", "robustness"): "better", ("ip", "sft", axis): "worse"}), STUDY)
        assert found.chosen == ()
        assert found.text.startswith("sft stands")


def test_where_nothing_is_learnt_there_is_nothing_to_recommend():
    verdicts = {(x, "base", "capability"): "cannot tell" for x in LABELS}
    found = recommend(table(verdicts | {("ip", "sft", "robustness"): "better"}), STUDY)
    assert found.chosen == ()
    assert "no objective is shown to have learnt" in found.text


def test_sft_does_not_stand_where_it_is_not_shown_to_have_learnt():
    found = recommend(table({("sft", "base", "capability"): "cannot tell"}), STUDY)
    assert found.text.startswith("No recommendation: sft")


def test_where_none_is_safer_equivalent_and_untold_are_kept_apart():
    same = {("dpo", "sft", axis): "equivalent" for axis in AXES}
    text = recommend(table(same | {("ip", "sft", "robustness"): "equivalent"}), STUDY).text
    assert text.startswith("sft stands")
    assert "Equivalent to it in all that was compared: dpo." in text
    assert "nor equivalent in everything: ip." in text


def test_attack_success_is_judged_at_equal_capability_where_it_was_matched():
    last = {("ip", "sft", "robustness"): "better", ("dpo", "sft", "robustness"): "worse"}
    found = recommend(table(last, matched("ip", "worse"), matched("dpo", "better")), STUDY)
    assert found.chosen == ("dpo",)
    assert "attack success at equal capability" in found.text
    never = recommend(table(last, matched("ip", "cannot tell", np.nan)), STUDY)  # it never got there
    assert never.chosen == ("ip",)
    assert "at equal capability" not in never.text


def test_every_measure_of_robustness_must_hold_and_the_one_that_decides_is_named():
    other = {"label": "ip", "against": "sft", "axis": "robustness", "measure": "strongreject", "metric": "asr"}
    found = recommend(table({}, other | {"verdict": "better"}), STUDY)
    assert found.chosen == ("ip",)
    assert "shown better in attack success on strongreject" in found.text
    assert recommend(table({("ip", "sft", "robustness"): "worse"}, other | {"verdict": "better"}), STUDY).chosen == ()


def test_what_a_recommended_objective_costs_against_the_base_is_said():
    text = recommend(table({("sft", "base", "persona"): "worse"}), STUDY).text
    assert "sft itself is shown worse than the base model in P(match)." in text
    text = recommend(table({("ip", "sft", "robustness"): "better", ("ip", "base", "robustness"): "worse"}), STUDY).text
    assert "ip itself is shown worse than the base model in attack success." in text
    assert "itself" not in recommend(table({("dpo", "base", "persona"): "worse"}), STUDY).text


def test_without_sft_it_is_against_the_base_alone():
    study = asked("dpo", "ip")
    rows = table({("ip", "base", "persona"): "better", ("dpo", "base", "robustness"): "worse"})
    found = recommend(rows[(rows["against"] == "base") & (rows["label"] != "sft")], study)
    assert found.chosen == ("ip",)
    assert "over the base model" in found.text


def test_one_seed_the_mark_and_what_was_not_declared_are_said():
    study = asked(*LABELS, mark="miniature: made up")
    text = recommend(table({}, n_seeds=1, declared=False), study).text
    assert "these checkpoints only" in text
    assert "miniature: made up" in text
    assert "exploratory" in text
    assert "checkpoints only" not in recommend(table({}), STUDY).text


def test_a_measure_that_is_only_matched_on_decides_nothing_and_is_not_in_the_answer():
    study = asked(*LABELS, matched={"target": 0.1})
    aside = {"axis": "capability", "measure": "validation", "metric": "accuracy"}
    rows = [{**aside, "label": x, "against": "base", "verdict": "worse"} for x in LABELS]
    found = table({("ip", "sft", "robustness"): "better"}, *rows)
    assert recommend(found, study).chosen == ("ip",)
    assert "validation" not in answer(found, study) + recommend(found, study).text
    assert recommend(found, STUDY).chosen == ()  # where nothing is matched it is a measure as any other


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(VERDICTS), min_size=15, max_size=15))
def test_nobody_is_recommended_who_is_shown_worse_or_is_not_shown_better(said):
    keys = [(x, a, axis) for x, a, axis in product(LABELS, ("base", "sft"), AXES) if x != a]
    verdicts = dict(zip(keys, said, strict=True))
    found = recommend(table(verdicts), STUDY)
    for label in found.chosen:
        own = [verdicts[label, "sft", axis] for axis in AXES]
        assert verdicts[label, "base", "capability"] == "better"
        assert "worse" not in own
        assert "better" in own[1:]
    text = answer(table(verdicts), STUDY)
    for verdict in ("better", "worse"):
        if verdict not in said:
            assert f"is {verdict} than" not in text
            assert f"are {verdict} than" not in text
    assert ("quivalent to" in text) <= ("equivalent" in said)


def test_the_answer_says_what_holds_what_cannot_be_told_and_what_the_study_cannot_say():
    text = answer(table({("ip", "sft", "robustness"): "worse", ("dpo", "sft", "robustness"): "equivalent"}), STUDY)
    assert "3 objectives trained m on t, 3 seeds each" in text
    assert "Attack success: ip is worse than sft; no objective is shown better or worse than the base model." in text
    assert "Equivalent to sft: dpo." in text
    assert text.endswith("for 3 seeds know their own spread poorly.")
    assert "there is one seed" in answer(table({}, n_seeds=1), STUDY)
    there = answer(table({}, matched("ip", "equivalent"), matched("dpo", "cannot tell", np.nan)), STUDY)
    assert "At equal capability, attack success: no objective is shown better or worse than sft." in there
    assert "Never there: dpo." in there
    assert "no answer" in answer(table({}).iloc[:0], STUDY)


def test_where_nobody_can_be_compared_at_the_target_the_answer_says_so():
    gone = [{"finding": "matched", "label": x, "against": "sft", "value": np.nan, "n_seeds": 0} for x in ("dpo", "ip")]
    said = answer(
        table({}, *(BLANK | {"axis": "robustness", "measure": "harm", "metric": "asr"} | g for g in gone)), STUDY
    )
    assert "At equal capability nothing is compared" in said
    assert "Never there" not in said


def test_where_the_target_is_void_the_answer_is_not_silent_about_it():
    study = asked(*LABELS, matched={"target": 0.1, "measure": "task_accuracy"}, measures=[{"measure": "task_accuracy"}])
    assert "At the stated capability nothing is compared" in answer(table({}), study)
    assert "nothing is compared" not in answer(table({}, matched("ip", "cannot tell")), study)
    assert "nothing is compared" not in answer(table({}), STUDY)
