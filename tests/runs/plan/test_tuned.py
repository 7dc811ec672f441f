"""Settings that are tried stand beside the study, cost what is counted, and grow into the study once one is chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.config import decisions
from holdfast.config.decisions import Choice
from holdfast.config.role import Role
from holdfast.config.study import Study
from holdfast.config.study_runs import settings
from holdfast.runs.plan import expand
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

MEASURES = [
    {"measure": "task_accuracy"},
    {"measure": "task_accuracy", "name": "validation", "params": {"split": "validation"}},
]
SECTION = {"learning_rate": [2e-4, 1e-3], "coefficients": {"DPO": {"beta": [0.1, 0.3]}}}
TRIED = ["SFT~learning_rate=0.001", "DPO~learning_rate=0.001", "DPO~beta=0.3"]  # 2e-4 and 0.1 are the study's own


@pytest.fixture
def study(make):
    def made(**changes) -> Study:
        return make(**{"seeds": [0, 1], "measures": MEASURES, "tuned": SECTION} | changes)

    return made


def decide(study: Study, folder: StudyFolder, **best: str) -> None:
    choices = [Choice("tiny", "rows", x, best.get(x, x)) for x in ("SFT", "DPO")]
    decisions.keep("tuned", choices, study, folder)


def beside(plan, *roles: Role) -> list:
    return [t for t in plan.runs if t.role in roles]


def test_adding_a_tuned_section_changes_no_id_and_counts_what_is_tried(study):
    plain, more = expand(study(tuned=None)), expand(study())
    assert [(t.id, t.budgets) for t in more.runs if t.role.is_study] == [(t.id, t.budgets) for t in plain.runs]
    tried = beside(more, Role.TUNING)
    assert [(t.label, t.seed, t.of) for t in tried] == [(label, 0, label.partition("~")[0]) for label in TRIED]
    assert len({t.id for t in more.runs}) == 4 + 3
    # All checkpoints are kept, for one may be chosen; the last alone is measured.
    assert {(t.budgets, t.measured) for t in tried} == {((500, 1000), (1000,))}
    assert more.subjects == plain.subjects + 3
    (was, now) = (next(c for c in p.configs if c.measure == "validation") for p in (plain, more))
    assert now.requests == was.requests + 3 * was.requests // was.subjects


def test_until_a_setting_is_chosen_the_plan_is_provisional_and_says_what_may_come(study):
    plan = expand(study())
    assert plan.provisional
    (note,) = (n for n in plan.notes if n.startswith("provisional"))
    # Of two objectives the other seed's run, and all checkpoints but the one that is measured already.
    assert "at most 2 runs and 6 subjects more" in note


def test_what_is_chosen_is_trained_from_every_seed_and_measured_at_every_budget(study, tmp_path: Path):
    made, folder = study(), StudyFolder(tmp_path / "run")
    before = expand(made, folder)
    decide(made, folder, DPO="DPO~beta=0.3")
    plan = expand(made, folder)
    assert not plan.provisional
    full = beside(plan, Role.TUNED)
    assert [(t.label, t.seed, t.measured) for t in full] == [("DPO~beta=0.3", s, (500, 1000)) for s in (0, 1)]
    assert {t.id for t in before.runs} < {t.id for t in plan.runs}  # what was tried is not trained again
    assert [t.label for t in beside(plan, Role.TUNING)] == TRIED[:2]
    assert plan.subjects == before.subjects + 3


def test_a_choice_of_the_study_s_own_settings_adds_nothing(study, tmp_path: Path):
    made, folder = study(), StudyFolder(tmp_path / "run")
    before = expand(made, folder)
    decide(made, folder)
    plan = expand(made, folder)
    assert not plan.provisional
    assert plan.runs == before.runs


@pytest.mark.parametrize(
    "change",
    [
        {"tuned": SECTION | {"learning_rate": [1e-3]}},
        {"tuned": SECTION | {"seeds": [1]}},
        {"budgets": [500, 1500]},
        {"controls": {"batch_rows": 4, "learning_rate": 1e-4}},
        {"measures": [MEASURES[0], MEASURES[1] | {"items": 3}]},
    ],
)
def test_a_choice_holds_for_nothing_but_what_it_was_made_of(study, tmp_path: Path, change):
    folder = StudyFolder(tmp_path / "run")
    decide(study(), folder, DPO="DPO~beta=0.3")
    assert decisions.chosen(study(), folder)
    assert decisions.chosen(study(seeds=[0, 1, 2]), folder)  # more seeds are no other choice
    assert not decisions.chosen(study(**change), folder)
    assert not beside(expand(study(**change), folder), Role.TUNED)


def test_crossed_settings_are_every_combination_but_the_own(study):
    made = study(tuned=SECTION | {"cross": "full"})
    assert [x.label for x in settings(made)] == [
        "SFT~learning_rate=0.001", "DPO~beta=0.3", "DPO~learning_rate=0.001", "DPO~learning_rate=0.001,beta=0.3",
    ]  # fmt: skip
    both = settings(made)[-1].spec
    assert (both.learning_rate, both.params) == (1e-3, {"beta": 0.3})


def test_where_budgets_are_runs_of_their_own_only_the_last_is_tried(study, tmp_path: Path):
    made, folder = (
        study(controls={"batch_rows": 4, "schedule": "linear", "warmup_steps": 1}),
        StudyFolder(tmp_path / "run"),
    )
    assert {t.budgets for t in beside(expand(made, folder), Role.TUNING)} == {(1000,)}
    decide(made, folder, SFT="SFT~learning_rate=0.001")
    full = beside(expand(made, folder), Role.TUNED)
    assert {(t.seed, t.budgets) for t in full} == {(s, (b,)) for s in (0, 1) for b in (500, 1000)}


def test_a_run_that_goes_by_two_labels_is_trained_and_counted_once(study, tmp_path: Path):
    objectives = [{"label": "SFT", "objective": "sft"}, {"label": "fast", "objective": "sft", "learning_rate": 1e-3}]
    made = study(
        objectives=objectives, tuned={"learning_rate": [1e-3]}, consistency={"training": {"learning_rate": [1e-3]}}
    )
    plan = expand(made)
    tried, fast = beside(plan, Role.TUNING)[0], next(t for t in plan.runs if (t.label, t.seed) == ("fast", 0))
    assert (tried.of, tried.id) == ("SFT", fast.id)
    assert plan.subjects == 1 + 2 * 2 * 2
    assert plan.cost == expand(study(objectives=objectives, tuned=None)).cost


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"coefficients": {"KL": {"weight": [1.0]}}}, "tuned.coefficients names 'KL'"),
        (
            {"coefficients": {"DPO": {"gamma": [1.0]}}},
            "tuned.coefficients.DPO: the objective 'dpo' has no parameter 'gamma'",
        ),
        ({"coefficients": {"DPO": {"beta": ["much"]}}}, "tuned.coefficients.DPO: the parameter 'beta'"),
        ({"learning_rate": [2e-4]}, "tuned tries nothing"),
        ({"learning_rate": [1e-3], "seeds": [7]}, "tuned.seeds names 7"),
        ({"learning_rate": [1e-3], "measure": "other"}, "tuned.measure is other, which is no measure of the study"),
    ],
)
def test_mistakes_of_the_tuned_section_are_one_sentence(study, section, said):
    with pytest.raises(UserError) as e:
        expand(study(tuned=section))
    assert said in str(e.value)


def test_choosing_on_test_rows_is_said(study):
    assert not [n for n in expand(study()).notes if "test rows" in n]
    (note,) = (n for n in expand(study(tuned=SECTION | {"measure": "task_accuracy"})).notes if "test rows" in n)
    assert note == "settings are chosen on the rows of task_accuracy, which are test rows"
