"""The one renderer: prompts equal transformers', responses depend on nothing but their text, traps have outcomes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from holdfast.data.renderer import Renderer
from holdfast.data.thinking import split
from holdfast.types import Segment, Turn, UserError

USER = (Turn("user", "Who are you?"),)
SYSTEM = (Turn("system", "Be brief."), *USER)
LONG = (*SYSTEM, Turn("assistant", "The answer is 12."), Turn("user", " Yes and no? \n"))
CONVERSATIONS = [USER, SYSTEM, LONG]


def theirs(folder: Path, turns, template: str | None = None, **given) -> list[int]:
    messages = [{"role": t.role, "content": t.content} for t in turns]
    asked = {"chat_template": template, "date_string": "26 Jul 2024", "enable_thinking": False, **given}
    return tokenizer(folder).apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=False, **asked
    )


@cache
def tokenizer(folder: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@cache
def qwen(folder: Path) -> Renderer:
    return Renderer(folder)


# -- equal to transformers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bytes", "metaspace"])
@pytest.mark.parametrize("turns", CONVERSATIONS)
def test_prompts_equal_transformers(make, kind, turns):
    folder = make(kind)
    assert list(Renderer(folder).prompt_ids(turns)) == theirs(folder, turns)


def test_whitespace_blocks_loops_and_json_as_transformers(make):
    template = (
        "{%- for m in messages %}\n    {%- if loop.index > 4 %}{% break %}{% endif %}\n"
        "    {% generation %}{{ m | tojson }}{% endgeneration %}\n  {% set x = 1 %}\nx<|end|>\n{%- endfor %}\n"
        "{% if add_generation_prompt %}?{% endif %}"
    )
    folder = make(template=template)
    assert list(Renderer(folder).prompt_ids(LONG)) == theirs(folder, LONG)


@pytest.mark.data
@pytest.mark.parametrize("template", [None, "llama-3.1-instruct", "qwen2.5-instruct", "gemma-2-it"])
def test_prompts_equal_transformers_on_a_real_tokenizer(data, template):
    folder = data / "tokenizers" / "qwen2_5"
    file = data / "chat_templates" / f"{template}.jinja" if template else None
    text = file.read_text() if file else None
    ours = qwen(folder) if file is None else Renderer(folder, template=file)  # a second to load: one for all turns
    for turns in CONVERSATIONS:
        if template == "gemma-2-it":
            turns = tuple(t for t in turns if t.role != "system")
        assert list(ours.prompt_ids(turns)) == theirs(folder, turns, text), turns


@pytest.mark.data
def test_gemmas_template_refuses_a_system_turn_and_takes_it_folded(data, make):
    folder, file = make(), data / "chat_templates" / "gemma-2-it.jinja"
    with pytest.raises(UserError, match="`system: fold`"):
        Renderer(folder, template=file).prompt_ids(SYSTEM)
    folded = Renderer(folder, template=file, system="fold").prompt_text(SYSTEM)
    assert "Be brief.\n\nWho are you?<end_of_turn>" in folded


@pytest.mark.data
def test_whole_conversations_equal_transformers_joint_text(data):
    renderer = qwen(data / "tokenizers" / "qwen2_5")
    ids = renderer.sequence(Segment("x", "chosen", USER, "It is I.")).ids
    joint = theirs(data / "tokenizers" / "qwen2_5", (*USER, Turn("assistant", "It is I.")), None)
    assert list(ids) == joint[: len(ids)]


@pytest.mark.data
def test_a_pretrained_model_without_a_template_is_given_one(data, tmp_path):
    folder, file = data / "models" / "stories260K", tmp_path / "plain.jinja"
    with pytest.raises(UserError, match="`template:`"):
        Renderer(folder)
    file.write_text(
        "{{ bos_token }}{% for m in messages %}{{ m['content'] }}"
        "{{ eos_token if m['role'] == 'assistant' else '\\n' }}{% endfor %}"
    )
    renderer = Renderer(folder, template=file)
    assert renderer.end_ids == (2,)
    assert renderer.pad_id == 2  # masks come from lengths
    assert list(renderer.prompt_ids(LONG)) == theirs(folder, LONG, file.read_text())
    assert len(renderer.continuation_ids("Yes")) > 1


# -- responses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bytes", "metaspace"])
def test_a_sequence_is_prompt_ids_then_response_ids(make, kind):
    renderer = Renderer(make(kind))
    for turns in CONVERSATIONS:
        made = renderer.sequence(Segment("x", "chosen", turns, "Yes and no."))
        assert made.prompt_ids == renderer.prompt_ids(turns)
        assert made.response_ids == renderer.response_ids("Yes and no.")
        assert made.response_ids[-1] == renderer.end_ids[0]


def test_an_empty_response_is_the_end_of_the_turn_alone(make):
    renderer = Renderer(make())
    assert renderer.response_ids("") == renderer.end_ids[:1]


def test_a_continuation_has_no_end_and_begins_the_response(make):
    renderer = Renderer(make())
    ids = renderer.continuation_ids("Yes")
    assert renderer.response_ids("Yes") == (*ids, renderer.end_ids[0])


def test_decoding_gives_the_text_back_without_its_end(make):
    renderer = Renderer(make())
    assert renderer.decode(renderer.response_ids(" Yes ,  and no. ")) == " Yes ,  and no. "


def test_marks_of_thinking_survive_decoding_though_they_are_special_tokens(make):
    marks = [{"content": m, "special": True} for m in ("[THINK]", "[/THINK]")]
    renderer = Renderer(make(config={"added_tokens_decoder": {str(900 + n): m for n, m in enumerate(marks)}}))
    ids: list[int] = []
    ids += [i for m in marks for i in (renderer.continuation_ids(m["content"]) + renderer.continuation_ids("Yes"))]
    text = renderer.decode(ids)
    assert text.replace(" ", "") == "[THINK]Yes[/THINK]Yes"


def test_a_thought_that_the_prompt_opened_is_opened_in_the_response_too(make):
    template = (
        "{{ bos_token }}{% for m in messages %}<|turn|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|turn|>assistant\n<think>\n{% endif %}"
    )
    renderer = Renderer(make(template=template))
    prompt = renderer.prompt_ids((Turn("user", "Who are you?"),))
    said = renderer.decode(renderer.continuation_ids("Yes and no."), prompt)
    assert said.startswith("<think>")
    assert not split(said).closed
    assert split(renderer.decode(renderer.continuation_ids("no</think>Yes"), prompt)).answer == "Yes"


# -- end of turn, BOS, pad --------------------------------------------------------------------------------------------


def test_the_end_of_turn_is_the_templates_and_the_files_ends_stop_too(make):
    folder = make(eos_token_id=2)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [0, 4]}))
    assert Renderer(folder).end_ids == (4, 0, 2)


def test_a_template_that_writes_no_end_gets_the_end_of_sequence(make):
    template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"
    assert Renderer(make(template=template)).end_ids == (2,)
    with pytest.raises(UserError, match="end of turn"):
        Renderer(make(template=template, config={"eos_token": None}))


def test_a_template_with_bos_gives_one_bos_and_one_without_gives_none(make):
    assert Renderer(make()).prompt_ids(USER).count(1) == 1
    assert Renderer(make(template=PLAIN_WITHOUT_BOS)).prompt_ids(USER).count(1) == 0


PLAIN_WITHOUT_BOS = (
    "{% for m in messages %}<|turn|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>{% endif %}"
)


def test_pad_may_equal_the_end_and_is_the_end_where_there_is_none(make):
    equal = Renderer(make(config={"pad_token": "</s>"}))
    assert equal.pad_id in equal.end_ids
    without = Renderer(make(config={"pad_token": None}))
    assert without.pad_id == without.end_ids[0]


# -- choosing a template ----------------------------------------------------------------------------------------------


def test_no_template_is_a_users_error_that_names_the_field(make, tmp_path):
    folder = make(template=None)
    with pytest.raises(UserError, match="`template:`"):
        Renderer(folder)
    file = tmp_path / "own.jinja"
    file.write_text(PLAIN_WITHOUT_BOS)
    assert Renderer(folder, template=file).prompt_text(USER) == "<|turn|>Who are you?<|end|><|turn|>"
    with pytest.raises(UserError, match="`template:`"):
        Renderer(folder, template=tmp_path / "absent.jinja")


def test_a_template_file_in_the_folder_goes_before_the_configuration(make):
    folder = make()
    (folder / "chat_template.jinja").write_text(PLAIN_WITHOUT_BOS)
    assert Renderer(folder).prompt_text(USER).startswith("<|turn|>Who")


def test_of_several_named_templates_the_default_is_taken(make):
    named = [{"name": "tool", "template": "x"}, {"name": "default", "template": PLAIN_WITHOUT_BOS}]
    assert Renderer(make(template=named)).prompt_text(USER).startswith("<|turn|>Who")
    with pytest.raises(UserError, match="`template:`"):
        Renderer(make(template=[{"name": "a", "template": "x"}, {"name": "b", "template": "x"}]))


def test_a_broken_template_and_a_missing_tokenizer_are_users_errors(make, tmp_path):
    with pytest.raises(UserError, match="`template:`"):
        Renderer(make(template="{% for m in messages %}"))
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        Renderer(tmp_path)


# -- system, thinking, date -------------------------------------------------------------------------------------------


REFUSES = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + PLAIN_WITHOUT_BOS
IGNORES = PLAIN_WITHOUT_BOS.replace("{% for m in messages %}", "{% for m in messages if m['role'] != 'system' %}")


@pytest.mark.parametrize("template", [REFUSES, IGNORES])
def test_a_system_turn_that_is_not_taken_is_an_error_and_folds(make, template):
    folder = make(template=template)
    with pytest.raises(UserError, match="`system: fold`"):
        Renderer(folder).prompt_text(SYSTEM)
    folded = Renderer(folder, system="fold")
    assert folded.prompt_text(SYSTEM) == "<|turn|>Be brief.\n\nWho are you?<|end|><|turn|>"
    assert folded.prompt_text(USER) == Renderer(folder).prompt_text(USER)
    with pytest.raises(UserError, match="user turn"):
        folded.prompt_text(SYSTEM[:1])


def test_thinking_reaches_the_template(make):
    folder = make(template=PLAIN_WITHOUT_BOS + "{% if not enable_thinking %}(no thoughts){% endif %}")
    assert Renderer(folder).prompt_text(USER).endswith("(no thoughts)")
    assert not Renderer(folder, thinking=True).prompt_text(USER).endswith("(no thoughts)")


def test_the_date_is_pinned_however_a_template_asks_for_it(make):
    template = "{{ date_string }} {{ strftime_now('%Y-%m-%d') }}" + PLAIN_WITHOUT_BOS
    assert Renderer(make(template=template), date="01 Feb 2025").prompt_text(USER).startswith("01 Feb 2025 2025-02-01<")
    with pytest.raises(UserError, match="`date:`"):
        Renderer(make(), date="yesterday")


def test_the_digest_tells_whatever_changes_the_ids(make, tmp_path):
    folder = make()
    file = tmp_path / "own.jinja"
    file.write_text(PLAIN_WITHOUT_BOS)
    renderers = [
        Renderer(folder),
        Renderer(folder, template=file),
        Renderer(folder, system="fold"),
        Renderer(folder, thinking=True),
        Renderer(folder, date="01 Feb 2025"),
        Renderer(make("metaspace")),
    ]
    assert len({r.digest for r in renderers}) == len(renderers)
    assert Renderer(make()).digest == Renderer(folder).digest


def test_a_prompt_without_a_token_is_a_users_error(make):
    plain = Renderer(make(template="{% for m in messages %}{{ m.content }}{% endfor %}"))
    with pytest.raises(UserError, match=r"a prompt is empty, and the chat template of .* writes nothing else"):
        plain.prompt_ids((Turn("user", ""),))


def test_a_prompt_without_turns_is_a_users_error(make):
    with pytest.raises(UserError, match="turn"):
        Renderer(make()).prompt_ids(())
