"""Every field of a study file has one type and bounds: no truth value or text for a number, and no slip of the hand."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from holdfast import registry
from holdfast.analysis.gate import Bound
from holdfast.analysis.gate import read as read_gate
from holdfast.config.loading import parse
from holdfast.config.messages import section_of
from holdfast.config.spec import Spec
from holdfast.config.study import Controls, MeasureSpec, Study
from holdfast.evals.judges.endpoint import EndpointSpec
from holdfast.types import UserError

MINIMAL = """
name: x
models: [{name: m, path: p}]
tasks: [{name: t, task: jsonl}]
objectives: [{label: SFT, objective: sft}]
measures: [{measure: task_accuracy}]
budgets: [100, 200]
"""
NUMBERS = (int, float)
ODD = [True, "3", float("nan"), float("inf"), 10**30, -(10**30)]


def _parts() -> list[type[Spec]]:
    found: list[type[Spec]] = []

    def visit(part: type[Spec]) -> None:
        if part not in found:
            found.append(part)
            for field in part.model_fields.values():
                inner = [section_of(a) for a in (field.annotation, *typing.get_args(field.annotation))]
                for one in filter(None, inner):
                    visit(one)

    for part in (Study, EndpointSpec, Bound):
        visit(part)
    return found


def _scalars(annotation: Any) -> Iterator[type]:
    """The plain types that stand anywhere in an annotation."""
    if annotation in (int, float, str, bool):
        yield annotation
    for inner in typing.get_args(annotation):
        if typing.get_origin(annotation) is not typing.Literal:
            yield from _scalars(inner)


def _shapes(annotation: Any, value: Any) -> Iterator[Any]:
    """The value as the annotation could take it: itself, in a list, in a pair."""
    yield value
    for one in (annotation, *typing.get_args(annotation)):
        if typing.get_origin(one) is tuple:
            inner = typing.get_args(one)
            yield [value] if inner[-1] is Ellipsis else [value] * len(inner)


FIELDS = [(part, name) for part in _parts() for name in part.model_fields]


def _taken(part: type[Spec], name: str, value: Any) -> bool:
    """Whether this field accepts the value; what else is wrong with the part is no matter."""
    field = part.model_fields[name]
    try:
        part.model_validate({field.alias or name: value})
    except ValidationError as e:
        return not any(found["loc"][:1] == (field.alias or name,) for found in e.errors() if found["type"] != "missing")
    return True


@pytest.mark.parametrize(("part", "name"), FIELDS, ids=[f"{p.__name__}.{n}" for p, n in FIELDS])
def test_a_field_takes_its_own_type_and_nothing_that_is_read_as_it(part: type[Spec], name: str) -> None:
    annotation = part.model_fields[name].annotation
    kinds = set(_scalars(annotation))
    if typing.get_origin(annotation) is dict:  # parameters of registered objects: typed where those are built
        kinds = set()
    for odd in ODD:
        for value in _shapes(annotation, odd):
            said = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()
            right = (
                (isinstance(odd, bool) and bool in kinds and value is odd)
                or (isinstance(odd, str) and (str in kinds or odd in said))
                or (part.__name__ == "MeasureSpec" and name == "judges" and value == ["3"])  # a judge's bare name
                or (part.__name__.endswith("Spec") and name == "judge" and value == "3")
            )
            assert right or not _taken(part, name, value), f"{part.__name__}.{name} takes {value!r}"


def test_the_study_has_number_fields_to_test() -> None:
    numbers = [f for f in FIELDS if set(NUMBERS) & set(_scalars(f[0].model_fields[f[1]].annotation))]
    assert len(numbers) > 80


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("alpha: true", "alpha cannot be True: it should be a valid number"),
        ("seeds: ['3']", "seeds[0] cannot be '3': it should be a valid integer"),
        ("seeds: [-1, 0]", "seeds[0] cannot be -1: it should be greater than or equal to 0"),
        (
            "seeds: [1000000000000000000000000000000]",
            "seeds[0] cannot be 1000000000000000000000000000000: it should be",
        ),
        ("controls: {betas: [3, 3]}", "controls.betas[0] cannot be 3: it should be less than 1"),
        ("controls: {learning_rate: 200}", "controls.learning_rate cannot be 200: it should be less than or equal to"),
        ("controls: {gradient_checkpointing: 1}", "it should be a valid boolean"),
        ("schema: '2'", "schema cannot be '2': it should be a valid integer"),
        ("schema: true", "schema cannot be True: it should be a valid integer"),
        ("schema: 0", "schema cannot be 0"),
        ("about: 3", "about cannot be 3: it should be a valid string"),
        ("consistency: {training: {rows: [true]}}", "consistency.training.rows[0] cannot be True"),
        ("tuned: {learning_rate: ['1e-4']}", "tuned.learning_rate[0] cannot be '1e-4'"),
    ],
)
def test_a_value_of_another_type_is_a_sentence_with_its_key(more: str, says: str) -> None:
    with pytest.raises(UserError) as e:
        parse(MINIMAL + more, "my.yaml")
    assert says in str(e.value)
    assert "\n" not in str(e.value)


def test_a_whole_number_is_a_number() -> None:
    assert Controls(clip=1, lora={"alpha": 32}) == Controls(clip=1.0)  # type: ignore[arg-type]
    assert MeasureSpec(measure="x", temperature=1).temperature == 1.0


@pytest.mark.parametrize(
    ("group", "name", "key"),
    [
        (group, name, key)
        for group in registry.GROUPS
        for name in registry.names(group)
        for key, about in registry.describe(group, name)["params"].items()
        if about["type"] in ("int", "float")
    ],
)
def test_parameters_of_what_is_registered_are_held_to_the_same(group: str, name: str, key: str) -> None:
    for odd in ODD:
        with pytest.raises(UserError, match=rf"the parameter '{key}' of the .* cannot be|needs the parameter"):
            registry.build(group, name, {key: odd})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- {measure: x, max: 0.05, max: 0.9}", "the key 'max' stands there twice"),
        ("- {measure: x, max: true}", "valid number"),
        ("- {measure: x, max: '0.5'}", "valid number"),
        ("- {measure: x, max: 1:30}", "may be read as different numbers"),
        ("- {measure: x, max: .inf}", "no finite number"),
        ("- {measure: x, min: 2, max: 1}", "min 2 is above max 1"),
        ("- {measure: 3, max: 1}", "valid string"),
    ],
)
def test_a_bound_of_a_gate_is_a_number_that_can_be_kept(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "gate.yaml").write_text(text)
    with pytest.raises(UserError) as e:
        read_gate(tmp_path / "gate.yaml")
    assert says in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "../../x", "x/../../y", "/../x", "a\0b", "a\nb", "a\u200bb", "a\x1b[31m", "x" * 300, " a"],
)
def test_a_label_is_one_short_line_and_no_path(name: str) -> None:
    base = parse(MINIMAL).model_dump(by_alias=True)
    for change in (
        {"name": name},
        {"models": [{"name": name, "path": "p"}]},
        {"tasks": [{"name": name, "task": "jsonl"}]},
        {"objectives": [{"label": name, "objective": "sft"}]},
        {"measures": [{"measure": "task_accuracy", "name": name}]},
        {"measures": [{"measure": "task_accuracy", "judges": [{"judge": "rules", "name": name}]}]},
        {"given": [{"label": name, "adapter": "a"}]},
        {"consistency": {"measuring": {"system": {name: "x"}}}},
    ):
        with pytest.raises(ValidationError, match="should be a"):
            Study.model_validate(base | change)


@pytest.mark.parametrize("name", ["/x", "a/b", ".hidden", "a\\b"])
def test_a_studys_name_is_a_folders_name(name: str) -> None:
    with pytest.raises(UserError, match=r"name cannot be .*: it should be a name for a folder"):
        parse(MINIMAL.replace("name: x", f"name: '{name}'"))
