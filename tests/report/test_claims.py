"""What was declared stands on the page with its verdicts; the rest is counted and in a file."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from holdfast.analysis.analyse import printed_claims
from holdfast.report import table as report_table
from holdfast.report.reading import read
from holdfast.report.sections import asked
from holdfast.report.sections.section import render
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError


@pytest.fixture
def folder(finished: StudyFolder, tmp_path) -> StudyFolder:
    """The study, but for its records, which this section does not read."""
    shutil.copytree(finished.root, tmp_path / "study", ignore=shutil.ignore_patterns("*.parquet", "figures", "report"))
    at = StudyFolder(tmp_path / "study")
    for path in (finished.estimates_parquet, finished.subjects):
        shutil.copy(path, at.root / path.name)
    shutil.copytree(finished.analysis, at.analysis, dirs_exist_ok=True)
    return at


def test_declared_findings_are_shown_and_exploratory_ones_counted(folder: StudyFolder) -> None:
    findings = read(folder)
    section = asked.section(findings)
    html = "".join(render(block, "") for block in section.blocks)
    every = findings.answers
    assert every["declared"].any()
    assert f"{(~every['declared']).sum():,} further findings were not asked for: exploratory" in html
    lead, full = html.split("<details>", 1)
    assert lead.count("<tr") - 1 < every["declared"].sum() / 3  # a row a question, a column an objective
    assert full.count("<tr") - 2 <= every["declared"].sum() + 14  # with two heads; every claim has a row at most
    assert "It says nothing of another training run" in html or "not about another training run" in html
    assert "KL shows no significant persona drift at any budget" in html
    assert "SFT and DPO" in html
    files = {table.name: table for table in section.files}
    assert report_table.as_csv(files["findings"], "").count("\n") == 1 + len(every)


def test_the_regimes_of_a_study_stand_in_rows_of_their_own(folder: StudyFolder) -> None:
    every = read(folder).answers
    declared = asked.shown(every[every["declared"]], "SFT")
    both = asked.shown(pd.concat([every, every.assign(regime="tuned", value=every["value"] + 1)]), "SFT")
    assert "regime" not in declared
    order = sorted(set(both["objective"]))
    table = asked.wide(both, order)
    assert set(table["regime"]) == {"shared", "tuned"}
    assert not table[order].apply(lambda c: c.str.contains(";")).any(axis=None)


def test_what_was_published_is_asked_of_the_shared_regime_alone(folder: StudyFolder) -> None:
    findings = read(folder)
    every = findings.answers
    both = pd.concat([every, every.assign(regime="tuned", verdict="worse")])
    asked = [printed_claims(found, findings.subjects, findings.study, findings.configs) for found in (every, both)]
    pd.testing.assert_frame_equal(*asked)


def test_a_claim_that_was_not_asked_is_in_the_file_alone(folder: StudyFolder) -> None:
    section = asked.section(read(folder))
    html = "".join(render(block, "") for block in section.blocks)
    (published,) = (table.rows.set_index("claim") for table in section.files if table.name == "claims")
    assert published.loc["similar-then-apart", "verdict"] == "not asked"
    assert published.loc["similar-then-apart", "about"] not in html


def test_without_a_table_of_findings_there_is_no_section(folder: StudyFolder) -> None:
    table = tables.read(folder.estimates_parquet, "estimates")
    tables.write(folder.estimates_parquet, "estimates", table[table["verdict"] == ""].query("estimand == 'level'"))
    assert asked.section(read(folder)) is None


def test_a_table_that_is_missing_is_named_with_its_mend(folder: StudyFolder) -> None:
    (folder.analysis / "ways.parquet").unlink()
    with pytest.raises(UserError, match="has not all tables that the page shows"):
        read(folder).table("ways")
