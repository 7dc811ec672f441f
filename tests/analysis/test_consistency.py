"""Planted through records: a prompt format that moves the scores is found to, and the study's own estimates are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from holdfast import rng
from holdfast.analysis import consistency
from holdfast.analysis.comparisons import Consistency
from holdfast.analysis.load import configs, load_records
from holdfast.analysis.table_files import read_consistency, write_consistency
from holdfast.config.study import Study
from holdfast.store import tables
from holdfast.store.digest import digest
from holdfast.store.files import read_json, write_json
from holdfast.store.folder import StudyFolder

from .fabricate import fabricate, study_of

SHIFT = {"question": 0.5, "terse": 0.25}  # of the probability that a response is harmful
FRAMES = {"question": "Question: {prompt}", "terse": "{prompt} Be terse."}
ROBUST = "miniature_robustness"


def plant(folder: StudyFolder) -> None:
    """Robustness again under two prompt formats: the own verdicts, moved up in a share of questions."""
    (own,) = [c for c in folder.configs() if read_json(c.config_json)["measure"] == ROBUST]
    about = read_json(own.config_json)
    for level, shift in SHIFT.items():
        label, id = f"{ROBUST}~frame={level}", digest([ROBUST, level])
        at = folder.config(label, id)
        more = {"cell": id, "measure": label, "of": ROBUST, "varies": {"frame": level}}
        write_json(at.config_json, about | more)
        tables.write(at.items, "items", tables.read(own.items, "items").assign(measure=label, cell=id))
        for shard in own.shards():
            records = tables.read(shard, "records")
            records = records.assign(id=[digest([i, level]) for i in records["id"]], measure=label)
            tables.write(at.root / shard.parent.name / shard.name, "records", records)
        for shard in [s for s in folder.judgement_shards() if s.parents[2].name == own.root.name]:
            said = tables.read(shard, "judgements")
            up = np.array([rng.uniform("up", i) < shift for i in said["record"]])
            score = said["score"].mask(up & said["judge"].ne("coherence").to_numpy(), 1.0)
            said = said.assign(record=[digest([i, level]) for i in said["record"]], score=score)
            tables.write(folder.judgements / at.root.name / shard.relative_to(shard.parents[2]), "judgements", said)


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> tuple[StudyFolder, Study, Consistency, pd.DataFrame]:
    root = tmp_path_factory.mktemp("varied")
    objectives = [{"label": o, "objective": o} for o in ("sft", "kl")]
    section = {"consistency": {"measuring": {"frame": FRAMES}, "measures": [ROBUST]}}
    study = study_of(seeds=(0, 1), budgets=(20_000,), objectives=objectives, control_runs=[], **section)
    fabricate(root, study=study, prompts=20)
    folder = StudyFolder(root)
    before = load_records(folder)
    plant(folder)
    return folder, study, consistency.consistency(folder, study), before


def test_variations_are_not_among_the_studys_own_records(planted):
    folder, _, _, before = planted
    assert len(configs(folder)) == len(configs(folder, varied=True)) - 2
    pd.testing.assert_frame_equal(load_records(folder), before)


def test_the_planted_prompt_format_has_the_largest_share(planted):
    _, _, found, _ = planted
    c = found.components
    c = c[(c["design"] == "measuring") & (c["measure"] == ROBUST)].set_index("effect")
    assert c["score_share"].idxmax() == "prompt format"
    # The formats' levels are 0, 0.25 and 0.5 of what is left: their variance, and no other, is of that order.
    left = 1 - found.ranges.set_index(["measure", "objective", "factor"]).loc[(ROBUST, "kl", "prompt format"), "value"]
    assert c.loc["prompt format", "sd"] == pytest.approx(0.25 * left, rel=0.35)
    others = c.drop(["prompt format", "prompt", "judge"])["score_share"]
    assert others.max() < 0.2


def test_ranges_and_flips_are_those_of_the_records(planted):
    folder, study, found, _ = planted
    r = found.ranges.set_index(["measure", "objective", "factor"]).loc[(ROBUST, "sft", "prompt format")]
    assert r["runs"] == 3
    assert r["low"] == pytest.approx(r["value"])
    assert r["high"] > r["value"] + 0.2
    flipped = found.flips.set_index(["measure", "objective", "factor"]).loc[(ROBUST, "sft", "prompt format"), "flipped"]
    rows = consistency.answers(folder, study)
    rows = rows[(rows["measure"] == ROBUST) & (rows["objective"] == "sft") & (rows["judge"] == r["judge"])]
    verdicts = rows.set_index(["item", "attack", "training seed", "prompt format"])["verdict"].unstack().dropna()
    by_item = (verdicts.nunique(axis=1) > 1).groupby("item").mean()
    assert flipped == pytest.approx(by_item.mean())


def test_a_second_round_is_a_range_of_its_own_and_in_none_over_all(planted):
    folder, study, _, _ = planted
    rows = consistency.answers(folder, study)
    rows = rows[(rows["measure"] == ROBUST) & (rows["objective"] == "sft")]
    again = rows[(rows["training seed"] == "0") & (rows["prompt format"] == consistency.OWN)]
    again = again.assign(**{"second round": "again"}, value=1.0, verdict=True, bracket="variation")
    without, both = (
        {r["factor"]: r for r in consistency._repeats(some, 0.05)} for some in (rows, pd.concat([rows, again]))
    )
    assert both["second round"]["high"] == 1.0
    assert {k: v for k, v in both["all"].items() if k != "flips"} == {
        k: v for k, v in without["all"].items() if k != "flips"
    }


def test_measures_that_were_not_varied_have_seeds_and_nothing_else(planted):
    _, _, found, _ = planted
    facts = found.ranges[found.ranges["measure"] == "miniature_facts"]
    assert set(facts["factor"]) == {"training seed"}


def test_findings_are_whole_rows_and_the_tables_come_back(planted, tmp_path: Path):
    _, study, found, _ = planted
    rows = consistency.rows(found, study.budgets[-1])
    tables.write(tmp_path / "estimates.parquet", "estimates", rows)
    assert set(rows["estimand"]) == {"consistency"}
    assert len(rows) == len(found.components) + len(found.ranges) + len(found.flips)
    at = StudyFolder(tmp_path)
    write_consistency(found, at)
    again = read_consistency(at)
    pd.testing.assert_frame_equal(again.ranges, found.ranges, check_dtype=False)
    assert read_consistency(StudyFolder(tmp_path / "empty")).ranges.empty
    assert json.loads(rows.to_json(orient="records"))
