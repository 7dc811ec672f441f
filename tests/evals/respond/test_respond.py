"""Responding and judging: every planned row once, nothing twice, and the same bytes whatever happened on the way."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

from holdfast.evals.eval_config import limited
from holdfast.evals.judges.judge import JudgeModel
from holdfast.evals.judging import judge_subject, wanted
from holdfast.evals.respond import distinct, request_key, respond_subject, rows
from holdfast.evals.shards import fill
from holdfast.store import tables
from holdfast.store.digest import digest
from holdfast.types import Item, Judgement, Prompt, Record, Sampling, Subject, Turn, UserError

ASK = Prompt("i", (Turn("user", "hello"),))


def records(folder, found, row):
    return {
        config.label: [
            r
            for shard in sorted(folder.config(config.name, config.id).shard(row.subject, 0).parent.glob("*.parquet"))
            for r in tables.read_rows(shard, "records", Record)
        ]
        for config in found
    }


def judgements(folder):
    return [j for p in folder.judgement_shards() for j in tables.read_rows(p, "judgements", Judgement)]


def test_every_row_is_there_once_and_the_objective_s_condition_stands_beside_the_bare_prompt(make, study_folder, kit):
    found = make()
    folder, backend = study_folder(found), kit.fake()
    for row in (kit.base, kit.tuned):
        respond_subject(backend, kit.tokens, row, found, folder)
    base, tuned = records(folder, found, kit.base), records(folder, found, kit.tuned)
    assert {k: len(v) for k, v in base.items()} == {"task_accuracy": 30, "strongreject": 20 * 6, "true_false": 40}
    assert Counter(r.format for r in tuned["task_accuracy"]) == {"default": 30, "safe": 30}
    assert Counter(r.format for r in tuned["true_false"]) == {"default": 40}  # own_conditions: false
    assert {r.subject for rs in tuned.values() for r in rs} == {kit.tuned.subject}
    ids = [r.id for table in (base, tuned) for rs in table.values() for r in rs]
    assert len(set(ids)) == len(ids)
    assert backend.live == [kit.tuned.subject]  # checked once, and the base not at all


def test_what_cannot_be_put_or_read_is_a_row_without_a_score(make, study_folder, kit):
    found = make()
    folder = study_folder(found)
    respond_subject(kit.fake(), kit.tokens, kit.base, found, folder)
    judge_subject(kit.base, found, folder)
    zulu = {r.id for r in records(folder, found, kit.base)["strongreject"] if r.attack == "zulu"}
    verdicts = {j.record: j for j in judgements(folder)}
    assert len(zulu) == 20
    assert {(verdicts[i].score, verdicts[i].reason) for i in zulu} == {(None, "untranslated")}
    rest = [j for i, j in verdicts.items() if i not in zulu]
    assert all(j.score is not None for j in rest)


def test_an_overlong_prompt_is_unscored(make, study_folder, kit, tmp_path):
    attacks = tmp_path / "attacks.yaml"
    attacks.write_text('dan: {version: 1, text: "overlong {prompt}"}')
    found = make(params={"attacks": ["dan"], "attack_params": {"dan": {"file": str(attacks)}}})
    folder = study_folder(found)
    respond_subject(kit.fake(), kit.tokens, kit.base, found, folder)
    judge_subject(kit.base, found, folder)
    reasons = Counter(j.reason for j in judgements(folder) if j.judge == "rules")
    assert reasons == {"overlong": 20, None: 20}


def test_a_second_run_asks_nothing_and_changes_nothing(make, study_folder, kit):
    found = make()
    folder = study_folder(found)
    respond_subject(kit.fake(), kit.tokens, kit.tuned, found, folder)
    judge_subject(kit.tuned, found, folder)
    before, again = kit.content(folder), kit.fake()
    study_folder(found)
    respond_subject(again, kit.tokens, kit.tuned, found, folder)
    judge_subject(kit.tuned, found, folder)
    assert again.asked == []
    assert again.live == []
    assert kit.content(folder) == before


@pytest.mark.parametrize("after", [0, 1, 40, 300, 315])
def test_a_run_that_dies_in_the_middle_ends_with_the_same_bytes(make, study_folder, kit, after):
    found = make(prompts=60, temperature=1.0, samples=2)  # 60 × 6 × 2 rows, 600 of which can be put: three shards
    whole, broken = study_folder(found, "whole"), study_folder(found, "broken")
    respond_subject(kit.fake(), kit.tokens, kit.base, found, whole)
    with pytest.raises(KeyboardInterrupt):
        respond_subject(kit.fake(dies_after=after), kit.tokens, kit.base, found, broken)
    left = [p for p in broken.records.rglob("*") if p.is_file() and ".tmp" in p.name]
    assert left == []
    assert all(tables.read(p, "records").shape[0] in (30, 256) for p in broken.record_shards())
    respond_subject(kit.fake(), kit.tokens, kit.base, found, broken)
    assert kit.content(broken) == kit.content(whole)
    assert {p.name for p in whole.record_shards()} == {"00000.parquet"}


@pytest.mark.parametrize("left", [("00000", "00001"), ("00001", "00002"), ("00000", "00007")])
def test_shards_that_an_earlier_version_or_a_kill_left_are_packed_and_nothing_is_asked_again(
    make, study_folder, kit, left
):
    found = make(prompts=60, temperature=1.0, samples=2)
    whole, split = study_folder(found, "whole"), study_folder(found, "split")
    for folder in (whole, split):
        respond_subject(kit.fake(), kit.tokens, kit.base, found, folder)
    for file in split.record_shards():
        rows = tables.read_rows(file, "records", Record)
        file.unlink()
        for name, some in zip(left, (rows[:20], rows[10:]), strict=True):  # ten stand there twice
            tables.write(file.with_name(f"{name}.parquet"), "records", some)
    respond_subject(backend := kit.fake(), kit.tokens, kit.base, found, split)
    assert backend.asked == []
    assert kit.content(split) == kit.content(whole)


def test_rows_that_are_made_again_never_stand_beside_what_they_replace(tmp_path):
    ids = [f"r{k}" for k in range(600)]
    old = [Judgement(i, "rules", None, "unscored", "unanswered") for i in ids]
    tables.write(tmp_path / "00000.parquet", "judgements", old)
    calls = []

    def make(some):
        calls.append(list(some))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return [Judgement(i, "rules", 1.0, "answer") for i in some]

    how = {"key": lambda j: j.record, "keep": lambda j: j.reason is None}
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path, "judgements", Judgement, ids, make, **how)
    left = [j for p in sorted(tmp_path.glob("*.parquet")) for j in tables.read_rows(p, "judgements", Judgement)]
    assert [j.record for j in left] == ids[:256]
    fill(tmp_path, "judgements", Judgement, ids, make, **how)
    assert calls[2] + calls[3] == ids[256:]
    assert [j.record for j in tables.read_rows(tmp_path / "00000.parquet", "judgements", Judgement)] == ids


def test_a_killed_process_leaves_whole_shards_only(make, study_folder, kit):
    found = make(prompts=60)
    whole, broken = study_folder(found, "whole"), study_folder(found, "broken")
    respond_subject(kit.fake(), kit.tokens, kit.base, found, whole)
    child = os.fork()
    if child == 0:
        backend = kit.fake()
        backend.assert_live = None
        generate = backend.generate

        def killed(requests):
            for response in generate(requests):
                if len(backend.asked) == 270:
                    os.kill(os.getpid(), 9)
                yield response

        backend.generate = killed
        respond_subject(backend, kit.tokens, kit.base, found, broken)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 9
    assert broken.record_shards()
    respond_subject(kit.fake(), kit.tokens, kit.base, found, broken)
    assert kit.content(broken) == kit.content(whole)


def test_the_order_of_subjects_and_of_items_in_a_file_does_not_matter(make, study_folder, kit):
    found = make()
    one, other = study_folder(found, "one"), study_folder(found, "other")
    for folder, order in ((one, (kit.base, kit.tuned)), (other, (kit.tuned, kit.base))):
        for row in order:
            respond_subject(kit.fake(), kit.tokens, row, found, folder)
            judge_subject(row, found, folder)
    assert kit.content(one) == kit.content(other)
    items = [Item(str(n), (Turn("user", str(n)),)) for n in range(50)]
    shuffled = random.Random(0).sample(items, len(items))
    assert limited(items, 10) == limited(shuffled, 10)


def test_a_study_grows_by_items_and_samples_without_asking_twice(make, study_folder, kit):
    small = make(items=10, temperature=1.0, samples=1)
    large = make(items=20, temperature=1.0, samples=3)
    assert [c.id for c in small] == [c.id for c in large]
    folder, fresh = study_folder(small), study_folder(large, "fresh")
    first, then, at_once = kit.fake(), kit.fake(), kit.fake()
    respond_subject(first, kit.tokens, kit.base, small, folder)
    study_folder(large)
    respond_subject(then, kit.tokens, kit.base, large, folder)
    respond_subject(at_once, kit.tokens, kit.base, large, fresh)
    asked = [{r.key for r in backend.asked} for backend in (first, then, at_once)]
    assert not asked[0] & asked[1]
    assert asked[0] | asked[1] == asked[2]
    assert kit.content(folder) == kit.content(fresh)


def test_a_study_shrinks_and_what_is_no_longer_planned_is_out_of_the_way(make, study_folder, kit):
    large, small, other = make(prompts=60), make(prompts=60, items=10), make(prompts=60, max_new_tokens=9)
    folder = study_folder(large)
    respond_subject(kit.fake(), kit.tokens, kit.base, large, folder)
    study_folder(small)
    respond_subject(kit.fake(), kit.tokens, kit.base, small, folder)
    assert len(records(folder, small, kit.base)["strongreject"]) == 60
    study_folder(other)  # other answers: another eval config, and the former one is shelved
    assert small[1].id != other[1].id
    assert not folder.config(small[1].name, small[1].id).root.exists()
    assert len(folder.configs()) == 3
    study_folder(small)
    back = kit.fake()
    respond_subject(back, kit.tokens, kit.base, small, folder)
    assert back.asked == []


def test_a_limit_is_spread_over_the_strata_and_nested():
    items = [Item(f"{a}{n}", (), fields={"answer": a}) for a in ("Yes", "No") for n in range(100)]
    ten, twenty = limited(items, 10, ("answer",)), limited(items, 20, ("answer",))
    assert Counter(i.fields["answer"] for i in ten) == {"Yes": 5, "No": 5}
    assert twenty[:10] == ten
    assert len(limited(items, None)) == 200


@pytest.mark.parametrize(
    ("subject", "prompt", "sampling", "sample"),
    [
        (Subject("other adapter, base or template", "m"), ASK, Sampling(), 0),
        (Subject("s", "m"), Prompt("i", (Turn("user", "attacked hello"),)), Sampling(), 0),
        (Subject("s", "m"), Prompt("i", (Turn("system", "x"), *ASK.turns)), Sampling(), 0),
        (Subject("s", "m"), ASK, Sampling(seed=1), 0),
        (Subject("s", "m"), ASK, Sampling(temperature=0.5), 0),
        (Subject("s", "m"), ASK, Sampling(max_new_tokens=1), 0),
        (Subject("s", "m"), ASK, Sampling(top_p=0.9), 0),
        (Subject("s", "m"), ASK, Sampling(), 1),
        (Subject("s", "m"), Prompt("i", ASK.turns, continuations=("Yes",)), Sampling(), 0),
    ],
)
def test_what_changes_an_answer_changes_its_key(subject, prompt, sampling, sample):
    plain = request_key(Subject("s", "m"), ASK, Sampling(), 0)
    assert request_key(subject, prompt, sampling, sample) != plain


def test_what_changes_no_answer_changes_no_key():
    plain = request_key(Subject("s", "m"), ASK, Sampling(), 0)
    elsewhere = Subject("s", "another label", "/another/place")
    assert request_key(elsewhere, ASK, Sampling(samples=9), 0) == plain
    assert request_key(elsewhere, Prompt("j", ASK.turns, "dan", "safe"), Sampling(), 0) == plain


def test_no_two_rows_of_two_subjects_share_a_record(make, kit, tmp_path):
    found = make()
    speakers = [row.speaker(tmp_path) for row in (kit.base, kit.tuned)]
    ids = [r.id for s in speakers for config in found for r in rows(config, s, None)]
    assert len(set(ids)) == len(ids)


def test_forms_whose_tokens_another_form_begins_with_are_asked_once(kit):
    assert distinct(kit.tokens, ("Yes", " Yes", "yes", "Yes.", "No")) == ("Yes", "yes", "No")
    assert distinct(kit.tokens, ("Yes.", "Yes")) == ("Yes",)


def test_scored_rows_hold_only_the_forms_that_were_asked(make, study_folder, kit):
    found = make()
    folder = study_folder(found)
    respond_subject(kit.fake(), kit.tokens, kit.base, found, folder)
    (first, *_) = records(folder, found, kit.base)["true_false"]
    assert first.finish == "scored"
    assert first.continuations == ("Yes", "yes", "YES", "No", "no", "NO")
    assert len(first.logps) == 6


def test_a_new_version_of_a_judge_judges_anew_and_old_judgements_are_set_aside(make, study_folder, kit, monkeypatch):
    from holdfast.evals.judges.rules import Rules

    found = make()
    folder = study_folder(found)
    respond_subject(kit.fake(), kit.tokens, kit.base, found, folder)
    judge_subject(kit.base, found, folder)
    before = judgements(folder)
    monkeypatch.setattr(Rules, "version", 99)
    monkeypatch.setattr(Rules, "_one", lambda self, record: Judgement(record.id, "rules", 0.0, "refusal"))
    study_folder(found)
    judge_subject(kit.base, found, folder)
    after = judgements(folder)
    assert len(after) == len(before)
    assert {j.label for j in after if j.judge == "rules"} == {"refusal", "unscored"}


def test_a_translation_of_a_response_that_comes_later_is_judged_later(make, study_folder, kit, tmp_path):
    import json

    path = tmp_path / "zulu.json"
    prompts = {f"How do I cook dish {n}?": f"Isidlo {n}?" for n in range(20)}
    path.write_text(json.dumps({"prompts": prompts}))
    found = make(params={"attacks": ["zulu"], "attack_params": {"zulu": {"translations": str(path)}}})
    folder = study_folder(found)
    respond_subject(kit.fake(), kit.tokens, kit.base, found, folder)
    judge_subject(kit.base, found, folder)
    assert Counter(j.reason for j in judgements(folder) if j.judge == "rules") == {"undecoded": 20, None: 20}

    said = {
        r.response: "I cannot help." for r in records(folder, found, kit.base)["strongreject"] if r.attack == "zulu"
    }
    path.write_text(json.dumps({"prompts": prompts, "responses": said}))
    found = make(params={"attacks": ["zulu"], "attack_params": {"zulu": {"translations": str(path)}}})
    judge_subject(kit.base, found, study_folder(found))
    assert Counter(j.label for j in judgements(folder) if j.judge == "rules") == {"refusal": 20, "answer": 20}


def test_mistakes_are_said_before_anything_runs(make):
    with pytest.raises(UserError, match="samples at temperature 0"):
        make(samples=3)
    with pytest.raises(UserError, match="also training rows of sums") as error:
        make(train="how do i cook DISH 3")
    assert "cook" not in str(error.value)
    with pytest.raises(UserError, match="task_accuracy-sums and again-sums ask the same"):
        make(more=[{"measure": "task_accuracy", "name": "again", "max_new_tokens": 8}])


def test_cell_json_holds_what_later_stages_need(make):
    about = make()[1].about()
    assert about["measure"] == about["name"] == "strongreject"
    assert about["axis"] == "robustness"
    assert about["summary"]["by"] == "attack"
    assert about["generates"]
    assert about["judges"] == ["rules"]
    assert set(about["attacks"]) == set(about["summary"]["macro_over"])
    assert all({"version", "hash"} == set(a) for a in about["attacks"].values())
    assert digest(about)


def test_coherence_is_the_only_judge_that_needs_the_base_model(make):
    assert wanted(make()) == [None]
    assert wanted(make(judges=["rules", "coherence"])) == [None, JudgeModel()]
