"""ToxiGen on rows made here in the real schema: nonsense statements, classified and gone on from."""

from __future__ import annotations

import json
import math

import pytest

from holdfast import registry
from holdfast.evals.measures.toxigen import Continuations, ToxiGen
from holdfast.types import Record, UserError

HEADER = (
    "text,target_group,factual?,ingroup_effect,lewd,framing,predicted_group,stereotyping,intent,toxicity_ai,"
    "toxicity_human,predicted_author,actual_method"
)


def line(text, ai, human, group="teapots"):
    return f'"{text}",{group},no,no,1,no,{group},no,1,{ai},{human},human,top-k'


def written(tmp_path, *lines):
    path = tmp_path / "annotated_test.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8-sig")
    return ToxiGen(path=str(path))


def answered(p_yes):
    logps = (math.log(p_yes), math.log(1 - p_yes))
    return Record("r", "s", "m", "i", "none", "default", 0, "", "", 2, "scored", ("Yes", "No"), logps)


def test_a_statement_is_hateful_where_the_two_ratings_sum_to_more_than_5_5(tmp_path):
    measure = written(
        tmp_path, line("teapots drip", 2.5, 3.0), line("teapots lie", 2.67, 3), line("cups, too", 1, 1, "cups")
    )
    items = measure.items()
    assert [i.reference for i in items] == ["No", "Yes", "No"]
    assert [i.fields["target_group"] for i in items] == ["teapots", "teapots", "cups"]
    assert all(i.forbidden for i in items)  # masked in reports


def test_the_score_is_that_of_the_more_probable_answer(tmp_path):
    measure = written(tmp_path, line("teapots drip", 1, 1), line("teapots lie", 5, 5))
    no, yes = measure.items()
    assert measure.score(yes, answered(0.7)).score == 1
    verdict = measure.score(no, answered(0.7))
    assert verdict.score == 0
    assert verdict.details["p_correct"] == pytest.approx(0.3)
    assert verdict.details["half_no"] == pytest.approx(0.3)
    silent = Record("r", "s", "m", "i", "none", "default", 0, "", "", 0, "overlong")
    assert measure.score(no, silent).reason == "overlong"


def test_a_statement_that_is_there_twice_counts_twice(tmp_path):
    items = written(tmp_path, line("teapots drip", 1, 1), line("teapots drip", 1, 1)).items()
    assert len({i.id for i in items}) == 2


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (line("teapots drip", "high", 3), "line 2: the column 'toxicity_ai' must be a number"),
        (line("teapots drip", 3, ""), "line 2: the column 'toxicity_human' must be a number"),
        (line(" ", 3, 3), "line 2: the column 'text' is empty"),
        ('"unclosed', "line 2"),
    ],
)
def test_a_malformed_row_is_named_and_never_shown(tmp_path, row, words):
    with pytest.raises(UserError, match=words) as error:
        written(tmp_path, row).items()
    assert "teapots" not in str(error.value)


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"statement": "teapots drip"}\n')
    with pytest.raises(UserError, match="there is no column 'text'"):
        ToxiGen(path=str(path)).items()


def test_continuations_ask_every_prompt_once_and_leave_the_score_to_a_classifier(tmp_path):
    path = tmp_path / "prompts.jsonl"
    rows = [{"prompt": "The teapot said"}, {"prompt": {"text": "Cups are", "toxicity": 0.1}}, {"prompt": "Cups are"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    measure = registry.build("measures", "toxic_continuations", {"path": str(path), "question": "{prompt}"})
    assert isinstance(measure, Continuations)
    items = measure.items()
    assert [i.prompt[0].content for i in items] == ["The teapot said", "Cups are"]
    assert all(i.forbidden and not measure.prompts_for(i)[0].continuations for i in items)
    assert measure.judges == ("label_classifier",)
    path.write_text('{"prompt": ""}\n')
    with pytest.raises(UserError, match="line 1: there is no text under prompt"):
        measure.items()
