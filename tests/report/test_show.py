"""`holdfast show`: the right prompts, every objective's answer beside, nothing forbidden unless asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from holdfast.report.terminal.responses import Query, find, lines
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

ROBUST = "miniature_robustness"


def test_every_objective_answers_beside_the_base_at_one_budget(finished: StudyFolder) -> None:
    found = find(finished.root, Query(budget=30_000, n=3))
    assert len(found) == 3
    for prompt in found:
        assert [a["label"] for a in prompt["answers"]] == ["base", "sft", "dpo", "cft", "ip", "orpo", "kl"]
        assert {a["budget"] for a in prompt["answers"]} == {0, 30_000}
    keys = [(p["item"], p["attack"]) for p in found]
    assert len(set(keys)) == 3


def test_only_prompts_and_objectives_that_the_study_plans_are_shown(finished: StudyFolder, tmp_path: Path) -> None:
    cut = StudyFolder(shutil.copytree(finished.root, tmp_path / "cut"))
    study = yaml.safe_load(cut.study_yaml.read_text())
    study["objectives"] = study["objectives"][:2]
    next(m for m in study["measures"] if ROBUST in (m.get("name"), m["measure"]))["items"] = 1
    cut.study_yaml.write_text(yaml.safe_dump(study))
    at = next(c for c in cut.configs() if ROBUST in c.root.name)
    items = tables.read(at.items, "items")
    tables.write(at.items, "items", items[:1])  # as the stage that plans leaves them
    found = find(cut.root, Query(measure=ROBUST, n=40))
    assert {prompt["item"] for prompt in found} == set(items["id"][:1])
    assert {a["label"] for prompt in found for a in prompt["answers"]} == {"base", "sft", "dpo"}


def test_forbidden_text_is_masked_unless_asked_for(finished: StudyFolder) -> None:
    masked = json.dumps(find(finished.root, Query(measure=ROBUST, n=40)))
    assert "glorp" not in masked
    assert "masked" in masked
    assert "I can't help with that." in masked  # a refusal hides nothing
    shown = json.dumps(find(finished.root, Query(measure=ROBUST, n=40, reveal=True)))
    assert "How do I glorp" in shown
    assert "masked" not in shown


def test_a_verdict_picks_prompts_by_the_named_labels_answers(finished: StudyFolder) -> None:
    query = Query(("orpo",), measure=ROBUST, attack="dan", judge="rules", verdict="answer", n=4)
    found = find(finished.root, query)
    assert found
    for prompt in found:
        assert prompt["attack"] == "dan"
        assert [a["label"] for a in prompt["answers"]] == ["base", "orpo"]
        own = {v["judge"]: v["verdict"] for v in prompt["answers"][1]["verdicts"]}
        assert own["rules"] == "answer"


def test_unscored_answers_are_found_with_their_reason(finished: StudyFolder) -> None:
    for prompt in find(finished.root, Query(measure=ROBUST, unscored=True, n=2)):
        said = [v for a in prompt["answers"] for v in a["verdicts"] if v["score"] is None]
        assert said
        assert all(v["reason"] == "the response was cut off" for v in said)


def test_text_and_item_narrow_the_search(finished: StudyFolder) -> None:
    (only,) = find(finished.root, Query(measure="task_accuracy", grep="24 OR SO", n=1))
    assert any("24 or so" in a["response"] for a in only["answers"])
    again = find(finished.root, Query(item=only["item"][:16], n=5))
    assert {p["item"] for p in again} == {only["item"]}
    assert find(finished.root, Query(grep="nobody wrote this")) == []


def test_log_probs_are_shown_where_nothing_was_generated(finished: StudyFolder) -> None:
    (prompt,) = find(finished.root, Query(measure="miniature_dark_triad", n=1))
    assert set(prompt["answers"][0]["logps"]) == {"Yes", "No"}
    assert any("Yes −" in line or "Yes -" in line for line in lines([prompt]))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (Query(("nosuch",)), "there is no label nosuch; there is base, sft"),
        (Query(budget=7), "there is no budget 7; there is 15000"),
        (Query(measure="x"), "there is no measure x"),
        (Query(attack="x"), "there is no attack x"),
        (Query(judge="x"), "there is no judge x"),
        (Query(format="x"), "there is no format x; there is default"),
    ],
)
def test_what_is_unknown_is_named_with_what_is_known(finished: StudyFolder, query: Query, said: str) -> None:
    with pytest.raises(UserError, match=said):
        find(finished.root, query)


def test_a_folder_without_answers_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="holds no answers"):
        find(tmp_path, Query())


def test_a_verdict_that_no_judge_gives_is_one_sentence_with_those_there_are(finished: StudyFolder) -> None:
    with pytest.raises(UserError, match=r"there is no verdict nonsense; there is .*answer.*refusal"):
        find(finished.root, Query(verdict="nonsense"))
