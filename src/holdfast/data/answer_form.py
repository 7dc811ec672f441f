"""How a chat template writes an answer: what stands before it, what ends it, and what else it does.

One question is rendered twice, asking for an answer and with one: what the two differ in is how answers are written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from tokenizers import Tokenizer

from holdfast.data import template as chat
from holdfast.types import Turn, UserError

QUESTION = (Turn("user", "?"),)
# A word that no template treats in its own way: where it comes out is where a text is put.
SENTINEL = "holdfastsentinel"
# Answers by which a template and tokenizer are tried: beginnings that tokenizers treat each in their own way.
TRIED = (
    "Yes",
    "The loaf is ready.",
    "42",
    '"No," she said.',
    "1. One\n2. Two",
    "**Bold** (a)",
    "#### 7",
    "Überall 你好",
)


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """How the template writes an answer to a question that is asked. ``opening``: what stands before it and belongs to
    the prompt, where the template has no generation prompt; ``blanks``: how many blanks at the end of the generation
    prompt belong to the answer, for the tokenizer joins them with its first word. ``lead``: what stands before the
    answer and is part of it; ``end``: what ends it, up to the end of turn; ``after``: all that follows it. ``alone``:
    nothing stands between a question and its answer. ``why`` is set where the template has no place for an answer, and
    says what it does; ``unended`` where it has none for a whole one."""

    opening: str = ""
    blanks: int = 0
    lead: str = ""
    end: str = ""
    after: str = ""
    alone: bool = False
    why: str = ""
    unended: str = ""


def answer_form(
    folder: Path,
    template: chat.ChatTemplate,
    tokenizer: Tokenizer,
    encode: Callable[[str], tuple[int, ...]],
    rendered: Callable[[tuple[Turn, ...]], str],
    eos_id: int | None,
) -> tuple[AnswerForm, tuple[int, ...], list[str]]:
    """Where an answer stands in the template's own conversation, the ids of its end, and what is well to know.

    ``rendered``: turns up to where an answer begins, by a renderer, which raises UserError where a turn is left out.
    The model's end of turn is what the template writes after an answer, up to the first added token. Where it
    writes none, the end of sequence ends the turn.
    """
    question, said = asdict(QUESTION[0]), {"role": "assistant", "content": SENTINEL}
    try:
        asked = template.render([question], generation_prompt=True)
        whole = template.render([question, said], generation_prompt=False)
    except chat.Refused as error:
        raise UserError(
            f"the chat template of {folder} refuses a question with its answer ({error}): "
            "name another with the model's `template:`"
        ) from None
    # Says so where that is left out.
    between = rendered((Turn("user", SENTINEL),)).rpartition(SENTINEL)[2]
    before, found, after = whole.rpartition(SENTINEL)
    end, ids = _first_end(folder, tokenizer, after if found else "", eos_id)
    if not found:
        return AnswerForm(why="leaves the answer of a conversation out"), ids, []
    if not before.startswith(asked):
        begun, written = _differing(asked, before)
        why = f"begins an answer with {begun!r} where it is to come and with {written!r} where it is there"
        return AnswerForm(why=why), ids, []
    notes: list[str] = []
    lead = before[len(asked) :]
    opening = ""
    if asked == template.render([question], generation_prompt=False):  # it has no generation prompt
        opening = lead.rstrip(" ")
        lead = lead[len(opening) :]
        if opening:
            notes.append(
                f"the chat template of {folder} has no generation prompt: what it writes before an answer, "
                f"{opening!r}, ends every prompt"
            )
    text = asked + opening
    # Blanks at the end of the generation prompt: whose are they? Where the tokenizer would join them with an
    # answer's first word they go to the answer, or training would see tokens that generation never gives.
    blanks = len(text) - len(text.rstrip(" "))
    bare = encode(text)
    if all(encode(text + lead + tried)[: len(bare)] == bare for tried in TRIED):
        blanks = 0
    unended = ""
    if not end and after.strip() and (after != between or opening.strip()):
        unended = f"writes {after.strip()!r} after an answer, which is no special token of its tokenizer"
    elif not end:
        notes.append(f"the chat template of {folder} ends no turn: the end of sequence ends the model's answers")
    lead = " " * blanks + lead
    alone = not between[: len(between) - blanks] + opening + lead
    return AnswerForm(opening, blanks, lead, end, after, alone, unended=unended), ids, notes


def _first_end(folder: Path, tokenizer: Tokenizer, after: str, eos_id: int | None) -> tuple[str, tuple[int, ...]]:
    """What a text has up to its first added token, or else the end of sequence."""
    added = tokenizer.get_added_tokens_decoder()
    encoded = tokenizer.encode(after, add_special_tokens=False)
    for n, (i, (start, stop)) in enumerate(zip(encoded.ids, encoded.offsets, strict=True)):
        # Letters that the tokenizer does not know are an added token too, but not by name.
        if i == eos_id or (i in added and after[start:stop].strip() == added[i].content):
            return after[:stop], tuple(encoded.ids[: n + 1])
    if eos_id is None:
        raise UserError(
            f"no end of turn can be told for the model in {folder}: its tokenizer has no `eos_token` and its "
            "chat template writes no special token after an answer; name one that does with `template:`"
        )
    return "", (eos_id,)


def _differing(one: str, other: str) -> tuple[str, str]:
    """How two texts go on from where they part, each up to 40 characters."""
    n = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[n : n + 40], other[n : n + 40]
