"""Rows of a JSONL file, or of a JSON file that holds one list, each with its place for clear errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from holdfast.words import UserError


def read(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """(where, row) of every row; ``where`` begins an error about it, e.g. ``rows.jsonl, line 3``.

    A byte order mark and empty lines are passed over. Raises ``UserError`` naming file and line where a line is no JSON
    object, and naming the file where it is missing, holds no row, or is not UTF-8. No error shows what a row holds.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}: check the path")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    if not text.strip():
        raise UserError(f"{path} is empty: it must hold one JSON object per line")
    rows = _list(path, text) if text.lstrip().startswith("[") else _lines(path, text)
    for where, row in rows:
        if not isinstance(row, dict):
            raise UserError(f"{where}: expected a JSON object, found a {type(row).__name__}")
    return rows


def _list(path: Path, text: str) -> list[tuple[str, Any]]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {error.lineno}: not valid JSON ({error.msg})") from None
    if not found:
        raise UserError(f"{path} is empty: its list holds no row")
    return [(f"{path}, row {number}", row) for number, row in enumerate(found, start=1)]


def _lines(path: Path, text: str) -> list[tuple[str, Any]]:
    rows = []
    # Not splitlines(): JSON strings may hold the other line separators of Unicode.
    for number, line in enumerate(text.split("\n"), start=1):
        where = f"{path}, line {number}"
        if line.strip():
            try:
                rows.append((where, json.loads(line)))
            except json.JSONDecodeError as error:
                raise UserError(f"{where}: not valid JSON ({error.msg})") from None
    return rows
