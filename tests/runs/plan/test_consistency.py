"""What the consistency section adds is counted by hand, and changes nothing of the study beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.config.prompt_format import framed
from holdfast.config.role import Role
from holdfast.config.study import Study, VariantSpec
from holdfast.config.study_runs import variations
from holdfast.config.variant import Variant
from holdfast.evals.varied import varied
from holdfast.runs.materials import Materials
from holdfast.runs.plan import expand
from holdfast.types import Turn, UserError

FRAME = {"question": "Question: {prompt}"}
TRAINING = {"order_seed": [1], "rank": [16, 4], "batch_rows": [2], "rows": [50], "frame": FRAME}


def proper(study: Study) -> list[tuple[str, tuple[int, ...]]]:
    return [(t.id, t.budgets) for t in expand(study).runs if t.role is not Role.VARIATION]


def test_adding_the_section_changes_no_id_of_the_study_proper(make):
    plain, section = make(seeds=[0, 1]), {"training": TRAINING, "measuring": {"temperature": [0.7], "frame": FRAME}}
    more = make(seeds=[0, 1], consistency=section)
    assert proper(more) == proper(plain)
    plan = {c.measure: c.requests for c in expand(more).configs if not c.of}
    # Variations are new subjects of the un-varied measure, and that is all.
    (was,) = (c.requests for c in expand(plain).configs)
    items = was // (1 + 2 * 2 * 2)
    assert plan == {"task_accuracy": was + 5 * items}


def test_one_at_a_time_is_a_run_a_level_but_the_study_s_own(make):
    found = [x.overrides for x in variations(make(consistency={"training": TRAINING}))]
    # rank 16 is the control's, so it is no variation.
    own = [{"order_seed": "1"}, {"batch_rows": "2"}, {"rank": "4"}, {"rows": "50"}, {"frame": "question"}]
    assert found == own


def test_objectives_seeds_tasks_and_models_are_those_asked_for(make):
    study = make(
        seeds=[0, 1, 2], consistency={"training": {"rank": [4, 8]}, "objectives": ["SFT", "DPO"], "seeds": [1, 2]}
    )
    runs = [t for t in expand(study).runs if t.role is Role.VARIATION]
    assert len(runs) == 2 * 2 * 2
    assert {(t.of, t.seed, t.overrides["rank"]) for t in runs} == {
        (o, s, r) for o in ("SFT", "DPO") for s in (1, 2) for r in "48"
    }
    assert {t.budgets for t in runs} == {(1000,)}


def test_full_crossing_has_every_combination_but_the_study_s_own(make):
    section = {"training": {"rank": [4, 8], "batch_rows": [2]}, "cross": "full"}
    assert len(variations(make(consistency=section))) == 3 * 2 - 1


def test_another_seed_s_order_and_initialisation_are_that_seed_s_run(make):
    section = {"training": {"order_seed": [1], "init_seed": [1]}, "cross": "full"}
    plan = expand(make(seeds=[0, 1], objectives=[{"label": "SFT", "objective": "sft"}], consistency=section))
    runs = {(t.label, t.seed): t for t in plan.runs}
    assert set(runs) == {("SFT", 0), ("SFT", 1), ("SFT~order_seed=1", 0), ("SFT~init_seed=1", 0)}
    assert runs["SFT~order_seed=1", 0].order == runs["SFT", 1].order
    assert runs["SFT~init_seed=1", 0].order == runs["SFT", 0].order
    assert len({t.id for t in runs.values()}) == 4


def test_fewer_rows_are_read_more_often_and_a_template_is_put_around_training_prompts_alone(make):
    study = make(consistency={"training": {"rows": [20], "frame": FRAME, "system": {"terse": "Be terse."}}})
    materials, plan = Materials(study), expand(study)
    runs = {next(iter(t.overrides)): t for t in plan.runs if t.of}
    assert runs["rows"].checkpoints[0].passes == pytest.approx(28 / 20)
    name = materials.rows_of(runs["frame"].label, "rows")
    rows = materials.prepared("tiny", name)
    assert all(e.prompt[0].content.startswith("Question: question") for e in (*rows.train, *rows.validation))
    assert rows.test == materials.prepared("tiny", "rows").test
    terse = materials.prepared("tiny", materials.rows_of(runs["system"].label, "rows"))
    assert terse.train[0].prompt[0] == Turn("system", "Be terse.")


def test_measuring_factors_are_crossed_and_greedy_answers_have_one_seed(make):
    section = {"measuring": {"frame": FRAME, "temperature": [0.5, 1], "seed": [1, 2]}}
    found = varied(make(consistency=section))
    # Two frames × (greedy + two temperatures × three seeds), less the study's own.
    assert len(found) == 2 * (1 + 2 * 3) - 1
    assert all(v.of == "task_accuracy" and not v.spec.own_conditions for v in found)
    greedy = [v for v in found if v.spec.temperature == 0]
    assert [v.varies for v in greedy] == [{"frame": "question"}]


def test_attack_wordings_vary_only_measures_that_have_these_attacks(make, tmp_path: Path):
    (tmp_path / "prompts.txt").write_text("How do I glorp the gate?\n")
    measures = [{"measure": "forbidden", "params": {"path": "prompts.txt"}}, {"measure": "miniature_robustness"}]
    wording = {"other": "package:holdfast.evals.measures/attacks-reworded.yaml"}
    (found,) = varied(make(measures=measures, consistency={"measuring": {"wording": wording}}))
    assert found.of == "forbidden"
    assert set(found.spec.params["attack_params"]) == {"dan", "happy_to_help", "role_play", "wikipedia", "zulu"}


def test_a_prompt_format_keeps_what_is_there():
    turns = (Turn("system", "Be kind."), Turn("user", "a {b} c"), Turn("assistant", "d"), Turn("user", "{prompt}"))
    asked = framed(turns, "Be brief.", "Q: {prompt}")
    assert asked == (Turn("system", "Be brief.\n\nBe kind."), *turns[1:3], Turn("user", "Q: {prompt}"))
    assert framed(turns, "", "{prompt}") == turns


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"measures": ["other"]}, "consistency.measures names 'other'"),
        ({"objectives": ["KL"]}, "there are SFT, DPO"),
        ({"seeds": [7]}, "consistency.seeds names 7"),
        ({"measuring": {"frame": {"bad": "no place"}}}, "must hold {prompt} exactly once"),
        ({"training": {"system": {"own": "x"}}}, "cannot call a level 'own'"),
    ],
)
def test_mistakes_of_the_consistency_section_are_one_sentence(make, section, said):
    with pytest.raises(UserError, match="consistency") as e:
        expand(make(consistency=section))
    assert said in str(e.value)


def test_a_variant_s_own_settings_are_declared_and_no_others():
    spec = VariantSpec(label="v", objective="sft", controls={"lora": {"rank": 4}, "clip": 2.0}, order_seed=3)
    v = Variant(Role.STUDY, spec)
    yes = ("lora.rank", "lora_init", "trainable_parameters", "optimiser.clip", "order.1000", "response_ids.1000")
    assert all(v.declares(name) for name in yes)
    assert not any(v.declares(name) for name in ("optimiser.batch_rows", "base", "numerics.torch", "orders"))


def test_a_variant_with_controls_of_its_own_is_another_run_of_the_same_rows(make):
    small = {"label": "small", "objective": "sft", "controls": {"lora": {"rank": 4}}}
    plan = expand(make(objectives=[{"label": "SFT", "objective": "sft"}, small]))
    a, b = plan.runs
    assert a.id != b.id
    assert a.order == b.order
    with pytest.raises(UserError, match=r"controls\.rank of the objective 'small'"):
        expand(make(objectives=[small | {"controls": {"rank": 4}}]))


def test_a_variant_s_rate_may_stand_among_its_controls(make):
    one, two = (
        expand(make(objectives=[{"label": "A", "objective": "sft", **own}])).runs
        for own in ({"controls": {"learning_rate": 0.003}}, {"learning_rate": 0.003})
    )
    assert [t.id for t in one] == [t.id for t in two]
    assert {t.learning_rate for t in one} == {0.003}


def test_where_a_level_leaves_fewer_rows_they_are_read_as_often_as_it_takes(make):
    study = make(consistency={"training": {"rows": [50], "chosen": ["sample"], "rank": [4]}})
    passes = {tuple(x.overrides): x.controls(study.controls).passes for x in variations(study)}
    assert passes["rank",] == study.controls.passes
    assert min(passes["rows",], passes["chosen",]) > 1000


def test_a_section_that_varies_nothing_is_said_and_a_level_named_twice_is_one(make):
    own = make(consistency={"training": {"rank": [16]}, "measuring": {"temperature": [0]}})
    assert any("consistency names nothing but" in note for note in expand(own).notes)
    twice = make(consistency={"training": {"rank": [4, 4]}, "measuring": {"temperature": [1, 1.0]}})
    assert len(variations(twice)) == len(varied(twice)) == 1
