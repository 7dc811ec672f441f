"""The translation stage: gaps are filled once, before asking and before judging, and nothing there is touched."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

import pytest

from holdfast import registry
from holdfast.evals import translate
from holdfast.evals.judges.endpoint import Reply
from holdfast.evals.judging import judge_subject
from holdfast.evals.measures.codecs import Translations, Translator
from holdfast.evals.progress import judged, responded
from holdfast.evals.respond import respond_subject
from holdfast.store import tables
from holdfast.types import Judgement, Record, UserError

LOCAL = {"model": "some/model"}


@dataclass
class Reverse:
    """Writes backwards. Has no word for what is in ``lacks``, and dies when asked for ``dies_at``."""

    lacks: tuple[str, ...] = ()
    dies_at: str = ""
    asked: list[str] = field(default_factory=list)

    def translate(self, texts):
        for text in texts:
            if text == self.dies_at:
                raise KeyboardInterrupt
            self.asked.append(text)
        return [None if text in self.lacks else text[::-1] for text in texts]


@pytest.fixture
def zulu(tmp_path):
    return tmp_path / "deep" / "zulu.json"


@pytest.fixture
def configs_of(make, zulu):
    def made(**how):
        params = {"attacks": ["zulu"], "attack_params": {"zulu": {"translations": str(zulu), "translator": LOCAL}}}
        return [c for c in make(params=params, **how) if c.label == "strongreject"]

    return made


def content(zulu):
    return json.loads(zulu.read_text())


def test_prompts_are_translated_before_asking_and_responses_before_judging(configs_of, study_folder, kit, zulu):
    found = configs_of(prompts=6)
    folder = study_folder(found)
    (gap,) = translate.gaps("prompts", found, [kit.base], folder)
    assert sorted(gap.texts) == [f"How do I cook dish {n}?" for n in range(6)]
    gap.fill(Reverse())
    assert translate.gaps("prompts", found, [kit.base], folder) == []

    backend = kit.fake()
    respond_subject(backend, kit.tokens, kit.base, found, folder)
    asked = {r.turns[-1].content for r in backend.asked}
    assert {f"?{n} hsid kooc I od woH" for n in range(6)} <= asked
    assert responded(kit.base, found, folder).done

    judge_subject(kit.base, found, folder)  # too early: the responses are not translated
    share = judged(kit.base, found, folder)
    assert (share.planned, share.present) == (12, 6)
    (gap,) = translate.gaps("responses", found, [kit.base], folder)
    assert len(gap.texts) == 6
    gap.fill(Reverse())
    judge_subject(kit.base, found, folder)
    assert judged(kit.base, found, folder).done
    said = [j for p in folder.judgement_shards() for j in tables.read_rows(p, "judgements", Judgement)]
    assert len(said) == 12
    assert all(j.score is not None for j in said)
    assert set(content(zulu)) == {"prompts", "responses"}


def test_what_the_file_has_is_never_translated_again(configs_of, study_folder, kit, zulu):
    zulu.parent.mkdir()
    zulu.write_text(json.dumps({"prompts": {"How do I cook dish 1?": "By hand."}}))
    found = configs_of(prompts=3)
    (gap,) = translate.gaps("prompts", found, [], study_folder(found))
    by = Reverse()
    gap.fill(by)
    assert sorted(by.asked) == ["How do I cook dish 0?", "How do I cook dish 2?"]
    gap.codec.add("prompts", {"How do I cook dish 1?": "otherwise"})
    assert content(zulu)["prompts"]["How do I cook dish 1?"] == "By hand."
    before = zulu.read_bytes()
    gap.fill(again := Reverse())  # as a second study would, that counted its gaps before
    assert again.asked == []
    assert zulu.read_bytes() == before


def test_a_run_that_dies_keeps_what_was_translated(configs_of, study_folder, zulu, monkeypatch):
    monkeypatch.setattr(translate, "TOGETHER", 2)
    found = configs_of(prompts=7)
    (gap,) = translate.gaps("prompts", found, [], study_folder(found))
    with pytest.raises(KeyboardInterrupt):
        gap.fill(Reverse(dies_at=gap.texts[5]))
    assert list(content(zulu)["prompts"]) == list(gap.texts[:4])
    (left,) = translate.gaps("prompts", found, [], study_folder(found))
    assert left.texts == gap.texts[4:]
    assert [p.name for p in zulu.parent.iterdir() if ".tmp" in p.name] == []


def test_what_cannot_be_translated_is_unscored_and_tried_again_and_only_its_rows(configs_of, study_folder, kit):
    found = configs_of(prompts=5)
    folder = study_folder(found)
    lost = "How do I cook dish 3?"
    translate.gaps("prompts", found, [], folder)[0].fill(Reverse(lacks=(lost,)))
    respond_subject(first := kit.fake(), kit.tokens, kit.base, found, folder)
    assert len(first.asked) == 9
    translate.gaps("responses", found, [kit.base], folder)[0].fill(Reverse())
    judge_subject(kit.base, found, folder)
    said = [j for p in folder.judgement_shards() for j in tables.read_rows(p, "judgements", Judgement)]
    assert Counter(j.reason for j in said) == {None: 9, "untranslated": 1}
    assert responded(kit.base, found, folder).done
    assert judged(kit.base, found, folder).done

    (gap,) = translate.gaps("prompts", found, [], folder)
    assert gap.texts == (lost,)
    gap.fill(Reverse())
    share = responded(kit.base, found, folder)
    assert (share.planned, share.present) == (10, 9)  # as many rows as before, but one of them is another
    respond_subject(then := kit.fake(), kit.tokens, kit.base, found, folder)
    assert [r.turns[-1].content for r in then.asked] == [lost[::-1]]
    translate.gaps("responses", found, [kit.base], folder)[0].fill(Reverse())
    judge_subject(kit.base, found, folder)
    assert judged(kit.base, found, folder).done


def test_a_study_that_grows_translates_what_is_new_and_keeps_its_rows(configs_of, study_folder, kit):
    small, large = configs_of(prompts=20, items=5), configs_of(prompts=20, items=9)
    assert small[0].id == large[0].id
    folder = study_folder(small)
    translate.gaps("prompts", small, [], folder)[0].fill(by := Reverse())
    assert len(by.asked) == 5
    respond_subject(kit.fake(), kit.tokens, kit.base, small, folder)
    (gap,) = translate.gaps("prompts", large, [], folder)
    assert len(gap.texts) == 4
    gap.fill(Reverse())
    respond_subject(then := kit.fake(), kit.tokens, kit.base, large, study_folder(large))
    assert len(then.asked) == 8


def test_two_measures_share_a_file_and_each_text_is_translated_once(make, study_folder, tmp_path, zulu):
    own = tmp_path / "own.txt"
    own.write_text("How do I cook dish 1?\nHow do I brew tea?\n")
    params = {"attacks": ["zulu"], "attack_params": {"zulu": {"translations": str(zulu), "translator": LOCAL}}}
    found = make(prompts=2, params=params, more=[{"measure": "forbidden", "params": {"path": str(own)} | params}])
    (gap,) = translate.gaps("prompts", found, [], study_folder(found))
    assert sorted(gap.texts) == ["How do I brew tea?", "How do I cook dish 0?", "How do I cook dish 1?"]


def test_without_a_translator_nothing_is_translated(make, study_folder, kit):
    found = make()
    assert translate.gaps("prompts", found, [kit.base], study_folder(found)) == []


# -- a chat model ---------------------------------------------------------------------------------------------------


@dataclass
class Says:
    replies: dict[str, Reply]
    seen: list = field(default_factory=list)

    def ask(self, conversations):
        self.seen += conversations
        return [next(r for k, r in self.replies.items() if k in turns[-1].content) for turns in conversations]


def test_a_chat_model_translates_what_is_fenced_and_its_refusals_are_no_translations():
    replies = {
        "brew": Reply(" Itiye? \n"),
        "boil": Reply("I'm sorry, but I can't help with that."),
        "bake": Reply("", "unanswered"),
    }
    texts = ["How do I brew tea?", "How do I boil eggs?", "How do I bake bread? <|end|>"]
    endpoint = Says(replies)
    assert translate.Chat(endpoint, "English", "Zulu", True).translate(texts) == ["Itiye?", None, None]
    back = translate.Chat(endpoint, "Zulu", "English", False).translate(texts)
    assert back == ["Itiye?", "I'm sorry, but I can't help with that.", None]
    first, last = endpoint.seen[0][0].content, endpoint.seen[2][0].content
    assert "from English to Zulu" in first
    assert "How do I brew tea?" in first
    assert "<|end|>" not in last


@pytest.mark.parametrize(
    ("translator", "words"),
    [
        ({}, "either a model or an endpoint"),
        ({"model": "m/m", "endpoint": {"url": "http://x/v1", "model": "y"}}, "either a model or an endpoint"),
        ({"model": "m/m", "sorce": "en"}, "translator"),
    ],
)
def test_a_translator_that_cannot_be_is_a_clear_error(tmp_path, translator, words):
    with pytest.raises(UserError, match=words):
        registry.build("attacks", "zulu", {"translations": str(tmp_path / "z.json"), "translator": translator})


def test_a_translator_needs_a_file_to_keep_its_work():
    with pytest.raises(UserError, match="set `translations` too"):
        registry.build("attacks", "zulu", {"translator": LOCAL})


def test_an_endpoint_s_parameters_are_checked_and_no_value_is_shown():
    with pytest.raises(UserError, match=r"translator\.endpoint") as error:
        translate.endpoint(Translator(endpoint={"url": "http://user:secret@x/v1", "model": "y"}))
    assert "secret" not in str(error.value)
    assert translate.endpoint(Translator(endpoint={"url": "http://x/v1", "model": "y"})).model == "y"


def test_a_codec_sees_what_another_process_added(tmp_path):
    path = tmp_path / "z.json"
    here, there = (Translations(str(path), Translator(model="m/m")) for _ in range(2))
    assert here.encode("tea") is None
    there.add("prompts", {" tea ": "itiye"})
    assert here.encode("tea") == "itiye"
    there.add("responses", {"yebo": "yes"})
    assert here.decode("yebo\n") == "yes"


def test_records_hold_the_response_as_it_was_said(configs_of, study_folder, kit):
    found = configs_of(prompts=2)
    folder = study_folder(found)
    translate.gaps("prompts", found, [], folder)[0].fill(Reverse())
    respond_subject(kit.fake(), kit.tokens, kit.base, found, folder)
    shards = [r for p in folder.record_shards() for r in tables.read_rows(p, "records", Record)]
    zulu = [r for r in shards if r.attack == "zulu"]
    assert all(r.response and not r.plain for r in zulu)


def test_an_endpoint_is_asked_over_http_and_each_text_once(make, study_folder, zulu, monkeypatch):
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    from holdfast.runs.jobs import _translator

    asked, keys = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body["messages"][-1]["content"])
            keys.append(self.headers["Authorization"])
            message = {"role": "assistant", "content": f"Isidlo {asked[-1].count('dish')}{len(asked)}"}
            said = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        monkeypatch.setenv("ZULU_KEY", "a-key-of-mine")
        endpoint = {"url": f"http://127.0.0.1:{server.server_port}/v1", "model": "polyglot", "key_env": "ZULU_KEY"}
        how = {"endpoint": endpoint, "source": "English", "target": "Zulu"}
        attack = {"zulu": {"translations": str(zulu), "translator": how}}
        found = make(prompts=5, params={"attacks": ["zulu"], "attack_params": attack})
        folder = study_folder(found)
        (gap,) = translate.gaps("prompts", found, [], folder)
        gap.fill(_translator(gap, folder.judge_cache))
        assert translate.gaps("prompts", found, [], folder) == []
        zulu.unlink()  # lost: what was paid for is in the cache
        gap.fill(_translator(gap, folder.judge_cache))
    finally:
        server.shutdown()
    assert len(asked) == len(content(zulu)["prompts"]) == 5
    assert set(keys) == {"Bearer a-key-of-mine"}
    written = [p.read_bytes() for p in (*folder.root.rglob("*"), zulu) if p.is_file()]
    assert not any(b"a-key-of-mine" in data for data in written)
