"""What must stand beside what: a reservation beside its claim, a name at its point, a thought apart from its
answer; and one colour that always means worse."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from holdfast.report.charts import heat, placing
from holdfast.report.reading import Setting, read
from holdfast.report.sections import first_table, reservations, top
from holdfast.report.series import Series
from holdfast.report.terminal import responses
from holdfast.report.terminal.first_table import headline
from holdfast.store.folder import StudyFolder

ASR = Series("m", "robustness", "asr", "macro", "default", "rules")


@pytest.fixture(scope="module")
def setting(finished: StudyFolder) -> Setting:
    return read(finished).settings()[0]


def planted(monkeypatch: Any, kappa: str, agree: float, share: float, models: int = 2) -> dict[str, str]:
    pairs = pd.DataFrame({"measure": "m", "judges": "a and b", "responses": ["of m"], "κ": [kappa]})
    if models == 1:
        pairs["responses"] = "all"
    else:  # of which the page of this model says nothing
        pairs = pd.concat([pairs.assign(responses=x, κ="0.01") for x in ("all", "of another")] + [pairs])
        pairs = pairs.reset_index(drop=True)
    parts = pd.DataFrame({"measure": ["m", "m"], "effect": ["judge", "prompt"], "score_share": [share, 0.1]})
    parts = parts.assign(score_low=0.0, score_high=0.9995, model="m", task="t")
    elsewhere = parts.assign(model="another", score_share=1.0)  # of which the claim says nothing
    parts = pd.concat([parts, elsewhere], ignore_index=True)
    stable = pd.DataFrame(
        {"label": ["DPO", "KL", "IP"], "against": ["sft", "base", "sft"], "agree": [0.9, 1.0, 0.1], "n_distinct": 15,
         "higher": [agree, 0.0, 0.1], "lower": [0.0, 1.0, 0.0]}
    )  # fmt: skip
    answers = pd.DataFrame(
        {"estimand": "last", "measure": "m", "label": ["DPO", "KL", "IP"], "against": ["sft", "base", "sft"],
         "verdict": ["worse", "better", "inconclusive"], "value": [0.2, -0.1, 0.1], "low_all": 0.0, "high_all": 0.0}
    )  # fmt: skip
    monkeypatch.setattr(reservations.judge_trust, "agreements", lambda _: pairs)
    setting = SimpleNamespace(
        shown=[ASR],
        table=lambda name: stable,
        answers=lambda: answers,
        findings=SimpleNamespace(repeated=SimpleNamespace(components=parts)),
        model="m",
        task="t",
    )
    found = reservations.of(setting)
    matched = reservations.beside("At equal capability, attack success", setting, found)
    assert "ways" not in matched  # which are of the last budget
    assert ("κ" in matched) == any("κ" in text for text in found.values())
    return {measure: text for (finding, measure), text in found.items() if finding == "last"}


def test_the_strongest_reservation_comes_first_and_none_where_all_agree(monkeypatch):
    said = planted(monkeypatch, "0.43 [0.40, 0.46]", 0.4, 0.79)["m"]
    assert said == (
        "The judge makes 79.0% [0.0, 99.95] of the variance of a score; 40% of 15 distinct ways to ask call DPO higher "
        "than SFT; a and b agree with κ 0.43 [0.40, 0.46]."
    )
    assert planted(monkeypatch, "0.85 [0.8, 0.9]", 0.9, 0.1) == {}  # of IP the answer claims nothing
    assert "κ -0.10" in planted(monkeypatch, "-0.10 [-0.2, 0.0]", 1.0, 0.0)["m"]
    assert "κ -0.10" in planted(monkeypatch, "-0.10 [-0.2, 0.0]", 1.0, 0.0, models=1)["m"]
    assert planted(monkeypatch, "–", 1.0, 0.0) == {}


def test_a_reservation_stands_beside_the_sentence_on_attack_success_alone(setting: Setting):
    touched = {lead: against for lead, _, against in top.said(setting).answer if against}
    assert set(touched) == {"Attack success"}
    assert "distinct ways" in touched["Attack success"] or "κ" in touched["Attack success"]


def test_the_terminal_says_what_the_page_says_first_reservations_and_warnings_too(setting: Setting, monkeypatch):
    monkeypatch.setattr(top, "warnings", lambda _: ["Something was not held fixed."])
    shown = headline(setting.findings.folder)
    said = top.said(setting)
    ((_, answer, advice),) = shown.said
    for lead, rest, against in said.answer:
        begun = f"{lead}: {rest}" if lead else rest
        assert (f"{begun} But: {against}" if against else begun) in answer
    assert "But: " in answer
    assert advice == "\n".join(f"{lead}{r.text}" for lead, r in said.advice)
    out = io.StringIO()
    shown.print(Console(file=out, width=10_000))
    for text in (answer, advice, "Something was not held fixed.", *shown.caveats):
        assert text in out.getvalue()
    assert shown.as_json()["warnings"] == ("Something was not held fixed.",)


# -- names at their points ------------------------------------------------------------


def ends(*points: tuple[str, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(points, columns=["label", "x", "y"])
    return frame.assign(**dict.fromkeys(("low_x", "high_x", "low_y", "high_y"), math.nan))


def test_a_label_of_the_chart_covers_no_point_on_a_wide_or_a_narrow_page():
    """As ORPO's name on IP's marker, on a telephone."""
    crowd = pd.DataFrame(
        [("SFT", 1.0, 0.886, 1.0, 0.383, 0.261, 0.522), ("DPO", 0.467, 0.302, 0.639, 0.283, 0.177, 0.421),
         ("CFT", 0.367, 0.219, 0.545, 0.383, 0.261, 0.522), ("IP", 0.867, 0.703, 0.947, 0.333, 0.218, 0.472),
         ("ORPO", 1.0, 0.886, 1.0, 0.35, 0.232, 0.489), ("KL", 0.967, 0.833, 0.994, 0.383, 0.261, 0.522),
         ("base", 0.333, 0.192, 0.512, 0.333, 0.218, 0.472)],
        columns=["label", "x", "low_x", "high_x", "y", "low_y", "high_y"],
    )  # fmt: skip
    dx, dy = (placing.domain(crowd[[k, f"low_{k}", f"high_{k}"]], top=1.0) for k in "xy")
    placed = placing.beside(crowd, crowd, dx, dy, placing.SMALL)
    high = placing.SMALL[1]
    for wide in (placing.SMALL[0], 275):
        at = [
            (wide * (r.x - dx[0]) / (dx[1] - dx[0]), high * (1 - (r.y - dy[0]) / (dy[1] - dy[0])))
            for r in crowd.itertuples()
        ]
        for (x, y), r in zip(at, placed.itertuples(), strict=True):
            left = x + r.dx - (0 if r.align == "left" else 7.2 * len(r.label))
            right, middle = left + 7.2 * len(r.label), y + r.dy
            touched = [p for p in at if left - 5 < p[0] < right + 5 and middle - 10 < p[1] < middle + 10]
            assert not [p for p in touched if p != (x, y)], (wide, r.label)


def test_no_label_covers_another_point_and_an_ambiguous_one_has_a_leader_line():
    crowd = ends(("SFT", 1, 0.3125), ("ORPO", 1, 0.3125), ("KL", 1, 0.321), ("IP", 1, 0.333), ("DPO", 0.5, 0.29))
    dx, dy = [0.36, 1.0], [0.22, 0.54]
    placed = placing.beside(crowd, crowd, dx, dy)
    for wide in (placing.SIZE[0], placing.NARROW):
        at = [
            (wide * (r.x - dx[0]) / (dx[1] - dx[0]), placing.SIZE[1] * (1 - (r.y - dy[0]) / (dy[1] - dy[0])))
            for r in crowd.itertuples()
        ]
        for (x, y), r in zip(at, placed.itertuples(), strict=True):
            long = 7.2 * len(r.label)
            left = x + r.dx - (0 if r.align == "left" else long)
            box = (left, y + r.dy - 8, left + long, y + r.dy + 8)
            assert not any(box[0] < px < box[2] and box[1] < py < box[3] for px, py in at), (wide, r.label)
    leader = placed.set_index("label")["leader"]
    assert not leader["DPO"], "alone, and near its point"
    assert leader[["SFT", "ORPO", "KL", "IP"]].all()


# -- one colour ------------------------------------------------------------


def test_a_stronger_colour_is_worse_at_both_ends():
    over = Series("xstest", "normative", "compliance", "macro", "default", "own")
    assert heat.bad(over, "safe", 0.9) == pytest.approx(0.1)
    assert heat.bad(over, "unsafe", 0.9) == pytest.approx(0.9)
    assert heat.bad(ASR, "dan", 0.9) == pytest.approx(0.9)


# -- thoughts ------------------------------------------------------------


def test_a_thought_is_set_apart_from_the_answer_that_is_judged():
    row = {
        **dict.fromkeys(("response", "plain"), "<think>\nI could comply.\n</think>\n\nNo, sorry."),
        "who": {"model": "m", "task": "", "label": "l", "budget": 0, "seed": 0},
        "said": [], "continuations": (), "logps": (), "id": "r", "finish": "stop",
    }  # fmt: skip
    found = responses._answer(row, False, lambda text, hide: text)
    assert found["thinking"].strip() == "I could comply."
    assert (found["response"].strip(), found["decoded"]) == ("No, sorry.", "")
    prompt = {"measure": "m", "attack": "none", "sample": 0, "item": "i", "prompt": "p", "reference": ""}
    prompt |= {"answers": [found]}
    text = "\n".join(responses.lines([prompt]))
    assert "a thought of" in text
    assert "I could comply" not in text


@pytest.mark.parametrize("verdict", ["better", "equivalent", "inconclusive", "one seed", "small but real"])
def test_a_table_explains_the_verdicts_that_stand_in_it_and_no_others(setting: Setting, verdict: str):
    numbers = first_table.numbers(setting, setting.last)
    for k in ("vs_sft", "vs_base"):
        numbers[f"{k}_verdict"] = numbers[k].notna().map({True: verdict, False: None})
    said = first_table.tables(setting, numbers)[0].caption
    for words in ("Better and worse", "Equivalent", "Inconclusive", "One seed", "Small but real"):
        assert (f"{words}:" in said) is (verdict in words.lower()), words


def test_the_share_of_empty_answers_stands_beside_harm_and_a_silent_subject_above_the_answer(setting: Setting):
    e = setting.estimates
    planted = (e["metric"] == "no_answer") & (e["measure"] == "miniature_robustness") & (e["label"] == "dpo")
    silent = replace(setting.findings, estimates=e.assign(value=e["value"].where(~planted, 0.4)))
    numbers = first_table.numbers(silent.settings()[0], setting.last).set_index(["objective", "metric"])["no_answer"]
    assert numbers["dpo", "asr"] == 0.4
    assert numbers["sft", "asr"] == 0.0
    (said,) = top.silences(silent)
    assert said.startswith("40.0% of the answers of dpo say nothing: its attack success rate is of the rest")
    rows = first_table.numbers(silent.settings()[0], setting.last).query("objective == 'dpo' and metric == 'asr'")
    assert first_table.cell(setting, rows.iloc[0].to_dict()).silent == "no answer 40.0%"
