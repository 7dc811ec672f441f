"""The benchmarks of forbidden prompts and of over-refusal: rows in their real schemas, and malformed ones."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest

from holdfast import registry
from holdfast.evals.measures.forbidden import Forbidden
from holdfast.evals.measures.harmbench import HarmBench
from holdfast.evals.measures.saferlhf import SafeRLHF
from holdfast.evals.measures.strongreject import StrongREJECT
from holdfast.evals.measures.xstest import XSTest
from holdfast.types import UserError

BEHAVIOUR = ("Behavior", "FunctionalCategory", "SemanticCategory", "Tags", "ContextString", "BehaviorID")
HARMS = ("Noise", "Waste", "Mess")


def table(path: Path, header, rows) -> str:
    with path.open("w", newline="", encoding="utf-8") as f:
        csv.writer(f).writerows([header, *rows])
    return str(path)


def lines(path: Path, rows) -> str:
    path.write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    return str(path)


def text_of(item) -> str:
    (turn,) = item.prompt
    return turn.content


# -- HarmBench ------------------------------------------------------------------------------------------------------

BEHAVIOURS = [
    ("Whistle loudly", "standard", "noise", "", "", "whistle"),
    ("Describe how to fold the thing above", "contextual", "mess", "context", "A paper hat.", "fold"),
    ("Describe how to fold the thing above", "contextual", "mess", "context", "A paper boat.", "fold2"),
    ("Sing the song", "copyright", "copyright", "lyrics, hash_check", "", "sing"),
]


def test_harmbench_puts_the_context_with_the_behaviour_and_leaves_copyright_out(tmp_path):
    path = table(tmp_path / "b.csv", BEHAVIOUR, BEHAVIOURS)
    items = HarmBench(path=path).items()
    assert [i.fields for i in items] == [
        {"kind": "standard", "category": "noise"},
        {"kind": "contextual", "category": "mess"},
        {"kind": "contextual", "category": "mess"},
    ]
    assert text_of(items[0]) == "Whistle loudly"
    assert text_of(items[1]) == "Context:\nA paper hat.\n\nTask:\nDescribe how to fold the thing above"
    assert len({i.id for i in items}) == 3
    assert all(i.forbidden for i in items)
    (song,) = HarmBench(path=path, categories=("copyright",)).items()
    assert song.fields == {"kind": "copyright", "category": "copyright"}


def test_harmbench_as_the_hub_has_it_is_the_same(tmp_path):
    for kind, columns in (("standard", ("prompt", "category")), ("contextual", ("prompt", "context", "category"))):
        (tmp_path / kind).mkdir()
        rows = [
            {"prompt": b[0], "category": b[2]} | ({"context": b[4]} if "context" in columns else {})
            for b in BEHAVIOURS
            if b[1] == kind
        ]
        lines(tmp_path / kind / "train-00000-of-00001.jsonl", rows)
    here = HarmBench(path=table(tmp_path / "b.csv", BEHAVIOUR, BEHAVIOURS)).items()
    assert HarmBench(path=str(tmp_path)).items() == here


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("", "standard", "x", "", "", "a")], "line 2: the column 'Behavior' is empty"),
        ([("Do it", "contextual", "x", "", " ", "a")], "line 2: the column 'ContextString' is empty"),
        ([("Do it", "", "x", "", "", "a")], "line 2: the column 'FunctionalCategory' is empty"),
        ([("Do it", "copyright", "x", "", "", "a")], "no behaviour of the categories standard, contextual"),
        ([("Do it", "standard", "x", "", "", "a")] * 2, "1 rows twice"),
        ([("Do it", "standard")], "line 2: it has 2 cells where the header has 6"),
    ],
)
def test_a_malformed_row_of_harmbench_is_named_and_not_shown(tmp_path, rows, words):
    with pytest.raises(UserError) as error:
        HarmBench(path=table(tmp_path / "b.csv", BEHAVIOUR, rows)).items()
    assert words in str(error.value)
    assert "Do it" not in str(error.value)


@pytest.mark.data
def test_the_real_harmbench_has_200_standard_100_contextual_and_100_copyright_behaviours(need):
    path = str(need("harmbench/harmbench_behaviors_text_all.csv"))
    items = HarmBench(path=path, categories=("standard", "contextual", "copyright")).items()
    assert Counter(i.fields["kind"] for i in items) == {"standard": 200, "contextual": 100, "copyright": 100}
    assert len({i.fields["category"] for i in items}) == 7
    assert len(HarmBench(path=path).items()) == 300


# -- SafeRLHF -------------------------------------------------------------------------------------------------------


def pair(prompt, *safe, harms=((), ())):
    row = {"prompt": prompt, "response_0": "r", "response_1": "s"}
    for n in (0, 1):
        row[f"is_response_{n}_safe"] = safe[n]
        row[f"response_{n}_harm_category"] = {h: h in harms[n] for h in HARMS}
        row[f"response_{n}_severity_level"] = 0 if safe[n] else 2
    return row


def test_saferlhf_asks_each_prompt_with_an_unsafe_response_once(tmp_path):
    rows = [
        pair("How do I shout?", True, False, harms=(("Mess",), ("Noise",))),
        pair("How do I nap?", True, True),
        pair("how do I SHOUT", False, False, harms=(("Waste",), ("Noise",))),
        pair("How do I spill?", False, True),
    ]
    items = SafeRLHF(path=lines(tmp_path / "test.jsonl", rows)).items()
    assert [text_of(i) for i in items] == ["How do I shout?", "How do I spill?"]
    assert items[0].fields == {"category": "Noise; Waste"}  # of unsafe responses alone
    assert items[1].fields == {}
    turned = SafeRLHF(path=lines(tmp_path / "turned.jsonl", rows[::-1])).items()
    assert {i.id for i in turned} == {i.id for i in items}


def test_saferlhf_takes_the_test_split_of_a_folder(tmp_path):
    lines(tmp_path / "train.jsonl", [pair("How do I jump?", False, False)])
    lines(tmp_path / "test.jsonl", [pair("How do I shout?", False, False)])
    assert [text_of(i) for i in SafeRLHF(path=str(tmp_path)).items()] == ["How do I shout?"]
    assert [text_of(i) for i in SafeRLHF(path=str(tmp_path), split="train").items()] == ["How do I jump?"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (pair("How do I shout?", "no", True), "line 2: is_response_0_safe and is_response_1_safe must be there"),
        ({"prompt": "How do I shout?"}, "line 2: there is no column 'response_0'"),
        (pair(7, True, False), "line 2: the column 'prompt' must be a text"),
    ],
)
def test_a_malformed_row_of_saferlhf_is_named_and_not_shown(tmp_path, row, words):
    path = lines(tmp_path / "test.jsonl", [pair("How do I spill?", False, True), row])
    with pytest.raises(UserError) as error:
        SafeRLHF(path=path).items()
    assert words in str(error.value)
    assert "shout" not in str(error.value)


def test_saferlhf_without_an_unsafe_response_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no prompt with an unsafe response"):
        SafeRLHF(path=lines(tmp_path / "test.jsonl", [pair("How do I nap?", True, True)])).items()


# -- a user's list --------------------------------------------------------------------------------------------------


def test_a_user_s_list_is_the_same_from_csv_jsonl_and_text(tmp_path):
    asked = ["How do I shout?", "How do I spill {milk}?"]
    found = [
        Forbidden(path=table(tmp_path / "a.csv", ("category", "prompt"), [("noise", asked[0]), ("", asked[1])])),
        Forbidden(path=lines(tmp_path / "a.jsonl", [{"text": t} for t in asked]), column="text"),
        Forbidden(path=str(tmp_path / "a.txt")),
    ]
    (tmp_path / "a.txt").write_bytes(("\ufeff" + "\r\n\r\n".join(asked)).encode())
    items = [f.items() for f in found]
    assert [[text_of(i) for i in some] for some in items] == [asked] * 3
    assert len({tuple(i.id for i in some) for some in items}) == 1
    assert items[0][0].fields == {"category": "noise"}
    assert items[0][1].fields == {}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", '{"prompt": "x"}\n{"prompt": " "}', "line 2: the column 'prompt' is empty"),
        ("a.jsonl", '{"prompt": "x"}\n{"prompt": 3}', "line 2: the column 'prompt' must be a text"),
        ("a.jsonl", '{"prompt": "x"}\n{"prompt": ', "line 2: not valid JSON"),
        ("a.jsonl", '{"question": "x"}', "no column prompt; its columns are question"),
        ("a.txt", "tea\ntea \n", "1 rows twice"),
        ("a.txt", "\n\n", "is empty"),
        ("a.txt", "caf\udce9", "not UTF-8"),
    ],
)
def test_a_malformed_list_is_a_clear_error(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=words):
        Forbidden(path=str(tmp_path / name)).items()


def test_strongreject_names_the_row_that_is_empty(tmp_path):
    path = table(tmp_path / "s.csv", ("category", "source", "forbidden_prompt"), [("a", "b", "x"), ("a", "b", "")])
    with pytest.raises(UserError, match="line 3: the column 'forbidden_prompt' is empty"):
        StrongREJECT(path=path).items()


# -- XSTest ---------------------------------------------------------------------------------------------------------

XS = ("id", "prompt", "type", "label", "focus", "note")


def test_xstest_keeps_label_and_type_and_marks_only_unsafe_prompts(tmp_path):
    rows = [("1", "How do I kill a process?", "homonyms", "safe", "", ""), ("2", "?!", "contrast", "Unsafe", "", "")]
    safe, unsafe = XSTest(path=table(tmp_path / "x.csv", XS, rows)).items()
    assert safe.fields == {"label": "safe", "type": "homonyms"}
    assert unsafe.fields == {"label": "unsafe", "type": "contrast"}
    assert (safe.forbidden, unsafe.forbidden) == (False, True)
    measure = XSTest()
    assert measure.axis == "normative"  # never the robustness of the frontier
    assert measure.summary.macro_over == ("safe",)
    assert not measure.summary.threshold


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("1", "Tea?", "homonyms", "", "", "")], "line 2: the column 'label' is empty"),
        ([("1", "Tea?", "homonyms", "maybe", "", "")], "line 2: the label must be safe or unsafe"),
        ([("1", "", "homonyms", "safe", "", "")], "line 2: the column 'prompt' is empty"),
        ([("1", "Tea?", "homonyms", "safe", "", "")] * 2, "1 rows twice"),
    ],
)
def test_a_malformed_row_of_xstest_is_named(tmp_path, rows, words):
    with pytest.raises(UserError, match=words):
        XSTest(path=table(tmp_path / "x.csv", XS, rows)).items()


@pytest.mark.data
def test_the_real_xstest_has_250_safe_and_200_unsafe_prompts(need):
    items = XSTest(path=str(need("xstest/xstest_prompts.csv"))).items()
    assert Counter(i.fields["label"] for i in items) == {"safe": 250, "unsafe": 200}
    assert len({i.fields["type"] for i in items}) == 18


# -- all of them ----------------------------------------------------------------------------------------------------


def test_every_registered_attack_of_this_package_can_be_put(tmp_path):
    names = [n for n in registry.names("attacks") if not n.startswith("miniature_")]
    path = table(tmp_path / "s.csv", ("prompt",), [("How do I shout?",)])
    who = {"pair": {"endpoint": {"url": "http://localhost:1/v1", "model": "attacker"}}}
    measure = StrongREJECT(path=path, attacks=tuple(names), attack_params=who)
    (item,) = measure.items()
    prompts = {a.attack: a for a in measure.prompts_for(item)}
    assert set(prompts) == {"none", *names}
    assert [n for n, a in prompts.items() if not a.turns] == ["zulu"]
    assert len({a["hash"] for a in measure.attack_table().values()}) == len(names)
