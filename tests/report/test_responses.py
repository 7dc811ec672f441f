"""The page's responses: a fixed sample in strata, within its size."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from holdfast.analysis.load import load_records
from holdfast.report.reading import Findings, read
from holdfast.report.sections import responses


@pytest.fixture(scope="module")
def findings(finished) -> Findings:
    return read(finished)


def test_each_verdict_under_each_attack_is_among_the_responses(findings) -> None:
    sampled = responses.sample(findings)
    config = next(c for c in sampled["cells"] if c["axis"] == "robustness")
    shown = {(config["attacks"][a[1]], next(v for j, v, _ in a[5] if j == "rules")) for a in config["answers"]}
    f = load_records(findings.folder)
    f = f[(f["axis"] == "robustness") & (f["judge"] == "rules") & (f["format"] == "default") & (f["bracket"] == "")]
    rarest = f.groupby(["attack", "verdict"])["item"].nunique().sort_values()
    assert len(rarest) > 12  # answer, refusal and unscored, under six attacks
    assert len(shown) >= 12
    assert any(verdict == "unscored" for _, verdict in shown)
    assert responses.sample(findings) == sampled


def test_the_sample_keeps_within_its_size_whole_prompts_at_a_time(findings, monkeypatch) -> None:
    whole = responses.sample(findings)
    monkeypatch.setattr(responses, "MOST", 60_000)
    small = responses.sample(findings)
    assert len(small["cells"]) == len(whole["cells"])
    for a, b in zip(small["cells"], whole["cells"], strict=True):
        assert 1 <= len(a["prompts"]) < len(b["prompts"])
        assert a["prompts"] == b["prompts"][: len(a["prompts"])]
        assert a["answers"] == [x for x in b["answers"] if x[0] < len(a["prompts"])]
    packed = gzip.decompress(base64.b64decode(responses.packed(small)))
    assert json.loads(packed) == json.loads(json.dumps(small))
