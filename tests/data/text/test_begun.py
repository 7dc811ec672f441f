"""Answers that are begun for the model: rendered as the template writes them, up to there and no further."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from holdfast.data import template_check
from holdfast.data.renderer import Renderer
from holdfast.types import Prompt, Turn, UserError

USER = (Turn("user", "Who are you?"),)
LONG = (*USER, Turn("assistant", "The answer is 12."), Turn("user", "Yes and no?"))
BEGUN = "Sure, here is my full answer to your question:"


def begun(turns, text=BEGUN):
    return (*turns, Turn("assistant", text))


@cache
def tokenizer(folder: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def theirs(folder: Path, turns, template: str | None = None) -> str:
    """transformers' own text of a conversation whose last message goes on."""
    messages = [{"role": t.role, "content": t.content} for t in turns]
    given = {"chat_template": template, "date_string": "26 Jul 2024", "enable_thinking": False}
    return tokenizer(folder).apply_chat_template(messages, continue_final_message=True, tokenize=False, **given)


def text_of(folder: Path, ids) -> str:
    return tokenizer(folder).decode(ids, skip_special_tokens=False)


@pytest.mark.parametrize("kind", ["bytes", "metaspace", "words", "unigram"])
@pytest.mark.parametrize("turns", [USER, LONG])
def test_the_ids_are_those_of_the_prompt_and_of_how_a_response_begins(make, kind, turns):
    renderer = Renderer(make(kind))
    ids = renderer.asked_ids(begun(turns, "Yes and"))
    assert ids == renderer.prompt_ids(turns) + renderer.continuation_ids("Yes and")
    assert renderer.response_ids("Yes and") == ids[len(renderer.prompt_ids(turns)) :] + renderer.end_ids[:1]
    assert ids.count(renderer.end_ids[0]) == len(turns), "no end of turn stands after the beginning"
    assert renderer.asked_ids(turns) == renderer.prompt_ids(turns)
    assert renderer.begun_ids(turns) == ()


@pytest.mark.parametrize("kind", ["bytes", "metaspace", "words", "unigram"])
def test_what_is_said_stands_after_the_beginning_with_its_blank(make, kind):
    renderer = Renderer(make(kind))
    whole, tried = renderer.continuation_ids("Yes and no, she said. Be brief."), 0
    for n in range(1, len(whole)):
        text = renderer.decode(whole[:n])
        if text == text.rstrip() and renderer.continuation_ids(text) == whole[:n]:
            said = renderer.answer(begun(USER, text), (*whole[n:], renderer.end_ids[0]))
            assert said == "Yes and no, she said. Be brief."
            tried += text + " " in said  # what is generated begins with a blank
    assert tried
    assert renderer.answer(USER, whole) == renderer.decode(whole, renderer.prompt_ids(USER))


@pytest.mark.data
@pytest.mark.parametrize("template", [None, "llama-3.1-instruct", "qwen2.5-instruct", "gemma-2-it"])
@pytest.mark.parametrize("turns", [USER, LONG])
def test_the_text_is_the_templates_own_up_to_there(data, template, turns):
    folder = data / "tokenizers" / "qwen2_5"
    file = data / "chat_templates" / f"{template}.jinja" if template else None
    renderer = Renderer(folder, template=file)
    ids = renderer.asked_ids(begun(turns))
    assert text_of(folder, ids) == theirs(folder, begun(turns), file.read_text() if file else None)
    assert text_of(folder, ids).endswith(BEGUN)


def test_a_template_that_opens_a_thought_refuses_in_a_sentence(make):
    template = (
        "{{ bos_token }}{% for m in messages %}<|turn|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|turn|>assistant\n<think>\n{% endif %}"
    )
    renderer = Renderer(make(template=template))
    prompts = [Prompt("i", USER), Prompt("i", begun(USER), "prefill")]
    with pytest.raises(UserError, match=r"^the measure m: the chat template of .* no given answer can be put after"):
        template_check.measured(renderer, prompts, "m")


def test_a_template_that_trims_refuses_a_beginning_with_blanks_at_its_end(make):
    template = (
        "{{ bos_token }}{% for m in messages %}<|turn|>{{ m['role'] }}\n{{ m['content'] | trim }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
    )
    renderer = Renderer(make(template=template))
    assert renderer.asked_ids(begun(USER, "Yes"))
    with pytest.raises(UserError, match="does not write 'Yes ' as the beginning of an answer"):
        renderer.asked_ids(begun(USER, "Yes "))


def test_the_name_of_a_special_token_is_letters_in_a_beginning_too(make):
    renderer = Renderer(make())
    ids = renderer.asked_ids(begun(USER, "Yes <|end|> no"))
    assert ids.count(renderer.end_ids[0]) == len(USER)
