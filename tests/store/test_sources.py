"""A model or file that is not there is said in a sentence with the mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.store.rows import Source
from holdfast.store.sources import data_file, model_folder
from holdfast.types import UserError


def test_what_a_package_ships_is_found() -> None:
    assert data_file("package:holdfast/py.typed").is_file()
    with pytest.raises(UserError, match="the package 'no_such_package', which is not installed"):
        data_file("package:no_such_package/x")


def test_a_folder_without_a_model_and_a_path_to_nowhere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no model: there is no config\.json"):
        model_folder(str(tmp_path))
    with pytest.raises(UserError, match="there is no model at /no/where"):
        model_folder("/no/where")
    with pytest.raises(UserError, match="there is no model at package:holdfast/none"):
        model_folder("package:holdfast/none")


def test_a_relative_data_file_is_looked_for_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.jsonl").touch()
    monkeypatch.chdir(tmp_path)
    assert data_file("rows.jsonl").is_file()
    with pytest.raises(UserError, match=r"there is no file row\.jsonl \(from "):
        data_file("row.jsonl")


def test_a_hub_model_that_is_not_cached_is_not_fetched_for_a_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="the model someone/model is not on this machine"):
        model_folder("someone/model", download=False)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("x" * 300, "is too long for a file system"),
        ("a/" * 3000, "is too long for a file system"),
        ("é" * 130, "is too long for a file system"),
        ("a\0b", "holds the character NUL"),
        ("~nobody-has-this-name/x", "not known on this machine"),
        ("package:os/x", "which is not installed"),
        ("package:", "which is not installed"),
        ("", "a path is empty, and would be read as the current folder"),
        (" ", "a path is empty"),
    ],
)
def test_a_path_that_no_file_can_have_is_a_sentence(path: str, says: str) -> None:
    for find in (model_folder, data_file, lambda p: Source(p).rows()):
        with pytest.raises(UserError, match=says):
            find(path)


@pytest.mark.parametrize("sign", "./")
def test_texts_of_this_package_are_found_where_earlier_study_files_look(sign):
    places = (f"{sign}measures", f"{sign}evals{sign}measures")
    earlier, now = (data_file(f"package:holdfast{at}/attacks.yaml") for at in places)
    assert earlier == now
