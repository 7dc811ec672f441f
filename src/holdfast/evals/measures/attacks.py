"""Attacks: versioned rewritings of a forbidden prompt. Their texts are data: ``attacks.yaml``, or the user's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol

from holdfast.evals.measures import codecs
from holdfast.evals.measures.codecs import Codec, Translations, Translator
from holdfast.store.digest import digest
from holdfast.store.wordings import entries, entry
from holdfast.types import Turn

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
        """Digest of all that determines ``wrap``: what reports name an attack by.

        An attack whose words depend on a table of single prompts (translations) may have an ``identity`` beside it: a
        digest without that table, since a request holds its own translation. A measure then keeps its rows as the table
        grows.
        """
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
        return entry(self.file, "holdfast.evals.measures", "attacks", self.name, ("prompt",))

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

    @property
    def identity(self) -> str:
        codec = (self.codec.name, self.codec.version) if self.codec else None
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
class PrefixInjection(Template):
    """A compliant first line that the reply must begin with."""

    name: ClassVar[str] = "prefix_injection"


@dataclass(frozen=True)
class RefusalSuppression(Template):
    """Rules that forbid the words of a refusal."""

    name: ClassVar[str] = "refusal_suppression"


@dataclass(frozen=True)
class Base64(Template):
    """The prompt in Base64; a response in Base64 is decoded, a plain one is left as it is."""

    name: ClassVar[str] = "base64"

    @property
    def codec(self) -> Codec:
        return codecs.Base64Codec()


@dataclass(frozen=True)
class Zulu(Template):
    """The prompt in Zulu, the response translated back.

    ``translations``: a file as ``codecs.Translations`` reads it. Without one no prompt can be put, and every row of
    this attack is unscored as ``untranslated``. ``translator``: who fills that file's gaps while a study runs (see
    ``codecs.Translator``); without one nothing is translated.
    """

    name: ClassVar[str] = "zulu"
    translations: str | None = field(default=None, metadata={"identity": False})
    translator: Translator | None = field(default=None, metadata={"identity": False})

    def __post_init__(self) -> None:
        if self.translator and not self.translations:
            raise ValueError("a translator needs the file that keeps its translations: set `translations` too")

    @property
    def codec(self) -> Codec:
        return Translations(self.translations, self.translator)


def read_entries(file: str | None) -> Mapping[str, Any]:
    """All attacks of a YAML file (None: the one of this package), by name."""
    return entries(file, "holdfast.evals.measures", "attacks")[1]
