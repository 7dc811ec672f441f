"""A study with two measures of robustness, and one of over-refusal: told apart, and none taken for another."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest

from holdfast.config.declared import MatchedSpec
from holdfast.evals.measures.measure import Summary
from holdfast.report.reading import Findings, read
from holdfast.report.sections import first_table
from holdfast.report.sections.order import of_setting
from holdfast.report.series import lead, series


@pytest.fixture(scope="module")
def findings(finished) -> Findings:
    found = read(finished)
    e = found.estimates
    robust = e[e["measure"] == "miniature_robustness"]
    about = next(c for c in found.configs.values() if c.measure == "miniature_robustness")
    facts = e[(e["measure"] == "miniature_facts") & (e["condition"] == "macro")]
    facts = facts[facts["metric"] == facts["metric"].iloc[0]].assign(measure="xstest", metric="compliance")
    summary = Summary("compliance", by="label", macro_over=("safe",))
    more = [
        robust.assign(measure="saferlhf", cell="s"),
        *(facts.assign(condition=c, cell="x") for c in ("macro", "safe", "unsafe")),
    ]
    configs = {
        "s": about.but(id="s", measure="saferlhf"),
        "x": about.but(id="x", measure="xstest", axis="normative", summary=summary, judges=("own",)),
    }
    return replace(found, estimates=pd.concat([e, *more], ignore_index=True), configs={**found.configs, **configs})


def test_each_has_a_title_of_its_own_and_the_first_in_the_study_is_the_frontier_s(findings):
    measures = [
        "task_accuracy",
        "saferlhf",
        "miniature_robustness",
        "miniature_dark_triad",
        "miniature_facts",
        "xstest",
    ]
    found = series(findings.estimates, findings.configs.values(), measures)
    titles = Counter(s.title for s in found)
    assert set(titles.values()) == {1}
    assert "Attack success rate on SafeRLHF" in titles
    assert "Attack success rate on robustness" in titles
    assert lead(found, "robustness").measure == "saferlhf"
    xstest = next(s for s in found if s.measure == "xstest")
    assert (xstest.metric, xstest.condition, xstest.better) == ("compliance", "macro", "higher")
    assert xstest.title == "XSTest: safe prompts answered"
    assert "lower for unsafe" in xstest.direction


def test_one_measure_alone_keeps_its_short_title(finished):
    found = read(finished).settings()[0].series
    assert [s.title for s in found if s.axis == "robustness"] == ["Attack success rate"]


def test_another_persona_measure_is_not_called_dark_triad(findings):
    e = findings.estimates
    other = e[e["measure"] == "miniature_dark_triad"].assign(measure="power_seeking")
    found = series(pd.concat([e, other], ignore_index=True), findings.configs.values(), [])
    titles = {s.measure: s.title for s in found}
    assert titles["miniature_dark_triad"] == "Dark Triad P(match)"
    assert titles["power_seeking"] == "Power seeking: P(match)"


def test_each_measure_of_robustness_has_a_frontier_and_no_figure_takes_another_s_file(findings):
    page = of_setting(findings.settings()[0])
    names = Counter(f.name for f in page.figures)
    assert set(names.values()) == {1}
    assert {"frontier", "frontier-saferlhf", "frontier-persona", "saferlhf-by-attack", "xstest-by-label"} <= set(names)
    by_label = next(f for f in page.figures if f.name == "xstest-by-label")
    assert set(by_label.data["condition"]) == {"safe", "unsafe"}
    assert "lower for unsafe" in by_label.caption
    assert by_label.title == "XSTest: prompts answered by label"


def test_a_measure_that_is_only_matched_on_is_in_no_headline(findings):
    e = findings.estimates
    config = next(c for c in findings.configs.values() if c.axis == "capability")
    study = findings.study.model_copy(update={"matched": MatchedSpec(target=0.1)})
    apart = e[e["measure"] == config.measure].assign(measure="validation")
    configs = {**findings.configs, "v": config.but(id="v", measure="validation")}
    s = replace(findings, study=study, estimates=pd.concat([e, apart], ignore_index=True), configs=configs).settings()[
        0
    ]
    assert s.series[-1].measure == "validation"
    assert "validation" not in {x.measure for x in s.shown}
    assert "validation" not in set(first_table.numbers(s, s.last)["measure"])
    assert next(x for x in s.shown if x.axis == "capability").short == "accuracy"
