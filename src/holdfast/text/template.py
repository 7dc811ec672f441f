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
from jinja2.sandbox import ImmutableSandboxedEnvironment

from holdfast.words import UserError


def source(folder: Path, config: Mapping[str, Any], given: Path | None) -> str:
    """The template's text: the given file, else ``chat_template.jinja``, else the tokenizer configuration's.

    Raises ``UserError`` where there is none, or where several have names and none is called ``default``.
    """
    if given is not None:
        if not given.is_file():
            raise UserError(f"the chat template {given} is not there: correct the model's `template:`")
        return given.read_text(encoding="utf-8-sig")
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8-sig")
    found = config.get("chat_template")
    if isinstance(found, list):
        named = {entry["name"]: entry["template"] for entry in found}
        if "default" not in named and len(named) != 1:
            raise UserError(
                f"the model in {folder} has chat templates {sorted(named)} and none is `default`: "
                "name a file with the model's `template:`"
            )
        found = named.get("default") or next(iter(named.values()))
    if not found:
        raise UserError(f"the model in {folder} has no chat template: name a file with the model's `template:`")
    return str(found)


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
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = day.strftime
        try:
            self._template = environment.from_string(text)
        except TemplateError as error:
            raise UserError(f"the chat template cannot be read ({error}): correct the model's `template:`") from None
        # Templates read the date in two ways: by calling strftime_now, or from this variable.
        self._always = {**names, "date_string": date, "enable_thinking": thinking, "tools": None, "documents": None}

    def render(self, messages: list[dict[str, str]], *, generation_prompt: bool) -> str:
        """The conversation as text. Raises jinja2's ``TemplateError`` where the template refuses the turns."""
        return self._template.render(messages=messages, add_generation_prompt=generation_prompt, **self._always)


class _Generation(Extension):
    """``{% generation %}`` marks what the assistant wrote, for trainers that look for it; here it only has to parse."""

    tags = {"generation"}  # noqa: RUF012 - jinja2's own attribute

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    # jinja2's own filter escapes for HTML.
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise TemplateError(message)
