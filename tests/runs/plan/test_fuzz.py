"""Study files, gates and rows that a slip or a stranger wrote: read as they stand, or refused in one sentence.

The short run is part of the suite; a long one is ``HOLDFAST_FUZZ=20000 pytest tests/runs/plan/test_fuzz.py -n 0``.
"""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.analysis import gate
from holdfast.config import loading
from holdfast.runs import checks
from holdfast.runs.audit import study as audit
from holdfast.store import rows
from holdfast.store.documents import dump_yaml, parse_yaml
from holdfast.types import UserError

TIMES = int(os.environ.get("HOLDFAST_FUZZ", "150"))

STUDY = """
name: fuzz
models: [{name: miniature, path: "package:holdfast.miniature/model", template: null, dtype: float32}]
tasks:
  - {name: arithmetic, task: miniature_arithmetic, unsafe: {regime: as_published, share: 0.5}, split: {validation: 0.1},
     chosen: {source: sample, samples: 2, judge: {judge: rules}}, rejected: {source: perturb}, rows: 50}
objectives:
  - {label: SFT, objective: sft}
  - {label: DPO, objective: dpo, params: {beta: 0.1}, learning_rate: 1.0e-4, controls: {batch_rows: 8}, order_seed: 3}
budgets: [600, 1200]
seeds: [0, 1]
controls: {batch_rows: 4, warmup_steps: 2, learning_rate: 1.0e-3, betas: [0.9, 0.99], lora: {targets: [q_proj]}}
measures:
  - {measure: task_accuracy, name: validation, params: {split: validation}, items: 6, max_new_tokens: 24}
  - {measure: miniature_robustness, items: 3, judges: [rules, {judge: coherence, params: {min_words: 2}}], samples: 1}
control_runs: [{kind: noop}]
declared: {estimands: [last], interest: {capability: 0.1}, guesses: {items: 100}}
matched: {target: 0.1, checkpoints: [300]}
tuned: {learning_rate: [1.0e-4], coefficients: {DPO: {beta: [0.2]}}, measure: validation}
consistency:
  measuring: {frame: {quoted: "'{prompt}'"}, temperature: [0.5], seed: [1]}
  training: {rank: [2], second_round: {again: arithmetic}}
alpha: 0.05
"""
ODD: list[Any] = [
    True, False, None, -1, 0, 1, 3, 0.5, -0.0, 1e-320, 1e308, 10**30, -(10**30), "", " ", "3", "true", "null",
    "x" * 300, "x" * 9000, "../../x", "/etc/passwd", "~", "~nobody-has-this-name/x",
    "package:", "package:none/x", "package:os/..",
    "{prompt}", "{", "{}", "{0}", "${HOME}", "${", "${NONE}", "a\nb", "\x1b[31m", "\u202e", "base", "macro", "own",
    "sft", "é" * 90, [], {}, [[]], [{}], [None], [1, 1], {"a": {"a": {"a": 1}}}, {"": 1}, ["x"] * 200,
    {"judge": "rules", "params": {"x": 1}},
]  # fmt: skip


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from _places(inner, (*at, key))


def _altered(value: Any, rng: random.Random) -> Any:
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.choice(list(_places(value))[1:] or [()])
        if not at:
            return rng.choice(ODD)
        parent = value
        for key in at[:-1]:
            parent = parent[key]
        how, last = rng.random(), at[-1]
        if how < 0.7:
            parent[last] = copy.deepcopy(rng.choice(ODD))
        elif how < 0.8:
            del parent[last]
        elif how < 0.9 and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[last]))
        elif isinstance(parent, dict):
            parent[rng.choice(["x", "Name", "__class__", "learning_rate", "0"])] = parent[last]
    return value


def _is_sentence(error: UserError) -> None:
    assert "\n" not in str(error), str(error)
    assert len(str(error)) < 2000, str(error)


def test_a_study_with_slips_is_checked_or_refused_in_one_sentence() -> None:
    rng, base, fine = random.Random(f"study {TIMES}"), parse_yaml(STUDY, "study"), 0
    checks.check(loading.parse(STUDY))
    for _ in range(TIMES):
        text = dump_yaml(_altered(base, rng))
        try:
            study = loading.parse(text, "study.yaml")
            checks.check(study)
            if rng.random() < 0.02:  # reads the rows, which takes long
                checks.files(study)
        except UserError as e:
            _is_sentence(e)
        else:
            fine += 1
            assert loading.parse(loading.dump(study)) == study
    assert fine < TIMES


def test_a_text_with_cuts_and_flips_is_read_or_refused_in_one_sentence() -> None:
    rng, data = random.Random(f"text {TIMES}"), STUDY.encode()
    for _ in range(TIMES):
        soup = bytearray(data)
        for _ in range(rng.choice((1, 1, 3, 30))):
            at = rng.randrange(len(soup))
            soup[at] = rng.choice((rng.randrange(256), *b"[]{}&*!:,-'\"#\n\t %@`|>?0x"))
        try:
            loading.parse(bytes(soup).decode("latin-1"), "study.yaml")
        except UserError as e:
            _is_sentence(e)


def test_a_gate_with_slips_is_read_or_refused_in_one_sentence(tmp_path: Path) -> None:
    rng, file = random.Random(f"gate {TIMES}"), tmp_path / "gate.yaml"
    base = [
        {"measure": "x", "estimate": "vs_base", "max": 0.05, "read": "high", "label": "A"},
        {"measure": "y", "min": 0},
    ]
    for _ in range(TIMES):
        file.write_text(dump_yaml(_altered(base, rng)), encoding="utf-8")
        try:
            for bound in gate.read(file):
                kinds = {type(end) for end in (bound.min, bound.max)}
                assert kinds <= {float, type(None)}
                assert kinds != {type(None)}
        except UserError as e:
            _is_sentence(e)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet"])
def test_rows_with_slips_are_read_or_refused_in_one_sentence(tmp_path: Path, suffix: str) -> None:
    rng, file = random.Random(f"rows {TIMES}"), tmp_path / f"rows.{suffix}"
    base = [{"prompt": "é", "chosen": "b", "n": i, "deep": [{"a": None}]} for i in range(3)]
    for _ in range(TIMES):
        made = _altered(base, rng)
        lines = made if isinstance(made, list) else [made]
        text = "\n".join(json.dumps(line) for line in lines) if suffix == "jsonl" else json.dumps(made)
        data = bytearray(text.encode())
        for _ in range(rng.choice((0, 1, 5))):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        file.write_bytes(bytes(data))
        try:
            for _, row in rows.read(file):
                json.dumps(row, ensure_ascii=False).encode()  # whatever was read can be written
        except UserError as e:
            _is_sentence(e)


def test_an_audit_of_any_name_is_a_study_or_one_sentence() -> None:
    for name in (
        ".",
        "..",
        "/",
        "",
        "a" * 5000,
        "x/..",
        "a\x1bb",
        " ",
        "base",
        *(o for o in ODD if isinstance(o, str)),
    ):
        for arguments in ((name, [name]), ("m", [f"{name}=x"]), ("m", [name])):
            try:
                found = audit(*arguments)
            except UserError as e:
                _is_sentence(e)
            else:
                assert not {"", ".", ".."} & set(Path(found.name).parts)
                assert len(Path(found.name).parts) == 1
