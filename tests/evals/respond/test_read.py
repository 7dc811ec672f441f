"""Readings of hidden states are asked, kept, judged and gone on with as all other answers are."""

from __future__ import annotations

import pytest

from holdfast.evals import shards
from holdfast.evals.batched import respond_together
from holdfast.evals.judging import judge_subject
from holdfast.evals.layout import answered, judged_at
from holdfast.evals.respond import respond_subject
from holdfast.store import tables
from holdfast.types import Judgement

READ = ("raw", "cosine", "zero", "one", "layer", "separation", "change 0", "change 1")
MEASURE = {"measure": "projection", "params": {"direction": "miniature_refusal"}}


@pytest.fixture
def config(make):
    return make(more=[MEASURE])[-1:]


def test_a_killed_run_goes_on_and_reads_only_what_is_missing(config, study_folder, kit, monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 8)
    whole, killed = study_folder(config, "whole"), study_folder(config, "killed")
    respond_subject(kit.fake(), kit.tokens, kit.tuned, config, whole)
    with pytest.raises(KeyboardInterrupt):
        respond_subject(kit.fake(dies_after=20), kit.tokens, kit.tuned, config, killed)
    again = kit.fake()
    respond_subject(again, kit.tokens, kit.tuned, config, killed)
    assert kit.content(killed) == kit.content(whole)
    assert len(again.asked) == 2 * 48 - 16  # its own condition is asked too; two shards were whole
    last = kit.fake()
    respond_subject(last, kit.tokens, kit.tuned, config, killed)
    assert last.asked == []


def test_several_subjects_are_read_together_as_each_alone(config, study_folder, kit):
    one, other = study_folder(config, "one"), study_folder(config, "other")
    for row in (kit.base, kit.tuned):
        respond_subject(kit.fake(), kit.tokens, row, config, one)
    respond_together(kit.fake(), kit.tokens, [kit.base, kit.tuned], config, other)
    assert kit.content(one) == kit.content(other)


def test_its_rows_are_records_and_judgements_like_others(config, study_folder, kit):
    folder = study_folder(config)
    for row in (kit.base, kit.tuned):
        respond_subject(kit.fake(), kit.tokens, row, config, folder)
        judge_subject(row, config, folder)
    records = answered(folder, config[0], kit.tuned.subject)
    assert {(r.finish, r.continuations, r.response) for r in records} == {("read", READ, "")}
    said = tables.shards(judged_at(folder, config[0], "own", config[0].judges["own"], kit.tuned.subject), _judgements)
    assert {j.record: j.score for j in said} == {r.id: (r.logps[0] - 2.0) / 8.0 for r in records}


def _judgements(files):
    return tables.read_rows(files, "judgements", Judgement)
