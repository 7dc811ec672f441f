"""A study goes to YAML and comes back; a mistake in one is a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.config import loading
from holdfast.config.loading import dump, load, parse
from holdfast.config.study import Study
from holdfast.types import UserError

MINIMAL = """
name: x
models: [{name: m, path: p}]
tasks: [{name: t, task: jsonl}]
objectives: [{label: SFT, objective: sft}]
measures: [{measure: task_accuracy}]
"""
BUDGETS = "budgets: [100, 200]\n"

word = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | word
name = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12)
params = st.dictionaries(word, st.recursive(scalar, lambda x: st.lists(x, max_size=3), max_leaves=5), max_size=3)
rates = st.floats(1e-12, 10)


@settings(max_examples=60, deadline=None)
@given(name=name, about=word, params=params, rate=rates, seeds=st.sets(st.integers(0, 2**31), min_size=1, max_size=3))
def test_a_study_comes_back_from_its_own_yaml(name: str, about: str, params: dict, rate: float, seeds: set) -> None:
    base = parse(MINIMAL + BUDGETS)
    study = base.model_copy(
        update={
            "name": name,
            "about": about,
            "seeds": tuple(seeds),
            "tasks": (base.tasks[0].model_copy(update={"params": params}),),
            "controls": base.controls.model_copy(update={"learning_rate": rate}),
        }
    )
    assert parse(dump(study)) == study


@pytest.mark.parametrize("text", ["${HOME}", "$${", "$$${x}", "2e-4", "1.5e3", "no", "2024-01-01", "~", "a: b", " x "])
def test_text_that_reads_as_something_else_comes_back_as_itself(text: str) -> None:
    study = parse(MINIMAL + BUDGETS).model_copy(update={"about": text})
    assert parse(dump(study)).about == text


@pytest.mark.parametrize("name", ["miniature", "miniature-full", "paper"])
def test_every_preset_loads_and_comes_back(name: str) -> None:
    study = load(name)
    assert study.name == name
    assert parse(dump(study)) == study
    assert [v.objective for v in study.objectives] == ["sft", "dpo", "cft", "ip", "orpo", "kl"]
    assert name in loading.presets()


def test_the_miniatures_are_marked() -> None:
    mark = "miniature: a synthetic world, not evidence about real models"
    assert load("miniature").mark == load("miniature-full").mark == mark


def test_a_file_a_folder_and_a_preset_are_all_studies(tmp_path: Path) -> None:
    loading.save(parse(MINIMAL + BUDGETS), tmp_path / "study.yaml")
    assert load(tmp_path) == load(tmp_path / "study.yaml")
    with pytest.raises(UserError, match=r"there is no study at .*; give a file, or a preset: miniature, "):
        load(tmp_path / "other.yaml")


def test_variables_come_from_the_environment_or_their_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_TEST_ROWS", "/data")
    text = MINIMAL.replace("path: p", 'path: "${HOLDFAST_TEST_ROWS:-x}/${HOLDFAST_TEST_NONE:-y}"') + BUDGETS
    assert parse(text).models[0].path == "/data/y"
    with pytest.raises(UserError, match=r"uses \$\{HOLDFAST_TEST_NONE\}, which is not set"):
        parse(MINIMAL + BUDGETS + "about: ${HOLDFAST_TEST_NONE}")


def test_a_whole_number_and_the_same_as_a_float_are_one_study() -> None:
    lora = "controls: {{lora: {{alpha: {}}}}}"
    a, b = (dump(parse(MINIMAL + BUDGETS + lora.format(n))) for n in ("32", "32.0"))
    assert a == b == dump(parse(MINIMAL + BUDGETS))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("objetives: []", "objetives is not a key that a study has; did you mean objectives?"),
        ("controls: {lora: {rnk: 3}}", "controls.lora.rnk is not a key that a study has; did you mean rank?"),
        ("controls: {lora: {rank: 0}}", "controls.lora.rank cannot be 0: it should be greater than or equal to 1"),
        ("controls: {layout: paked}", "controls.layout cannot be 'paked': it should be 'padded', 'packed' or 'shared'"),
        (
            "controls: {lora: {targets: 3}}",
            "controls.lora.targets cannot be 3: it should be 'all-linear' or a valid list",
        ),
        (
            "controls: 3",
            "controls cannot be 3: it should be a mapping with the keys trainable, lora, learning_rate, betas",
        ),
        ("controls: {betas: [1]}", "controls.betas[1] is missing"),
        ("controls: {learning_rate: .inf}", ".inf is no finite number (line 8)"),
        ("matched: {target: 0}", "matched.target cannot be 0: it should be greater than 0"),
        ("tuned: {learning_rate: [-1.0]}", "tuned.learning_rate[0] cannot be -1.0: it should be greater than 0"),
        ("tuned: {coefficients: {A: 3}}", "tuned.coefficients.A cannot be 3: it should be a mapping"),
        (
            "consistency: {training: {second_round: {a: 3}}}",
            "second_round.a cannot be 3: it should be a valid string or a mapping with the keys name",
        ),
        (
            "consistency: {training: {second_round: {a: {name: b, task: jsonl, row: 5}}}}",
            "consistency.training.second_round.a.row is not a key that a study has; did you mean rows?",
        ),
        (
            "consistency: {training: {second_round: {a: {name: b, rows: 5}}}}",
            "consistency.training.second_round.a.task is missing",
        ),
        (
            "consistency: {measuring: {frame: [a]}}",
            "consistency.measuring.frame cannot be ['a']: it should be a mapping",
        ),
        ("seeds: [0.5]", "seeds[0] cannot be 0.5: it should be a valid integer"),
        ("seeds: [1, 1]", "seeds must be unique, but are [1, 1]"),
        ("control_runs: [{task: {name: t}}]", "control_runs[0].kind is missing"),
        ("control_runs: [{kind: noop}, {kind: noop}]", "kinds of control runs must be unique"),
        ("alpha: 3\nthreshold: 9", "alpha cannot be 3: it should be less than 1 (and 1 more problem)"),
        ("name: y", "the key 'name' stands there twice (line 8)"),
        ("schema: 9", "has schema 9 and this holdfast reads up to 1; upgrade holdfast"),
        ("about: [", "is not valid YAML"),
    ],
)
def test_a_mistake_is_one_sentence_with_the_key_and_the_mend(more: str, says: str) -> None:
    with pytest.raises(UserError) as e:
        parse(MINIMAL + BUDGETS + more, "my.yaml")
    assert says in str(e.value)
    assert str(e.value).startswith("my.yaml")
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("budgets", "says"),
    [
        ("", "budgets must have at least one entry, for a study that trains"),
        ("budgets: [3, 2]", "budgets must be positive and ascending, but are [3, 2]"),
        ("budgets: []", "budgets must have at least one entry, for a study that trains"),
    ],
)
def test_budgets_ascend_and_are_there(budgets: str, says: str) -> None:
    with pytest.raises(UserError) as e:
        parse(MINIMAL + budgets)
    assert says in str(e.value)


@pytest.mark.parametrize("text", ["", "[]", "3"])
def test_what_is_no_mapping_is_no_study(text: str) -> None:
    with pytest.raises(UserError, match="holds no study"):
        parse(text)


def test_a_study_is_frozen() -> None:
    study: Study = parse(MINIMAL + BUDGETS)
    with pytest.raises(ValueError, match="frozen"):
        study.name = "y"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("controls: {lr: 1e-4}", "did you mean learning_rate?"),
        ("controls: {batch_size: 4}", "did you mean batch_rows?"),
        ("controls: {lora: {r: 8}}", "did you mean rank?"),
        ("controls: {learning_rte: 1}", "did you mean learning_rate?"),
        ("controls: {lora: }", "controls.lora is empty"),
    ],
)
def test_a_key_of_another_tool_is_named_as_it_is_called_here(more: str, says: str) -> None:
    with pytest.raises(UserError) as e:
        parse(MINIMAL + BUDGETS + more)
    assert says in str(e.value)


def test_an_empty_section_is_called_empty() -> None:
    with pytest.raises(UserError, match="models is empty: it should be a"):
        parse(MINIMAL.replace(MINIMAL[MINIMAL.index("models:") : MINIMAL.index("tasks:")], "models:\n") + BUDGETS)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seeds: [-1, 0]", "seeds[0] cannot be -1: it should be greater than or equal to 0"),
        (f"seeds: [{10**30}]", "less than 4294967296"),
        (f"budgets: [{10**30}]", "less than or equal to 1000000000000000"),
        ("budgets: [0, 100]", "budgets[0] cannot be 0"),
        ("budgets: [200, 100]", "budgets must be positive and ascending"),
        ("controls: {betas: [3, 3]}", "controls.betas[0] cannot be 3: it should be less than 1"),
        ("controls: {learning_rate: 1.0e+30}", "less than or equal to 10"),
        ("controls: {lora: {rank: 1000000000}}", "controls.lora.rank"),
        ("measures: [{measure: task_accuracy, samples: 1000000000, temperature: 1}]", "measures[0].samples"),
        (f"measures: [{{measure: task_accuracy, items: {10**30}}}]", "less than or equal to 1000000000"),
        (f"given: [{{label: a, adapter: b, seed: {10**30}}}]", "less than 4294967296"),
        ("given: [{label: a, adapter: b, seed: -1}]", "given[0].seed cannot be -1"),
        ("declared: {interest: {robustness: 5}}", "declared.interest.robustness cannot be 5"),
        ("given: [{label: a, adapter: b}, {label: a, adapter: c}]", "two subjects are given as a, seed 0, budget 0"),
        (f"workers: {10**30}", "workers cannot be 1000"),
        ("controls: {max_tokens: 3}", "controls.max_tokens cannot be 3"),
        ("declared: {guesses: {items: 1}}", "declared.guesses.items cannot be 1"),
    ],
)
def test_numbers_that_no_run_can_have_are_refused_by_their_key(line: str, said: str) -> None:
    key = line.partition(":")[0]
    text = "\n".join(x for x in (MINIMAL + BUDGETS).splitlines() if not x.startswith(f"{key}:"))
    with pytest.raises(UserError) as e:
        parse(f"{text}\n{line}\n")
    assert said in str(e.value)
    assert key in str(e.value)


def test_the_earlier_name_of_control_runs_is_read_and_not_beside_the_new_one(tmp_path):
    text = dump(load("miniature"))
    earlier = text.replace("\ncontrol_runs:", "\nbrackets:")
    assert earlier != text
    assert parse(earlier) == parse(text)
    with pytest.raises(UserError, match="earlier name of `control_runs`"):
        parse(text + "brackets: []\n")
