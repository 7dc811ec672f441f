"""Whether a command that is not run here could be: its program, subcommand, options and files exist.

Every function raises AssertionError (or the program's own error) with what is wrong.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer
from pages import ROOT

from holdfast.cli.app import app

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SHELL = {"source", "cd", "mkdir", "cp", "head", "cat", "ls"}  # nothing of ours in them; the tutorial's test runs them


def check(words: list[str], whole: bool = True) -> None:
    """A command line. ``whole``: as it is to be typed; else in a sentence, where arguments may be left out."""
    program, rest = Path(words[0]).name, words[1:]
    if program == "holdfast":
        parsed(rest, whole)
    elif program == "make":
        _make(rest)
    elif program == "pip":
        _pip(rest)
    elif program in ("python", "python3"):
        _python(rest)
    elif program == "inspect":
        _options("inspect_ai", "_cli", rest)
        _model_arguments(_after(rest, "-M"), "interop/inspect_model.py")
    elif program == "ray":
        _options("ray", "scripts", rest)
    elif program == "pre-commit":
        assert (ROOT / ".pre-commit-config.yaml").is_file()
    else:
        assert program in SHELL, f"who is {program}?"


def parsed(args: list[str], whole: bool = True) -> tuple[str, ...]:
    """The subcommand of a ``holdfast`` command line that typer takes; nothing is run."""
    try:
        return _parsed(args, whole)
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own, of a wrong word or option
            raise AssertionError(error.format_message()) from error
        raise


def _parsed(args: list[str], whole: bool) -> tuple[str, ...]:
    command: Any = typer.main.get_command(app)
    context, path = command.context_class(command), []
    if args and args[0].startswith("-"):
        command.make_parser(context).parse_args([*args])
        return ()
    while commands := getattr(command, "commands", None):
        if "responses" in commands and args and args[0] not in commands:
            args = ["responses", *args]  # `judge FILE` is `judge responses FILE`
        if not args and not whole:
            return tuple(path)
        name, command, args = command.resolve_command(context, args)
        context = command.context_class(command, info_name=name, parent=context)
        path.append(str(name))
    if whole:
        command.make_context(path[-1], [*args], parent=context.parent)
    else:
        command.make_parser(context).parse_args([*args])
    return tuple(path)


def _make(args: list[str]) -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for arg in args:
        name, sign, _ = arg.partition("=")
        if sign:
            assert f"$({name})" in text, f"the Makefile has no variable {name}"
        else:
            assert re.search(rf"^{re.escape(name)}:", text, re.MULTILINE), f"the Makefile has no target {name}"


def _pip(args: list[str]) -> None:
    for extra in re.findall(r"\[([\w,-]+)\]", " ".join(args)):
        assert extra in PROJECT["project"]["optional-dependencies"], f"there is no extra {extra}"


def _python(args: list[str]) -> None:
    """A module or a script of this repository, or of Python's own."""
    if args[0] == "-c":
        compile(args[1], "-c", "exec")
        return
    module, rest = (args[1], args[2:]) if args[0] == "-m" else ("", args[1:])
    if module == "pip":
        return _pip(rest)
    if module == "venv":
        return None
    if module == "pytest":
        for mark in _after(rest, "-m"):
            assert any(m.startswith(f"{mark}:") for m in PROJECT["tool"]["pytest"]["ini_options"]["markers"]), mark
        return None
    if module == "holdfast.interop.lm_eval":
        given = [pair for one in _after(rest, "--model_args") for pair in one.split(",")]
        _model_arguments(given, "interop/lm_eval.py")
        return _options("lm_eval", "", [r for r in rest if r.startswith("--")])
    file = ROOT / (args[0] if not module else f"{module.replace('.', '/')}.py")
    assert file.is_file(), f"there is no {file.relative_to(ROOT)}"
    known = {text for near in file.parent.glob("*.py") for text in _texts(near)}
    for option in (arg for arg in rest if arg.startswith("--")):
        assert option in known, f"{file.relative_to(ROOT)} has no option {option}"
    return None


def _options(package: str, part: str, args: list[str]) -> None:
    """Options of another project's command line, by its source."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    sources = [p.read_text(encoding="utf-8") for p in (Path(spec.origin).parent / part).glob("**/*cl*/*.py")]
    sources += [p.read_text(encoding="utf-8") for p in (Path(spec.origin).parent / part).glob("*.py")]
    for option in (arg for arg in args if arg.startswith("--")):
        assert any(f'"{option}"' in text for text in sources), f"{package} has no option {option}"


def _model_arguments(given: list[str], file: str) -> None:
    """``name=value`` of a model in another project's tool: arguments of our class, or of a study's model."""
    from holdfast.config.study import ModelSpec

    tree = ast.parse((ROOT / "src" / "holdfast" / file).read_text(encoding="utf-8"))
    made = next(n for c in ast.walk(tree) if isinstance(c, ast.ClassDef)
                and c.name in ("Holdfast", "HoldfastAPI") for n in c.body
                if isinstance(n, ast.FunctionDef) and n.name == "__init__")  # fmt: skip
    known = {a.arg for a in made.args.args} | set(ModelSpec.model_fields)
    for pair in given:
        assert pair.partition("=")[0] in known, f"{file} has no model argument {pair}"


def _after(args: list[str], option: str) -> list[str]:
    return [args[n + 1] for n, arg in enumerate(args[:-1]) if arg == option]


@cache
def _texts(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def imports(tree: ast.Module) -> Iterator[str]:
    """``module:name`` of all that a snippet imports from holdfast."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("holdfast"):
            yield from (f"{node.module}:{alias.name}" for alias in node.names)
