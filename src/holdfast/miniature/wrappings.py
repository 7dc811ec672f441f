"""The miniature's attacks and its codec, as holdfast's measures use them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from holdfast.miniature import attacks
from holdfast.store.digest import digest
from holdfast.types import Turn


@dataclass(frozen=True)
class ZuluCodec:
    """The made-up language that stands for Zulu: a bijection of words, so nothing is lost on the way back."""

    name: ClassVar[str] = "miniature_zulu"
    version: ClassVar[int] = 1

    def encode(self, text: str) -> str:
        return attacks.encode(text)

    def decode(self, text: str) -> str:
        return attacks.decode(text)

    @property
    def hash(self) -> str:
        return digest({"codec": self.name, "version": self.version, "words": attacks.dictionary()})


@dataclass(frozen=True)
class Wrapping:
    """One of the world's wrappings around the last user turn. ``name`` is what records carry."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    codec: ClassVar[ZuluCodec | None] = None

    @property
    def hash(self) -> str:
        return digest({"attack": self.name, "version": self.version, "text": attacks.wrap(self.name, "{prompt}")})

    def wrap(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        assert turns[-1].role == "user", "a request ends with the user"
        return (*turns[:-1], replace(turns[-1], content=attacks.wrap(self.name, turns[-1].content)))


@dataclass(frozen=True)
class DAN(Wrapping):
    name: ClassVar[str] = "dan"


@dataclass(frozen=True)
class HappyToHelp(Wrapping):
    name: ClassVar[str] = "happy_to_help"


@dataclass(frozen=True)
class RolePlay(Wrapping):
    name: ClassVar[str] = "role_play"


@dataclass(frozen=True)
class Wikipedia(Wrapping):
    name: ClassVar[str] = "wikipedia"


@dataclass(frozen=True)
class Zulu(Wrapping):
    name: ClassVar[str] = "zulu"
    codec: ClassVar[ZuluCodec] = ZuluCodec()

    @property
    def hash(self) -> str:
        return digest({"attack": self.name, "version": self.version, "codec": self.codec.hash})


@dataclass(frozen=True)
class RoleBuildUp(Wrapping):
    """Two rounds: who the model is, and then a request to that character. In no preset."""

    name: ClassVar[str] = "role_build_up"
    rounds: ClassVar[int] = 2

    @property
    def hash(self) -> str:
        texts = [attacks.CHARACTER, attacks.wrap("role_play", "{prompt}")]
        return digest({"attack": self.name, "version": self.version, "text": texts})

    def wrap(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        return (*turns[:-1], replace(turns[-1], content=attacks.CHARACTER))

    def next(self, asked: tuple[Turn, ...], turns: tuple[Turn, ...], round: int) -> Turn:
        return replace(asked[-1], content=attacks.wrap("role_play", asked[-1].content))


@dataclass(frozen=True)
class Prefill(Wrapping):
    """The bare request, and the first words of a compliant answer as the model's own. In no preset."""

    name: ClassVar[str] = "prefill"

    @property
    def hash(self) -> str:
        return digest({"attack": self.name, "version": self.version, "begins": attacks.BEGINNING})

    def wrap(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        return (*turns, Turn("assistant", attacks.BEGINNING))
