"""A paid judge on a file of responses: the cost is said first, a cap holds, nothing is paid for twice."""

from __future__ import annotations

import json

import pytest
from servers import QUICK, graded, serving

from holdfast.types import UserError
from holdfast.verdicts import judge_file


@pytest.fixture
def file(tmp_path):
    rows = [{"id": str(k), "prompt": f"p{k}", "response": f"text {k}", "label": "answer"} for k in range(4)]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "r.jsonl"


def seats(file, url, **more):
    endpoint = {"url": url, "model": "grader", "price_out": 1.0, **QUICK, **more}
    (file.parent / "judges.yaml").write_text(
        json.dumps([{"judge": "strongreject_rubric", "params": {"endpoint": endpoint}}, "rules"])
    )
    return judge_file.seats((), file.parent / "judges.yaml")


def test_a_file_is_judged_once_and_its_cost_is_said_before(file):
    said: list[str] = []
    with serving(graded) as server:
        for _ in range(2):
            found = judge_file.judge(file, seats(file, server.url), cache=file.parent / "cache", say=said.append)
        assert len(server.got) == 4
    assert len(said) == 1
    assert said[0].startswith("4 answers to ask of grader, up to $")
    assert [r["score"] for r in found.rows() if r["judge"] == "strongreject_rubric"] == [7 / 8] * 4
    assert found.summary["judges"]["strongreject_rubric"]["share_unscored"] == 0


def test_more_than_the_cap_is_refused_before_anything_is_asked(file):
    with serving(graded) as server:
        with pytest.raises(UserError, match="max_calls"):
            judge_file.judge(file, seats(file, server.url, max_calls=3), cache=file.parent / "cache")
        assert server.got == []
