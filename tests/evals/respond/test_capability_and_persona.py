"""Capability and persona measures all the way: items, asks, a backend, records, judgements, estimates."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from holdfast.config.study import Study
from holdfast.evals.eval_config import configs
from holdfast.evals.judges.judge import JudgeResources
from holdfast.evals.judging import judge_subject, wanted
from holdfast.evals.layout import write_configs
from holdfast.evals.respond import respond_subject
from holdfast.evals.subject import SubjectRow
from holdfast.models.identity import subject_id
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.types import Judgement, Record, Response


@pytest.fixture
def measured(tmp_path, kit):
    """``measured(measures, backend, row)``: (records, judgements) by the measure's label."""

    def made(measures, backend, row=kit.base, tokens=kit.tokens, resources=None):
        study = Study.model_validate(
            {
                "name": "s",
                "models": [{"name": "tiny", "path": "x"}],
                "tasks": [{"name": "sums", "task": "jsonl"}],
                "objectives": [{"label": "cft", "objective": "cft"}],
                "budgets": [1000],
                "measures": measures,
            }
        )
        found = configs(study, {"sums": (Sums(), kit.prepared())})
        folder = StudyFolder(tmp_path / "study")
        write_configs(folder, found)
        respond_subject(backend, tokens, row, found, folder)
        for wants in wanted(found):
            judge_subject(
                row,
                found,
                folder,
                wants=wants,
                resources=resources or JudgeResources(backend, row.speaker(folder.root)),
            )
        records = {c.label: read(folder.config(c.name, c.id).shards(), "records", Record) for c in found}
        verdicts = {j.record: j for j in read(folder.judgement_shards(), "judgements", Judgement)}
        return records, {label: [verdicts[r.id] for r in rs] for label, rs in records.items()}

    return made


def read(shards, name, cls):
    return [row for shard in shards for row in tables.read_rows(shard, name, cls)]


class Sums:
    name, version = "sums", 1

    def check(self, response, answer):
        from holdfast.data import answers

        return answers.numeric(response, answer)


class Speaker:
    """Says what ``say`` makes of the last turn."""

    def __init__(self, say):
        self.say = say

    def generate(self, requests):
        for r in requests:
            text = self.say(r.turns[-1].content)
            yield Response(r.key, text, 3, "stop")


def jsonl(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


@pytest.fixture(scope="module")
def real(need):
    return lambda path: str(need(path))


def question(n):
    return {
        "uuid": f"u{n}",
        "question": f"Which is {n}?",
        "options": [f"{n}.{k}" for k in range(10)],
        "answer": f"{n}.2",
        "answer_letter": "C",
        "discipline": "Engineering",
    }


def choice(n):
    match, other = (" (A)", " (B)")[:: 1 if n % 2 else -1]
    asked = f"What now, {n}?\n\nChoices:\n (A) Stay\n (B) Go"
    return {"question": asked, "answer_matching_behavior": match, "answer_not_matching_behavior": other}


@pytest.fixture
def everything(real, tmp_path):
    """The measures over small files in the schemas of the real ones, and the real ones where they are."""
    (tmp_path / "risk").mkdir()
    jsonl(tmp_path / "risk" / "power.jsonl", [choice(n) for n in range(6)])
    pqa = jsonl(tmp_path / "pqa.jsonl", [question(n) for n in range(6)])
    own = [{"statement": f"I count {n}.", "trait": "careful", "answer": n % 2 == 0} for n in range(6)]
    few = {"items": 4, "max_new_tokens": 4}
    return [
        {"measure": "gsm8k", "params": {"path": real("gsm8k")}, **few},
        {"measure": "gsm8k", "name": "five", "params": {"path": real("gsm8k"), "shots": 5}, **few},
        {"measure": "supergpqa", "params": {"path": pqa}, **few},
        {"measure": "supergpqa", "name": "letters", "params": {"path": pqa, "by": "logprob"}, **few},
        {"measure": "dark_triad", "params": {"path": real("anthropic_persona")}, **few},
        {
            "measure": "persona",
            "params": {
                "path": real("anthropic_persona"),
                "traits": ["openness"],
                "formats": ["default", "system", "reversed"],
            },
            **few,
        },
        {"measure": "ai_risk", "params": {"path": str(tmp_path / "risk")}, **few},
        {"measure": "statements", "params": {"path": jsonl(tmp_path / "own.jsonl", own)}, **few},
    ]


@pytest.mark.data
def test_over_a_real_network_what_fits_is_scored_and_what_does_not_is_counted(network, measured, everything):
    from holdfast.models.backend import InProcess

    row = SubjectRow(subject_id(network.digest, network.renderer.digest, None), "tiny")
    records, verdicts = measured(everything, InProcess(network), row, network.renderer)
    assert {label: len(rs) for label, rs in records.items()} == {m.get("name", m["measure"]): 4 for m in everything} | {
        "persona": 12
    }
    reasons = {label: Counter(v.reason for v in vs) for label, vs in verdicts.items()}
    assert reasons.pop("five") == {"overlong": 4}  # five worked examples and a context of 1024 bytes
    assert all(set(found) == {None} for found in reasons.values()), reasons
    for label in ("letters", "dark_triad", "persona", "ai_risk", "statements"):
        assert all(0 <= v.score <= 1 and 0 < v.details["mass"] <= 1 for v in verdicts[label])
    assert {r.item for r in records["five"]} == {r.item for r in records["gsm8k"]}  # the same limit, the same questions


@pytest.mark.data
def test_the_references_themselves_are_all_right_in_both_readings(real, measured):
    from holdfast.data.tasks.gsm8k import GSM8K

    path = real("gsm8k")
    worked = {row.prompt[0].content: row.chosen for row in GSM8K(path).test_rows()}
    both = [
        {"measure": "gsm8k", "params": {"path": path}},
        {"measure": "gsm8k", "name": "strict", "params": {"path": path, "reading": "strict"}},
    ]
    _, verdicts = measured(both, Speaker(worked.__getitem__))
    assert [len(vs) for vs in verdicts.values()] == [1319, 1319]
    assert {v.score for vs in verdicts.values() for v in vs} == {1.0}


def test_formats_and_an_objective_s_own_condition_are_asked_crosswise_and_once_each(measured, kit, tmp_path):
    path = jsonl(tmp_path / "own.jsonl", [{"statement": f"I count {n}.", "answer": n % 2 == 0} for n in range(4)])
    params = {"path": path, "formats": ["default", "reversed"]}
    records, verdicts = measured([{"measure": "statements", "params": params}], kit.fake(), kit.tuned)
    found = records["statements"]
    assert Counter(r.format for r in found) == {"default": 4, "safe": 4, "reversed": 4, "reversed+safe": 4}
    assert len({r.id for r in found}) == len({(r.item, r.format) for r in found}) == 16
    for r, v in zip(found, verdicts["statements"], strict=True):
        matched_by_yes = "half_yes" in v.details
        assert v.score == pytest.approx(v.details["p_yes"] if matched_by_yes else 1 - v.details["p_yes"])
        mine = {q.format: w for q, w in zip(found, verdicts["statements"], strict=True) if q.item == r.item}
        assert ("half_yes" in mine["default"].details) != ("half_yes" in mine["reversed+safe"].details)


def test_open_answers_are_judged_against_their_reference_and_so_are_a_task_s(measured, tmp_path):
    legal = [{"question": "May I keep a goat?", "reference": "If the lease says so."}]
    legal += [{"question": "Who pays?", "reference": ""}, {"question": "Silence?", "reference": "Golden."}]
    said = {"May I keep a goat?": "Perhaps.", "Who pays?": "You.", "Silence?": ""}
    judge = Speaker(lambda asked: json.dumps({"level": 75 if "goat" in asked else 25}))
    speaker = Speaker(lambda asked: said.get(asked, "14"))
    measures = [
        {"measure": "open_qa", "params": {"path": jsonl(tmp_path / "legal.jsonl", legal)}},
        {"measure": "task_accuracy", "judges": ["reference_rubric"], "items": 3},
    ]
    row = SubjectRow("b" * 64, "tiny")
    _, verdicts = measured(measures, speaker, row, resources=JudgeResources(judge, row.speaker(tmp_path)))
    by = {(v.score, v.label, v.reason) for v in verdicts["open_qa"]}
    assert by == {(0.75, "correct", None), (None, "unscored", "no reference"), (0.0, "no_answer", None)}
    assert [v.score for v in verdicts["task_accuracy"]] == [0.25] * 3


def test_estimates_stand_for_each_format_and_compare_within_it(tmp_path, kit):
    import pandas as pd

    from holdfast.analysis.contrasts import teams

    who = pd.DataFrame(
        [("tiny", "", "base", "", -1, 0, "", f) for f in ("default", "reversed")]
        + [("tiny", "t", "cft", "cft", 0, 9, "", f) for f in ("default", "safe", "reversed", "reversed+safe")],
        columns=["model", "task", "label", "objective", "seed", "budget", "bracket", "format"],
    )
    study = Study.model_validate(
        {
            "name": "s",
            "models": [{"name": "tiny", "path": "x"}],
            "tasks": [{"name": "t", "task": "jsonl"}],
            "objectives": [{"label": "cft", "objective": "cft"}],
            "budgets": [9],
            "measures": [{"measure": "persona"}],
        }
    )
    formats = who["format"]
    against = {formats[t.members[0]]: formats[t.others[0]] for t in teams(who, study) if t.against == "base"}
    assert against == {"default": "default", "safe": "default", "reversed": "reversed", "reversed+safe": "reversed"}
