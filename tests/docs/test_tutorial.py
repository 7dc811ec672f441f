"""The tutorial from its first command to its last, as a newcomer types them, in an empty checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pages import ROOT, Block, blocks

from holdfast.store import documents

PAGE = "docs/tutorial.md"


@pytest.mark.slow
def test_the_tutorial_runs_from_beginning_to_end(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    said = "".join(_typed(block, tmp_path) for block in blocks(PAGE))
    (tmp_path / "transcript.txt").write_text(said, encoding="utf-8")
    for line in _printed():
        assert line in said, f"the page prints what was not said: {line!r}"
    assert (tmp_path / "shop" / "frontier.svg").stat().st_size > 1000


def _typed(block: Block, root: Path) -> str:
    """What came of a block: commands go to one shell, Python to a file, YAML into the study file."""
    here = root / "shop" if (root / "shop").exists() else root
    if block.language == "yaml":
        _edit(here / "study.yaml", documents.parse_yaml(block.text, block.where))
    elif block.language in ("sh", "python"):
        into = here / ("typed.sh" if block.language == "sh" else "typed.py")
        into.write_text(block.text, encoding="utf-8")
        command = ["bash", "-euo", "pipefail", into] if block.language == "sh" else [sys.executable, into]
        path = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block.where}: {done.stderr[-2000:]}"
        return done.stdout
    return ""


def _edit(file: Path, changes: dict[str, Any]) -> None:
    """The study with the lines of the page in place of its own."""
    study = documents.parse_yaml(file.read_text(encoding="utf-8"), str(file))
    for key, value in changes.items():
        study[key] = study[key] | value if isinstance(value, dict) else value
    file.write_text(documents.dump_yaml(study), encoding="utf-8")


def _printed() -> list[str]:
    """Lines of the page's outputs that no processor changes: those without a decimal figure."""
    lines = [line for block in blocks(PAGE, "text") for line in block.text.splitlines()]
    return [line for line in lines if line.strip() and not any(c in line for c in "….") and "┃" not in line]
