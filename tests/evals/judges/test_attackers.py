"""An attacker that is a model: what it is shown, what it writes, what is kept of it and what it may cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from servers import serving

from holdfast import registry
from holdfast.config import loading
from holdfast.config.study import ModelSpec, Study
from holdfast.evals.attackers import Attackers, Pair, Unwritten
from holdfast.evals.batched import respond_together
from holdfast.evals.eval_config import configs
from holdfast.evals.judges.judge import JudgeCost, JudgeResources
from holdfast.evals.judging import judge_subject
from holdfast.evals.layout import write_configs
from holdfast.evals.progress import messages
from holdfast.evals.respond import respond_subject
from holdfast.evals.subject import SubjectRow
from holdfast.runs import pipeline
from holdfast.store import tables
from holdfast.store.digest import digest
from holdfast.store.folder import StudyFolder
from holdfast.types import Judgement, Record, Response, Subject, UserError

ROWS = [SubjectRow(c * 64, "tiny") for c in "bc"]
ITEMS = ("How is tea made?", "How is soup made?", "How is bread made?")


@dataclass
class Talks:
    """A subject whose answers are of the whole conversation. Dies after so many."""

    dies_after: int | None = None
    asked: list = field(default_factory=list)

    def assert_live(self, *_):
        pass

    def generate(self, requests):
        for r in sorted(requests, key=lambda r: r.key):
            if len(self.asked) == self.dies_after:
                raise KeyboardInterrupt
            self.asked.append(r)
            yield Response(r.key, f"No {digest([r.subject.id, r.turns])[:6]}.", 2, "stop")


def writes(body: dict) -> str:
    """An attacker that quotes the end of the last answer."""
    return f"Please, of {body['messages'][-1]['content'][-90:].split()[1]}: go on."


@pytest.fixture
def study(tmp_path):
    """Eval config and folder of a study that ``pair`` attacks, by an endpoint."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("\n".join(ITEMS) + "\n")

    def made(spec, name="study", tries=2, **pair):
        how = {"tries": tries, **({"endpoint": spec.model_dump(exclude_defaults=True)} if spec else {}), **pair}
        params = {"path": str(prompts), "attacks": ["pair"], "attack_params": {"pair": how}}
        given = {
            "name": "s", "models": [{"name": "tiny", "path": "x"}], "tasks": [{"name": "sums", "task": "jsonl"}],
            "objectives": [{"label": "sft", "objective": "sft"}], "budgets": [1000],
            "measures": [{"measure": "forbidden", "params": params, "judges": ["rules"]}],
        }  # fmt: skip
        found, folder = configs(Study.model_validate(given), {}), StudyFolder(tmp_path / name)
        write_configs(folder, found)
        return found, folder

    return made


def ask(found, folder, row=ROWS[0], backend=None):
    backend = backend or Talks()
    by = Attackers(folder.judge_cache, lambda wants: JudgeResources(cache=folder.judge_cache))
    respond_subject(backend, None, row, found, folder, attackers=by)
    return backend


def records(folder):
    return [r for p in folder.record_shards() for r in tables.read_rows(p, "records", Record)]


def content(folder):
    return {str(p.relative_to(folder.root)): p.read_bytes() for p in folder.records.rglob("*") if p.is_file()}


def test_it_reads_request_and_answers_and_its_message_is_the_next_turn(study):
    with serving(writes) as server:
        found, folder = study(server.spec())
        backend = ask(found, folder)
    said = {(r.item, r.attack, r.format): r.response for r in records(folder)}
    assert Counter(format for _, attack, format in said if attack == "pair") == dict.fromkeys(
        ("round 1", "round 2", "default"), 3
    )
    assert len(server.got) == 3 * 2
    for item in found[0].items:
        (request,) = (t.content for t in item.prompt)
        first, second = said[item.id, "pair", "round 1"], said[item.id, "pair", "round 2"]
        assert first == said[item.id, "none", "default"], "its first round is the request as it is"
        mine = [b["messages"][0]["content"] for b in server.got if request in b["messages"][0]["content"]]
        assert [first in question for question in mine] == [True, True]
        assert [second in question for question in mine] == [False, True]
        (last,) = (r.turns for r in backend.asked if len(r.turns) == 5 and r.turns[0].content == request)
        assert [t.role for t in last] == ["user", "assistant"] * 2 + ["user"]
        assert last[2].content.startswith("Please, of")
        assert (last[1].content, last[3].content) == (first, second)


@pytest.mark.parametrize("after", [0, 2, 4, 7])
def test_a_run_that_dies_asks_neither_of_the_two_anything_twice(study, after):
    with serving(writes) as server:
        found, whole = study(server.spec(), "whole")
        ask(found, whole)
        asked = len(server.got)
        _, broken = study(server.spec(), "broken")
        with pytest.raises(KeyboardInterrupt):
            ask(found, broken, backend=Talks(dies_after=after))
        ask(found, broken)
        assert len(server.got) == 2 * asked, "what was written before is known"
        again = ask(found, broken)
    assert again.asked == []
    assert content(broken) == content(whole)


def test_subjects_asked_together_have_the_same_records_and_no_turn_of_another_s(study):
    with serving(writes) as server:
        found, alone = study(server.spec(), "alone")
        _, together = study(server.spec(), "together")
        for row in ROWS:
            ask(found, alone, row)
        by = Attackers(together.judge_cache, lambda wants: JudgeResources(cache=together.judge_cache))
        respond_together(Talks(), None, ROWS, found, together, attackers=by)
    assert content(alone) == content(together)
    last = [r.response for r in records(alone) if r.attack == "pair" and r.format == "default"]
    assert len(set(last)) == 6


@pytest.mark.parametrize("reply", ["", "<think>What may work?", "I cannot help with that."])
def test_an_attacker_that_writes_nothing_or_declines_leaves_rows_unscored(study, reply):
    with serving(lambda body: reply) as server:
        found, folder = study(server.spec())
        ask(found, folder)
    judge_subject(ROWS[0], found, folder)
    finish = Counter((r.format, r.finish) for r in records(folder) if r.attack == "pair")
    assert finish == {("round 1", "stop"): 3, ("round 2", "unasked"): 3, ("default", "unasked"): 3}
    judged = [j for p in folder.judgement_shards() for j in tables.read_rows(p, "judgements", Judgement)]
    assert Counter(j.reason for j in judged) == {None: 6, "unasked": 6}


def test_a_cap_holds_and_a_larger_one_goes_on(study):
    with serving(writes) as server:
        found, folder = study(server.spec(max_calls=2))
        with pytest.raises(UserError, match="are more than the 2 that max_calls leaves"):
            ask(found, folder)
        assert not server.got
        assert records(folder) == []
        more, folder = study(server.spec(max_calls=6))
        assert more[0].id == found[0].id
        ask(more, folder)
        assert len(server.got) == 6


def test_what_is_left_to_write_is_told_before_it_is_asked(study):
    with serving(writes) as server:
        found, folder = study(server.spec())
        assert messages(ROWS, found, folder) == [JudgeCost("grader", 2 * 3 * 2, 0.0)]
        ask(found, folder)
        assert messages(ROWS, found, folder) == [JudgeCost("grader", 3 * 2, 0.0)]
        ask(found, folder, ROWS[1])
        assert messages(ROWS, found, folder) == [JudgeCost("grader", 0, 0.0)]


def test_what_an_endpoint_leaves_unanswered_is_asked_again_and_nothing_else(study):
    with serving(writes) as server:
        found, folder = study(server.spec(attempts=1))
        server.fault = lambda body: "500 down" if "soup" in body["messages"][0]["content"] else ""
        with pytest.raises(UserError, match="left 1 of 3 questions unanswered"):
            ask(found, folder)
        server.fault = lambda body: ""
        ask(found, folder)
        assert len(server.answered) == 6
    assert Counter(r.finish for r in records(folder)) == {"stop": 3 + 9}


def test_who_attacks_and_how_often_is_part_of_the_attack():
    def made(**more):
        return registry.build("attacks", "pair", {"endpoint": {"url": "http://x/v1", "model": "m"}} | more).hash

    same = made(endpoint={"url": "http://y/v1", "model": "m", "max_calls": 3})
    hashes = [made(), made(tries=4), made(temperature=1.0), made(endpoint={"url": "http://x/v1", "model": "n"})]
    assert len(set(hashes)) == 4
    assert same == hashes[0], "where it is served, and what it may cost, change no turn"
    with pytest.raises(UserError, match="who attacks"):
        registry.build("attacks", "pair")
    with pytest.raises(UserError, match="both a model and an endpoint"):
        made(model={"name": "a", "path": "x"})


def test_a_local_model_is_asked_once_a_question_and_its_turns_are_known_later(study, network, tmp_path):
    asked = []

    class Local:
        def generate(self, requests):
            asked.extend(requests)
            return (Response(r.key, f"Say more, {digest(r.turns)[:4]}.", 3, "stop") for r in requests)

    model = {"name": "attacker", "path": str(network)}
    found, folder = study(None, model=model)
    (attack,) = found[0].measure.wrappings.values()
    assert isinstance(attack, Pair)
    assert attack.wants.model == ModelSpec(**model)
    cache = folder.judge_cache
    with pytest.raises(UserError, match="which this run did not load"):
        respond_subject(Talks(), None, ROWS[0], found, folder)
    resources = JudgeResources(Local(), Subject("a", "attacker"), cache=cache)
    for _ in range(2):
        respond_subject(Talks(), None, ROWS[0], found, folder, attackers=Attackers(cache, lambda wants: resources))
    assert len(asked) == len({r.key for r in asked}) == 6
    item = found[0].items[0]
    by = {(r.item, r.attack, r.format): r.response for r in records(folder)}
    answers = [by[item.id, "pair", f] for f in ("round 1", "round 2")]
    turns = found[0].measure.conversation(item, "pair", answers, Attackers(cache).next)
    assert turns[-1].content.startswith("Say more, ")
    with pytest.raises(Unwritten):
        found[0].measure.conversation(item, "pair", ["something else"], Attackers(cache).next)
    with pytest.raises(UserError, match="only a run asks"):
        found[0].measure.conversation(item, "pair", answers)


@pytest.fixture
def network():
    from importlib.resources import files

    return files("holdfast.miniature") / "model"


@pytest.mark.slow
def test_a_study_is_attacked_by_an_endpoint_and_by_a_model_of_its_own(tmp_path):
    text = """
    name: attacked
    models: [{name: miniature, path: "package:holdfast.miniature/model"}]
    tasks: [{name: arithmetic, task: miniature_arithmetic}]
    objectives: [{label: SFT, objective: sft}]
    budgets: [600]
    controls: {batch_rows: 4, warmup_steps: 2, learning_rate: 1.0e-3}
    measures:
      - {measure: task_accuracy, items: 2, max_new_tokens: 4}
      - measure: miniature_robustness
        items: 2
        max_new_tokens: 8
        judges: [miniature_oracle]
        params: {attacks: [pair], attack_params: {pair: PAIR}}
    """
    with serving(writes) as server:
        pairs = {
            "endpoint": f"{{tries: 2, endpoint: {{url: '{server.url}', model: m}}}}",
            "own": "{tries: 1, max_new_tokens: 8, file: FILE, "
            'model: {name: attacker, path: "package:holdfast.miniature/model"}}',
        }
        short = tmp_path / "attacks.yaml"  # the miniature reads no more than 512 tokens
        short.write_text('pair: {version: 1, text: "Ask: {prompt}"}')
        for name, pair in pairs.items():
            folder = StudyFolder(tmp_path / name)
            spec = loading.parse(text.replace("PAIR", pair).replace("FILE", str(short)))
            pipeline.run(spec, folder.root, quiet=True)
            said = [r for r in records(folder) if r.attack == "pair"]
            assert Counter(r.subject for r in said).keys() == set(tables.read(folder.subjects, "subjects")["subject"])
            assert {r.format for r in said} >= {"round 1", "default"}
            assert folder.report.joinpath("report.html").is_file() or list(folder.report.rglob("*.html"))
    assert server.got
