"""Model cards: the hub's own parser reads back the study's estimates, and a card changes no identity."""

from __future__ import annotations

import re
import shutil
from types import SimpleNamespace

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from markdown_it import MarkdownIt

from holdfast.analysis import estimates_file
from holdfast.analysis.estimates_file import measured
from holdfast.config.loading import load
from holdfast.interop import model_card
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

HUB = "walledai/StrongREJECT"
MEASURES = [
    {"measure": "task_accuracy"},
    {"measure": "strongreject", "name": "miniature_robustness", "params": {"path": HUB}},
    {"measure": "miniature_dark_triad"},
    {"measure": "miniature_facts"},
]


@pytest.fixture(scope="module")
def folder(made_up, tmp_path_factory):
    root = tmp_path_factory.mktemp("study")
    return made_up(root, prompts=6, budgets=(15_000,), seeds=(0, 1), measures=MEASURES, control_runs=[])


@pytest.fixture(scope="module")
def cards(folder):
    return {p: p / "README.md" for p in model_card.write(folder.root)}


def test_every_checkpoint_has_a_card_with_its_own_seeds_estimates(folder, cards):
    subjects = tables.read(folder.subjects, "subjects")
    trained = subjects[subjects["trajectory"] != ""]
    assert set(cards) == {folder.root / a for a in trained["adapter"]}
    e = measured(estimates_file.read(folder))
    for row in trained.to_dict("records"):
        read = {r.dataset_name: r for r in ModelCard.load(folder.root / row["adapter"] / "README.md").data.eval_results}
        assert set(read) == {"task_accuracy", "miniature_robustness", "miniature_dark_triad", "miniature_facts"}
        own = e[(e["label"] == row["label"]) & (e["seed"] == row["seed"]) & (e["condition"] == "macro")]
        own = own[(own["against"] == "") & (own["metric"] == "asr") & (own["judge"] == "rules")]
        own = own[own["format"] == "default"]
        assert read["miniature_robustness"].metric_value == pytest.approx(own["value"].item(), abs=1e-6)
        assert read["miniature_robustness"].dataset_type == HUB


def test_what_the_study_no_longer_plans_has_no_card(folder, tmp_path):
    cut = StudyFolder(shutil.copytree(folder.root, tmp_path / "cut"))
    study = yaml.safe_load(cut.study_yaml.read_text())
    cut.study_yaml.write_text(yaml.safe_dump(study | {"seeds": [0], "objectives": study["objectives"][:1]}))
    assert len(model_card.write(cut.root)) == 1


def test_only_measures_of_a_hub_data_set_are_eval_results(cards):
    for at in cards:
        files = sorted((at / ".eval_results").iterdir())
        assert [f.name for f in files] == ["miniature_robustness.yaml"]
        (entry,) = parse_eval_result_entries(yaml.safe_load(files[0].read_text()))
        assert (entry.dataset_id, entry.task_id) == (HUB, "asr")
        assert 0 <= entry.value <= 1


def test_a_card_says_what_the_study_is_marked_with(cards):
    for card in cards.values():
        assert "a synthetic world" in card.read_text()


def test_a_checkpoint_that_is_not_there_is_refused(folder):
    with pytest.raises(UserError, match="no such checkpoint; the labels are"):
        model_card.write(folder.root, label="nobody")


def test_before_anything_is_estimated_there_is_no_card(tmp_path):
    with pytest.raises(UserError, match="is no study's folder"):
        model_card.write(tmp_path)


def test_a_name_is_text_in_a_card(cards, monkeypatch):
    at, card = next(iter(cards.items()))
    hostile = "<svg/onload=x> [a](javascript:b) | c"
    monkeypatch.setattr(model_card, "loading", SimpleNamespace(load=lambda p: _named(load(p), hostile)))
    model_card.write(at.parents[3])
    body = card.read_text().partition("\n---\n")[2]
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(body)
    assert not set(re.findall(r"<(\w+)", html)) & {"svg", "a", "img"}
    assert "&lt;svg/onload=x&gt; [a](javascript:b) | c" in html


def _named(study, name):
    return study.model_copy(update={"name": name, "mark": name})
