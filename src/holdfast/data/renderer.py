"""The one renderer: turns to text, text to token ids and back. On ``tokenizers`` and ``jinja2``; no torch.

Prompts equal ``apply_chat_template`` of transformers. A response has the ids that it has in the template's own
conversation: it is rendered as the answer to a plain question, encoded there, and appended to whatever prompt. So its
ids do not depend on the prompt, and ``agreement`` can compare both with a row's whole conversation.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import asdict
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from holdfast.data import template as chat
from holdfast.data import thinking as thought
from holdfast.data import tokenizer as tokens
from holdfast.data.answer_form import QUESTION, SENTINEL, TRIED, AnswerForm, answer_form
from holdfast.data.literal_names import LiteralNames, unguarded
from holdfast.store.digest import digest, file_digest
from holdfast.store.sources import data_file, model_folder
from holdfast.types import Segment, Sequence, Turn, UserError

if TYPE_CHECKING:
    from holdfast.config.study import ModelSpec

KNOWN = 2**14  # prompts and responses whose ids are remembered
_TAIL = 16  # tokens of a prompt in which a mark of thinking at its end stands whole


class Renderer:
    """How one model is prompted: its tokenizer, its chat template, and the choices of the study about both.

    ``folder`` holds ``tokenizer.json``; ``template`` replaces the model's own; ``system="fold"`` puts a system turn's
    text before the first user turn's, for templates that take none; ``thinking`` and ``date`` go to the template.

    ``end_ids`` are the tokens at any of which a response stops, the one that ends a turn first. ``pad_id`` may be one
    of them: never make a mask from it. ``vocab_size`` counts the tokenizer's ids, added ones included. ``notes`` are
    sentences about what is well to know of the template.

    A text that holds the name of a special token (``<|im_end|>``) has that name's letters, not the token.

    Raises ``UserError`` where the folder holds no tokenizer or template, where the template leaves out what a user
    says, and where no end of turn can be told.
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
        config = tokens.configuration(folder)
        self._tokenizer = tokens.load(folder, config)
        self._added = self._tokenizer.get_added_tokens_decoder()
        names = tokens.names(config)
        text = chat.source(folder, config, template)
        self._template = chat.ChatTemplate(text, names=names, date=date, thinking=thinking)
        self._marks = {i: t.content for i, t in self._added.items() if t.special and thought.is_mark(t.content)}
        # Thoughts stand in texts by right, unlike a format's own channels.
        thoughts = {i for i, mark in self._marks.items() if mark not in thought.HARMONY}
        names_of = [t.content for i, t in self._added.items() if t.special and t.content and i not in thoughts]
        self._literal = LiteralNames(self._tokenizer, names_of)
        self._encode, self._guarded = self._literal.encode, self._literal.guarded
        self._complete: set[tuple[str, ...]] = set()
        # A plan goes over the same rows for every run; as arrays, for a tuple keeps an object for each id.
        self._prompt_known = lru_cache(KNOWN)(lambda turns: array("q", self._encode(self._prompt(turns))))
        self._response_known = lru_cache(KNOWN)(self._response)
        self._begun_known = lru_cache(KNOWN)(self._begun)

        self.vocab_size = self._tokenizer.get_vocab_size(with_added_tokens=True)
        eos_id = self._id(names.get("eos_token"))
        self._answer, self._end, self.notes = answer_form(
            folder, self._template, self._tokenizer, self._encode, lambda turns: self._render(turns, True), eos_id
        )
        stops = [self._end[-1], *tokens.ends(folder), eos_id]
        self.end_ids: tuple[int, ...] = tuple(dict.fromkeys(i for i in stops if i is not None))
        pad_id = self._id(names.get("pad_token"))
        # A pad token may have no embedding; any token pads, for masks come from lengths.
        padless = pad_id is None or pad_id >= tokens.embedded(folder)
        self.pad_id: int = self.end_ids[0] if padless or pad_id is None else pad_id
        self._in_context = self._differs_from_alone()
        self.digest: str = digest(
            {
                "tokenizer": file_digest(folder / "tokenizer.json"),
                "added": {str(i): added.content for i, added in self._added.items()},
                "template": text,
                "names": names,
                "end": self.end_ids,
                "system": system,
                "thinking": thinking,
                "date": date,
                # Answers that are encoded alone came first; where that is the same, the name is.
                **({"answers": "in context"} if self._in_context else {}),
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

        Raises ``UserError`` where the template refuses the turns, or leaves one out.
        """
        return unguarded(self._prompt(turns))

    def prompt_ids(self, turns: tuple[Turn, ...]) -> tuple[int, ...]:
        """``prompt_text`` as token ids. The template alone says whether there is a BOS; none is added.

        Raises ``UserError`` where there is no token: nothing comes after nothing.
        """
        ids = tuple(self._prompt_known(turns))
        if not ids:
            raise UserError(
                f"a prompt is empty, and the chat template of {self._folder} writes nothing else before the answer: "
                "take it out of the rows or name another with the model's `template:`"
            )
        return ids

    # -- answers that are begun ------------------------------------------------------------------------------------

    def asked_ids(self, turns: tuple[Turn, ...]) -> tuple[int, ...]:
        """What a model goes on from when it is asked these turns. It is ``prompt_ids``, but where the last turn is the
        assistant's: that is an answer of which the beginning is given, without an end of turn.

        Raises ``UserError`` where the template has no place for such a beginning.
        """
        asked, begun = _apart(turns)
        return self.prompt_ids(asked) + self.begun_ids(turns) if begun else self.prompt_ids(turns)

    def begun_ids(self, turns: tuple[Turn, ...]) -> tuple[int, ...]:
        """The ids of the beginning that an answer is given; none where the turns end with a question."""
        return tuple(self._begun_known(turns)) if _apart(turns)[1] else ()

    def answer(self, turns: tuple[Turn, ...], ids: Iterable[int]) -> str:
        """What was said to these turns, by its ids, after the words that the answer was begun with."""
        return self.decode((*self.begun_ids(turns), *ids), self.prompt_ids(_apart(turns)[0]))

    def markup(self, text: str) -> str | None:
        """The first special token of this model whose name stands in the text."""
        return self._literal.first(text)

    # -- responses -------------------------------------------------------------------------------------------------

    def response_ids(self, text: str) -> tuple[int, ...]:
        """A whole response as the template writes it, with the end of its turn. An empty one is the end alone.

        Raises ``UserError`` where the template has no place for an answer, or leaves a part of this one out.
        """
        return tuple(self._response_known(text))

    def continuation_ids(self, text: str) -> tuple[int, ...]:
        """The beginning of a response, without an end; ``placed`` says whether it stands where an answer does."""
        return self._after_prompt(self._answer.lead + self._guarded(text))

    def placed(self) -> AnswerForm:
        """How an answer stands after a prompt. Raises ``UserError`` where the template has no place for a given one."""
        if self._answer.why:
            raise UserError(
                f"the chat template of {self._folder} {self._answer.why}, so that no given answer can be put after its "
                "prompt: name another with the model's `template:`"
            )
        return self._answer

    def sequence(self, segment: Segment) -> Sequence:
        """A segment as token ids: those of its prompt, then those of its response."""
        prompt = self.prompt_ids(segment.prompt)
        return Sequence(prompt + self.response_ids(segment.response), len(prompt), segment)

    def decode(self, ids: Iterable[int], after: tuple[int, ...] = ()) -> str:
        """Token ids as text, without special tokens, ends, and the blanks that the template puts around an answer.

        Marks of thinking are kept, special or not, and so is one that the prompt (``after``) ends with: without it
        nobody could tell a thought that was cut off from an answer.
        """
        opened = thought.opened(self._tokenizer.decode(after[-_TAIL:], skip_special_tokens=False)) if after else ""
        pieces: list[str] = []
        run: list[int] = []
        for i in (i for i in ids if i not in self.end_ids):
            if i in self._marks:
                pieces += [self._tokenizer.decode(run, skip_special_tokens=True), self._marks[i]]
                run = []
            else:
                run.append(i)
        text = "".join([*pieces, self._tokenizer.decode(run, skip_special_tokens=True)])
        lead, end = self._answer.lead, self._answer.end
        text = text.removeprefix(lead) if lead.isspace() else text
        return opened + text.removesuffix(end[: len(end) - len(end.lstrip())])

    def altered(self, text: str) -> bool:
        """Whether a response has other ids than its text encoded alone, although the template's answers have not."""
        return not self._in_context and self.response_ids(text) != self._encode(self._guarded(text)) + self._end

    # -- whole conversations ---------------------------------------------------------------------------------------

    def conversation(self, segment: Segment) -> tuple[str, str, tuple[int, ...]]:
        """What a segment is as one: the text here, the template's own, and the ids of that up to the end of turn."""
        turns = (*segment.prompt, Turn("assistant", segment.response))
        whole, ours = self._render(turns, False), self._prompt(segment.prompt) + self._written(segment.response)
        return unguarded(ours), unguarded(whole), self._encode(whole[: len(ours)])

    def count(self, text: str) -> int:
        """The tokens of a text by itself."""
        return len(self._encode(self._guarded(text)))

    def names(self, ids: Iterable[int]) -> str:
        """Tokens as the tokenizer calls them, for messages."""
        return " ".join(repr(self._tokenizer.id_to_token(i)) for i in ids) or "nothing"

    # -- inside ----------------------------------------------------------------------------------------------------

    def _response(self, text: str) -> array[int]:
        if self._answer.unended:
            raise UserError(
                f"the chat template of {self._folder} {self._answer.unended}: name another with the model's `template:`"
            )
        ids = self._after_prompt(self._written(text))
        return array("q", ids if self._answer.end else ids + self._end)

    def _begun(self, turns: tuple[Turn, ...]) -> array[int]:
        asked, text = _apart(turns)
        lead = self.placed().lead
        ours = self._prompt(asked) + lead + self._guarded(text)
        if not self._render(turns, False).startswith(ours):
            raise UserError(
                f"the chat template of {self._folder} does not write {text[:40]!r} as the beginning of an answer: "
                "take out blanks at its end, or leave the attack out"
            )
        return array("q", self.continuation_ids(text))

    def _prompt(self, turns: tuple[Turn, ...]) -> str:
        if not turns:
            raise UserError("a prompt needs at least one turn, but one has none")
        text = self._render(turns, True) + self._answer.opening
        return text[: len(text) - self._answer.blanks]

    def _render(self, turns: tuple[Turn, ...], generation_prompt: bool) -> str:
        """The turns by the template, all of them, special tokens in their texts guarded."""
        turns = _folded(turns) if self._fold else turns
        systems = any(turn.role == "system" for turn in turns)
        mend = "set the model's `system: fold`" if systems else "correct the turns or the model's `template:`"
        guarded = [asdict(turn) | {"content": self._guarded(turn.content)} for turn in turns]
        try:
            text = self._template.render(guarded, generation_prompt=generation_prompt)
        except chat.Refused as error:
            raise UserError(f"the chat template of {self._folder} refuses a prompt ({error}): {mend}") from None
        if missing := self._missing(turns, unguarded(text)):
            mend = "set the model's `system: fold`" if missing == "system" else "correct the model's `template:`"
            raise UserError(f"the chat template of {self._folder} leaves {_a(missing)} turn out: {mend}")
        return text

    def _missing(self, turns: tuple[Turn, ...], text: str) -> str | None:
        """The role of a turn whose text the template leaves out, or a part of it."""
        squashed = _squashed(text)
        for turn in turns:
            # Templates drop the thoughts of earlier turns, as the models they are for were trained.
            said = thought.split(turn.content).answer if turn.role == "assistant" else turn.content
            escaped = chat.tojson(said)[1:-1]
            if _squashed(said) not in squashed and _squashed(escaped) not in squashed:
                return turn.role
        # A short text can be found by chance: whether such a conversation is written at all, long ones tell.
        roles = tuple(turn.role for turn in turns)
        if roles not in self._complete:
            marks = [f"{SENTINEL}{n}x" for n in range(len(roles))]
            messages = [{"role": role, "content": mark} for role, mark in zip(roles, marks, strict=True)]
            try:
                shown = self._template.render(messages, generation_prompt=True).casefold()
            except chat.Refused:
                shown = "".join(marks)
            for role, mark in zip(roles, marks, strict=True):
                if mark not in shown:
                    return role
            self._complete.add(roles)
        return None

    def _written(self, text: str) -> str:
        """A response as the template writes it after a question, guarded, up to the end of its turn.

        Where the template ends no turn, without what it puts between turns.
        """
        answer = self.placed()
        whole = self._render((*QUESTION, Turn("assistant", text)), False)
        if not whole.startswith(self._anchor) or not whole.endswith(answer.after):
            raise UserError(
                f"the chat template of {self._folder} writes an answer otherwise than its generation prompt begins it: "
                "leave thoughts out of the responses, set the model's `thinking:`, or name another `template:`"
            )
        body = whole[len(self._anchor) : len(whole) - len(answer.after)]
        if _squashed(text) not in _squashed(unguarded(body)):
            raise UserError(
                f"the chat template of {self._folder} leaves a part of a response out (of a thought, as a rule): "
                "take it out of the rows or name another `template:`"
            )
        return body + answer.end

    @cached_property
    def _anchor(self) -> str:
        """The prompt after which responses are encoded."""
        return self._prompt(QUESTION)

    @cached_property
    def _before(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        return tuple((text, self._encode(text)) for text in (self._anchor, "x"))

    def _after_prompt(self, text: str) -> tuple[int, ...]:
        """The ids that a text has after a prompt.

        Where the tokenizer joins the two there are none. The text is then encoded after a letter, for many tokenizers
        put a blank before a text that begins, or alone: what a model that goes on from the prompt's ids has to write.
        So it is where nothing but the question's own words stands before it.
        """
        for before, ids in () if self._answer.alone else self._before:
            whole = self._encode(before + text)
            if whole[: len(ids)] == ids:
                return whole[len(ids) :]
        return self._encode(text)

    def _id(self, token: str | None) -> int | None:
        return None if token is None else self._tokenizer.token_to_id(token)

    def _differs_from_alone(self) -> bool:
        """Whether answers have other ids here than their texts have alone."""
        if self._answer.why or self._answer.unended:
            return False
        if self._answer.opening or self._answer.blanks:
            return True
        return any(
            self.response_ids(text) != self._encode(text) + self._end
            or self.continuation_ids(text) != self._encode(text)
            for text in TRIED
        )


def _apart(turns: tuple[Turn, ...]) -> tuple[tuple[Turn, ...], str]:
    """What is asked, and the beginning of the answer ("": none is given)."""
    if turns and turns[-1].role == "assistant" and turns[-1].content:
        return turns[:-1], turns[-1].content
    return turns, ""


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


def _squashed(text: str) -> str:
    """For finding a text that a template may have trimmed or put in other letters."""
    return "".join(text.split()).casefold()


def _a(role: str) -> str:
    return {"user": "a user's", "assistant": "an assistant's"}.get(role, f"a {role}")
