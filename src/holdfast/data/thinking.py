"""What a model thinks before it answers, set apart from the answer.

Known are the marks that models and their chat formats use: ``<think>`` and its kin (DeepSeek-R1, Qwen3, and prompted
tags such as ``<reasoning>`` or ``<scratchpad>``), ``[THINK]`` (Magistral), ``◁think▷`` (Kimi), ``<|START_THINKING|>``
(Command A), ``<|begin_of_thought|>`` (Sky-T1), ``<unused94>`` (MedGemma), ``<|channel>thought`` (Gemma 4), and the
channels of harmony (gpt-oss), with or without their special tokens. A template may open the thought itself: the
response then begins inside it, and a closing mark that nothing opened says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# Kinds of thought by name: a mark is closed by one of its own kind, so that a <reflection> may stand in a <thinking>.
_NAMES = {
    **dict.fromkeys(("think", "thinks", "thinking", "thought", "thoughts"), "think"),
    **dict.fromkeys(("thought_process", "internal_thought", "internal_thoughts"), "thoughts"),
    **dict.fromkeys(("chain_of_thought", "cot"), "chain"),
    **dict.fromkeys(("reason", "reasoning"), "reasoning"),
    **dict.fromkeys(("reflect", "reflection"), "reflection"),
    **dict.fromkeys(("scratchpad", "scratch_pad"), "scratchpad"),
    **dict.fromkeys(("monologue", "inner_monologue", "internal_monologue", "inner_thoughts"), "monologue"),
}
_ANY = "|".join(sorted(_NAMES, key=len, reverse=True))
_MARK = re.compile(
    rf"[<＜]\s*(?P<tag_end>/)?\s*(?:\w+:|ant_?|longcat_)?(?P<tag>{_ANY})\b[^<>＜＞\n]{{0,80}}(?<!/)[>＞]"
    rf"|\[(?P<square_end>/)?(?P<square>THINK(?:ING)?|THOUGHTS?|REASONING|think)\]"
    rf"|◁(?P<wedge_end>/)?(?P<wedge>think)▷"
    rf"|<\|(?P<pipe_end>/)?(?P<pipe>{_ANY})\|>"
    r"|<\|(?:start_thinking|begin_of_thought|thought_start)(?P<begin>)\|>"
    r"|<\|(?:end_thinking|end_of_thought|thought_end)(?P<end>)\|>"
    r"|(?:<unused94>(?:thought\b)?|<\|channel>\s*thought\b)(?P<gem>)|(?:<unused95>|<channel\|>)(?P<gem_end>)",
    re.IGNORECASE,
)
_FENCE = re.compile(r"```.*?```", re.DOTALL)  # marks that are spoken of
_INLINE = re.compile(r"`[^`\n]*`")

_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<\n]*(?:<\|constrain\|>[^<\n]*)?<\|message\|>")
_ENVELOPE = re.compile(r"<\|(?:end|return|call)\|>|<\|start\|>[^<\n]*")
HARMONY = frozenset(("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>", "<|channel>", "<channel|>"))
# Harmony decoded without its special tokens: "analysisThe user …assistantfinalMix …".
_BARE_ANALYSIS = re.compile(r"\A\s*(?:assistant)?analysis(?=[A-Z\"'\d(])")
_SPACED_ANALYSIS = re.compile(r"\A\s*(?:assistant\s*)?analysis\b\s*")
_BARE_FINAL = "assistantfinal"


@dataclass(frozen=True, slots=True)
class Thought:
    """A response taken apart. ``closed`` is False where it ends inside a thought: it was cut off before an answer, or
    in the midst of one. A response without a thought is its own answer, unchanged."""

    thinking: str
    answer: str
    closed: bool = True


def split(text: str) -> Thought:
    """Set thoughts apart. Marks within code (backticks) are text; an opening mark counts where a line begins with it,
    or where it is closed."""
    if _CHANNEL.search(text):
        return _channels(text)
    if begins := _BARE_ANALYSIS.match(text) or (_BARE_FINAL in text and _SPACED_ANALYSIS.match(text)):
        thinking, final, answer = text[begins.end() :].partition(_BARE_FINAL)
        return Thought(thinking, answer.lstrip(), closed=bool(final))
    return _marked(text)


def is_mark(token: str) -> bool:
    """Whether a token is a mark of thinking, which must not get lost when ids become text."""
    return token in HARMONY or bool(_MARK.fullmatch(token.strip()))


def opened(prompt: str) -> str:
    """The mark at which a rendered prompt leaves the model inside a thought, with what follows it; "" for none."""
    *_, last = [None, *_MARK.finditer(prompt)]
    if last is None or _closes(last) or prompt[last.end() :].strip():
        return ""
    return prompt[last.start() :]


def _marked(text: str) -> Thought:
    marks = _marks(text)
    closed_at = {_kind(mark): mark.start() for mark in marks if _closes(mark)}
    thinking: list[str] = []
    answer: list[str] = []
    kind, at = "", 0  # of the thought that is open; where what is being said began
    for mark in marks:
        said = text[at : mark.start()]
        if kind:
            if _closes(mark) and _kind(mark) == kind:
                thinking.append(said)
                kind, at = "", mark.end()
        elif _closes(mark):  # nothing opened it: all that was said till now was thought
            thinking.append("".join([*answer, said]))
            answer, at = [], mark.end()
        elif _begins_line(text, mark) or closed_at.get(_kind(mark), 0) > mark.start():
            answer.append(said)
            kind, at = _kind(mark), mark.end()
    (thinking if kind else answer).append(text[at:])
    if not thinking:
        return Thought("", text)
    return Thought("\n".join(t.strip() for t in thinking if t.strip()), "".join(answer).lstrip(), not kind)


def _channels(text: str) -> Thought:
    """Harmony: ``final`` is the answer, ``analysis`` and ``commentary`` (to tools) are none. What stands before the
    first channel belongs to one that the prompt opened."""
    first = _CHANNEL.search(text)
    assert first is not None
    said = {True: [], False: [_ENVELOPE.sub("", text[: first.start()])]}  # type: dict[bool, list[str]]
    found = list(_CHANNEL.finditer(text))
    ends = [*(m.start() for m in found[1:]), len(text)]
    for mark, end in zip(found, ends, strict=True):
        said[mark[1].casefold() == "final"].append(_ENVELOPE.sub("", text[mark.end() : end]))
    thinking = "\n".join(part.strip() for part in said[False] if part.strip())
    return Thought(thinking, "".join(said[True]).strip(), closed=bool(said[True]))


def _marks(text: str) -> list[re.Match[str]]:
    """Those that mean it. A closing mark counts in a fence too, for a thought may leave a fence open."""
    if "`" not in text:
        return list(_MARK.finditer(text))
    fences, inline = ([m.span() for m in code.finditer(text)] for code in (_FENCE, _INLINE))

    def quoted(mark: re.Match[str]) -> bool:
        spans = inline if _closes(mark) else [*inline, *fences]
        return any(a <= mark.start() < b for a, b in spans)

    return [mark for mark in _MARK.finditer(text) if not quoted(mark)]


def _closes(mark: re.Match[str]) -> bool:
    return any(mark[end] is not None for end in ("tag_end", "square_end", "wedge_end", "pipe_end", "end", "gem_end"))


def _kind(mark: re.Match[str]) -> str:
    name = mark["tag"] or mark["square"] or mark["wedge"] or mark["pipe"] or "think"
    return _NAMES[name.casefold()]


def _begins_line(text: str, mark: re.Match[str]) -> bool:
    return not text[text.rfind("\n", 0, mark.start()) + 1 : mark.start()].strip()
