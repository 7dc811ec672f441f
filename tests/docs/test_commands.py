"""Every command of the documentation is run, or else shown to be one that could be: none is only text.

What is quick is run on one small study that has finished, in the order of the page. What needs hours, a GPU, a hub or
another program is parsed: subcommand, options, files and fields of the study must exist.
"""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from checking import check, imports, parsed
from pages import LANGUAGES, NAMES, ROOT, Block, blocks, commands, indented, inline
from typer.testing import CliRunner

from holdfast import registry
from holdfast.analysis import gate
from holdfast.cli.app import app
from holdfast.config import loading
from holdfast.runs import checks
from holdfast.store import documents

RUN = {
    ("init",), ("plan",), ("status",), ("compare",), ("show",), ("measures",), ("score",),
    ("judge", "responses"), ("judge", "sample"), ("export", "card"), ("export", "lm-eval"),
}  # fmt: skip
TUTORIAL = "docs/tutorial.md"
WALKED = {
    TUTORIAL: {("init",), ("plan",)}
}  # its other commands are run in test_tutorial.py, on the study that they make
PARSED = {"docs/lm-eval.md"}  # its snippet needs a model of the hub and lm-eval's data
STUDY: dict[str, Any] = {
    "name": "base",
    "models": [{"name": "model", "path": "package:holdfast.miniature/model"}],
    "tasks": [{"name": "arithmetic", "task": "miniature_arithmetic"}],
    "objectives": [{"label": o.upper(), "objective": o} for o in ("sft", "dpo", "cft", "ip", "orpo", "kl")],
    "budgets": [25000, 200000],
    "measures": [{"measure": "miniature_facts"}],
}


@pytest.mark.parametrize("page", NAMES)
def test_every_block_says_what_it_is(page: str) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{block.where}: {block.language!r} is none of {LANGUAGES}"
    assert not indented(page), f"{page}: commands in an indented block, which is not read here: {indented(page)}"


@pytest.mark.parametrize("page", [p for p in NAMES if blocks(p, "sh")])
def test_commands_run_or_could_be_run(page: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    for block in blocks(page, "sh"):
        for words in commands(block):
            here = f"{block.where}: {shlex.join(words)}"
            try:
                check(words)
            except Exception as error:
                raise AssertionError(f"{here}: {error}") from error
            if Path(words[0]).name == "holdfast" and parsed(words[1:]) in WALKED.get(page, RUN):
                assert not (said := _run(tuple(words[1:]))), f"{here}: {said}"


@cache  # a command that several pages have is run once
def _run(args: tuple[str, ...]) -> str:
    """What went wrong, or nothing."""
    if args[0] == "init":
        Path("study.yaml").unlink(missing_ok=True)
    found = CliRunner().invoke(app, list(args))
    return "" if found.exit_code == 0 else str(found.exception or found.output)


@pytest.mark.parametrize("page", [p for p in NAMES if any(inline(p))])
def test_commands_in_sentences_exist(page: str) -> None:
    for words in inline(page):
        try:
            check(words, whole=False)
        except Exception as error:
            raise AssertionError(f"{page}: {shlex.join(words)}: {error}") from error


@pytest.mark.parametrize("page", [p for p in NAMES if blocks(p, "python") and p != TUTORIAL])
def test_snippets_of_python_run(page: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        code = compile("\n" * block.line + block.text, str(ROOT / page), "exec")
        if page in PARSED:
            _importable(block)
        else:
            exec(code, names)


def _importable(block: Block) -> None:
    """That what the snippet takes from holdfast is there, without importing what it needs."""
    for name in imports(ast.parse(block.text)):
        module, _, wanted = name.partition(":")
        file = ROOT / "src" / f"{module.replace('.', '/')}.py"
        defined = {getattr(n, "name", "") for n in ast.parse(file.read_text(encoding="utf-8")).body}
        assert wanted in defined, f"{block.where}: {module} has no {wanted}"


@pytest.mark.parametrize("page", [p for p in NAMES if blocks(p, "yaml")])
def test_parts_of_study_files_are_valid(page: str, stranger: None, tmp_path: Path) -> None:
    for block in blocks(page, "yaml"):
        try:
            _valid(documents.parse_yaml(block.text, block.where), block, tmp_path)
        except Exception as error:
            raise AssertionError(f"{block.where}: {error}") from error


def _valid(given: Any, block: Block, tmp_path: Path) -> None:
    """A study or a part of one, a gate, or a file of attack texts or rubrics: by the reader of each."""
    if isinstance(given, list):
        if any({"max", "min"} & set(entry) for entry in given):
            (tmp_path / "gate.yaml").write_text(block.text, encoding="utf-8")
            assert gate.read(tmp_path / "gate.yaml")
        else:
            _study({"measures": given})
    elif "judges" in given:
        _study({"measures": [{"measure": "forbidden", "params": {"path": "rules.txt"}, **given}]})
    elif "zulu" in given:
        attacks = {"path": "rules.txt", "attacks": ["zulu"], "attack_params": given}
        _study({"measures": [{"measure": "forbidden", "params": attacks}]})
        registry.build("attacks", "zulu", given["zulu"])
    elif "parts" in given:
        assert registry.build("objectives", "mixture", given)
    elif "strongreject" in given:
        (tmp_path / "rubrics.yaml").write_text(block.text, encoding="utf-8")
        for judge in ("strongreject_rubric", "reference_rubric"):
            assert registry.build("judges", judge, {"file": str(tmp_path / "rubrics.yaml")}).rubric
    else:
        _study(given)


def _study(given: dict[str, Any]) -> None:
    whole = {"name", "models", "measures"} <= set(given)
    checks.check(loading.parse(documents.dump_yaml(given if whole else STUDY | given)))


@pytest.mark.parametrize("page", [p for p in NAMES if blocks(p, "toml")])
def test_entry_points_are_of_groups_that_there_are(page: str) -> None:
    for block in blocks(page, "toml"):
        groups = tomllib.loads(block.text)["project"]["entry-points"]
        assert {g.partition(".")[2] for g in groups} <= set(registry.GROUPS), block.where


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("holdfast plam study.yaml", "No such command"),
        ("holdfast run study.yaml --output x", "No such option"),
        ("holdfast compare runs/one", "Missing argument"),
        ("holdfast show runs/one --n many", "valid integer"),
        ("holdfast export cards runs/one", "No such command"),
        ("make demos", "no target demos"),
        ("python benchmarks/none.py", "there is no benchmarks/none.py"),
        ("python -m tools.calibration.other --outt x", "has no option --outt"),
        ("python -m holdfast.interop.lm_eval run --model_args adaptor=x", "no model argument adaptor"),
        ("inspect eval task.py -M adaptor=x", "no model argument adaptor"),
        ("inspect view --logs x", "no option --logs"),
        ("pip install holdfast[none]", "no extra none"),
        ("frobnicate", "frobnicate"),
    ],
)
def test_a_command_that_could_not_be_run_fails(wrong: str, said: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(said)):
        check(shlex.split(wrong))
