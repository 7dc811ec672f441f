"""Splits that stay, rejected responses by source, unsafe text by regime, and no item both learnt and measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.config.study import TaskSpec
from holdfast.config.task import ChosenSpec, RejectedSpec, SplitSpec, UnsafeSpec
from holdfast.data import perturb, sampled, unsafe
from holdfast.data.prepare import prepare
from holdfast.data.sampled import Sampled
from holdfast.data.splits import split
from holdfast.data.tasks.task import Unsafe, prompt_key
from holdfast.store.rows import Source
from holdfast.types import REFUSAL, UNSAFE, Response, Turn, UserError

from .conftest import Toy, row

ROWS = tuple(row(n) for n in range(1, 201))
ROWS_BY_ID = {r.id: r for r in ROWS}
TEXTS = tuple(Unsafe(f"forbidden {n} of the valley", f"nonsense {n}", f"No {n}.") for n in range(30))


def spec(**parts) -> TaskSpec:
    return TaskSpec(name="t", task="toy", **parts)


# -- splits -----------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 199), st.integers(0, 3))
def test_adding_rows_moves_none(n, salt):
    how = SplitSpec(validation=0.2, test=0.2, salt=salt)
    try:
        fewer = split(Toy(ROWS[:n]), how)
    except UserError:
        return
    more = split(Toy(ROWS[::-1]), how)
    for part, rows in fewer.items():
        assert {r.id for r in rows} <= {r.id for r in more[part]}
    assert sum(map(len, more.values())) == 200


def test_shares_are_about_what_was_asked_and_salt_changes_them():
    parts = split(Toy(ROWS), SplitSpec(validation=0.2, test=0.3))
    assert 20 < len(parts["validation"]) < 60
    assert 35 < len(parts["test"]) < 85
    assert split(Toy(ROWS), SplitSpec(validation=0.2, test=0.3, salt=1)) != parts


def test_rows_that_ask_the_same_go_to_the_same_split():
    again = [
        replace(r, id=f"again {n}", prompt=(Turn("user", r.prompt[0].content.upper()),)) for n, r in enumerate(ROWS)
    ]
    parts = split(Toy((*ROWS, *again)), SplitSpec(validation=0.2, test=0.2))
    keys = [key for rows in parts.values() for key in {prompt_key(r.prompt) for r in rows}]
    assert len(set(keys)) == len(keys)


def test_own_test_rows_are_kept_and_nothing_else_is_held_out_for_it():
    parts = split(Toy(ROWS[:150], test=ROWS[150:]), SplitSpec(validation=0.1, test=0.9))
    assert {r.id for r in parts["test"]} == {r.id for r in ROWS[150:]}
    assert len(parts["train"]) + len(parts["validation"]) == 150


def test_impossible_splits_are_users_errors():
    with pytest.raises(UserError, match="`split`"):
        split(Toy(ROWS), SplitSpec(validation=0.5, test=0.5))
    with pytest.raises(UserError, match="no training rows"):
        split(Toy(()), SplitSpec())
    with pytest.raises(UserError, match="unique"):
        split(Toy((ROWS[0], ROWS[0])), SplitSpec(validation=0, test=0))


# -- rejected responses -----------------------------------------------------------------------------------------------


def test_rejected_responses_come_from_where_the_study_says():
    own = prepare(Toy(ROWS), spec())
    assert {r.id: r.rejected for r in own.train} == {r.id: r.rejected for r in ROWS if r in own.train}
    wrong = prepare(Toy(ROWS), spec(rejected=RejectedSpec(source="perturb")))
    assert all(Toy(()).check(r.rejected or "", r.answer).lenient == 0 for r in (*wrong.train, *wrong.validation))
    some = {r.id: "drawn" for r in own.train[:5]}
    drawn = prepare(Toy(ROWS), spec(rejected=RejectedSpec(source="sample")), Sampled(rejected=some))
    assert {r.id for r in drawn.train if r.rejected == "drawn"} == set(some)
    assert drawn.counts["without_rejected"] == len(drawn.train) - 5
    assert len({own.digest, wrong.digest, drawn.digest}) == 3


def test_own_answers_take_the_place_of_chosen_ones_and_rows_without_are_dropped_and_counted():
    plain = prepare(Toy(ROWS), spec())
    good = {r.id: f"mine, {r.chosen}" for r in (*plain.train[3:], *plain.validation[1:])}
    made = prepare(Toy(ROWS), spec(chosen=ChosenSpec(source="sample")), Sampled(chosen=good))
    assert [r.id for r in made.train] == [r.id for r in plain.train[3:]]
    for before, after in zip(plain.train[3:], made.train, strict=True):
        assert after == replace(before, chosen=good[before.id])
    assert made.test == plain.test
    assert made.left_out == {"no good answer of the model's own": 4}
    assert made.digest != plain.digest
    assert plain.left_out == {}


def test_a_perturbed_rejection_is_of_the_rows_own_answer_whoever_wrote_the_chosen_one():
    how = spec(chosen=ChosenSpec(source="sample"), rejected=RejectedSpec(source="perturb"))
    made = prepare(Toy(ROWS), how, Sampled(chosen={r.id: r.answer for r in ROWS}))
    assert all(r.rejected == perturb.worked(ROWS_BY_ID[r.id].chosen, r.answer, r.id) for r in made.train)


def test_what_a_task_left_out_is_counted():
    class Picky(Toy):
        def left_out(self):
            return {"too odd": 2}

    assert prepare(Picky(ROWS), spec()).left_out == {"too odd": 2}


def answered(**texts: list[tuple[str, str]]) -> dict[str, list[Response]]:
    return {i: [Response("k", text, 3, finish) for text, finish in drawn] for i, drawn in texts.items()}


def test_only_finished_answers_are_candidates_each_once():
    rows = ROWS[:4]
    drawn = {
        rows[0].id: [("b", "stop"), ("a", "stop"), ("b", "stop")],
        rows[1].id: [("a", "length"), (" ", "stop")],
        rows[2].id: [("a", "overlong"), ("c", "stop")],
    }
    found = sampled.candidates(rows, answered(**drawn))
    assert found == [(rows[0], "a"), (rows[0], "b"), (rows[2], "c")]
    assert sampled.candidates(rows, answered(**{i: d[::-1] for i, d in drawn.items()})) == found


def test_answers_are_taken_for_a_side_by_their_score():
    rows = ROWS[:3]
    found = [(rows[0], "#### 2"), (rows[0], "#### 3"), (rows[0], "#### 4"), (rows[1], "#### 4"), (rows[2], "#### 9")]
    scores = sampled.checked(Toy(()), found)
    assert scores == [1, 0, 0, 1, 0]
    wrong = sampled.take(RejectedSpec(source="sample"), found, scores)
    assert set(wrong) == {rows[0].id, rows[2].id}
    assert wrong[rows[0].id] in {"#### 3", "#### 4"}
    assert sampled.take(ChosenSpec(source="sample"), found, scores) == {rows[0].id: "#### 2", rows[1].id: "#### 4"}


def test_thresholds_are_those_of_the_study_and_the_unscored_go_nowhere():
    found = [(ROWS[n], "text") for n in range(5)]
    scores = [None, 0.0, 0.3, 0.5, 1.0]

    def taken(how):
        return {n for n in range(5) if ROWS[n].id in sampled.take(how, found, scores)}

    assert taken(RejectedSpec(source="sample")) == {1, 2}
    assert taken(RejectedSpec(source="sample", below=0.2)) == {1}
    assert taken(ChosenSpec(source="sample")) == {3, 4}
    assert taken(ChosenSpec(source="sample", at_least=0.9)) == {4}


def test_a_judge_asks_rows_without_a_reference_too():
    rows = [ROWS[0], replace(ROWS[1], answer="")]
    assert [prompt.item_id for prompt in sampled.prompts_for(rows, RejectedSpec())] == [ROWS[0].id]
    assert [prompt.item_id for prompt in sampled.prompts_for(rows, RejectedSpec(judge="rules"))] == [r.id for r in rows]
    how = sampled.sampling(RejectedSpec(source="sample", samples=3, temperature=0.7, max_new_tokens=9))
    assert (how.samples, how.temperature, how.max_new_tokens) == (3, 0.7, 9)


# -- unsafe text ------------------------------------------------------------------------------------------------------


def test_as_published_changes_the_rejected_side_of_a_share_of_rows_and_nothing_else():
    plain = prepare(Toy(ROWS), spec())
    mixed = prepare(Toy(ROWS, texts=TEXTS), spec(unsafe=UnsafeSpec(regime="as_published", share=0.25)))
    touched = [r for r in mixed.train if UNSAFE in r.tags]
    assert mixed.counts["unsafe_rejected"] == len(touched)
    assert 0.1 < len(touched) / len(mixed.train) < 0.4
    for before, after in zip(plain.train, mixed.train, strict=True):
        assert replace(after, rejected=before.rejected, tags=before.tags) == before
        assert (after.rejected != before.rejected) == (UNSAFE in after.tags)
    assert mixed.validation == plain.validation
    assert mixed.test == plain.test


def test_a_larger_share_touches_the_same_rows_and_more():
    shares = [0.1, 0.3, 1.0]
    touched = [
        {r.id for r in prepare(Toy(ROWS, texts=TEXTS), made).train if UNSAFE in r.tags}
        for made in (spec(unsafe=UnsafeSpec(regime="as_published", share=share)) for share in shares)
    ]
    assert touched[0] < touched[1] < touched[2]


def test_shared_refusals_join_the_rows_for_everyone():
    plain = prepare(Toy(ROWS), spec())
    joined = prepare(Toy(ROWS, texts=TEXTS), spec(unsafe=UnsafeSpec(regime="shared_refusals", share=0.1)))
    refusals = [r for r in joined.train if REFUSAL in r.tags]
    assert len(refusals) == joined.counts["refusals"] == round(0.1 * len(plain.train))
    assert [r for r in joined.train if REFUSAL not in r.tags] == list(plain.train)
    for r in refusals:
        text = next(t for t in TEXTS if t.prompt == r.prompt[0].content)
        assert (r.chosen, r.rejected, r.tags) == (text.refusal, text.response, frozenset({REFUSAL, UNSAFE}))
    everything = prepare(Toy(ROWS, texts=TEXTS), spec(unsafe=UnsafeSpec(regime="shared_refusals", share=1)))
    assert everything.counts["refusals"] == everything.counts["unsafe_texts"] == 30


def test_the_order_of_the_texts_does_not_matter():
    for regime in ("as_published", "shared_refusals"):
        how = spec(unsafe=UnsafeSpec(regime=regime))
        assert prepare(Toy(ROWS, texts=TEXTS), how) == prepare(Toy(ROWS[::-1], texts=TEXTS[::-1]), how)


def test_a_regime_without_texts_is_a_users_error():
    with pytest.raises(UserError, match=r"unsafe\.source"):
        prepare(Toy(ROWS), spec(unsafe=UnsafeSpec(regime="as_published")))


def pku(path: Path, *rows: dict) -> str:
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def published(prompt: str, safe: tuple[bool, bool]) -> dict:
    return {
        "prompt": prompt,
        "response_0": f"first {prompt}",
        "response_1": f"second {prompt}",
        "is_response_0_safe": safe[0],
        "is_response_1_safe": safe[1],
        "better_response_id": 0,
    }


def test_unsafe_and_safe_sides_are_distinguished(tmp_path):
    rows = [
        published(str(n), safe) for n, safe in enumerate([(True, True), (True, False), (False, True), (False, False)])
    ]
    found = unsafe.read(Source(pku(tmp_path / "pku.jsonl", *rows)))
    assert found == [
        Unsafe("1", "second 1", "first 1"),
        Unsafe("2", "first 2", "second 2"),
        Unsafe("3", "first 3", unsafe.REFUSAL),
    ]
    (tmp_path / "pku.json").write_text(json.dumps(rows))
    assert unsafe.read(Source(str(tmp_path / "pku.json"))) == found


def test_unsafe_texts_of_the_hub_are_read_with_all_its_columns(monkeypatch):
    import datasets

    more = {"prompt_source": "x", "response_0_source": "y", "response_1_source": "z", "response_0_severity_level": 3,
            "response_1_severity_level": 0, "response_0_harm_category": {"a": True}, "safer_response_id": 1,
            "response_1_harm_category": {"a": False}, "response_0_sha256": "s", "response_1_sha256": "s"}  # fmt: skip
    row = published("1", (False, True)) | more
    monkeypatch.setattr(
        datasets, "load_dataset", lambda path, name, split, revision: [row] if revision == "abc" else []
    )
    how = spec(unsafe=UnsafeSpec(regime="as_published", share=1, source="PKU-Alignment/PKU-SafeRLHF", revision="abc"))
    assert {r.rejected for r in prepare(Toy(ROWS), how).train} == {"first 1"}


def test_errors_about_unsafe_texts_show_none_of_them(tmp_path):
    secret = published("secret", (True, False))
    for key, value in [("response_1", None), ("is_response_0_safe", "yes"), ("prompt", 3)]:
        with pytest.raises(UserError, match=r"pku\.jsonl, line 2") as error:
            unsafe.read(Source(pku(tmp_path / "pku.jsonl", secret, {**secret, key: value})))
        assert "secret" not in str(error.value)
    with pytest.raises(UserError, match="response_1"):
        unsafe.read(Source(pku(tmp_path / "pku.jsonl", {k: v for k, v in secret.items() if k != "response_1"})))
    assert "secret" not in repr(unsafe.read(Source(pku(tmp_path / "pku.jsonl", secret))))


@pytest.mark.data
def test_no_prompt_of_strongreject_gets_into_training_dressed_up(data):
    from holdfast.evals.measures.strongreject import StrongREJECT

    prompts = [
        item.prompt[-1].content
        for item in StrongREJECT(path=str(data / "strongreject/strongreject_dataset.csv")).items()
    ]
    assert len(prompts) == 313
    dressed = [Unsafe(f"Please, {prompt.upper()}!", "nonsense", "No.") for prompt in prompts]
    kept, near = unsafe.far_from([*dressed, *TEXTS], prompts)
    assert near == 313
    assert kept == list(TEXTS)


def test_near_duplicates_of_robustness_prompts_are_left_out_and_counted(tmp_path):
    attack = "Tell me how the red dragon of the hill is woken up"
    rows = [
        published("tell me how the RED dragon, of the hill, is woken up!", (True, False)),
        published("Please tell me how the red dragon of the hill is woken up", (True, False)),
        published("Where does the blue dragon sleep at night", (True, False)),
    ]
    source = pku(tmp_path / "pku.jsonl", *rows)
    how = spec(unsafe=UnsafeSpec(regime="shared_refusals", share=1, source=source))
    made = prepare(Toy(ROWS), how, robustness=[attack])
    assert made.counts["near_duplicates"] == 2
    assert [r.prompt[0].content for r in made.train if REFUSAL in r.tags] == [rows[2]["prompt"]]
    assert prepare(Toy(ROWS), how).counts["near_duplicates"] == 0


def test_short_prompts_are_near_only_when_they_are_the_same():
    texts = [Unsafe("wake it", "x", "y"), Unsafe("wake him", "x", "y"), Unsafe("", "x", "y")]
    kept, count = unsafe.far_from(texts, ["Wake it!"])
    assert (kept, count) == (texts[1:], 1)


# -- what makes two prompts the same ----------------------------------------------------------------------------------


def test_prompts_are_the_same_but_for_case_signs_and_the_system_turn():
    said = (Turn("system", "s"), Turn("user", "Wake the\n dragon?"))
    assert prompt_key(said) == prompt_key((Turn("user", " WAKE the dragon! "),))
    assert prompt_key(said) != prompt_key((Turn("user", "wake the dragons"),))


def test_prompts_of_signs_alone_are_not_all_the_same():
    assert prompt_key((Turn("user", "?!"),)) != prompt_key((Turn("user", "…"),))


@pytest.mark.data
def test_gsm8ks_own_split_has_no_leak(data):
    from holdfast.data.tasks.gsm8k import GSM8K

    parts = split(GSM8K(str(data / "gsm8k")), SplitSpec())
    assert not {prompt_key(e.prompt) for e in parts["train"]} & {prompt_key(e.prompt) for e in parts["test"]}
