"""The recommendation and the answer: each branch of the rule on planted findings, and never more than they show."""

from __future__ import annotations

import re
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import planted
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.analysis import answer as telling
from holdfast.analysis import recommend as rule
from holdfast.analysis.answer import _verdicts, families
from holdfast.analysis.findings import NAMES

LABELS = ("sft", "dpo", "ip")
VERDICTS = ("better", "worse", "equivalent", "small but real", "inconclusive")


def asked(*labels: str, **more):
    return planted.asked(*labels, budgets=(60_000,), seeds=3, **more)


# Measures that say nothing of themselves: what was understood of their axis then.
in_short, sentences, recommend = (partial(f, configs={}) for f in (telling.in_short, telling.sentences, rule.recommend))


def answer(*given, **more):
    return " ".join(sentences(*given, **more))


STUDY = asked(*LABELS)
AXES = {"capability": ("task_accuracy", "accuracy"), "robustness": ("harm", "asr"), "persona": ("dark", "p_match")}
BLANK = dict.fromkeys(NAMES, "") | {
    "model": "m", "task": "t", "estimand": "last", "value": 0.1, "budget": 60_000, "n_seeds": 3, "declared": True,
    "interest": 0.05, "low_all": 0.05, "high_all": 0.15, "p_worse": 0.5, "family": "answer: m, t",
}  # fmt: skip
FINE = {"p_worse": 0.001}  # shown not to be worse by what matters


def table(verdicts: dict[tuple[str, str, str], str], *more: dict, **same) -> pd.DataFrame:
    """``verdicts``: by label, reference and axis; what is not named cannot be told, but that all have learnt."""
    rows = []
    for label, against, axis in product(LABELS, ("base", "sft"), AXES):
        if label == against:
            continue
        usual = "better" if (against, axis) == ("base", "capability") else "inconclusive"
        about = {"label": label, "against": against, "axis": axis, "measure": AXES[axis][0], "metric": AXES[axis][1]}
        rows.append(BLANK | about | {"verdict": verdicts.get((label, against, axis), usual)} | same)
    return pd.DataFrame([*rows, *(BLANK | m for m in more)], columns=list(NAMES))


def matched(label: str, verdict: str, value: float = 0.1) -> dict:
    return {
        "estimand": "matched", "label": label, "against": "sft", "axis": "robustness", "measure": "harm",
        "metric": "asr", "verdict": verdict, "value": value,
    }  # fmt: skip


def test_where_equal_capability_decides_and_not_the_last_budget_the_recommendation_says_so():
    """Else it would say that nobody is shown better beside an answer that says who is."""
    better = {("ip", "sft", "robustness"): "better"}
    said = "attack success counts as it is at equal capability, not at the last budget"
    found = recommend(table(better, matched("ip", "inconclusive"), **FINE), STUDY)
    assert found.chosen == ()
    assert said in found.text
    assert said not in recommend(table({}, **FINE), STUDY).text


def test_who_is_shown_safer_and_no_worse_in_all_else_is_recommended():
    found = recommend(table({("ip", "sft", "robustness"): "better"}, **FINE), STUDY)
    assert found.chosen == ("ip",)
    assert "ip is recommended over sft: shown better in attack success" in found.text
    assert "shown not to be worse by what matters in accuracy and P(match)." in found.text
    assert len(found.steps) == 3


def test_inconclusive_is_not_taken_for_no_worse():
    found = recommend(table({("ip", "sft", "robustness"): "better"}), STUDY)
    assert found.chosen == ()
    assert "ip is shown better in attack success, but not shown to be no worse in accuracy and P(match)." in found.text


@pytest.mark.parametrize(("axis", "metric"), [("normative", "accuracy"), ("normative", "compliance")])
@pytest.mark.parametrize("verdict", ["differs", "worse", "inconclusive"])
def test_normative_and_over_refusal_measures_count(axis, metric, verdict):
    more = {"label": "ip", "against": "sft", "axis": axis, "measure": "xstest", "metric": metric, "verdict": verdict}
    rows = table({("ip", "sft", "robustness"): "better"}, **FINE)
    lost = pd.concat([rows, pd.DataFrame([BLANK | more])], ignore_index=True)
    assert recommend(lost, STUDY).chosen == ()
    kept = pd.concat([rows, pd.DataFrame([BLANK | more | {"verdict": "equivalent"}])], ignore_index=True)
    assert recommend(kept, STUDY).chosen == ("ip",)


def test_only_what_was_declared_recommends():
    rows = table({("ip", "sft", "robustness"): "better"}, **FINE, declared=False)
    found = recommend(rows, STUDY)
    assert found.chosen == ()
    assert "in something declared" not in found.text
    assert "ip is shown better in attack success." in found.text
    some = recommend(rows.assign(declared=rows["axis"] == "persona"), STUDY)
    assert "ip is shown better only in what was not declared: attack success." in some.text


def test_one_seed_recommends_nothing_and_has_no_verdict_but_words_about_checkpoints():
    rows = table({}, verdict="one seed", n_seeds=1)
    found = recommend(rows, STUDY)
    assert found.chosen == ()
    assert found.text.startswith("No recommendation: one training seed")
    text = answer(rows, STUDY)
    assert "no verdict on objectives" in text
    assert "Attack success: Against sft, dpo and ip are higher (+10.0 points); against the base model, all are" in text
    for word in ("better", "worse", "equivalent"):
        assert word not in text


def test_what_is_shown_worse_anywhere_is_not_recommended():
    for axis in ("capability", "persona"):
        rows = table({("ip", "sft", "robustness"): "better", ("ip", "sft", axis): "worse"})
        found = recommend(rows, STUDY)
        assert found.chosen == ()
        assert found.text.startswith("sft stands")
        assert "ip is shown better in attack success, but shown worse in" in found.text


def test_where_nothing_is_learnt_there_is_nothing_to_recommend():
    verdicts = {(x, "base", "capability"): "inconclusive" for x in LABELS}
    found = recommend(table(verdicts | {("ip", "sft", "robustness"): "better"}), STUDY)
    assert found.chosen == ()
    assert "no objective is shown to have learnt" in found.text


def test_sft_does_not_stand_where_it_is_not_shown_to_have_learnt():
    found = recommend(table({("sft", "base", "capability"): "inconclusive"}), STUDY)
    assert found.text.startswith("No recommendation: sft")


def test_where_none_is_safer_equivalent_and_inconclusive_are_kept_apart():
    same = {("dpo", "sft", axis): "equivalent" for axis in AXES}
    text = recommend(table(same | {("ip", "sft", "robustness"): "equivalent"}), STUDY).text
    assert text.startswith("sft stands")
    assert "Shown equivalent to sft in each of accuracy, attack success and P(match): dpo." in text
    assert "quivalent" not in text.split("dpo.")[1]


def test_attack_success_is_judged_at_equal_capability_where_it_was_matched():
    last = {("ip", "sft", "robustness"): "better", ("dpo", "sft", "robustness"): "worse"}
    found = recommend(table(last, matched("ip", "worse"), matched("dpo", "better"), **FINE), STUDY)
    assert found.chosen == ("dpo",)
    assert "attack success at equal capability" in found.text
    never = recommend(table(last, matched("ip", "inconclusive", np.nan), **FINE), STUDY)  # it never got there
    assert never.chosen == ("ip",)
    assert "at equal capability" not in never.text


def test_every_measure_of_robustness_must_hold_and_the_one_that_decides_is_named():
    other = {"label": "ip", "against": "sft", "axis": "robustness", "measure": "strongreject", "metric": "asr"}
    found = recommend(table({}, other | {"verdict": "better"}, **FINE), STUDY)
    assert found.chosen == ("ip",)
    assert "shown better in attack success on strongreject" in found.text
    assert recommend(table({("ip", "sft", "robustness"): "worse"}, other | {"verdict": "better"}), STUDY).chosen == ()


def test_what_a_recommended_objective_costs_against_the_base_is_said():
    text = recommend(table({("sft", "base", "persona"): "worse"}), STUDY).text
    assert "sft itself is shown worse than the base model in P(match)." in text
    cost = {("ip", "sft", "robustness"): "better", ("ip", "base", "robustness"): "worse"}
    text = recommend(table(cost, **FINE), STUDY).text
    assert "ip itself is shown worse than the base model in attack success." in text
    assert "itself" not in recommend(table({("dpo", "base", "persona"): "worse"}), STUDY).text


def test_without_sft_it_is_against_the_base_alone():
    study = asked("dpo", "ip")
    rows = table({("ip", "base", "persona"): "better", ("dpo", "base", "robustness"): "worse"}, **FINE)
    found = recommend(rows[(rows["against"] == "base") & (rows["label"] != "sft")], study)
    assert found.chosen == ("ip",)
    assert "over the base model" in found.text


def test_the_mark_and_what_was_not_declared_are_said():
    study = asked(*LABELS, mark="miniature: made up")
    text = recommend(table({}, declared=False), study).text
    assert "miniature: made up" in text
    assert "None of these comparisons was declared beforehand: exploratory." in text
    some = table({}).assign(declared=lambda rows: rows["label"] == "dpo")
    assert "Some of these comparisons were not declared beforehand" in recommend(some, study).text


def test_a_measure_that_is_only_matched_on_decides_nothing_and_is_not_in_the_answer():
    study = asked(*LABELS, matched={"target": 0.1})
    aside = {"axis": "capability", "measure": "validation", "metric": "accuracy"}
    rows = [{**aside, "label": x, "against": "base", "verdict": "worse"} for x in LABELS]
    found = table({("ip", "sft", "robustness"): "better"}, *rows, **FINE)
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
        assert not {"worse", "inconclusive"} & set(own)
        assert "better" in own


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*VERDICTS, "differs"]), min_size=15, max_size=15), st.integers(0, 2**15))
def test_every_sentence_says_of_every_row_what_its_verdict_is(said, signs):
    """The whole table can be read back from the text."""
    keys = [(x, a, axis) for x, a, axis in product(LABELS, ("base", "sft"), AXES) if x != a]
    rows = table(dict(zip(keys, said, strict=True)))
    rows["value"] = [0.1 if signs >> k & 1 else -0.1 for k in range(len(rows))]
    names = {"Accuracy": "capability", "Attack success": "robustness", "P(match)": "persona"}
    parts = {lead: text for s in sentences(rows, STUDY) for lead, _, text in [s.partition(": ")] if lead in names}
    assert set(parts) == set(names)
    for lead, text in parts.items():
        apart = text.removesuffix(".").split("; ")
        if len(apart) == 1:
            assert text.startswith("Against sft and the base model, ")
        for who, part in zip(("sft", "base"), apart * (1 if apart[1:] else 2), strict=True):
            told = part.partition(", ")[2]
            for r in rows[(rows["axis"] == names[lead]) & (rows["against"] == who)].to_dict("records"):
                way = "higher" if r["value"] > 0 else "lower"
                word = {"small but real": f"{way} by less than matters", "differs": way}
                phrase = word.get(r["verdict"], r["verdict"])
                mine = re.split(r"(?<=\w), (?=\w+(?:, \w+)*(?: and \w+)? (?:is|are) )", told)
                mine = [p for p in mine if re.match(rf"(all|both|.*\b{r['label']}\b)", p)]
                assert len(mine) == 1
                assert re.sub(r"^.*? (is|are) ", "", mine[0]) == phrase


def test_the_answer_says_what_is_shown_what_is_inconclusive_and_what_the_study_cannot_say():
    text = answer(table({("ip", "sft", "robustness"): "worse", ("dpo", "sft", "robustness"): "equivalent"}), STUDY)
    assert "3 objectives trained m on t, 3 seeds each" in text
    told = "Attack success: Against sft, ip is worse, dpo is equivalent; against the base model, all are inconclusive."
    assert told in text
    assert text.endswith("for 3 seeds know their own spread poorly.")
    there = answer(table({}, matched("ip", "equivalent"), matched("dpo", "inconclusive", np.nan)), STUDY)
    assert "At equal capability, attack success: Against sft, ip is equivalent." in there
    assert "Never there: dpo." in there
    assert "no answer" in answer(table({}).iloc[:0], STUDY)


@pytest.mark.parametrize(
    ("verdict", "one", "some", "both", "every"),
    [
        ("better", "a is better", "a and b are better", "both are better", "all are better"),
        ("inconclusive", "a is inconclusive", "a and b are inconclusive", "both are inconclusive",
         "all are inconclusive"),
        ("one seed", "a rests on one seed", "a and b rest on one seed", "both rest on one seed",
         "all rest on one seed"),
        ("equivalent", "a is equivalent", "a and b are equivalent", "both are equivalent", "all are equivalent"),
        ("small but real", "a is higher by less than matters", "a and b are higher by less than matters",
         "both are higher by less than matters", "all are higher by less than matters"),
    ],
)  # fmt: skip
def test_every_verdict_is_grammatical_of_one_of_some_of_both_and_of_all(verdict, one, some, both, every):
    def said(labels: str, others: str = "") -> str:
        return _verdicts(pd.DataFrame({"label": [*labels, *others], "value": 0.1,
                                       "verdict": [verdict] * len(labels) + ["worse"] * len(others)}))  # fmt: skip

    assert said("a") == one
    assert said("ab") == both
    assert said("abc") == every
    assert some in said("ab", "c").split(", ")


def test_one_objective_is_spoken_of_in_the_singular():
    rows = table({})
    text = answer(rows[(rows["label"] == "ip") & (rows["against"] == "base")], asked("ip"))
    assert text.startswith("1 objective trained m on t, 3 seeds; here it is compared with the base model after")
    assert "Attack success: Against the base model, ip is inconclusive." in text


def test_a_reader_in_a_hurry_reads_of_one_seed_each_name_once_and_numbers_as_tables_round_them():
    rows = table({}, verdict="one seed", n_seeds=1, value=0.00625, low_all=0.003125, high_all=0.03125)
    assert "Attack success: Against sft, dpo and ip are higher (+0.6 points); against the base model, all are" in (
        answer(rows, STUDY)
    )
    rows.loc[rows["label"] == "dpo", ["low_all", "high_all"]] = (-0.1, 0.1)
    rows.loc[rows["label"] == "sft", ["value", "low_all", "high_all"]] = (-0.2, -0.3, -0.1)
    told = "Against sft, ip is higher (+0.6 points [+0.3, +3.1]), the other interval holds 0; against the base model, "
    told += "ip is higher (+0.6 points [+0.3, +3.1]), sft is lower (−20.0 points [−30.0, −10.0]), the other interval"
    assert told in answer(rows, STUDY)
    rows[["low_all", "high_all"]] = (-0.1, 0.1)
    assert "Attack success: Against sft and the base model, no interval leaves out 0. P(match)" in answer(rows, STUDY)


def test_a_difference_that_is_real_and_small_is_neither_denied_nor_called_better():
    text = answer(table({("ip", "sft", "robustness"): "small but real"}), STUDY)
    assert "ip is higher by less than matters" in text
    assert "no objective" not in text


def test_a_normative_measure_that_falls_is_in_the_answer():
    fell = {"label": "ip", "against": "base", "axis": "normative", "measure": "toxigen", "metric": "accuracy"}
    text = answer(table({}, fell | {"verdict": "differs", "value": -0.7}), STUDY)
    assert "Toxigen: Against the base model, ip is lower." in text
    moved = recommend(table({}, fell | {"verdict": "differs", "value": -0.7, "label": "sft"}), STUDY).text
    assert "sft itself is shown to differ from the base model in toxigen." in moved


def test_how_many_comparisons_are_corrected_together_is_said_and_how_many_families_there_are():
    others = [{"estimand": "slope", "family": f"declared: slope {k}", "label": "ip"} for k in (1, 1, 2)]
    rows = table({}, *others)
    assert families(rows) == (15, 2, 3)
    text = answer(rows, STUDY)
    assert "These 15 comparisons are one family" in text
    assert "3 further tests stand in 2 families of their own" in text
    assert "2 further tests stand in a family of their own: of these" in answer(table({}, *others[:2]), STUDY)
    assert "1 further test stands by itself: it may be false by chance" in answer(table({}, *others[:1]), STUDY)


def test_where_nobody_can_be_compared_at_the_target_the_answer_says_so():
    gone = [{"estimand": "matched", "label": x, "against": "sft", "value": np.nan, "n_seeds": 0} for x in ("dpo", "ip")]
    said = answer(
        table({}, *(BLANK | {"axis": "robustness", "measure": "harm", "metric": "asr"} | g for g in gone)), STUDY
    )
    assert "At equal capability nothing is compared" in said
    assert "Never there" not in said


def test_where_the_target_is_void_the_answer_is_not_silent_about_it():
    study = asked(*LABELS, matched={"target": 0.1, "measure": "task_accuracy"}, measures=[{"measure": "task_accuracy"}])
    assert "At the stated capability nothing is compared" in answer(table({}), study)
    assert "nothing is compared" not in answer(table({}, matched("ip", "inconclusive")), study)
    assert "nothing is compared" not in answer(table({}), STUDY)


def test_a_row_of_one_seed_among_several_is_named_and_whose_interval_holds_0_too():
    said = answer(table({}, matched("ip", "one seed")), STUDY)
    assert "At equal capability, attack success: Against sft, ip rests on one seed." in said
    alone = table({}, verdict="one seed", n_seeds=1)
    alone.loc[(alone["label"] == "ip"), ["low_all", "high_all"]] = (-0.1, 0.1)
    assert "dpo is higher (+10.0 points [+5.0, +15.0]), the other interval holds 0" in answer(alone, STUDY)


def test_in_short_what_is_shown_is_named_and_the_rest_is_counted():
    rows = table(
        {
            ("dpo", "sft", "capability"): "worse",
            ("ip", "sft", "robustness"): "better",
            ("ip", "base", "robustness"): "small but real",
            ("dpo", "base", "persona"): "equivalent",
        }
    )
    assert in_short(rows, STUDY) == [
        "Accuracy: better than the base model’s in sft, dpo and ip; worse than sft’s in dpo.",
        "Attack success: higher than the base model’s, by less than matters, in ip; better than sft’s in ip.",
        "1 of 15 comparisons is shown equivalent and 8 are inconclusive: too little was seen to say either way.",
    ]


def test_in_short_nothing_that_is_shown_is_said_to_be_nothing():
    rows = table({}, verdict="inconclusive")
    assert in_short(rows, STUDY) == [
        "Nothing is shown to differ.",
        "15 of 15 comparisons are inconclusive: too little was seen to say either way.",
    ]
    assert in_short(table({}).iloc[:0], STUDY) == ["Nothing has been compared yet, so there is no answer."]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*VERDICTS, "differs"]), min_size=15, max_size=15))
def test_in_short_no_verdict_is_left_out_of_the_count(said):
    keys = [(x, a, axis) for x, a, axis in product(LABELS, ("base", "sft"), AXES) if x != a]
    text = " ".join(in_short(table(dict(zip(keys, said, strict=True))), STUDY))
    named = sum(len(re.findall(r"\w+", who)) - who.count(" and ") for who in re.findall(r"in ([\w, ]+)[;.]", text))
    counted = sum(int(n) for n in re.findall(r"(\d+)(?: of 15 comparisons)? (?:is|are)", text))
    assert named + counted == 15


def test_in_short_one_seed_has_no_verdicts():
    rows = table({}, verdict="one seed", n_seeds=1)
    rows.loc[rows["axis"] != "robustness", ["low_all", "high_all"]] = -0.05, 0.15
    assert in_short(rows, STUDY) == [
        "Attack success: higher than the base model’s in sft, dpo and ip; higher than sft’s in dpo and ip.",
        "10 of 15 intervals of these checkpoints hold 0, each widened for there are so many.",
    ]


def test_in_short_as_many_comparisons_are_counted_as_the_family_has():
    rows = table({}, matched("ip", "inconclusive") | {"family": ""}, verdict="inconclusive")
    assert "15 of 15 comparisons" in in_short(rows, STUDY)[-1]
    assert "These 15 comparisons are one family" in answer(rows, STUDY)
