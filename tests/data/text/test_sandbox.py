"""Templates are foreign code: what recurses, loops or grows without end is one sentence, in seconds."""

from __future__ import annotations

import json
import time

import pytest

from holdfast.data import sandbox
from holdfast.data.renderer import Renderer
from holdfast.data.template import ChatTemplate, Refused
from holdfast.types import Turn, UserError

LOOP = "{% for a in range(9999) %}"


def render(text: str) -> str:
    template = ChatTemplate(text, names={"bos_token": "<s>"}, date="26 Jul 2024", thinking=False)
    return template.render([{"role": "user", "content": "Who?"}], generation_prompt=True)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 0.3)


@pytest.mark.parametrize(
    "text",
    [
        LOOP * 3 + "x" + "{% endfor %}" * 3,
        LOOP * 3 + "{% endfor %}" * 3,
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(200) }}",
        "{% for m in [messages] recursive %}{{ loop([messages]) }}{% endfor %}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ 'a' * 10 ** 10 }}",
        "{{ ['a'] * 10 ** 10 }}",
        "{{ 'a' | center(10 ** 10) }}",
        "{{ 'a'.ljust(10 ** 10) }}",
        "{{ '%9999999999s' % 'a' }}",
        "{{ '%9999999999s' | format('a') }}",
        "{{ '{:>9999999999}'.format('a') }}",
        "{{ messages | tojson(indent=10 ** 9) }}",
        "{{ range(10 ** 9) | join }}",
        "{% set n = namespace(s='xxxxxxxx') %}" + LOOP + "{% set n.s = n.s ~ n.s %}{% endfor %}",
        "{% set n = namespace(s='xxxxxxxx') %}" + LOOP + "{% set n.s = n.s + n.s %}{% endfor %}",
        "{% set n = namespace(s='xx') %}" + LOOP + "{% set n.s = n.s | replace('x', 'xxxxxxxx') %}{% endfor %}",
        "{% set s = 'x' * 9999999 %}" + LOOP + "{{ s }}{% endfor %}",
        "{{ messages.nothing.at_all }}",
        "{{ 1 / 0 }}",
        "{{ messages[0] + 1 }}",
        "{{ ''.__class__.__mro__ }}",
    ],
)
def test_what_a_template_does_wrong_is_refused_in_time(text):
    begun = time.monotonic()
    with pytest.raises((Refused, UserError)) as error:
        render(text)
    assert time.monotonic() - begun < 5
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in b %}" * 40 + "{% endfor %}" * 40,
        "{{ " + "(" * 5000 + ")" * 5000 + " }}",
        "{% if",
        "{{ x | nofilter }}",
    ],
)
def test_a_template_that_cannot_be_compiled_is_a_users_error(text):
    with pytest.raises(UserError, match="`template:`"):
        render(text)


def test_templates_are_rendered_as_without_the_bounds():
    text = (
        "{%- macro f(x, y='!') -%}{{ x ~ y ~ 1 }}{%- endmacro -%}{% set n = namespace(i=0) %}"
        "{%- for m in messages -%}{% set n.i = n.i + 2 ** 3 * 2 %}{{ loop.index }}{{ f(m.content) }}{%- endfor %}"
        "{{ n.i }}{{ '%s-%02d' % ('a', 7) }}{{ 'ab' * 2 }}{{ [1] + [2] }}{{ messages | tojson(indent=1) | length }}"
        "{% filter upper %}x{{ 'y' }}{% endfilter %}{{ none }}{{ '<&>' }}"
    )
    assert render(text) == "1Who?!116a-07abab[1, 2]47XYNone<&>"


def test_an_endless_template_of_a_model_is_one_sentence(make):
    endless = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"
    with pytest.raises(UserError, match="it calls itself without end"):
        Renderer(make(template=endless))


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"a": ' * 5000])
def test_broken_files_of_a_model_are_one_sentence_that_names_them(make, name, content):
    folder = make()
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=str(folder)):
        Renderer(folder)


def test_entries_of_the_wrong_kind_are_one_sentence(make):
    for config in ({"added_tokens_decoder": {"x": {}}}, {"added_tokens_decoder": {"9": {"content": 3}}}):
        with pytest.raises(UserError, match="tokenizer"):
            Renderer(make(config=config))
    folder = make()
    (folder / "config.json").write_text(json.dumps({"eos_token_id": "two"}))
    with pytest.raises(UserError, match="eos_token_id"):
        Renderer(folder)


def test_a_template_that_is_no_text_is_one_sentence(make, tmp_path):
    file = tmp_path / "own.jinja"
    file.write_bytes(b"\xff\xfe{{")
    with pytest.raises(UserError, match="`template:`"):
        Renderer(make(), template=file)
    assert Renderer(make()).prompt_text((Turn("user", "Who?"),))
