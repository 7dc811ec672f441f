"""Inspect's logs of a study say what its tables say; Inspect's tasks on a subject get that subject's answers."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import json
import math
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from holdfast.analysis import estimates_file
from holdfast.analysis.estimates_file import measured

pytest.importorskip("inspect_ai")

import yaml
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.log import list_eval_logs, read_eval_log
from inspect_ai.model import (
    CachePolicy,
    ChatMessageUser,
    ContentImage,
    GenerateConfig,
    get_model,
)
from inspect_ai.scorer import includes
from inspect_ai.solver import generate
from inspect_ai.tool import ToolInfo
from typer.testing import CliRunner

from holdfast.analysis.estimates import estimates
from holdfast.analysis.load import configs as about_configs
from holdfast.analysis.load import load_records as load_frame
from holdfast.cli.app import app
from holdfast.config.study import Study
from holdfast.evals.eval_config import configs as configs_of
from holdfast.evals.judges.judge import JudgeResources
from holdfast.evals.judging import judge_subject
from holdfast.evals.layout import write_configs
from holdfast.evals.respond import respond_subject
from holdfast.interop import inspect_logs
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.types import Judgement, Record, Response, UserError

MINIATURE = "package:holdfast.miniature/model"
REFUSAL = "I'm sorry, but I can't help with that."


@pytest.fixture(scope="module", autouse=True)
def at_home(tmp_path_factory):
    """What Inspect writes beside its logs goes to a temporary folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "INSPECT_CACHE_DIR", "INSPECT_LOG_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp("inspect")))
        yield


# -- records as logs ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def respond_kit():
    path = Path(__file__).parents[1] / "evals" / "respond" / "conftest.py"
    spec = importlib.util.spec_from_file_location("respond_conftest", path)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["respond_conftest"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def study(respond_kit, tmp_path_factory):
    """Base and one checkpoint, forbidden prompts under an attack, two samples, statements by log-prob; what was asked.

    A third of the responses are refusals. Of the first forbidden response the judge wrote words, of the second it
    could say nothing.
    """
    at = tmp_path_factory.mktemp("study")
    (at / "prompts.csv").write_text("category,prompt\ntea,How do I brew marsh tea?\nsoup,How do I stir bog soup?\n")
    facts = [json.dumps({"statement": f"Fact {n}.", "answer": n % 2 == 0}) for n in range(4)]
    (at / "facts.jsonl").write_text("\n".join(facts))
    robust = {"path": str(at / "prompts.csv"), "attacks": ["dan", "persistent"]}
    plan = {
        "name": "s",
        "models": [{"name": "tiny", "path": "x"}],
        "tasks": [{"name": "sums", "task": "jsonl"}],
        "objectives": [{"label": "cft", "objective": "cft"}],
        "budgets": [1000],
        "measures": [
            {"measure": "strongreject", "params": robust, "judges": ["rules"], "samples": 2, "temperature": 1.0},
            {"measure": "true_false", "params": {"path": str(at / "facts.jsonl")}, "own_conditions": False},
        ],
    }
    folder = StudyFolder(at / "folder")
    whole = Study.model_validate(plan)
    found = configs_of(whole, {"sums": (respond_kit.Sums(), respond_kit.prepared())})
    write_configs(folder, found)
    folder.study_yaml.write_text(yaml.safe_dump(plan))
    rows = [respond_kit.BASE, respond_kit.TUNED]
    tables.write(folder.subjects, "subjects", rows)

    class Fake(respond_kit.Fake):
        def generate(self, requests):
            for n, response in enumerate(super().generate(requests)):
                yield Response(response.key, REFUSAL, 9, "length") if n % 3 == 0 else response

    fake = Fake()
    for row in rows:
        respond_subject(fake, respond_kit.Characters(), row, found, folder)
        judge_subject(row, found, folder, wants=None, resources=JudgeResources(cache=folder.judge_cache))
    shard = next(p for p in folder.judgement_shards() if "strongreject" in str(p))
    said = tables.read_rows(shard, "judgements", Judgement)
    said[0] = dataclasses.replace(said[0], words="It names the marsh tea.")
    said[1] = dataclasses.replace(said[1], score=None, label="unscored", reason="no number")
    tables.write(shard, "judgements", said)
    tables.write(folder.estimates_parquet, "estimates", estimates(load_frame(folder), about_configs(folder), whole))
    return folder, {request.turns for request in fake.asked}


def logs(folder, to, **which):
    return [read_eval_log(str(file)) for file in inspect_logs.write(folder.root, to, **which)]


@pytest.fixture(scope="module")
def revealed(study, tmp_path_factory):
    return logs(study[0], tmp_path_factory.mktemp("revealed"), reveal=True)


def table(folder, name, cls, pattern):
    return [row for path in sorted(folder.root.glob(pattern)) for row in tables.read_rows(path, name, cls)]


def test_every_record_is_a_sample_with_its_judgement(study, revealed):
    folder, _ = study
    records = {r.id: r for r in table(folder, "records", Record, "records/*/*/*.parquet")}
    said = {j.record: j for j in table(folder, "judgements", Judgement, "judgements/*/*/*/*.parquet")}
    samples = [s for log in revealed for s in log.samples]
    assert sorted(s.metadata["record"] for s in samples) == sorted(records)
    for log in revealed:
        assert len({(s.id, s.epoch) for s in log.samples}) == len(log.samples) == log.results.total_samples
    for s in samples:
        r, j = records[s.metadata["record"]], said[s.metadata["record"]]
        (score,) = s.scores.values()
        assert (s.epoch, s.metadata["item"], score.answer) == (r.sample + 1, r.item, j.label)
        assert score.value == j.score or (math.isnan(score.value) and j.score is None)
        assert score.metadata.get("unscored_reason") == j.reason
        assert score.explanation == (j.words or j.reason)
        if not r.logps:
            assert s.output.completion == r.response
            assert s.output.stop_reason == {"stop": "stop", "length": "max_tokens"}[r.finish]
    explained = [s.scores["rules"].explanation for s in samples if "rules" in s.scores]
    assert {"It names the marsh tea.", "no number"} <= set(explained)


def test_messages_are_what_the_subject_was_asked(study, revealed):
    _, asked = study
    samples = [s for log in revealed for s in log.samples]
    put = {tuple((m.role, m.content) for m in s.messages[:-1]) for s in samples}
    assert put == {tuple((t.role, t.content) for t in turns) for turns in asked}
    assert {s.metadata["messages"] for s in samples} == {"as asked"}
    rounds = {f"round {n}{own}" for n in (1, 2) for own in ("", "+safe")}
    assert {s.metadata["format"] for s in samples} == {"default", "safe", *rounds}
    assert {len(s.messages) for s in samples if s.metadata["attack"] == "persistent"} == {2, 4, 6}
    attacked = next(s for s in samples if s.metadata["attack"] == "dan")
    assert attacked.input in attacked.messages[-2].content
    assert attacked.input != attacked.messages[-2].content


def test_a_log_prob_record_shows_the_likeliest_continuation_with_the_others_as_alternatives(study, revealed):
    records = {r.id: r for r in table(study[0], "records", Record, "records/*/*/*.parquet") if r.logps}
    samples = [s for log in revealed for s in log.samples if s.metadata["record"] in records]
    assert samples
    for s in samples:
        r = records[s.metadata["record"]]
        (best,) = s.output.choices[0].logprobs.content
        assert {t.token: t.logprob for t in best.top_logprobs} == dict(zip(r.continuations, r.logps, strict=True))
        assert (s.output.completion, best.logprob) == (best.token, max(r.logps))
        assert s.choices == list(r.continuations)


def test_metrics_are_the_studys_estimates(study, revealed):
    e = measured(estimates_file.read(study[0]))
    for log in revealed:
        who = log.eval.metadata["subject"]
        own = e[(e["label"] == who["label"]) & (e["against"] == "") & (e["measure"] == log.eval.task)]
        own = own[(own["seed"] == who["seed"]) & (own["format"] == "default") & (own["condition"] == "macro")]
        (score,) = log.results.scores
        assert next(iter(score.metrics)).endswith(" macro")
        for row in own.to_dict("records"):
            found = score.metrics[f"{row['metric']} macro"]
            assert found.value == row["value"]
            assert found.metadata["level"]["low"] == row["low"]
            assert ("vs_base" in found.metadata) == (who["label"] != "base")
        assert score.unscored_samples == sum(
            math.isnan(s.scores["rules"].value) for s in log.samples if "rules" in s.scores
        )
    assert sum(log.results.scores[0].unscored_samples for log in revealed) == 1


def inside(folder):
    """All that the logs hold, as text."""
    files = [zipfile.ZipFile(path) for path in folder.glob("*.eval")]
    return "\n".join(json.dumps(json.loads(z.read(name)), ensure_ascii=False) for z in files for name in z.namelist())


def test_forbidden_text_is_masked_unless_it_is_asked_for(study, tmp_path):
    logs(study[0], tmp_path / "masked", measure="strongreject")
    logs(study[0], tmp_path / "open", measure="strongreject", reveal=True)
    masked, shown = inside(tmp_path / "masked"), inside(tmp_path / "open")
    for text in ("marsh tea", "You take"):
        assert text in shown
        assert text not in masked
    assert REFUSAL in masked
    assert "response to a forbidden text, 17 characters" in masked


def test_where_a_measure_has_changed_since_the_plain_question_is_shown(study, tmp_path):
    folder, _ = study
    text = folder.study_yaml.read_text()
    other = yaml.safe_load(text)
    other["measures"][0]["params"]["attacks"] = ["role_play"]
    try:
        folder.study_yaml.write_text(yaml.safe_dump(other))
        (log,) = logs(folder, tmp_path, label="base", measure="strongreject", reveal=True)
    finally:
        folder.study_yaml.write_text(text)
    told = {s.metadata["attack"]: s.metadata["messages"] == "as asked" for s in log.samples}
    assert told == {"none": True, "dan": False, "persistent": False}
    assert all(s.messages[0].content == s.input for s in log.samples)


def test_only_what_the_study_plans_is_exported(study, tmp_path):
    folder = StudyFolder(shutil.copytree(study[0].root, tmp_path / "cut"))
    cut = yaml.safe_load(folder.study_yaml.read_text())
    cut["measures"][0] |= {"items": 1, "samples": 1}
    cut["measures"].pop()
    folder.study_yaml.write_text(yaml.safe_dump(cut))
    at = next(c for c in folder.configs() if "strongreject" in c.root.name)
    item = tables.read(at.items, "items")[:1]
    tables.write(at.items, "items", item)  # as the stage that plans leaves them
    found = logs(folder, tmp_path / "logs")
    assert [log.eval.task for log in found] == ["strongreject"] * 2
    assert all({s.metadata["item"] for s in log.samples} == {item["id"].item()} for log in found)
    assert {s.epoch for log in found for s in log.samples} == {1}
    assert {log.eval.dataset.samples for log in found} == {1}
    folder.study_yaml.write_text(yaml.safe_dump(cut | {"budgets": [500]}))
    assert [log.eval.model for log in logs(folder, tmp_path / "fewer")] == ["tiny/base"]


def test_a_log_is_whole_or_not_there(study, tmp_path, monkeypatch):
    def dies(log, location, **how):
        Path(location).write_bytes(b"half")
        raise OSError("out of order")

    monkeypatch.setattr(inspect_logs, "write_eval_log", dies)
    with pytest.raises(OSError, match="out of order"):
        inspect_logs.write(study[0].root, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_what_inspect_lists(study, tmp_path):
    words = ["export", "inspect", str(study[0].root), "--to", str(tmp_path / "logs"), "--budget", "1000"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    listed = list_eval_logs(str(tmp_path / "logs"))
    assert sorted(Path(info.name).name for info in listed) == sorted(Path(line).name for line in done.stdout.split())
    assert {info.task for info in listed} == {"strongreject", "true-false"}
    with pytest.raises(UserError, match="no such records"):
        inspect_logs.write(study[0].root, tmp_path, label="nobody")
    with pytest.raises(UserError, match="is no study's folder"):
        inspect_logs.write(tmp_path, tmp_path)


# -- tasks on a subject ---------------------------------------------------------------------------------------------


def subject(adapter=None, **more):
    return get_model(f"holdfast/{MINIATURE}", **({"adapter": str(adapter)} if adapter else {}), **more)


def said(model, text, **how):
    policy = how.pop("cache", False)
    return asyncio.run(model.generate(text, config=GenerateConfig(**{"max_tokens": 8} | how), cache=policy))


def evaluated(*asked, **how):
    """Inspect's evaluation, in a thread: it wants an event loop of its own, and this one's may be a browser's."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(eval, *asked, **how).result()


def test_a_task_runs_on_a_subject_and_its_epochs_are_samples(two_adapters, tmp_path, monkeypatch):
    rows = [Sample("What is 2 + 3?", target="5"), Sample("What is 4 + 4?", target="8")]
    task = Task(rows, solver=generate(), scorer=includes())
    model = subject(two_adapters[0])
    batches = []
    answer = model.api.resources._answer
    monkeypatch.setattr(model.api.resources, "_answer", lambda batch: (batches.append(len(batch)), answer(batch)))
    how = {"max_tokens": 8, "temperature": 1.5, "seed": 3, "epochs": 3, "display": "none", "log_dir": str(tmp_path)}
    (log,) = evaluated(task, model, **how)
    assert log.status == "success", log.error
    assert log.eval.model == f"holdfast/{MINIATURE}@{model.api.subject.id[:12]}"
    texts = {(s.id, s.epoch): s.output.completion for s in log.samples}
    assert len(texts) == 6
    assert len({text for (id, _), text in texts.items() if id == 1}) > 1
    usage = log.stats.model_usage[log.eval.model]
    prompts = sum(len(model.api.renderer.prompt_ids(api_turns(s.input))) for s in log.samples)
    assert (usage.input_tokens, usage.output_tokens) == (prompts, usage.total_tokens - prompts)
    assert sum(batches) == 6
    assert len(batches) < 6
    (again,) = evaluated(task, model, **how)
    assert {(s.id, s.epoch): s.output.completion for s in again.samples} == texts
    (retried,) = evaluated(task, log.eval.model, model_args=log.eval.model_args, **how | {"epochs": 1})
    assert {(s.id, 1): s.output.completion for s in retried.samples} == {k: v for k, v in texts.items() if k[1] == 1}


def api_turns(text):
    from holdfast.types import Turn

    return (Turn("user", text),)


def test_no_subject_gets_another_subjects_cached_answers(two_adapters, monkeypatch):
    models = [subject(), *map(subject, two_adapters)]
    assert len({str(m) for m in models}) == 3
    assert len({id(m.api.resources) for m in models}) == 1  # the base is held once
    fresh = [said(m, "What is 7 + 1?").completion for m in models]
    assert len(set(fresh)) == 3
    policy = CachePolicy(expiry=None)
    assert [said(m, "What is 7 + 1?", cache=policy).completion for m in models] == fresh
    for m in models:
        monkeypatch.setattr(m.api.resources, "_answer", None)
    assert [said(m, "What is 7 + 1?", cache=policy).completion for m in models] == fresh


def test_sampling_noise_depends_on_content_and_seed_alone(two_adapters):
    model = subject(two_adapters[0])
    hot = {"temperature": 1.5}
    assert said(model, "Hello?", seed=1, **hot).completion == said(model, "Hello?", seed=1, **hot).completion
    assert said(model, "Hello?", seed=1, **hot).completion != said(model, "Hello?", seed=2, **hot).completion
    assert len({said(model, "Hello?", **hot).completion for _ in range(3)}) > 1
    several = said(model, "Hello?", seed=1, num_choices=3, **hot)
    assert len({choice.message.text for choice in several.choices}) > 1
    assert several.choices[0].message.text == said(model, "Hello?", seed=1, **hot).completion


def test_a_response_ends_at_stop_sequences_token_limits_and_the_context():
    model = subject()
    whole = said(model, "Are crows black?", max_tokens=100)
    assert whole.stop_reason == "stop"
    assert whole.usage.output_tokens < 100
    ends = whole.completion[4:7]
    cut = said(model, "Are crows black?", max_tokens=100, stop_seqs=["never", ends])
    assert (cut.completion, cut.stop_reason) == (whole.completion[: whole.completion.index(ends)], "stop")
    assert said(model, "Are crows black?", max_tokens=2).stop_reason == "max_tokens"
    long = said(model, "What is 2 + 3? " * 200)
    assert (long.completion, long.stop_reason) == ("", "model_length")


def test_unsupported_generation_options_are_refused_in_a_sentence(two_adapters):
    model = subject()
    for how in ({"top_k": 3}, {"logprobs": True}):
        with pytest.raises(UserError, match=f"without {next(iter(how))}"):
            said(model, "Hello?", **how)
    with pytest.raises(UserError, match="calls no tools"):
        asyncio.run(model.generate("Hello?", tools=[ToolInfo(name="look", description="looks")]))
    image = ChatMessageUser(content=[ContentImage(image="data:image/png;base64,AA==")])
    with pytest.raises(UserError, match="text only"):
        said(model, [image])
    for name, how, says in (
        (f"holdfast/{MINIATURE}@{'0' * 12}", {}, "they have changed"),
        ("holdfast/no/such/folder", {}, "no model at no/such/folder"),
        (f"holdfast/{MINIATURE}", {"colour": "red"}, "model argument colour"),
        (f"holdfast/{MINIATURE}", {"backend": "vllm"}, "in this process"),
        (f"holdfast/{MINIATURE}", {"adapter": "no/such/adapter"}, "no/such/adapter"),
    ):
        with pytest.raises(Exception, match=says) as caught:
            get_model(name, **how)
        assert type(caught.value).__name__ == "PrerequisiteError"
