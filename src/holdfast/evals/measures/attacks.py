"""Attacks: versioned rewritings of a forbidden prompt. Their texts are data: ``attacks.yaml``, or the user's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol

from holdfast.evals.measures import ciphers, codecs
from holdfast.evals.measures.codecs import Codec, Translations, Translator
from holdfast.store.digest import digest
from holdfast.store.wordings import entries, entry
from holdfast.types import Turn, UserError

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
        """The conversation under attack; None where it cannot be put, for want of a translation. Of an attack of
        several rounds the first ask. A last turn of the assistant's is the beginning of the subject's answer."""
        ...


class Episode(Attack, Protocol):
    """An attack that talks back: of the ``rounds`` the last is where the forbidden request itself is asked."""

    @property
    def rounds(self) -> int:
        """How many times the subject is asked, whatever it answers."""
        ...

    def next(self, asked: tuple[Turn, ...], turns: tuple[Turn, ...], round: int) -> Turn | None:
        """The user's turn of a round beyond the first, determined by these arguments and what ``hash`` covers.

        ``asked``: the item's own turns; ``turns``: the conversation so far, which ends with the subject's answer. None
        where the attack has nothing more to say: that round and all after it are unscored.
        """
        ...


Next = Callable[[Episode, tuple[Turn, ...], tuple[Turn, ...], int], Turn | None]


def scripted(attack: Episode, asked: tuple[Turn, ...], turns: tuple[Turn, ...], round: int) -> Turn | None:
    """The next turn, by the attack itself."""
    return attack.next(asked, turns, round)


def rounds(attack: Attack) -> int:
    """How many times a subject is asked under an attack."""
    return getattr(attack, "rounds", 1)


def identity(attack: Attack) -> str:
    """Digest of an attack without its table of single prompts, where it has one."""
    return getattr(attack, "identity", None) or attack.hash


@dataclass(frozen=True)
class Template:
    """An attack that puts the last user turn into a text, or one round after the other into several, whatever is
    answered in between. ``file``: YAML in the form of ``attacks.yaml``. Where an entry ``begins`` the answer, the
    subject goes on from these words as its own."""

    name: ClassVar[str]
    file: str | None = field(default=None, metadata={"identity": False})

    @cached_property
    def _entry(self) -> Mapping[str, Any]:
        return entry(self.file, "holdfast.evals.measures", "attacks", self.name, ("prompt",), rounds=True)

    @property
    def version(self) -> int:
        return self._entry["version"]

    @property
    def text(self) -> str | list[str]:
        """A list where there are several rounds."""
        return self._entry["text"]

    @property
    def texts(self) -> list[str]:
        """One for each round."""
        return [self.text] if isinstance(self.text, str) else self.text

    @property
    def rounds(self) -> int:
        return len(self.texts)

    @property
    def codec(self) -> Codec | None:
        return None

    @property
    def begins(self) -> str:
        """The first words of the subject's answer; "" where it has none but its own."""
        found = self._entry.get("begins", "")
        if not isinstance(found, str) or found != found.rstrip() or (found and self.rounds > 1):
            raise UserError(
                f"`begins` of the attack {self.name!r} must be a text that does not end in a blank, and the attack "
                "must have one round"
            )
        return found

    @property
    def hash(self) -> str:
        return self._digest(self.codec.hash if self.codec else None)

    @property
    def identity(self) -> str:
        return self._digest((self.codec.name, self.codec.version) if self.codec else None)

    def _digest(self, codec: Any) -> str:
        known = {"attack": self.name, "version": self.version, "text": self.text, "codec": codec}
        return digest(known | ({"begins": self.begins} if self.begins else {}))

    def wrap(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...] | None:
        last = _last(turns)
        attacked = self._put(turns[last], 1)
        begun = (Turn("assistant", self.begins),) if self.begins else ()
        return None if attacked is None else (*turns[:last], attacked, *turns[last + 1 :], *begun)

    def next(self, asked: tuple[Turn, ...], turns: tuple[Turn, ...], round: int) -> Turn | None:
        return self._put(asked[_last(asked)], round)

    def _put(self, turn: Turn, round: int) -> Turn | None:
        prompt = self.codec.encode(turn.content) if self.codec else turn.content
        # Not str.format: a forbidden prompt may hold braces of its own.
        return None if prompt is None else replace(turn, content=self.texts[round - 1].replace(PROMPT, prompt))


def _last(turns: tuple[Turn, ...]) -> int:
    return max(i for i, t in enumerate(turns) if t.role == "user")


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
class Crescendo(Template):
    """From the general over history and particulars to the request, in four rounds."""

    name: ClassVar[str] = "crescendo"


@dataclass(frozen=True)
class Persistent(Template):
    """The request, and twice again with insistence."""

    name: ClassVar[str] = "persistent"


@dataclass(frozen=True)
class RoleBuildUp(Template):
    """A role that is built up in two rounds and asked in the third."""

    name: ClassVar[str] = "role_build_up"


@dataclass(frozen=True)
class Prefill(Template):
    """The bare request, and the first words of a compliant answer as the subject's own."""

    name: ClassVar[str] = "prefill"


@dataclass(frozen=True)
class Base64(Template):
    """The prompt in Base64; a response in Base64 is decoded, a plain one is left as it is."""

    name: ClassVar[str] = "base64"

    @property
    def codec(self) -> Codec:
        return codecs.Base64Codec()


@dataclass(frozen=True)
class Rot13(Template):
    """The prompt in ROT13; sentences of a response that are in it are decoded, plain ones are left as they are."""

    name: ClassVar[str] = "rot13"

    @property
    def codec(self) -> Codec:
        return ciphers.Rot13Codec()


@dataclass(frozen=True)
class Leetspeak(Template):
    """The prompt in leetspeak; sentences of a response that are in it are decoded, plain ones are left as they are."""

    name: ClassVar[str] = "leetspeak"

    @property
    def codec(self) -> Codec:
        return ciphers.LeetspeakCodec()


@dataclass(frozen=True)
class PayloadSplitting(Template):
    """The prompt in three parts that the model is to put together."""

    name: ClassVar[str] = "payload_splitting"

    @property
    def codec(self) -> Codec:
        return ciphers.PartsCodec()


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
