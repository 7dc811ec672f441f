"""A model's chat template: where it is found, and how it is rendered.

The environment offers templates what Hugging Face's offers them, no more: a template from the hub is untrusted code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from holdfast.data.sandbox import Environment
from holdfast.types import UserError


class Refused(Exception):
    """A template does not take these turns; the message says why, in its own words or Python's."""


def source(folder: Path, config: Mapping[str, Any], given: Path | None) -> str:
    """The template's text: the given file, else ``chat_template.jinja``, else the tokenizer configuration's.

    Raises ``UserError`` where there is none, or where several have names and none is called ``default``.
    """
    if given is not None:
        if not given.is_file():
            raise UserError(f"the chat template {given} is not there: correct the model's `template:`")
        return _text(given)
    file = folder / "chat_template.jinja"
    if file.is_file():
        return _text(file)
    found = config.get("chat_template")
    if isinstance(found, list):
        named = {str(e.get("name")): e.get("template") for e in found if isinstance(e, dict)}
        if "default" not in named and len(named) != 1:
            raise UserError(
                f"the model in {folder} has chat templates {sorted(named)} and none is `default`: "
                "name a file with the model's `template:`"
            )
        found = named.get("default") or next(iter(named.values()))
    if not found:
        raise UserError(f"the model in {folder} has no chat template: name a file with the model's `template:`")
    return str(found)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the chat template {file} cannot be read ({error}): correct the model's `template:`") from None


class ChatTemplate:
    """A compiled template with all that it may print beside the turns.

    ``names`` are the special tokens by name (``bos_token`` …); ``date`` is the day that a template which prints one is
    given, as ``26 Jul 2024``; ``thinking`` becomes ``enable_thinking``.
    """

    def __init__(self, text: str, *, names: Mapping[str, str], date: str, thinking: bool):
        try:
            day = datetime.strptime(date, "%d %b %Y")
        except ValueError:
            raise UserError(f"the model's `date:` must read like 26 Jul 2024, but is {date!r}") from None
        self._environment = Environment(
            {"tojson": tojson},
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, "jinja2.ext.loopcontrols"],
        )
        self._environment.globals["raise_exception"] = _raise
        self._environment.globals["strftime_now"] = day.strftime
        try:
            self._template = self._environment.from_string(text)
        except Exception as error:  # a template's faults are not all TemplateErrors: nesting, sizes, names
            raise UserError(
                f"the chat template cannot be read ({_said(error)}): correct the model's `template:`"
            ) from None
        # Templates read the date in two ways: by calling strftime_now, or from this variable.
        self._always = {**names, "date_string": date, "enable_thinking": thinking, "tools": None, "documents": None}

    def render(self, messages: list[dict[str, str]], *, generation_prompt: bool) -> str:
        """The conversation as text. Raises ``Refused`` where the template does not take the turns, or does not end."""
        self._environment.begin()
        try:
            return self._template.render(messages=messages, add_generation_prompt=generation_prompt, **self._always)
        except Exception as error:  # it is foreign code: whatever it raises is its own
            raise Refused(_said(error)) from None


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it calls itself without end"
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return text if isinstance(error, TemplateError) else f"{type(error).__name__}: {text}"


class _Generation(Extension):
    """``{% generation %}`` marks what the assistant wrote, for trainers that look for it; here it only has to parse."""

    tags = {"generation"}  # noqa: RUF012 - jinja2's own attribute

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """The filter ``tojson`` as transformers gives it to templates: jinja2's own escapes for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise TemplateError(message)
