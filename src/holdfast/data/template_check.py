"""Rows beside the template's own conversations: are the ids that are learnt and measured those that it would give?

``Renderer`` puts a prompt and a response together from two renderings. Here both are compared with one rendering of the
whole, as ``apply_chat_template`` makes it, before anything is trained. Another *text* is refused: what is learnt would
not be what the model is asked for. The same text in other tokens is said: the border between prompt and response is
drawn where generation draws it, and a tokenizer may join what stands on its two sides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from holdfast.types import UNSAFE, Example, Prompt, Segment, Turn, UserError

if TYPE_CHECKING:
    from holdfast.data.renderer import Renderer

COMPARED = 24  # rows a task: the longest, the shortest, and some between
SHOWN = 60  # characters of a text that differs
# What chat templates of common models write around turns. Where it stands in a row, somebody rendered the row already.
_MARKUP = re.compile(
    r"<\|(?:im_start|im_end|start_header_id|end_header_id|eot_id|begin_of_text|endoftext|user|assistant|system|end)\|>"
    r"|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>"
)


def check(
    renderer: Renderer, examples: Iterable[Example], place: Callable[[str], str] = "the row {}".format
) -> list[str]:
    """What is well to know of these rows, a sentence each; ``place`` says where a row stands, by its id.

    Raises ``UserError`` where a row holds a special token's name, and where one of the rows that are compared would be
    learnt otherwise than the template writes it.
    """
    examples = list(examples)
    foreign = 0
    for example in examples:
        for what, text in _texts(example):
            if token := renderer.markup(text):
                raise UserError(
                    f"{place(example.id)}: its {what} holds {token}, a special token of the model; give the turns "
                    "without chat markup, for the model's template writes that"
                )
            foreign += bool(_MARKUP.search(text))
    notes = list(renderer.notes)
    if foreign:
        notes.append(
            f"{foreign} texts of the rows hold chat markup that this model does not know: it is learnt as text"
        )
    if long := sum(sum(t.role == "assistant" for t in e.prompt) > 0 for e in examples):
        notes.append(
            f"{long} rows are conversations of several answers: the last answer is learnt, the others are read"
        )
    return notes + _compared(renderer, examples, place)


def _compared(renderer: Renderer, examples: list[Example], place: Callable[[str], str]) -> list[str]:
    other, first, some = 0, "", _some(examples)
    for example in some:
        for response in (example.chosen, example.rejected):
            if response is None or not response.strip():
                continue
            segment = Segment(example.id, "chosen", example.prompt, response)
            try:
                found = _difference(renderer, segment)
            except UserError as error:
                raise UserError(f"{place(example.id)}: {error}") from None
            if found:
                other, first = other + 1, first or f"{place(example.id)}: {found}"
    if not other:
        return []
    return [
        f"{other} of {len(some)} rows compared have other tokens in the template's own conversation, of the same text "
        f"({first}); learnt is what generation would go on with"
    ]


def _difference(renderer: Renderer, segment: Segment) -> str:
    """How the tokens differ from those of the whole conversation; "" where they do not. Raises UserError where the
    text does."""
    sequence = renderer.sequence(segment)
    ours, whole, ids = renderer.conversation(segment)
    if not whole.startswith(ours):
        at = next((n for n, (a, b) in enumerate(zip(ours, whole, strict=False)) if a != b), len(whole))
        raise UserError(
            f"the template's own conversation goes on with {whole[at : at + SHOWN]!r} where prompt and response have "
            f"{ours[at : at + SHOWN]!r}; name another with the model's `template:`"
        )
    mine = sequence.ids[: len(ids)]
    if mine == ids:
        return ""
    at = next((n for n, (a, b) in enumerate(zip(mine, ids, strict=False)) if a != b), len(mine))
    one, other = (renderer.names(i[at : at + 3]) for i in (mine, ids))
    return f"{one} for {other}, at token {at - sequence.start} of the response"


def _some(examples: list[Example]) -> list[Example]:
    """The shortest and longest, those with a system turn and without, and some between."""
    found: dict[str, Example] = {}
    for system in (False, True):
        mine = [e for e in examples if (e.prompt[0].role == "system") == system]
        mine.sort(key=lambda e: (sum(len(text) for _, text in _texts(e)), e.id))
        step = max(1, len(mine) // (COMPARED // 2 - 1))
        found |= {e.id: e for e in (*mine[::step], *mine[-1:])}
    return list(found.values())


def _texts(example: Example) -> list[tuple[str, str]]:
    """What a row says, but for unsafe text that was put there: that is foreign, and encoded as text."""
    texts = [("prompt", turn.content) for turn in example.prompt] + [("chosen response", example.chosen)]
    if example.rejected is not None and UNSAFE not in example.tags:
        texts.append(("rejected response", example.rejected))
    return texts


def measured(renderer: Renderer, prompts: Iterable[Prompt], who: str) -> None:
    """Renders some of what a measure asks. Raises ``UserError`` where the model's template does not take a prompt, or
    has no place for an answer whose probability is asked for; ``who``: the measure."""
    by_format: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        if prompt.turns:
            by_format.setdefault(f"{prompt.attack} {prompt.format}", []).append(prompt)
    for mine in by_format.values():
        mine.sort(key=lambda prompt: sum(len(turn.content) for turn in prompt.turns))
        for prompt in (mine[0], mine[len(mine) // 2], mine[-1]):
            try:
                renderer.asked_ids(_conversation(prompt))
                if prompt.continuations:
                    renderer.placed()
            except UserError as error:
                raise UserError(f"the measure {who}: {error}") from None


def _conversation(prompt: Prompt) -> tuple[Turn, ...]:
    """The turns of a prompt; of a later round such as may go before it."""
    if prompt.round == 1:
        return prompt.turns
    asked = prompt.turns[:-1] if prompt.turns[-1].role == "assistant" else prompt.turns
    again = (Turn("assistant", "I see."), Turn("user", asked[-1].content))
    return (*asked, *again * (prompt.round - 1))
