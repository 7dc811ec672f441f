"""Reading a benchmark's rows: from a local file, or from the hub under a pinned revision."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.store.digest import digest, short
from holdfast.store.sources import data_file
from holdfast.words import UserError

Row = dict[str, Any]


def table(path: str, revision: str | None = None, file: str | None = None) -> list[Row]:
    """Rows of a CSV or JSONL file, of ``file`` in a local folder, or of a hub data set (``file``, else ``train``)."""
    local = Path(path).expanduser()
    if file and local.is_dir():
        return read(data_file(local / file))
    if local.suffix in (".csv", ".jsonl") or local.exists() or path.startswith("package:") or path.count("/") != 1:
        return read(data_file(path))
    return _from_hub(path, revision, file)


def read(path: Path) -> list[Row]:
    """Rows of a CSV file (a BOM is no part of its header) or of a JSONL file."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        if path.suffix == ".csv":
            return [dict(row) for row in csv.DictReader(io.StringIO(text, newline=""))]
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, csv.Error) as e:
        raise UserError(f"{path} is no valid {'CSV' if path.suffix == '.csv' else 'JSONL'} file: {e}") from None


def column(rows: Sequence[Row], names: Sequence[str], where: str) -> str:
    """The first of the names that is a column of texts in every row."""
    if not rows:
        raise UserError(f"{where} has no rows")
    for name in names:
        if all(isinstance(r.get(name), str) and r[name].strip() for r in rows):
            return name
    raise UserError(f"{where} has no column of texts named {' or '.join(names)}; its columns are {', '.join(rows[0])}")


def item_id(*content: str) -> str:
    """An item's id: a digest of what is asked, so that it is the same in every copy of a benchmark."""
    return short(digest(content))


def distinct(ids: Sequence[str], where: str) -> None:
    if len(set(ids)) < len(ids):
        raise UserError(f"{where} holds {len(ids) - len(set(ids))} rows twice; remove them")


def _from_hub(repo: str, revision: str | None, file: str | None) -> list[Row]:
    try:
        if file:
            from huggingface_hub import hf_hub_download

            return read(Path(hf_hub_download(repo, file, repo_type="dataset", revision=revision)))
        from datasets import load_dataset

        return [dict(row) for row in load_dataset(repo, split="train", revision=revision)]
    except UserError:
        raise
    except Exception as e:  # offline, gated, misspelt: the hub's own words say which
        reason = (str(e).strip().splitlines() or [type(e).__name__])[0]
        raise UserError(f"{repo} is no local file and is not to be had from the hub ({reason})") from e
