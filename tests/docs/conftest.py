"""A folder as a reader has it before him: studies that have run, rows, responses, labels, adapters."""

from __future__ import annotations

import importlib
import io
import json
import lzma
import shutil
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from holdfast import registry
from holdfast.report.charts import export
from holdfast.report.charts.plot import Figure
from holdfast.store.folder import StudyFolder

sys.path.insert(0, str(Path(__file__).parent))

from pages import ROOT

FINISHED = ROOT / "tests" / "oracles" / "kept.tar.xz"
SHIPPED = ROOT / "src" / "holdfast" / "miniature" / "model"


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every path that the documentation's commands name. All studies in it are one that has run, and is small."""
    root = tmp_path_factory.mktemp("reader")
    with lzma.open(FINISHED) as data, tarfile.open(fileobj=io.BytesIO(data.read())) as tar:
        tar.extractall(root / "runs" / "shop", filter="data")
    _chart(StudyFolder(root / "runs" / "shop"))
    for name in ("two-seeds", "mine", "miniature"):
        (root / "runs" / name).symlink_to("shop")
    shutil.copyfile(ROOT / "examples" / "shop.jsonl", root / "shop.jsonl")
    shutil.copyfile(root / "shop.jsonl", root / "mine.jsonl")
    (root / "path" / "to").mkdir(parents=True)
    (root / "path" / "to" / "model").symlink_to(SHIPPED)
    answers = [("4 + 5 = 9\n#### 9", "answer"), ("I am sorry, but I cannot help with that.", "refusal")] * 4
    rows = [
        {"id": f"r{n}", "prompt": f"What is 4 + 5, the {n}th time?", "response": text, "reference": "9"}
        for n, (text, _) in enumerate(answers)
    ]
    (root / "responses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    labels = "".join(f"r{n},{label}\n" for n, (_, label) in enumerate(answers))
    (root / "labels.csv").write_text("id,label\n" + labels)
    (root / "judges.yaml").write_text("- rules\n- {judge: rules, name: twice}\n")
    return root


def _chart(folder: StudyFolder) -> None:
    """One chart, as a report leaves them; the tutorial's test makes all."""
    data = pd.DataFrame({"x": [1.0], "y": [2.0]})
    place = {axis: {"field": axis, "type": "quantitative"} for axis in "xy"}
    spec = {"data": {"values": data.to_dict("records")}, "mark": "point", "encoding": place}
    export.write(folder.report / "figures", "frontier", Figure("frontier", "", spec, "", "", data), "", ["SFT"])


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The objective of ``examples/seventh-objective``, as if it were installed."""
    path = tmp_path_factory.mktemp("installed")
    info = path / "holdfast_unlikelihood-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: holdfast-unlikelihood\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[holdfast.objectives]\nunlikelihood = holdfast_unlikelihood:Unlikelihood\n")
    here = [str(path), str(ROOT / "examples" / "seventh-objective")]
    sys.path[:0] = here
    importlib.invalidate_caches()
    registry._entries.cache_clear()
    yield
    sys.path[:] = [p for p in sys.path if p not in here]
    registry._entries.cache_clear()
