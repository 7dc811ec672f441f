"""Records read a subject at a time and kept as numbers are the same records."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from holdfast.analysis.load import SUBJECT, _joined, load_records, plain
from holdfast.analysis.record_files import Texts, judged
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.store.tables import read_rows
from holdfast.types import Judgement, UserError
from tests.analysis.fabricate import fabricate, study_of

SILENT = ["verdict", "reason", "score"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """Read only."""
    root = tmp_path_factory.mktemp("records") / "made"
    objectives = [{"label": o, "objective": o} for o in ("sft", "cft")]
    fabricate(root, study=study_of(objectives=objectives, seeds=(0, 1), budgets=(15_000, 30_000)), prompts=6)
    return StudyFolder(root)


def is_text(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype) or column.dtype == object


def test_a_numbered_table_is_the_same_but_for_ids_in_less_memory(folder: StudyFolder) -> None:
    plain, numbered = load_records(folder), load_records(folder, numbered=True)
    assert list(plain) == list(numbered)
    assert (pd.factorize(plain["record"])[0] == numbered["record"]).all()
    compared = (plain["label"] == "base") | (plain["bracket"] != "")
    assert compared.any()
    assert (plain["answer"] == numbered["answer"])[compared].all()
    assert not numbered.loc[~compared, "answer"].any(), "whom nobody is compared with"
    rest = plain.columns.drop(["record", "answer"])
    texts = [c for c in rest if is_text(plain[c])]
    pd.testing.assert_frame_equal(plain[rest], numbered[rest].astype(dict.fromkeys(texts, object)), check_dtype=False)
    wide = [c for c in numbered if numbered[c].dtype == object and c not in ("f_answer", *plain.filter(like="d_"))]
    assert wide == []
    assert numbered.drop(columns=numbered.filter(regex="^[df]_")).memory_usage(index=False).sum() < 100 * len(plain)


def test_texts_are_in_the_order_of_the_alphabet_and_none_is_none() -> None:
    texts = Texts()
    first = texts.numbers(pa.chunked_array([["b", "a", None], ["c"]]))
    second = texts.numbers(pa.array(["", "b"]))
    column = texts.column(np.concatenate([first, second]))
    assert list(column.categories) == ["", "a", "b", "c"]
    assert list(pd.Series(column).astype(object).fillna("none")) == ["b", "a", "none", "c", "", "b"]
    assert list(texts) == ["b", "a", "c", ""]


def of_one(folder: StudyFolder) -> tuple[Path, list[Judgement]]:
    shard = next(s for s in folder.judgement_shards() if "/rules-" in str(s) or "/rules/" in str(s))
    return shard, read_rows(shard, "judgements", Judgement)


def test_judgements_go_to_their_records_in_whatever_order(folder: StudyFolder, tmp_path: Path) -> None:
    shard, rows = of_one(folder)
    ids, texts = [r.record for r in rows], {name: Texts() for name in ("verdict", "reason", "details")}
    there = judged([shard], pa.chunked_array([ids]), ["rules"], [], texts)["rules"]
    tables.write(tmp_path / "0.parquet", "judgements", rows[::-1][2:])
    fewer = judged([tmp_path / "0.parquet"], pa.chunked_array([[*ids, "another"]]), ["rules"], [], texts)["rules"]
    lost = len(rows) - 2
    np.testing.assert_array_equal(fewer.score[:lost], there.score[:lost])
    np.testing.assert_array_equal(fewer.verdict[:lost], there.verdict[:lost])
    assert np.isnan(fewer.score[lost:]).all()
    said = pd.Series(texts["reason"].column(fewer.reason[lost:])).astype(object)
    assert list(said) == ["not judged"] * 3
    assert judged([shard], pa.chunked_array([ids]), ["another"], [], texts) == {}


def test_a_score_beyond_its_unit_is_an_error_but_for_a_measures_own(folder: StudyFolder, tmp_path: Path) -> None:
    _, rows = of_one(folder)
    beyond = [Judgement(rows[0].record, "rules", 7.0, "answer")]
    tables.write(tmp_path / "0.parquet", "judgements", beyond)
    texts = {name: Texts() for name in ("verdict", "reason", "details")}
    ids = pa.chunked_array([[rows[0].record]])
    with pytest.raises(UserError, match="outside 0 to 1"):
        judged([tmp_path / "0.parquet"], ids, ["rules"], [], texts)
    assert judged([tmp_path / "0.parquet"], ids, ["rules"], ["rules"], texts)["rules"].score == [7.0]


def test_a_subject_of_two_labels_has_its_records_under_both() -> None:
    records = pd.DataFrame({"subject": pd.Categorical(["b", "a", "b", "c", "a"]), "score": range(5)})
    who = pd.DataFrame(
        {"subject": ["b", "a", "b", "z"], "label": ["p", "q", "r", "s"], "distance": [0.1, 0.2, 0.3, 0.4]}
    )
    who = who.assign(**{c: c for c in SUBJECT if c not in who})
    merged = records.astype({"subject": object}).merge(who, on="subject")
    found = plain(_joined(records, who))[list(merged)]
    pd.testing.assert_frame_equal(found, merged, check_dtype=False)
    assert list(found["label"]) == ["p", "r", "q", "p", "r", "q"], "and whom the study does not plan has none"
