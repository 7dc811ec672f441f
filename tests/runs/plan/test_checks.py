"""What can be known to be wrong is said before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.config.study import Study
from holdfast.runs.checks import check, files
from holdfast.runs.plan import expand
from holdfast.types import UserError

Make = Callable[..., Study]
ROWS = {"name": "rows", "task": "jsonl", "params": {"path": "rows.jsonl"}}
DPO = {"label": "DPO", "objective": "dpo"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"objectives": [{"label": "a", "objective": "dpi"}]}, r"objectives\[0\]: .*named 'dpi'; did you mean dpo"),
        ({"objectives": [DPO | {"params": {"bta": 1}}]}, r"objectives\[0\]: .*no parameter 'bta'"),
        ({"objectives": [DPO | {"label": "base"}]}, r"objectives\[0\]\.label cannot be 'base'"),
        ({"objectives": [DPO, DPO | {"label": "b", "params": {"beta": 0.1}}]}, "'DPO' and 'b' are one and the same"),
        ({"tasks": [ROWS | {"task": "json"}]}, r"tasks\[0\]: there is no task named 'json'; did you mean jsonl"),
        ({"tasks": [ROWS | {"params": {}}]}, r"tasks\[0\]: .*needs the parameter 'path'"),
        ({"tasks": [ROWS | {"unsafe": {"source": "x"}}]}, r"unsafe\.source is set but .*regime is none"),
        ({"measures": [{"measure": "task_acc"}]}, r"measures\[0\]: .*did you mean task_accuracy"),
        ({"measures": [{"measure": "task_accuracy", "samples": 3}]}, "3 samples at temperature 0"),
        (
            {"measures": [{"measure": "task_accuracy", "judges": ["rulez"]}]},
            r"measures\[0\]\.judges: .*did you mean rules",
        ),
        ({"measures": [{"measure": "strongreject", "judges": ["own"]}]}, "has no rule of its own"),
        ({"measures": [{"measure": "strongreject", "params": {"attacks": ["dam"]}}]}, r"params\.attacks: .*'dam'"),
        ({"control_runs": [{"kind": "noop", "task": ROWS}]}, r"control_runs\[0\] is a noop"),
        ({"control_runs": [{"kind": "noop", "learning_rate": 1}]}, r"control_runs\[0\] is a noop"),
        ({"control_runs": [{"kind": "trait"}]}, r"control_runs\[0\] \(trait\) needs a task"),
        (
            {"control_runs": [{"kind": "trait", "task": ROWS | {"params": {"path": "other.jsonl"}}}]},
            r"control_runs\[0\]\.task has the name 'rows' of a different task",
        ),
    ],
)
def test_a_mistake_is_named_with_its_key(make: Make, changes: dict, says: str) -> None:
    with pytest.raises(UserError, match=says) as e:
        check(make(**changes))
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tasks": [ROWS | {"params": {"path": "none.jsonl"}}]}, r"tasks\[0\]: there is no file none\.jsonl"),
        (
            {"models": [{"name": "m", "path": "model", "template": "x.jinja"}]},
            r"models\[0\]\.template: there is no file",
        ),
        (
            {"tasks": [ROWS | {"unsafe": {"regime": "as_published", "source": "u.jsonl"}}]},
            r"tasks\[0\]\.unsafe\.source: there is no file u\.jsonl",
        ),
    ],
)
def test_a_missing_file_is_named_with_its_key(make: Make, changes: dict, says: str) -> None:
    study = make(**changes)
    check(study)
    with pytest.raises(UserError, match=says):
        files(study)
    with pytest.raises(UserError, match=says):
        expand(study)


def test_settings_without_effect_get_a_note(make: Make) -> None:
    notes = check(
        make(
            objectives=[{"label": "SFT", "objective": "sft"}],
            tasks=[ROWS | {"rejected": {"source": "data", "samples": 9}}],
            controls={"layout": "shared", "decay_share": 0.5},
        )
    )
    assert len(notes) == 3
    assert check(make()) == []


def test_an_item_that_is_trained_on_is_refused(make: Make, tmp_path: Path, make_rows: Callable[..., Path]) -> None:
    rows = make_rows(tmp_path / "test.jsonl", n=20)
    rows.write_text(rows.read_text().replace('"chosen": "', '"chosen": "another '))
    task = ROWS | {"params": {"path": "rows.jsonl", "test": "test.jsonl"}}
    with pytest.raises(UserError, match="are also training rows of rows"):
        expand(make(tasks=[task]))


def test_a_rate_that_a_variant_repeats_from_the_controls_is_no_new_variant(make: Make) -> None:
    with pytest.raises(UserError, match="one and the same"):
        check(make(objectives=[DPO, DPO | {"label": "b", "learning_rate": 2e-4}]))
    check(make(objectives=[DPO, DPO | {"label": "b", "learning_rate": 1e-4}]))


def test_the_plan_says_what_was_dropped(make: Make, tmp_path: Path) -> None:
    rows = (tmp_path / "rows.jsonl").read_text()
    odd = [{"prompt": f"odd {i}", "chosen": "same", "rejected": "same ", "answer": "same"} for i in range(20)]
    (tmp_path / "rows.jsonl").write_text(rows + "".join(json.dumps(r) + "\n" for r in odd))
    dropped = expand(make()).dropped["rows"]
    assert dropped.keys() == {"rejected equals chosen"}


def test_an_attack_without_translations_and_a_seed_without_noise_are_said(make: Make, tmp_path: Path) -> None:
    def notes(**measure: object) -> list[str]:
        return check(make(measures=[{"measure": "strongreject", **measure}]))

    assert [n for n in notes() if "attack zulu of strongreject has no translations" in n]
    own = {"zulu": {"translations": str(tmp_path / "z.json"), "translator": {"model": "a/b"}}}
    assert not [n for n in notes(params={"attack_params": own}) if "translations" in n]
    assert [n for n in notes(seed=3) if "temperature above 0" in n]
    assert not [n for n in notes(seed=3, temperature=1.0) if "temperature above 0" in n]


def test_what_is_declared_and_cannot_be_answered_is_said(make: Make) -> None:
    asked = {"estimands": ["last", "between", "specificity"]}
    notes = " ".join(expand(make(declared=asked)).notes)
    assert "between, which takes several models" in notes
    assert "specificity, which takes measures of persona and normative" in notes
    assert "asks for last" not in notes
    assert "declared" not in " ".join(expand(make()).notes)
