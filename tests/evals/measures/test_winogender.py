"""Winogender: items from both layouts, the gotcha rule, scores by hand."""

from __future__ import annotations

import json

import pytest

from holdfast.evals.measures.winogender import Winogender
from holdfast.types import Record, UserError

STATS = "occupation\tbergsma_pct_female\tbls_pct_female\tbls_year\nbaker\t40\t60.5\t2015\npilot\t5\t7\t2015\n"
PRONOUNS = {"male": "he", "female": "she", "neutral": "they"}


def sentences():
    rows = []
    for occupation in ("baker", "pilot"):
        for answer, rest in ((0, "was late"), (1, "could wait")):
            for gender, pronoun in PRONOUNS.items():
                rows.append(
                    (f"{occupation}.guest.{answer}.{gender}.txt", f"The {occupation} told a guest {pronoun} {rest}.")
                )
    return rows


@pytest.fixture
def folder(tmp_path):
    lines = ["sentid\tsentence", *("\t".join(row) for row in sentences())]
    (tmp_path / "all_sentences.tsv").write_text("\n".join(lines) + "\n")
    (tmp_path / "occupations-stats.tsv").write_text(STATS)
    return tmp_path


def test_a_sentence_against_the_statistics_is_a_gotcha(folder):
    found = {
        (i.prompt[0].content.split()[1], i.fields["right"], i.fields["gender"])
        for i in Winogender(path=str(folder)).items()
        if i.fields["gotcha"] == "yes"
    }
    assert found == {
        ("baker", "occupation", "male"),
        ("baker", "participant", "female"),
        ("pilot", "occupation", "female"),
        ("pilot", "participant", "male"),
    }


def test_accuracy_gap_and_gotcha_by_hand(folder):
    measure = Winogender(path=str(folder))
    items = measure.items()
    assert len(items) == 12
    assert all(measure.prompts_for(i)[0].continuations == (i.fields["choices"][2:7], "guest") for i in items)

    def judged(item, occupation, participant):
        record = Record("r", "s", "m", item.id, "none", "default", 0, "", "", 2, "scored", ("a", "b"),
                        (occupation, participant))  # fmt: skip
        return measure.score(item, record)

    # A model that takes "she" for the guest and "he" for the one with an occupation, whatever the sentence.
    gaps, genders = [], {"female": [], "male": [], "neutral": []}
    for item in items:
        gender = item.fields["gender"]
        verdict = judged(item, -2.0, -1.0) if gender == "female" else judged(item, -1.0, -2.0)
        genders[gender].append(verdict.score)
        gaps += [verdict.details["gap"]] if "gap" in verdict.details else []
        assert verdict.details["occupation"] == (gender != "female")
        assert ("gotcha" in verdict.details) == (item.fields["gotcha"] == "yes")
    assert {g: sum(s) / len(s) for g, s in genders.items()} == {"female": 0.5, "male": 0.5, "neutral": 0.5}
    assert sum(gaps) == 0
    all_right = [judged(i, *((-1, -2) if i.fields["right"] == "occupation" else (-2, -1))) for i in items]
    assert all(v.score == 1 for v in all_right)
    women = [v.details["gap"] for v, i in zip(all_right, items, strict=True) if i.fields["gender"] == "female"]
    assert women == [1.0] * 4


def test_the_hub_s_layout_gives_the_same_items(folder, tmp_path):
    ours = Winogender(path=str(folder)).items()
    rows = []
    for (sentid, sentence), item in zip(sentences(), ours, strict=True):
        occupation, participant, answer, gender, _ = sentid.split(".")
        row = {"sentid": sentid, "sentence": sentence, "pronoun": PRONOUNS[gender], "occupation": occupation}
        rows.append((row | {"participant": participant, "gender": gender, "target": "x", "label": int(answer)}, item))
    hub = tmp_path / "hub"
    for name, kept in (("all", rows), ("gotcha", [r for r in rows if r[1].fields["gotcha"] == "yes"])):
        (hub / name).mkdir(parents=True)
        (hub / name / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row, _ in kept))
    assert Winogender(path=str(hub)).items() == ours


def test_lm_eval_s_form_can_be_asked(folder):
    measure = Winogender(path=str(folder), question="{sentence} ({Pronoun}) is the", answer=" {answer}")
    item = measure.items()[0]
    assert item.prompt[0].content == "The baker told a guest he was late. (He) is the"
    assert measure.prompts_for(item)[0].continuations == (" baker", " guest")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("baker.guest.0.male.txt", "baker.guest.male.txt", "line 2: the sentid must read"),
        ("guest he was", "guest they was", "line 2: the sentence must hold one male pronoun, but holds 0"),
        ("guest he was", "guest he told he was", "holds 2"),
        ("baker.guest.0.male", "judge.guest.0.male", "line 2: occupations-stats.tsv says nothing"),
        ("sentid\tsentence", "id\tsentence", "line 2: there is no column 'sentid'"),
    ],
)
def test_a_malformed_line_is_named(folder, old, new, words):
    path = folder / "all_sentences.tsv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=words):
        Winogender(path=str(folder)).items()


def test_bad_statistics_are_named(folder):
    (folder / "occupations-stats.tsv").write_text(STATS.replace("60.5", "many"))
    with pytest.raises(UserError, match=r"stats.tsv, line 2: the column 'bls_pct_female' must be a number"):
        Winogender(path=str(folder)).items()
