"""Attacks that talk back on the page: success round by round, and the conversations, masked as responses are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest

from holdfast.analysis import analyse as analysis
from holdfast.analysis.contrasts import DEFAULT
from holdfast.analysis.estimates_file import headlines
from holdfast.analysis.load import configs, load_records
from holdfast.config import loading
from holdfast.report import page, words
from holdfast.report.reading import read
from holdfast.report.sections import order, responses
from holdfast.store import tables
from holdfast.store.digest import digest
from holdfast.store.files import read_json, write_json
from holdfast.store.folder import StudyFolder
from holdfast.types import Judgement, Record

NAME, HOW = "role_build_up", "miniature_role_build_up"
FIVE = ["miniature_dan", "miniature_happy_to_help", "miniature_role_play", "miniature_wikipedia", "miniature_zulu"]


def talked(folder: StudyFolder) -> None:
    """Every subject was also asked in two rounds: it declines in the first and answers every second item in the last.
    An objective's own condition is asked in both too."""
    (at,) = (c for c in folder.configs() if "miniature_robustness" in c.root.name)
    about = read_json(at.config_json, "cell")
    about["summary"]["macro_over"].append(NAME)
    about["attacks"][NAME] = {"version": "1", "hash": digest(NAME)}
    write_json(at.config_json, about)
    for subject in tables.read(folder.subjects, "subjects")["subject"]:
        shards = sorted(at.shard(subject, 0).parent.glob("*.parquet"))
        plain = [r for p in shards for r in tables.read_rows(p, "records", Record) if r.attack == "dan"]
        made, said = [], []
        places = Counter()
        for r in plain:
            n = places[r.format] = places[r.format] + 1
            first = {"default": "round 1"}.get(r.format, f"round 1+{r.format}")
            for format, text in ((first, "I will not."), (r.format, "Gladly." if n % 2 else "No.")):
                id = digest([r.id, format, "talked"])
                made.append(replace(r, id=id, attack=NAME, format=format, response=text, plain=text))
                score = float(text == "Gladly.")
                for judge in ("rules", "miniature_oracle"):
                    said.append(Judgement(id, judge, score, "answer" if score else "refusal"))
        tables.write(at.shard(subject, len(shards)), "records", made)
        for judge in ("rules", "miniature_oracle"):
            mine = [j for j in said if j.judge == judge]
            file = folder.judgement("miniature_robustness", about["cell"], judge, subject, len(shards))
            tables.write(file, "judgements", mine)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_study):
    """The same study without these records, and with them."""
    attacks = [{"measure": "miniature_robustness", "params": {"attacks": [*FIVE, HOW]}}]
    measures = [{"measure": "task_accuracy"}, *attacks, {"measure": "miniature_dark_triad"}]
    root = tmp_path_factory.mktemp("rounds")
    folder = make_study(root / "study", prompts=8, measures=measures, analysed=False, budgets=(15_000,))
    talked(folder)
    study = loading.load(folder.study_yaml)
    analysis.analyse(folder, study, configs(folder), load_records(folder, tuning=True))
    return folder


def test_earlier_rounds_have_estimates_of_their_own_and_are_in_no_headline(folder):
    findings = read(folder)
    e = findings.estimates
    mine = e[(e["measure"] == "miniature_robustness") & (e["metric"] == "asr") & (e["against"] == "")]
    assert {"default", "round 1", "round 1+safe", "safe"} <= set(mine["format"])
    first, last = (mine[(mine["format"] == f) & (mine["condition"] == NAME)] for f in ("round 1", DEFAULT))
    assert set(first["value"]) == {0.0}
    assert set(last["value"]) == {0.5}
    head = headlines(e, findings.configs)
    assert set(head["format"]) == {DEFAULT}
    macro = head[(head["measure"] == "miniature_robustness") & (head["against"] == "")]
    n = macro["n_records"] / macro["n_seeds"].clip(lower=1)
    assert set(n) == {8 * 6}, "six attacks on eight prompts, whatever was asked before"


def test_the_page_has_success_by_round_for_every_objective(folder):
    findings = read(folder)
    part = order.of_setting(findings.settings()[0])
    (section,) = (g for g in part.sections if g.id == "attacks")
    (table,) = section.blocks
    assert list(table.rows["attack"]) == ["role build up"] * 2
    assert list(table.rows["round"]) == [1, 2]
    assert set(table.rows.columns[2:]) == {"base", *findings.labels}
    assert all(list(table.rows[c]) == [words.percent(0.0), words.percent(0.5)] for c in table.rows.columns[2:])
    own = part.own.rows if part.own is not None else {"asked with": []}
    assert not any("round" in how for how in own["asked with"])


def test_a_transcript_stands_beside_the_last_answer_and_is_masked_as_it_is(folder):
    sampled = responses.sample(read(folder))
    config = next(c for c in sampled["cells"] if c["axis"] == "robustness")
    attack = config["attacks"].index("role build up")
    talks = [a for a in config["answers"] if a[1] == attack]
    assert talks
    assert all(len(a) == 9 for a in config["answers"] if a[1] != attack)
    for item, _, _, text, *_, talk in talks:
        (asked, said, masked), (at_last, nothing, _) = talk
        assert (asked, said, nothing) == ("You are a wizard.", "I will not.", "")
        assert masked == 0, "every judge called it a refusal"
        assert config["prompts"][item][0] in at_last
        assert text in ("Gladly.", "No.")
    assert len({a[2] for a in talks if a[0] == talks[0][0]}) > 3, "the objectives side by side"


def test_an_attack_that_is_gone_leaves_the_answers(folder, monkeypatch):
    from holdfast import registry
    from holdfast.types import UserError

    def gone(group, name, params=None):
        raise UserError("it is not there")

    monkeypatch.setattr(registry, "build", gone)
    sampled = responses.sample(read(folder))
    config = next(c for c in sampled["cells"] if c["axis"] == "robustness")
    talks = [a[9] for a in config["answers"] if len(a) > 9]
    assert {(asked, said) for talk in talks for asked, said, _ in talk} == {("", "I will not."), ("", "")}


def test_the_page_and_its_files_are_written_with_them(folder):
    written = page.build(folder)
    text = written.read_text()
    assert "round by round" in text
    csv = pd.read_csv(next(written.parent.rglob("rounds-miniature_robustness.csv")))
    assert set(csv["round"]) == {1, 2}
    assert {"value", "low", "high"} <= set(csv.columns)
    assert (csv.loc[csv["round"] == 2, "value"] == 0.5).all()
