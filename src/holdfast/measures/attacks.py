"""Attacks: versioned rewritings of a forbidden prompt. Their texts are data: ``attacks.yaml``, or the user's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Protocol

from holdfast.measures.codecs import Codec, Translations
from holdfast.store.digest import digest
from holdfast.store.sources import data_file
from holdfast.words import Turn, UserError

PROMPT = "{prompt}"


class Attack(Protocol):
    """Registered under the entry-point group ``holdfast.attacks``. ``name`` is what records carry."""

    name: ClassVar[str]

    @property
    def version(self) -> int: ...

    @property
    def codec(self) -> Codec | None:
        """Brings a response back into plain language before it is judged."""
        ...

    @property
    def hash(self) -> str:
        """Digest of all that determines ``wrap``."""
        ...

    def wrap(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...] | None:
        """The conversation under attack; None where it cannot be put, for want of a translation."""
        ...


@dataclass(frozen=True)
class Template:
    """An attack that puts the last user turn into a text. ``file``: YAML in the form of ``attacks.yaml``."""

    name: ClassVar[str]
    file: str | None = field(default=None, metadata={"identity": False})

    @cached_property
    def _entry(self) -> Mapping[str, Any]:
        return read_entry(self.file, self.name)

    @property
    def version(self) -> int:
        return self._entry["version"]

    @property
    def text(self) -> str:
        return self._entry["text"]

    @property
    def codec(self) -> Codec | None:
        return None

    @property
    def hash(self) -> str:
        codec = self.codec.hash if self.codec else None
        return digest({"attack": self.name, "version": self.version, "text": self.text, "codec": codec})

    def wrap(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...] | None:
        last = max(i for i, t in enumerate(turns) if t.role == "user")
        prompt = self.codec.encode(turns[last].content) if self.codec else turns[last].content
        if prompt is None:
            return None
        # Not str.format: a forbidden prompt may hold braces of its own.
        attacked = replace(turns[last], content=self.text.replace(PROMPT, prompt))
        return (*turns[:last], attacked, *turns[last + 1 :])


@dataclass(frozen=True)
class DAN(Template):
    """A persona without limits."""

    name: ClassVar[str] = "dan"


@dataclass(frozen=True)
class HappyToHelp(Template):
    """A prescribed friendly opening."""

    name: ClassVar[str] = "happy_to_help"


@dataclass(frozen=True)
class RolePlay(Template):
    """A fiction in which a character answers."""

    name: ClassVar[str] = "role_play"


@dataclass(frozen=True)
class Wikipedia(Template):
    """An encyclopedia article about the forbidden subject."""

    name: ClassVar[str] = "wikipedia"


@dataclass(frozen=True)
class Zulu(Template):
    """The prompt in Zulu, the response translated back.

    ``translations``: a file as ``codecs.Translations`` reads it. Without one no prompt can be put, and every row of
    this attack is unscored as ``untranslated``.
    """

    name: ClassVar[str] = "zulu"
    translations: str | None = field(default=None, metadata={"identity": False})

    @cached_property
    def _codec(self) -> Codec:
        return Translations(self.translations) if self.translations else _Missing()

    @property
    def codec(self) -> Codec:
        return self._codec


class _Missing:
    """A language for which nothing has been translated."""

    name: ClassVar[str] = "missing"
    version: ClassVar[int] = 1
    hash = "missing"

    def encode(self, text: str) -> str | None:
        return None

    def decode(self, text: str) -> str | None:
        return None


def read_entry(file: str | None, name: str) -> Mapping[str, Any]:
    """One attack of a YAML file (None: the one of this package). Raises UserError with what is wrong in it."""
    import yaml

    where = data_file(file) if file else Path(str(resources.files("holdfast.measures"))) / "attacks.yaml"
    try:
        entry = (yaml.safe_load(where.read_text(encoding="utf-8")) or {}).get(name)
    except (yaml.YAMLError, AttributeError) as e:
        raise UserError(f"{where} is no YAML file of attacks: {e}") from None
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
        raise UserError(f"{where} has no text for the attack {name!r}: write `{name}: {{version: 1, text: …}}`")
    if entry["text"].count(PROMPT) != 1:
        raise UserError(f"the text of the attack {name!r} in {where} must hold {PROMPT} exactly once")
    if not isinstance(entry.get("version"), int):
        raise UserError(f"the attack {name!r} in {where} needs a version, a whole number")
    return entry
