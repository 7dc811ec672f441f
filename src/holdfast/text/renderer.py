"""The one renderer: turns to text, text to token ids and back. On ``tokenizers`` and ``jinja2``; no torch.

Prompts equal ``apply_chat_template`` of transformers. A response is encoded on its own, with the end of its turn, and
appended: its ids do not depend on the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jinja2 import TemplateError
from tokenizers import AddedToken, Tokenizer

from holdfast.store.digest import digest, file_digest
from holdfast.store.sources import data_file, model_folder
from holdfast.text import template as chat
from holdfast.text import thinking as thought
from holdfast.words import Segment, Sequence, Turn, UserError

if TYPE_CHECKING:
    from holdfast.spec import ModelSpec

NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
SENTINEL = "holdfastsentinel"
_TAIL = 16  # tokens of a prompt in which a mark of thinking at its end stands whole


class Renderer:
    """How one model is spoken to: its tokenizer, its chat template, and the choices of the study about both.

    ``folder`` holds ``tokenizer.json``; ``template`` replaces the model's own; ``system="fold"`` puts a system turn's
    text before the first user turn's, for templates that take none; ``thinking`` and ``date`` go to the template.

    ``end_ids`` are the tokens at any of which a response stops, the one that ends a turn first. ``pad_id`` may be one
    of them: never make a mask from it. ``vocab_size`` counts the tokenizer's ids, added ones included.

    Raises ``UserError`` where the folder holds no tokenizer or template, or where no end of turn can be told.
    """

    def __init__(
        self,
        folder: Path,
        *,
        template: Path | None = None,
        system: Literal["keep", "fold"] = "keep",
        thinking: bool = False,
        date: str = "26 Jul 2024",
    ):
        self._folder = folder
        self._fold = system == "fold"
        config = {**_json(folder / "special_tokens_map.json"), **_json(folder / "tokenizer_config.json")}
        self._tokenizer = _tokenizer(folder, config)
        names = {name: _content(config[name]) for name in NAMED_TOKENS if config.get(name)}
        text = chat.source(folder, config, template)
        self._template = chat.ChatTemplate(text, names=names, date=date, thinking=thinking)

        self.vocab_size = self._tokenizer.get_vocab_size(with_added_tokens=True)
        eos_id = self._id(names.get("eos_token"))
        self._end = self._end_of_turn(eos_id)
        stops = [self._end[-1], *_eos_ids(folder), eos_id]
        self.end_ids: tuple[int, ...] = tuple(dict.fromkeys(i for i in stops if i is not None))
        pad_id = self._id(names.get("pad_token"))
        self.pad_id: int = self.end_ids[0] if pad_id is None else pad_id
        added = self._tokenizer.get_added_tokens_decoder()
        self._marks = {
            i: token.content for i, token in added.items() if token.special and thought.is_mark(token.content)
        }
        self.digest: str = digest(
            {
                "tokenizer": file_digest(folder / "tokenizer.json"),
                "added": {str(i): added.content for i, added in self._tokenizer.get_added_tokens_decoder().items()},
                "template": text,
                "names": names,
                "end": self.end_ids,
                "system": system,
                "thinking": thinking,
                "date": date,
            }
        )

    @classmethod
    def of(cls, spec: ModelSpec) -> Renderer:
        """The renderer of a study's model."""
        return cls(
            model_folder(spec.path, spec.revision),
            template=data_file(spec.template) if spec.template else None,
            system=spec.system,
            thinking=spec.thinking,
            date=spec.date,
        )

    # -- prompts ---------------------------------------------------------------------------------------------------

    def prompt_text(self, turns: tuple[Turn, ...]) -> str:
        """The turns as the model sees them, up to where its answer begins.

        Raises ``UserError`` where the template refuses the turns, or leaves a system turn out.
        """
        if not turns:
            raise UserError("a prompt needs at least one turn, but one has none")
        turns = _folded(turns) if self._fold else turns
        systems = [turn.content.strip() for turn in turns if turn.role == "system"]
        mend = "set the model's `system: fold`" if systems else "correct the turns or the model's `template:`"
        try:
            text = self._template.render([asdict(turn) for turn in turns], generation_prompt=True)
        except TemplateError as error:
            raise UserError(f"the chat template of {self._folder} refuses a prompt ({error}): {mend}") from None
        if any(system not in text for system in systems):
            raise UserError(f"the chat template of {self._folder} leaves a system turn out: {mend}")
        return text

    def prompt_ids(self, turns: tuple[Turn, ...]) -> tuple[int, ...]:
        """``prompt_text`` as token ids. The template alone says whether there is a BOS; none is added."""
        return self._encode(self.prompt_text(turns))

    # -- responses -------------------------------------------------------------------------------------------------

    def response_ids(self, text: str) -> tuple[int, ...]:
        """A whole response: its own tokens, then the end of its turn. An empty response is the end alone."""
        return self._encode(text) + self._end

    def continuation_ids(self, text: str) -> tuple[int, ...]:
        """The beginning of a response, without an end."""
        return self._encode(text)

    def sequence(self, segment: Segment) -> Sequence:
        """A segment as token ids: those of its prompt, then those of its response."""
        prompt = self.prompt_ids(segment.prompt)
        return Sequence(prompt + self.response_ids(segment.response), len(prompt), segment)

    def decode(self, ids: Iterable[int], after: tuple[int, ...] = ()) -> str:
        """Token ids as text, without special tokens and ends; no spaces are tidied away.

        Marks of thinking are kept, special or not, and so is one that the prompt (``after``) ends with: without it
        nobody could tell a thought that was cut off from an answer.
        """
        opened = thought.opened(self._tokenizer.decode(after[-_TAIL:], skip_special_tokens=False)) if after else ""
        pieces = [opened]
        run: list[int] = []
        for i in (i for i in ids if i not in self.end_ids):
            if i in self._marks:
                pieces += [self._tokenizer.decode(run, skip_special_tokens=True), self._marks[i]]
                run = []
            else:
                run.append(i)
        return "".join([*pieces, self._tokenizer.decode(run, skip_special_tokens=True)])

    # -- inside ----------------------------------------------------------------------------------------------------

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _id(self, token: str | None) -> int | None:
        return None if token is None else self._tokenizer.token_to_id(token)

    def _end_of_turn(self, eos_id: int | None) -> tuple[int, ...]:
        """What the template writes after an answer, up to the first added token: the model's own end of turn.

        Where the template writes no such token, the end of sequence ends the turn.
        """
        asked = [{"role": "user", "content": "?"}, {"role": "assistant", "content": SENTINEL}]
        try:
            text = self._template.render(asked, generation_prompt=False)
        except TemplateError as error:
            raise UserError(
                f"the chat template of {self._folder} refuses a question with its answer ({error}): "
                "name another with the model's `template:`"
            ) from None
        _, found, rest = text.rpartition(SENTINEL)
        ids = self._encode(rest) if found else ()
        marks = set(self._tokenizer.get_added_tokens_decoder())
        for n, i in enumerate(ids):
            if i in marks or i == eos_id:
                return ids[: n + 1]
        if eos_id is None:
            raise UserError(
                f"no end of turn can be told for the model in {self._folder}: its tokenizer has no `eos_token` and its "
                "chat template writes no special token after an answer; name one that does with `template:`"
            )
        return (eos_id,)


def _tokenizer(folder: Path, config: Mapping[str, Any]) -> Tokenizer:
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise UserError(
            f"there is no tokenizer.json in {folder}: save the model's tokenizer there in Hugging Face's fast format"
        )
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # Some models declare tokens in the configuration only.
    declared = config.get("added_tokens_decoder") or {}
    for entry in (declared[i] for i in sorted(declared, key=int)):
        if tokenizer.token_to_id(entry["content"]) is None:
            flags = {k: entry[k] for k in ("single_word", "lstrip", "rstrip", "normalized", "special") if k in entry}
            tokenizer.add_tokens([AddedToken(entry["content"], **flags)])
    # A named token is a special one whether or not the file says so.
    tokenizer.add_special_tokens(
        [AddedToken(_content(config[n]), normalized=False) for n in NAMED_TOKENS if _missing(tokenizer, config.get(n))]
    )
    return tokenizer


def _missing(tokenizer: Tokenizer, token: Any) -> bool:
    known = {added.content for added in tokenizer.get_added_tokens_decoder().values() if added.special}
    return bool(token) and _content(token) not in known


def _eos_ids(folder: Path) -> list[int]:
    """The ends that the model's files name for generation: one id, several, or none."""
    found: list[int] = []
    for name in ("generation_config.json", "config.json"):
        ids = _json(folder / name).get("eos_token_id")
        found += ids if isinstance(ids, list) else [] if ids is None else [ids]
    return found


def _folded(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    systems = [turn.content for turn in turns if turn.role == "system"]
    rest = [turn for turn in turns if turn.role != "system"]
    if not systems:
        return turns
    first = next((n for n, turn in enumerate(rest) if turn.role == "user"), None)
    if first is None:
        raise UserError("`system: fold` needs a user turn to put the system turn before, but a prompt has none")
    rest[first] = Turn("user", "\n\n".join([*systems, rest[first].content]))
    return tuple(rest)


def _content(token: Any) -> str:
    return token["content"] if isinstance(token, dict) else str(token)


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
