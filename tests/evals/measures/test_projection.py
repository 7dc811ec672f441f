"""The measure of projections: what a direction is found between, what is asked, and how a reading becomes a score."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from holdfast import registry
from holdfast.config.study import MeasureSpec
from holdfast.evals.directions import Persona, Refusal
from holdfast.evals.eval_config import _config
from holdfast.evals.measures.projection import Projection
from holdfast.evals.respond import request_key
from holdfast.runs.eval_costs import CHARACTERS, _asked
from holdfast.types import Prompt, Record, Sampling, Subject, UserError

MINI = {"trait": "psychopathy", "measure": "miniature_dark_triad"}


def test_what_is_held_out_takes_no_part_in_finding_it():
    for direction in (Refusal(), Persona(**MINI), registry.build("directions", "miniature_refusal")):
        contrasts = direction.contrasts()
        shares = {h: {(c.turns, c.response) for c in contrasts if c.held_out == h} for h in (True, False)}
        assert not shares[True] & shares[False]
        sizes = Counter((c.there, c.held_out) for c in contrasts)
        assert sizes[True, True] == sizes[False, True] >= 20
        assert sizes[True, False] == sizes[False, False] >= 20


def test_neither_a_statement_nor_the_word_that_is_said_is_part_of_a_trait():
    contrasts = Persona(**MINI).contrasts()
    for held in (True, False):
        each = [{c.turns for c in contrasts if c.held_out == held and c.there == there} for there in (True, False)]
        assert each[0] == each[1]
    said = Counter((c.there, c.response) for c in contrasts)
    assert set(said.values()) == {len(contrasts) // 4}


def test_its_identity_is_its_content(tmp_path):
    def written(name, prompts):
        (tmp_path / name).write_text("".join(json.dumps({"prompt": p}) + "\n" for p in prompts))
        return str(tmp_path / name)

    prompts = [f"Which of {n} is it?" for n in range(12)]
    one, moved, other = (
        Refusal(harmless=written(name, some))
        for name, some in (("a.jsonl", prompts), ("b.jsonl", prompts), ("c.jsonl", [*prompts[:-1], "Why?"]))
    )
    assert one.digest == moved.digest != other.digest
    measures = [Projection(direction_params={"harmless": d.harmless}) for d in (one, moved, other)]
    ids = [_config(MeasureSpec(measure="projection"), m, "", "in_process").id for m in measures]
    assert ids[0] == ids[1] != ids[2]


def test_the_items_are_what_was_held_out_and_forbidden_ones_are_masked():
    measure = Projection(direction="miniature_refusal")
    held = [c for c in measure.found_between.contrasts() if c.held_out]
    items = measure.items()
    assert {i.prompt for i in items} == {c.turns for c in held}
    assert {i.forbidden for i in items if i.fields["side"] == "forbidden"} == {True}
    assert {i.forbidden for i in items if i.fields["side"] == "harmless"} == {False}
    assert len({i.id for i in items}) == len(items)
    assert all(p.direction is measure.found_between and not p.generates for i in items for p in measure.prompts_for(i))


def test_0_and_1_are_the_base_s_means_of_the_two_sets():
    measure = Projection(direction="persona", direction_params=MINI)
    item = measure.items()[0]
    names = ("raw", "cosine", "zero", "one", "layer", "separation", "change 0")
    for raw, want in ((-2.0, 0.0), (6.0, 1.0), (0.0, 0.25), (10.0, 1.5)):
        values = (raw, 0.5, -2.0, 6.0, 1.0, 3.0, 0.1)
        record = Record("r", "s", "m", item.id, "none", "default", 0, "", "", 0, "read", names, values)
        judged = measure.score(item, record)
        assert (judged.score, judged.details["raw"]) == (want, raw)
    over = measure.score(item, Record("r", "s", "m", item.id, "none", "default", 0, "", "", 0, "another_base"))
    assert (over.score, over.reason) == (None, "another_base")


def test_good_has_a_direction_only_where_it_is_known():
    def better(**params):
        return Projection(**params).summary.metrics["projection"]

    refusal = better(direction="miniature_refusal")
    assert (refusal.better, refusal.apart) == ("higher", {"harmless": "lower"})
    ways = {t: better(direction="persona", direction_params=MINI | {"trait": t}).better for t in ("psychopathy", "x")}
    assert ways == {"psychopathy": "lower", "x": ""}
    axes = [Projection(direction=d, direction_params=p).axis for d, p in (("refusal", {}), ("persona", MINI))]
    assert axes == ["normative", "persona"]


def test_a_reading_is_another_request_than_a_score_and_of_another_direction_another():
    who, turns = Subject("s", "m"), Projection(direction="miniature_refusal").items()[0].prompt
    one, other = (registry.build("directions", name) for name in ("miniature_refusal", "refusal"))
    asked = [Prompt("i", turns), *(Prompt("i", turns, direction=d) for d in (one, other))]
    asked += [Prompt("i", turns, continuations=("Yes",)), Prompt("i", turns, continuations=("Yes",), direction=one)]
    assert len({request_key(who, prompt, Sampling(), 0) for prompt in asked}) == len(asked)


def test_a_plan_counts_the_base_beside_each_subject_and_the_direction_once():
    measure = Projection(direction="persona", direction_params=MINI)
    asked = _asked(_config(MeasureSpec(measure="projection"), measure, "", "in_process"))
    items, contrasts = measure.items(), measure.found_between.contrasts()
    assert (asked.requests, asked.written) == (len(items), 0)
    assert asked.read == 2 * sum(len(i.prompt[0].content) // CHARACTERS for i in items)
    assert asked.once == sum(len(c.turns[0].content) // CHARACTERS for c in contrasts)


def test_what_cannot_be_is_said():
    with pytest.raises(UserError, match="no statements of 'envy'"):
        Persona(trait="envy", measure="miniature_dark_triad").contrasts()
    with pytest.raises(UserError, match="needs a measure of statements, and miniature_facts is none"):
        Persona(trait="envy", measure="miniature_facts").contrasts()
    with pytest.raises(UserError, match="a direction needs 2 examples"):
        registry.build("directions", "refusal", {"examples": 1})
    with pytest.raises(UserError, match=r"hidden states, which vllm does not show: set `backend: in_process`"):
        _config(MeasureSpec(measure="projection"), Projection(direction="miniature_refusal"), "", "vllm")
