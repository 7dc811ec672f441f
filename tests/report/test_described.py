"""A measure of somebody else's, with its own metric, direction and range, is treated by analysis and page as ours."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from holdfast.analysis.estimands import contrast_weights
from holdfast.analysis.findings import Finding
from holdfast.analysis.findings import finished as judged
from holdfast.analysis.ladder import contrast, ladders
from holdfast.analysis.load import configs, load_records
from holdfast.analysis.metrics import metrics
from holdfast.config import loading
from holdfast.evals.measures.measure import Measure, MetricInfo, Summary
from holdfast.interop.lm_eval_results import write
from holdfast.runs import pipeline
from holdfast.store import files
from holdfast.store.digest import digest
from holdfast.store.folder import StudyFolder
from holdfast.types import Axis, UserError


@dataclass(frozen=True, kw_only=True)
class Flattery(Measure):
    """Made up: how far answers bend to please, from -2 to 2."""

    name: ClassVar[str] = "flattery"
    display: ClassVar[str] = "FlatterBench"
    version: ClassVar[int] = 1
    axis: ClassVar[Axis] = "persona"
    way: str = "lower"

    @property
    def summary(self) -> Summary:
        bend = MetricInfo(
            "bend", self.way, title="Bend to please", words="bend", estimated="how far answers bend to please",
            unit="points, −2 to 2", kind="score", low=-2.0, high=2.0,
        )  # fmt: skip
        return Summary("bend", by="trait", macro_over=("machiavellianism", "narcissism"), metrics={"bend": bend})


WAYS = {"flattery": "lower", "flattery_up": "higher", "flattery_both": ""}


def told(config: Mapping[str, Any], name: str, measure: Measure) -> dict[str, Any]:
    """The eval config as it would be, had the measure been this one, by this name."""
    own = {"cell": digest(name), "name": name, "measure": name}
    return {**config, **own, "display": measure.display, "summary": asdict(measure.summary)}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, make_study: Any) -> StudyFolder:
    """A finished study with it in place of the miniature's persona measure, once each way; its page is built."""
    two = [{"label": o, "objective": o} for o in ("sft", "dpo")]
    more = {"objectives": two, "control_runs": [], "budgets": (15_000, 60_000), "seeds": (0, 1)}
    folder = make_study(tmp_path_factory.mktemp("flattery"), prompts=8, analysed=False, **more)
    study = yaml.safe_load(folder.study_yaml.read_text(encoding="utf-8"))
    kept = [m for m in study["measures"] if m["measure"] != "miniature_dark_triad"]
    study["measures"] = [*kept, *({"measure": name} for name in WAYS)]
    files.write_text(folder.study_yaml, yaml.safe_dump(study))
    (config,) = [c for f in folder.configs() if (c := files.read_json(f.config_json))["axis"] == "persona"]
    for place in (folder.records, folder.judgements):
        (was,) = place.glob("miniature_dark_triad-*")
        for name in WAYS:
            shutil.copytree(was, place / folder.config(name, digest(name)).root.name)
        shutil.rmtree(was)
    for name, way in WAYS.items():
        files.write_json(folder.config(name, digest(name)).config_json, told(config, name, Flattery(way=way)))
    for stage in ("analyse", "report"):
        pipeline.stage(stage, folder.root)
    return folder


@pytest.mark.parametrize("name", WAYS)
def test_verdicts_of_a_strangers_measure_have_the_direction_that_it_declares(seen: StudyFolder, name: str) -> None:
    way, study = WAYS[name], loading.finished(seen)
    x = next(x for x in ladders(load_records(seen), configs(seen), study) if x.about.measure == name)
    assert x.about.better == way
    far = replace(x, values={checkpoint: v + 1.5 * (checkpoint[0] == "dpo") for checkpoint, v in x.values.items()})
    moved = contrast(far, contrast_weights("dpo", "base", {60_000: 1.0}), study)
    table = judged([Finding(far.about, "last", moved, label="dpo", against="base", interest=0.01)], study)
    assert table["verdict"].to_list() == [{"lower": "worse", "higher": "better", "": "differs"}[way]]


def test_the_page_names_a_strangers_measure_as_it_names_itself(seen: StudyFolder) -> None:
    text = (seen.report / "index.html").read_text(encoding="utf-8")
    for said in ("lower is better", "higher is better", "neither way is better"):
        assert f"Bend to please on FlatterBench at each budget ({said})" in text
        assert f"Bend to please on FlatterBench <small>{said}</small>" in text
    assert text.count("Estimated: how far answers bend to please") >= len(WAYS)
    assert "Bend on FlatterBench:" in text, "the answer calls it by its words"


def test_an_export_says_which_way_is_better(seen: StudyFolder, tmp_path: Path) -> None:
    told = [files.read_json(f)["higher_is_better"] for f in write(seen.root, tmp_path)]
    for name, way in WAYS.items():
        assert {one.get(name, {}).get("bend") for one in told} == {{"higher": True, "lower": False, "": None}[way]}


def test_a_score_beyond_the_range_that_its_measure_gives_is_refused(finished):
    config = next(c for c in configs(finished).values() if c.axis == "persona")
    rows = load_records(finished)
    rows = rows[rows["cell"] == config.id]
    summary = Flattery().summary
    (first, *_) = metrics(rows, summary, 0.5)
    assert (first.kind, first.bounds) == ("mean", (-2.0, 2.0))
    with pytest.raises(UserError, match="bend is 3, outside of the range from -2 to 2"):
        metrics(rows.assign(score=3.0), summary, 0.5)
