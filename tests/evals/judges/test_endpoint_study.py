"""An endpoint judge in a small study: two workers, one cap, one ledger; what stays unanswered is asked again."""

from __future__ import annotations

import json

import pytest
from servers import KEY, code, graded, serving

from holdfast.config import loading
from holdfast.evals.eval_config import configs
from holdfast.evals.judges.judge import JudgeCost, JudgeResources
from holdfast.evals.judging import costs, judge_subject
from holdfast.evals.layout import write_configs
from holdfast.evals.progress import judged
from holdfast.evals.respond import respond_subject
from holdfast.evals.subject import SubjectRow
from holdfast.runs import pipeline
from holdfast.store import tables
from holdfast.store.digest import digest
from holdfast.store.files import read_json
from holdfast.store.folder import StudyFolder
from holdfast.types import Judgement, Response, UserError

STUDY = """
name: paid
models: [{{name: miniature, path: "package:holdfast.miniature/model"}}]
tasks: [{{name: arithmetic, task: miniature_arithmetic}}]
objectives: [{{label: SFT, objective: sft}}]
budgets: [600]
controls: {{batch_rows: 4, warmup_steps: 2, learning_rate: 1.0e-3}}
measures:
  - measure: miniature_robustness
    items: 2
    max_new_tokens: 8
    judges:
      - miniature_oracle
      - judge: strongreject_rubric
        params: {{endpoint: {endpoint}}}
workers: 2
"""


def judgements(folder: StudyFolder, judge: str = "strongreject_rubric") -> list[Judgement]:
    found = [j for f in folder.judgement_shards() for j in tables.read_rows(f, "judgements", Judgement)]
    return [j for j in found if j.judge == judge]


class Talks:
    """A backend whose subject answers every prompt in two words."""

    def identity(self, subject):
        return subject.id

    def assert_live(self, *_, **__):
        pass

    def generate(self, requests):
        yield from (Response(r.key, f"answer {digest(r.key)[:6]}", 2, "stop") for r in requests)


def test_the_cost_of_judging_is_printed_before_it_and_unanswered_rows_are_asked_again(tmp_path):
    """The stage's two functions on two subjects, in this process."""
    folder, rows = StudyFolder(tmp_path / "paid"), [SubjectRow(c * 64, "miniature") for c in "bc"]
    resources = JudgeResources(cache=folder.judge_cache)

    def seats(spec):
        endpoint = json.dumps(spec.model_dump(exclude_defaults=True))
        made = configs(loading.parse(STUDY.format(endpoint=endpoint)), {})
        write_configs(folder, made)
        return made

    with serving(graded) as server:
        made = seats(server.spec(price_in=1.0, budget_usd=1.0))
        assert costs(rows, made, folder, resources) == [JudgeCost("grader", 0, 0.0, None, 1.0)]
        for row in rows:
            respond_subject(Talks(), None, row, made, folder)
        (cost,) = costs(rows, made, folder, resources)
        assert cost.calls == 2 * 2 * 6, "subjects × items × (direct and five attacks)"
        assert not server.got
        server.fault = lambda body: "500 down" if int(code(body), 16) % 2 else ""  # type: ignore[method-assign]
        made = seats(server.spec(attempts=1))
        for row in rows:
            judge_subject(row, made, folder, resources=resources)
        lost = [j for j in judgements(folder) if j.score is None]
        assert {j.reason for j in lost} == {"unanswered"}
        assert not judged(rows[0], made, folder).done
        (cost,) = costs(rows, made, folder, resources)
        assert cost.calls == len(lost) == 24 - len(server.answered) > 0
        server.fault = lambda body: ""  # type: ignore[method-assign]
        for row in rows:
            judge_subject(row, made, folder, resources=resources)
            assert judged(row, made, folder).done
    assert [j.score for j in judgements(folder)] == [0.875] * 24
    assert len({json.dumps(body) for body in server.answered}) == len(server.answered) == 24


LOCAL = """
      - judge: score_classifier
        params: {model: {name: grader, path: "package:holdfast.miniature/model"}, file: RUBRICS}
      - judge: coherence_rubric
        params: {max_new_tokens: 4, file: RUBRICS}
"""


@pytest.mark.slow
def test_a_study_is_judged_by_an_endpoint_within_its_cap_and_without_loss(tmp_path, monkeypatch):
    monkeypatch.setenv("HOLDFAST_JUDGE_KEY", KEY)
    folder = StudyFolder(tmp_path / "paid")
    rubrics = tmp_path / "rubrics.yaml"  # the miniature reads no more than 512 tokens
    rubrics.write_text(
        "".join(
            f"{name}: {{version: 1, text: '{{prompt}} {{response}}'}}\n" for name in ("score_classifier", "coherence")
        )
    )

    def run(spec) -> None:
        """With judges beside it that ask a model of their own and the base."""
        text = STUDY.format(endpoint=json.dumps(spec.model_dump(exclude_defaults=True)))
        text = text.replace("\nworkers", LOCAL.replace("RUBRICS", str(rubrics)).rstrip() + "\nworkers")
        pipeline.run(loading.parse(text), folder.root, quiet=True)

    with serving(graded) as server:
        with pytest.raises(UserError, match="are more than the 1 that max_calls leaves"):
            run(server.spec(max_calls=1))
        assert not server.got, "the cost of all subjects is known before the first call"

        server.fault = lambda body: "500 down" if int(code(body), 16) % 2 else ""  # type: ignore[method-assign]
        run(server.spec(attempts=1, max_calls=100, concurrency=2))
        first = judgements(folder)
        assert len(first) == 2 * 2 * 6, "subjects × items × (direct and five attacks)"
        assert {j.reason for j in first} == {None, "unanswered"}
        kept = {j.record for j in first if j.score is not None}

        server.fault = lambda body: ""  # type: ignore[method-assign]
        run(server.spec(max_calls=100))
        assert [j.score for j in judgements(folder) if j.label != "empty"] == [0.875] * len(first)
        assert kept < {j.record for j in judgements(folder)}

    questions = {json.dumps(body) for body in server.answered}
    assert len(questions) == len(server.answered), "no question is paid for twice"
    ledgers = (folder.judge_cache / "ledger").rglob("*.json")
    assert sum(read_json(ledger)["calls"] for ledger in ledgers) == len(server.answered)
    assert "answers to ask of grader" in folder.run_log.read_text()
    written = b"".join(p.read_bytes() for p in folder.root.rglob("*") if p.is_file())
    assert KEY.encode() not in written
    scored, graded_by_base = judgements(folder, "score_classifier"), judgements(folder, "coherence_rubric")
    assert len(scored) == len(graded_by_base) == len(first)
    assert all(0 < j.details["mass"] < 1 for j in scored if j.label != "empty")
    assert {j.reason for j in graded_by_base} <= {"unparseable", "empty"}


def test_a_judge_s_missing_file_or_model_is_said_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = STUDY.replace("{{endpoint: {endpoint}}}", "PARAMS").format()
    for params, said in (
        ("{file: mine.yaml}", r"measures\[0\]\.judges: there is no file mine\.yaml"),
        ("{model: {name: m, path: nowhere}}", "there is no model at nowhere"),
    ):
        with pytest.raises(UserError, match=said):
            pipeline.run(loading.parse(text.replace("PARAMS", params)), tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()
