"""Other ways of asking: a measure's own stand apart from an objective's, and disagreement between forms is said."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from holdfast.report.reading import Setting, read
from holdfast.report.sections import ways
from holdfast.report.words import points


def asked_in(setting: Setting, format: str, moved: float) -> Setting:
    """The study with its persona measure also asked in a form in which ``sft`` moved by so much."""
    e = setting.findings.estimates
    some = e[(e["axis"] == "persona") & (e["format"] == "default")].assign(format=format)
    sft = (some["label"] == "sft") & (some["against"] == "base")
    some.loc[sft, ["value", "low", "high"]] = [moved, moved - 0.01, moved + 0.01]
    more = pd.concat([e, some], ignore_index=True)
    return Setting(replace(setting.findings, estimates=more), setting.model, setting.task)


@pytest.fixture(scope="module")
def setting(finished) -> Setting:
    return read(finished).settings()[0]


@pytest.mark.parametrize(("second", "said"), [(-0.3, "sft moved both ways"), (0.3, "in none the other way")])
def test_forms_that_disagree_are_said(setting, second, said):
    first = 0.2
    section = ways.section(asked_in(asked_in(setting, "reversed", first), "lettered", second))
    assert said in section.finding
    (table,) = section.blocks
    row = table.rows.set_index("objective").loc["sft"]
    for form, moved in (("reversed", first), ("lettered", second)):
        assert row[f"{form}, from base"].startswith(points(moved))
    assert list(table.rows["objective"]) == ["base", *setting.findings.labels]


def test_a_measure_s_own_form_is_no_objective_s_string(setting):
    own = ways.own_conditions(setting)
    assert set(own["asked with"]) == {"safe", "instruction"}
    pd.testing.assert_frame_equal(own, ways.own_conditions(asked_in(setting, "reversed", 0.2)))


def test_one_form_has_no_such_section(setting):
    assert ways.section(setting) is None
