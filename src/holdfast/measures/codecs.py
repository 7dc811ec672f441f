"""Codecs: how a prompt goes into another language and a response comes back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Protocol

from holdfast.store.digest import digest
from holdfast.store.sources import data_file
from holdfast.words import UserError


class Codec(Protocol):
    """Registered under the entry-point group ``holdfast.codecs``."""

    name: ClassVar[str]
    version: ClassVar[int]

    def encode(self, text: str) -> str | None:
        """The text in the other language; None where there is no translation."""
        ...

    def decode(self, text: str) -> str | None:
        """The text back in plain language; None where there is no translation."""
        ...

    @property
    def hash(self) -> str:
        """Digest of all that determines ``encode``."""
        ...


@dataclass(frozen=True)
class Translations:
    """A frozen file of translations, made once by people or a machine, so that every subject gets the same text.

    ``path``: JSON, ``{"prompts": {plain: translated}, "responses": {translated: plain}}``; ``responses`` may be absent
    or grow later. Nothing is translated while a study runs. A text that is not in the file has no translation.
    """

    name: ClassVar[str] = "translations"
    version: ClassVar[int] = 1
    path: str = field(metadata={"identity": False})

    @cached_property
    def _tables(self) -> dict[str, dict[str, str]]:
        try:
            data = json.loads(data_file(self.path).read_text(encoding="utf-8"))
        except ValueError as e:
            raise UserError(f"{self.path} is not valid JSON ({e})") from None
        tables = {k: data.get(k, {}) for k in ("prompts", "responses")} if isinstance(data, dict) else {}
        if not tables.get("prompts") or not all(_texts(t) for t in tables.values()):
            raise UserError(f'{self.path} must hold {{"prompts": {{plain: translated}}}}, all of them texts')
        return {kind: {_key(a): b for a, b in table.items()} for kind, table in tables.items()}

    def encode(self, text: str) -> str | None:
        return self._tables["prompts"].get(_key(text))

    def decode(self, text: str) -> str | None:
        return self._tables["responses"].get(_key(text)) if text.strip() else text

    @property
    def hash(self) -> str:
        # Responses translate back what was already said: more of them change no request.
        return digest({"codec": self.name, "version": self.version, "prompts": self._tables["prompts"]})


def _key(text: str) -> str:
    return text.strip()


def _texts(table: object) -> bool:
    return isinstance(table, dict) and all(isinstance(v, str) and v.strip() for v in table.values())
