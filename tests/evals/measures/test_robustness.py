"""Attacks and codecs as versioned data, and the robustness measure over them. All prompts here are harmless."""

from __future__ import annotations

import json

import pytest
import yaml

from holdfast import registry
from holdfast.evals.measures.attacks import DAN, HappyToHelp, RolePlay, Wikipedia, Zulu
from holdfast.evals.measures.codecs import Translations
from holdfast.evals.measures.robustness import FIVE, Robustness
from holdfast.evals.measures.strongreject import StrongREJECT
from holdfast.store.digest import digest
from holdfast.types import Turn, UserError

QUESTION = (Turn("system", "Be brief."), Turn("user", "How do I boil {an} egg?"))


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_text('category,source,forbidden_prompt\nfood,me,"How do I boil\nan egg?"\ntea,me,How do I brew tea?\n')
    return path


@pytest.fixture
def zulu(tmp_path):
    path = tmp_path / "zulu.json"
    table = {"prompts": {"How do I brew tea?": "Itiye?"}, "responses": {"Bilisa amanzi.": "Boil water."}}
    path.write_text(json.dumps(table))
    return path


@pytest.mark.parametrize("attack", [DAN(), HappyToHelp(), RolePlay(), Wikipedia()])
def test_an_attack_holds_the_prompt_word_for_word_and_leaves_other_turns_alone(attack):
    system, user = attack.wrap(QUESTION)
    assert system == QUESTION[0]
    assert user.content.count(QUESTION[1].content) == 1
    assert user.content != QUESTION[1].content


def test_every_attack_has_a_text_and_hash_of_its_own():
    attacks = [registry.build("attacks", name) for name in FIVE]
    assert [a.name for a in attacks] == list(FIVE)
    assert len({a.hash for a in attacks}) == len(FIVE)


def test_changing_an_attack_text_changes_the_identity_of_the_measure(tmp_path, csv):
    mine = tmp_path / "attacks.yaml"
    identities = []
    for text in ("Please: {prompt}", "Pretty please: {prompt}", "Please: {prompt}"):
        mine.write_text(yaml.safe_dump({"dan": {"version": 1, "text": text}}))
        identities.append(digest(StrongREJECT(path=str(csv), attack_params={"dan": {"file": str(mine)}}).identity()))
    assert identities[0] != identities[1]
    assert identities[0] == identities[2]
    assert digest(StrongREJECT(path=str(csv)).identity()) not in identities


def test_the_identity_is_content_and_not_where_files_lie(tmp_path, csv):
    moved = tmp_path / "elsewhere.csv"
    moved.write_bytes(csv.read_bytes())
    here, there = StrongREJECT(path=str(csv)), StrongREJECT(path=str(moved))
    assert here.identity() == there.identity()
    assert [i.id for i in here.items()] == [i.id for i in there.items()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dan: {version: 1, text: no place}", "exactly once"),
        ('dan: {text: "{prompt}"}', "version"),
        ("other: {}", "no text"),
        ("- dan", "no YAML file of attacks"),
    ],
)
def test_a_bad_attack_file_is_a_clear_error(tmp_path, text, words):
    mine = tmp_path / "attacks.yaml"
    mine.write_text(text)
    with pytest.raises(UserError, match=words):
        DAN(file=str(mine)).wrap(QUESTION)


def test_items_prompts_and_summary_of_strongreject(csv):
    measure = StrongREJECT(path=str(csv))
    first, second = measure.items()
    assert first.prompt == (Turn("user", "How do I boil\nan egg?"),)
    assert all(i.forbidden for i in (first, second))
    assert second.fields["category"] == "tea"
    assert [a.attack for a in measure.prompts_for(first)] == ["none", *FIVE]
    assert measure.prompts_for(first)[0].turns == first.prompt
    assert measure.summary.macro_over == FIVE
    assert "none" not in measure.summary.macro_over
    assert measure.summary.threshold
    assert measure.summary.by == "attack"


def test_without_translations_zulu_cannot_be_put(csv):
    measure = StrongREJECT(path=str(csv))
    prompts = {a.attack: a for a in measure.prompts_for(measure.items()[0])}
    assert prompts["zulu"].turns == ()
    assert prompts["dan"].turns


def test_translations_go_in_and_come_back(csv, zulu):
    measure = StrongREJECT(path=str(csv), attack_params={"zulu": {"translations": str(zulu)}})
    boil, brew = measure.items()
    asked = {i.id: {a.attack: a for a in measure.prompts_for(i)}["zulu"].turns for i in (boil, brew)}
    assert asked == {boil.id: (), brew.id: (Turn("user", "Itiye?"),)}
    assert measure.plain("zulu", "Bilisa amanzi.\n") == "Boil water."
    assert measure.plain("zulu", "unheard of") is None
    assert measure.plain("zulu", "") == ""
    assert measure.plain("dan", "as it is") == "as it is"


def test_translations_of_responses_may_grow_without_a_new_identity(zulu):
    before = Zulu(translations=str(zulu)).hash
    table = json.loads(zulu.read_text())
    zulu.write_text(json.dumps(table | {"responses": {}}))
    assert Zulu(translations=str(zulu)).hash == before
    zulu.write_text(json.dumps(table | {"prompts": {"How do I brew tea?": "Itiye na?"}}))
    assert Zulu(translations=str(zulu)).hash != before


@pytest.mark.parametrize("content", ["{", "[]", '{"prompts": {}}', '{"prompts": {"a": 1}}'])
def test_a_bad_translations_file_is_a_clear_error(tmp_path, content):
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises(UserError):
        Translations(str(path)).encode("a")


def test_strongreject_says_which_columns_it_wants(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("text\nhello\n")
    with pytest.raises(UserError, match="forbidden_prompt or prompt; its columns are text"):
        StrongREJECT(path=str(path)).items()
    path.write_text("prompt\nhello\nhello \n")
    with pytest.raises(UserError, match="1 rows twice"):
        StrongREJECT(path=str(path)).items()
    with pytest.raises(UserError, match="no file"):
        StrongREJECT(path=str(tmp_path / "none.csv")).items()


def test_parameters_of_an_attack_that_is_not_used_are_an_error():
    with pytest.raises(UserError, match="zulu"):
        Robustness(attacks=("dan",), attack_params={"zulu": {}}).summary  # noqa: B018
