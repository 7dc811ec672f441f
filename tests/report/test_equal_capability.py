"""The sections on equal capability and on stability say what was found, and what cannot be said."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from holdfast.analysis.analyse import joints, write_shown
from holdfast.analysis.load import load_records
from holdfast.config.study import MatchedSpec
from holdfast.report.charts.trade_off import frontier
from holdfast.report.reading import Setting, read
from holdfast.report.sections import distance_cost, equal_capability, harm_coherence, other_choices
from holdfast.report.sections.section import Section, render
from holdfast.store.folder import StudyFolder


@pytest.fixture(scope="module")
def setting(finished: StudyFolder) -> Setting:
    return read(finished).settings()[0]


def aiming(setting: Setting, at: Path, objectives: int = 6, **goal: Any) -> Setting:
    """The setting as it is analysed with this target, with so many of its objectives, in a folder of its own."""
    spec, some = MatchedSpec(**{"measure": "task_accuracy"} | goal), setting.findings.study.objectives[:objectives]
    study = setting.findings.study.model_copy(update={"matched": spec, "objectives": some})
    findings = replace(setting.findings, study=study, folder=StudyFolder(at))
    configs, frame = setting.findings.configs, load_records(setting.findings.folder)
    frame = frame[frame["label"].isin(["base", *(v.label for v in some)])]
    shutil.copy(setting.findings.folder.subjects, findings.folder.subjects)
    each = joints(frame, configs, study)
    table = pd.concat([findings.estimates, findings.answers], ignore_index=True)
    write_shown(findings.folder, configs, study, frame, each, table)
    return replace(setting, findings=findings)


@pytest.fixture(scope="module")
def reached(setting: Setting, tmp_path_factory: pytest.TempPathFactory) -> Setting:
    return aiming(setting, tmp_path_factory.mktemp("reached"), target=0.05)


def said(section: Section, *labels: str) -> str:
    return " ".join(render(block, "", labels) for block in section.blocks)


def test_every_objective_is_compared_where_it_reaches_the_target(setting: Setting, reached: Setting) -> None:
    group = equal_capability.section(reached)
    text = said(group, *setting.findings.labels)
    assert "At a capability of" in text
    assert "Who is on the front" in text
    for label in setting.findings.labels:
        assert f'data-label="{label}"' in text
    assert "the very rows that are reported" in text
    (gap,) = group.charts
    assert "sft" in gap.caption
    assert set(gap.data["objective"]) <= set(setting.findings.labels) - {"sft"}


def test_a_checkpoint_measured_only_for_matching_is_in_no_curve_over_budgets(
    setting: Setting, reached: Setting
) -> None:
    every = reached.findings.estimates
    chosen = every[(every["budget"] == setting.last) & (every["bracket"] == "")].assign(budget=40_000, n_seeds=1)
    e = replace(reached, findings=replace(reached.findings, estimates=pd.concat([every, chosen]))).estimates
    assert set(e.loc[e["budget"] == 40_000, "measure"]) == {"task_accuracy"}  # which every run has everywhere
    assert len(e[e["budget"] != 40_000]) == len(setting.estimates)


def test_a_void_target_and_one_out_of_reach_are_said_to_be_so(setting: Setting, tmp_path: Path) -> None:
    void = said(equal_capability.section(aiming(setting, tmp_path, 2, target=0.01, relative="absolute")))
    assert "already meets the target" in void
    beyond = said(equal_capability.section(aiming(setting, tmp_path, 2, target=1.0, relative="absolute")))
    assert "never" in beyond


def test_the_grid_tells_verdicts_by_sign_and_in_words_and_counts_them(setting: Setting) -> None:
    group = other_choices.section(setting)
    table = setting.table("ways")
    for against, block in zip(("sft", "base"), group.blocks[1::2], strict=False):
        mine = table[table["against"] == against]
        configs = re.findall(r'<td class="([^"]*)" title="[^"]*" aria-label="([^"]*)">(.)</td>', block)
        assert all(glyph == other_choices.GLYPHS[kind] for _, kind, glyph in configs)
        assert sum("declared" in css for css, _, _ in configs) == mine["label"].nunique()
        columns = mine.groupby(["label", "budgets"]).ngroups
        assert len(configs) % columns == 0
        rows = len(configs) // columns
        assert f"of these {rows} rows (of {len(mine) // columns} choices" in block
        foot = dict(re.findall(r'<tr><th scope="row">(\w+)</th>((?:<td>\d+</td>)+)</tr>', block.split("<tfoot>")[1]))
        counted = {verdict: sum(map(int, re.findall(r"\d+", row))) for verdict, row in foot.items()}
        sure = Counter(kind if kind in ("higher", "lower") else "unclear" for _, kind, _ in configs)
        told = [k for css, k, _ in configs if k == "none"]
        assert counted["unclear"] == sure["unclear"], told
        assert sum(counted.values()) == len(configs)
        assert 'tabindex="0"' in block  # it scrolls by keyboard
    assert "reversed by" in said(group)


def test_choices_that_give_the_same_are_named_in_as_few_words_as_say_all_of_them() -> None:
    every = [("oracle", t, r) for t in ("≥ 0.5", "≥ 0.75") for r in ("all", "coherent")]
    every += [("rules", t, r) for t in ("≥ 0.25", "≥ 0.5", "≥ 0.75") for r in ("all", "coherent")]
    spoken = pd.DataFrame(every, columns=["judge", "threshold", "responses"])
    data = pd.DataFrame({"way": spoken.agg(" · ".join, axis=1)})
    assert other_choices._named(spoken, data, list(data["way"])) == (
        "oracle · ≥ 0.5, ≥ 0.75 · all, coherent; rules · ≥ 0.25, ≥ 0.5, ≥ 0.75 · all, coherent"
    )
    assert other_choices._named(spoken, data, list(data["way"][4:])) == "rules · ≥ 0.25, ≥ 0.5, ≥ 0.75 · all, coherent"


def test_coherence_has_its_bounds_and_quadrants(setting: Setting) -> None:
    rates, four = (render(block, "") for block in harm_coherence.section(setting).blocks)
    assert all(word in rates for word in ("coherent only", "least", "most"))
    assert "harmful, incoherent" in four


def test_the_gap_from_sft_is_drawn_over_the_distance_moved(setting: Setting) -> None:
    section = distance_cost.section(setting)
    drawn = [chart for chart in section.charts if chart.name.startswith("distance-")]
    assert [f.name for f in drawn] == ["distance-miniature_robustness", "distance-miniature_dark_triad"]
    furthest = {"dpo": 0.08, "cft": 0.064, "ip": 0.072, "orpo": 0.04, "kl": 0.024}  # and SFT 0.08
    for figure in drawn:
        far = figure.data.groupby("objective")["distance"].max()
        assert far.to_dict() == pytest.approx(furthest)
        assert all(word in figure.caption for word in ("sft", "95%", "prompts", "seed"))
    assert 'data-label="orpo"' in render(section.blocks[1], "", ["orpo"])


def test_the_frontier_names_every_budget_it_draws(setting: Setting) -> None:
    capability, robust = (next(x for x in setting.shown if x.axis == a) for a in ("capability", "robustness"))
    e, look = setting.estimates, setting.findings.look
    moved = e.assign(budget=e["budget"].replace(setting.last, 41_000))  # as where a run ended between two budgets
    drawn = frontier(capability, robust, moved, look)
    assert drawn is not None
    assert "41k" in drawn.caption
    assert "41k" not in frontier(capability, robust, e, look).caption
