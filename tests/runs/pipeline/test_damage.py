"""No damage to a finished study gives other numbers in silence, or a traceback: the file is named, or made again.

The suite damages some kinds of files that are read for numbers; every way, and every kind of file, with the whole
analysis, is ``pytest tests/runs/pipeline/test_damage.py -m slow -n 0`` (two to three minutes on an idle core).
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from holdfast.analysis.load import load_records
from holdfast.report import reading
from holdfast.runs import pipeline
from holdfast.runs.plan import Plan
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

READ = re.compile(r"study\.yaml|plan\.json|.*\.parquet|.*/cell\.json|.*/(config|controls)\.json|.*/checkpoints\.jsonl")
UNREAD = ("half", "none")  # the ways for a file that no number is read from: each is a whole analysis
EXPORTS = re.compile(r"\.lock|run\.log|report/.*|.*\.csv")  # written for others, and read by nothing


@pytest.fixture(scope="module")
def damaged(finished: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that is damaged, and mended, file by file."""
    return shutil.copytree(finished[0], tmp_path_factory.mktemp("damaged") / "out")


def _kinds(root: Path) -> dict[str, list[Path]]:
    """Files by what they are: those that differ in a digest alone are of one kind."""
    found: dict[str, list[Path]] = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = str(path.relative_to(root))
        if not EXPORTS.fullmatch(name) and path.name != ".lock":
            found.setdefault(re.sub(r"[0-9a-f]{12}", "ID", name), []).append(path)
    return found


def _flip(data: bytes, rng: random.Random) -> bytes:
    bit, out = rng.randrange(8 * len(data)), bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


WAYS: dict[str, Callable[[bytes, random.Random], bytes | None]] = {
    "a bit": _flip,
    "another bit": _flip,
    "half": lambda data, rng: data[: len(data) // 2],
    "empty": lambda data, rng: b"",
    "{}": lambda data, rng: b"{}",
    "[]": lambda data, rng: b"[]\n",
    "none": lambda data, rng: None,
}


def _look(root: Path) -> list[Any]:
    """What page and analysis read, without the statistics."""
    folder = StudyFolder(root)
    found, plan = reading.read(folder), Plan.read(folder)
    frames = [found.table(p.stem) for p in sorted(folder.analysis.glob("*.parquet")) if "-" not in p.stem]
    beside = [v for x in (*found.matched, *found.at_distance, *found.fronts) for v in vars(x).values()]
    frames += [v for v in beside if isinstance(v, pd.DataFrame)]
    frames += [load_records(folder), found.estimates, found.answers, found.subjects, found.runs, found.checkpoints]
    return [found.study, plan, *frames]


def _analyse(root: Path) -> list[Any]:
    pipeline.stage("analyse", root)
    return [pd.read_csv(root / "estimates.csv")]


def _same(one: list[Any], other: list[Any]) -> bool:
    return all(a.equals(b) if isinstance(a, pd.DataFrame) else a == b for a, b in zip(one, other, strict=True))


def _silent(root: Path, act: Callable[[Path], list[Any]], kinds: re.Pattern[str], ways: list[str]) -> Iterator[str]:
    """The damages that changed what is read, and that nothing was said of."""
    rng, good, kept = random.Random(0), act(root), {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    for kind, files in _kinds(root).items():
        for way in (w for w in ways if kinds.fullmatch(kind) and (READ.fullmatch(kind) or w in UNREAD)):
            path = rng.choice(files)
            bad = WAYS[way](kept[path], rng)
            if bad is None:
                path.unlink()
            else:
                path.write_bytes(bad)
            try:
                if not _same(act(root), good):
                    yield f"{kind}: {way}"
            except UserError as e:
                assert "\n" not in str(e), (kind, way, str(e))  # noqa: PT017
            for file in [path, *(root / n for n in kept if n.parent == root)]:
                file.write_bytes(kept[file])


@pytest.mark.slow
def test_a_flipped_bit_of_what_is_read_is_named_or_changes_nothing(damaged: Path) -> None:
    found = list(_silent(damaged, _look, READ, ["a bit"]))
    assert [f for f in found if not f.startswith("study.yaml")] == []  # that file is the user's, and may be changed


@pytest.mark.parametrize("way", ["half", "empty", "{}"])
def test_what_was_cut_emptied_or_replaced_is_named(damaged: Path, way: str) -> None:
    some = re.compile(r"plan\.json|estimates\.parquet|.*/cell\.json|.*/config\.json")
    assert list(_silent(damaged, _look, some, [way])) == []


@pytest.mark.slow
def test_no_damage_gives_other_numbers_in_silence(damaged: Path) -> None:
    found = list(_silent(damaged, _analyse, re.compile(".*"), list(WAYS)))
    # What is gone is not there to be counted, and the plan says what is missing; without a sound declaration all is
    # exploratory, and that is said too.
    told = re.compile(
        r"(study\.yaml|declaration\.json): .*|((records|judgements)/.*|subjects.parquet|.*checkpoints\.jsonl): none"
    )
    assert [f for f in found if not told.fullmatch(f)] == []
