"""A measure of somebody else's, with its own metric, direction and range, is treated by analysis and page as ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import pytest

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


def told(config: Mapping[str, Any], measure: Measure) -> dict[str, Any]:
    """The eval config as it would be, had the measure been this one."""
    own = {"name": measure.name, "display": measure.display, "summary": asdict(measure.summary)}
    return {**config, **own, "measure": measure.name}


def measured(root, make_study, way: str) -> StudyFolder:
    """A finished study with it in place of the miniature's persona measure; its page is built."""
    two = [{"label": o, "objective": o} for o in ("sft", "dpo")]
    more = {"objectives": two, "control_runs": []}
    folder = make_study(root, prompts=8, budgets=(15_000, 60_000), seeds=(0, 1), analysed=False, **more)
    study = folder.study_yaml.read_text(encoding="utf-8")
    files.write_text(folder.study_yaml, study.replace("miniature_dark_triad", "flattery"))
    (one,) = [c for c in folder.configs() if files.read_json(c.config_json)["axis"] == "persona"]
    files.write_json(one.config_json, told(files.read_json(one.config_json), Flattery(way=way)))
    for place in (folder.records, folder.judgements):
        (at,) = place.glob("miniature_dark_triad-*")
        at.rename(at.with_name(at.name.replace("miniature_dark_triad", "flattery")))
    for stage in ("analyse", "report"):
        pipeline.stage(stage, folder.root)
    return folder


@pytest.fixture(scope="module", params=["lower", "higher", ""])
def seen(request, tmp_path_factory, make_study):
    return measured(tmp_path_factory.mktemp("flattery"), make_study, request.param), request.param


def test_verdicts_of_a_strangers_measure_have_the_direction_that_it_declares(seen):
    folder, way = seen
    study = loading.finished(folder)
    x = next(x for x in ladders(load_records(folder), configs(folder), study) if x.about.measure == "flattery")
    assert x.about.better == way
    far = replace(x, values={checkpoint: v + 1.5 * (checkpoint[0] == "dpo") for checkpoint, v in x.values.items()})
    moved = contrast(far, contrast_weights("dpo", "base", {60_000: 1.0}), study)
    table = judged([Finding(far.about, "last", moved, label="dpo", against="base", interest=0.01)], study)
    assert table["verdict"].to_list() == [{"lower": "worse", "higher": "better", "": "differs"}[way]]


def test_the_page_names_a_strangers_measure_as_it_names_itself(seen):
    folder, way = seen
    text = (folder.report / "index.html").read_text(encoding="utf-8")
    said = {"lower": "lower is better", "higher": "higher is better", "": "neither way is better"}[way]
    assert f"Bend to please at each budget ({said})" in text
    assert "Estimated: how far answers bend to please" in text
    assert "FlatterBench" in text
    assert "Bend:" in text, "the answer calls it by its words"


def test_an_export_says_which_way_is_better(seen, tmp_path):
    folder, way = seen
    some = write(folder.root, tmp_path)
    ways = [files.read_json(f)["higher_is_better"].get("flattery", {}).get("bend") for f in some]
    assert set(ways) == {{"higher": True, "lower": False, "": None}[way]}


def test_a_score_beyond_the_range_that_its_measure_gives_is_refused(finished):
    config = next(c for c in configs(finished).values() if c.axis == "persona")
    rows = load_records(finished)
    rows = rows[rows["cell"] == config.id]
    summary = Flattery().summary
    (first, *_) = metrics(rows, summary, 0.5)
    assert (first.kind, first.bounds) == ("mean", (-2.0, 2.0))
    with pytest.raises(UserError, match="bend is 3, outside of the range from -2 to 2"):
        metrics(rows.assign(score=3.0), summary, 0.5)
