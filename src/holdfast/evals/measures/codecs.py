"""Codecs: how a prompt goes into another language or encoding, and a response comes back."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Protocol

from holdfast.store.digest import digest
from holdfast.store.documents import read_json
from holdfast.store.files import write_json
from holdfast.store.sources import data_file, local
from holdfast.types import UserError

Tables = Mapping[str, Mapping[str, str]]  # "prompts": plain → translated; "responses": translated → plain
_RUN = re.compile(r"[A-Za-z0-9+/]{12,}={0,2}(?:\r?\n[A-Za-z0-9+/]{12,}={0,2})*")


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
class Base64Codec:
    """RFC 4648 with the standard alphabet, over UTF-8.

    Decoding replaces every run of twelve or more signs of Base64 that stands for printable text, wrapped lines
    together, and leaves everything else as it is: a model may answer in plain words, or with some before.
    """

    name: ClassVar[str] = "base64"
    version: ClassVar[int] = 1

    def encode(self, text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    def decode(self, text: str) -> str:
        return _RUN.sub(_decoded, text)

    @property
    def hash(self) -> str:
        return digest({"codec": self.name, "version": self.version})


def _decoded(run: re.Match[str]) -> str:
    try:
        text = base64.b64decode("".join(run[0].split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return run[0]
    return text if all(c.isprintable() or c.isspace() for c in text) else run[0]


@dataclass(frozen=True)
class Translator:
    """Who fills the gaps of a file of translations while a study runs: a model of this machine, or an endpoint.

    model: folder or hub id of an encoder–decoder translation model of Hugging Face; ``back``: that for the way back, if
        it is another one. source, target: language codes as the model's tokenizer has them (``eng_Latn`` and
        ``zul_Latn`` of NLLB, ``en`` and ``zu`` of M2M100), or, for an endpoint, names of the languages. A model of one
        pair of languages knows no codes: they are then not used, and ``prefix`` and ``back_prefix`` (``>>zul<< ``,
        ``translate English to Zulu: ``) go before each text. max_new_tokens, beams: of generation.
    endpoint: parameters of a chat endpoint (``url``, ``model``, ``key_env`` …), as the endpoint judge has them.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}
    model: str | None = None
    revision: str | None = None
    back: str | None = None
    source: str = "eng_Latn"
    target: str = "zul_Latn"
    prefix: str = ""
    back_prefix: str = ""
    max_new_tokens: int = 512
    beams: int = 4
    endpoint: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if (self.model is None) == (self.endpoint is None):
            raise ValueError("a translator is either a model or an endpoint: give one of the two")


@dataclass(frozen=True)
class Translations:
    """A frozen file of translations, made once by people or a machine, so that every subject gets the same text.

    ``path``: JSON, ``{"prompts": {plain: translated}, "responses": {translated: plain}}``; ``responses`` may be absent
    or grow later. A text that is not in the file has no translation. With a ``translator`` the file may be missing at
    first: the study's translation stage adds to it, and never changes what is there. None for a path is an empty file
    that nobody fills.
    """

    name: ClassVar[str] = "translations"
    version: ClassVar[int] = 1
    path: str | None = field(metadata={"identity": False})
    translator: Translator | None = field(default=None, metadata={"identity": False})

    @property
    def tables(self) -> Tables:
        """Read again when the file has changed: a worker that lives through a study sees what was added."""
        if self.path is None or (self.translator and not local(self.path).is_file()):
            return {"prompts": {}, "responses": {}}
        at = data_file(self.path).stat()
        return _read(self.path, at.st_mtime_ns, at.st_size, bool(self.translator))

    def encode(self, text: str) -> str | None:
        return self.has("prompts", text)

    def decode(self, text: str) -> str | None:
        return self.has("responses", text) if text.strip() else text

    def has(self, kind: str, text: str) -> str | None:
        """The translation of a prompt (``prompts``) or of a response (``responses``) that is in the file."""
        return self.tables[kind].get(_key(text))

    @property
    def hash(self) -> str:
        # Responses translate back what was already said: more of them change no request.
        return digest({"codec": self.name, "version": self.version, "prompts": self.tables["prompts"]})

    def add(self, kind: str, found: Mapping[str, str]) -> None:
        """Adds translations of ``prompts`` or ``responses``; what the file has stays as it is."""
        from filelock import FileLock

        assert self.path is not None
        file = local(self.path)
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_name(f".{file.name}.lock")):  # two studies may share a file
            tables = {k: dict(v) for k, v in self.tables.items()}
            for text, new in found.items():
                tables[kind].setdefault(_key(text), new)
            write_json(file, tables, seal=False)


@lru_cache(maxsize=8)
def _read(path: str, changed: int, size: int, may_be_empty: bool) -> Tables:
    data = read_json(data_file(path))
    tables = {k: data.get(k, {}) for k in ("prompts", "responses")} if isinstance(data, dict) else {}
    if not (tables.get("prompts") or (tables and may_be_empty)) or not all(_texts(t) for t in tables.values()):
        raise UserError(f'{path} must hold {{"prompts": {{plain: translated}}}}, all of them texts')
    return {kind: {_key(a): b for a, b in table.items()} for kind, table in tables.items()}


def _key(text: str) -> str:
    return text.strip()


def _texts(table: object) -> bool:
    return isinstance(table, dict) and all(isinstance(v, str) and v.strip() for v in table.values())
