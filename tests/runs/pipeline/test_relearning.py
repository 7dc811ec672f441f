"""Relearning goes on from where each run ended, changes nothing of the study's own, and is measured on the way."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml

from holdfast.analysis import table_files
from holdfast.analysis.relearning import UNTRAINED
from holdfast.config.loading import parse
from holdfast.config.role import Role
from holdfast.report.reading import read
from holdfast.report.sections import relearnt
from holdfast.runs import pipeline
from holdfast.runs.materials import Materials
from holdfast.runs.plan import expand
from holdfast.runs.section_checks import sections
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

HARMFUL = {"task": {"name": "harmful", "task": "miniature_harmful"}, "budgets": [200, 400]}


def study(text: str, **changes) -> dict:
    return yaml.safe_load(text) | changes


def planned(plain: dict):
    spec = parse(yaml.safe_dump(plain))
    return expand(spec, StudyFolder("nowhere"), Materials(spec, None, plan=True)).runs


def test_a_run_relearns_from_each_of_the_study_s_and_from_the_base(small_study):
    plain = study(small_study, seeds=[0, 1])
    before, runs = planned(plain), planned(plain | {"relearning": HARMFUL})
    assert [r.id for r in runs if r.role is not Role.RELEARNT] == [r.id for r in before]
    again = [r for r in runs if r.role is Role.RELEARNT]
    own = {(r.label, r.seed): r.id for r in before if r.role is Role.STUDY}
    assert {(r.of, r.seed): r.parent for r in again if r.of} == own
    assert [r.seed for r in again if not r.of and not r.parent] == [0, 1]
    assert {r.budgets for r in again} == {(200, 400)}
    assert {r.objective for r in again} == {"sft"}
    assert len({r.order for r in again if r.seed == 0}) == 1, "all relearn the same rows in the same order"
    assert len({r.id for r in again}) == len(again)
    longer = planned(plain | {"relearning": HARMFUL, "budgets": [600, 1200, 1800]})
    later = {(r.of, r.seed): r.id for r in longer if r.role is Role.RELEARNT}
    assert all((later[r.of, r.seed] != r.id) == bool(r.of) for r in again), "it begins elsewhere, but from the base"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"relearning": HARMFUL | {"measures": ["asr"]}}, "relearning.measures names 'asr'"),
        ({"relearning": HARMFUL, "measures": [{"measure": "task_accuracy"}]}, "the study has none; name others"),
        ({"relearning": {"task": {"name": "arithmetic", "task": "miniature_harmful"}}}, "choose another name"),
        ({"relearning": HARMFUL | {"controls": {"batch_rows": 0}}}, "controls.batch_rows of the objective"),
    ],
)
def test_what_cannot_relearn_is_one_sentence(small_study, changes, said):
    with pytest.raises(UserError, match=said):
        sections(parse(yaml.safe_dump(study(small_study, **changes))))


def test_budgets_that_do_not_ascend_are_one_sentence(small_study):
    with pytest.raises(UserError, match="budgets"):
        parse(yaml.safe_dump(study(small_study, relearning=HARMFUL | {"budgets": [400, 200]})))


def levels(folder: StudyFolder) -> pd.DataFrame:
    return table_files.read(folder, "relearning").set_index(["label", "budget"])["value"]


def run(tmp_path, small_study, rate: float, **section) -> StudyFolder:
    plain = study(
        small_study,
        objectives=[{"label": "SFT", "objective": "sft"}],
        measures=[{"measure": "miniature_robustness", "items": 4, "max_new_tokens": 24}],
        control_runs=[],
        relearning=HARMFUL | {"learning_rate": rate} | section,
    )
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(plain))
    pipeline.run(file, tmp_path / "run", quiet=True)
    return StudyFolder(tmp_path / "run")


@pytest.mark.slow
def test_at_a_rate_of_next_to_nothing_it_stays_where_its_run_ended(tmp_path, small_study, here):
    folder = run(tmp_path, small_study, 1e-6)
    found = levels(folder)
    for label in ("SFT", UNTRAINED):
        assert found[label].nunique() == 1, label
        assert list(found[label].index) == [0, 200, 400]
    section = relearnt.section(read(folder).settings()[0])
    assert section.finding.startswith(("Not yet in", "Half of the attacks succeed after 0 tokens"))


@pytest.mark.slow
def test_what_relearns_gives_in(tmp_path, small_study, here):
    found = levels(run(tmp_path, small_study, 2e-3, budgets=[500, 4000]))
    for label in ("SFT", UNTRAINED):
        assert found[label, 4000] > found[label, 0] + 0.3
    tokens = table_files.read(StudyFolder(tmp_path / "run"), "gives_in").set_index("label")
    assert (tokens["n_reached"] == 1).all()
    assert tokens["value"].between(1, 4000).all()
