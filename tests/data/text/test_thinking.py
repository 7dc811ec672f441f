"""A thought is set apart from the answer in every form that models write it, and nothing else is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.data import thinking
from holdfast.data.thinking import Thought, split

WHOLE = {
    "<think>a</think>b": ("a", "b"),
    "<think>\na\n</think>\n\nb": ("a", "b"),
    "<think>\n\n</think>\n\nb": ("", "b"),
    "a\n</think>\n\nb": ("a", "b"),  # the template opened it
    "a</think>b</think>c": ("a\nb", "c"),
    "<think>a</think>b<think>c</think>d": ("a\nc", "bd"),
    "Well.\n<think>a</think>b": ("a", "Well.\nb"),
    "<THINK>a</Think >b": ("a", "b"),
    '<think type="long">a</think>b': ("a", "b"),
    "<thinking>a</thinking>b": ("a", "b"),
    "<thought>a</thought>b": ("a", "b"),
    "<reasoning>a</reasoning>\nb": ("a", "b"),
    "<scratchpad>a</scratchpad>b": ("a", "b"),
    "<reflection>a</reflection>b": ("a", "b"),
    "<thinking>a<reflection>r</reflection>c</thinking>b": ("a<reflection>r</reflection>c", "b"),
    "<seed:think>a</seed:think>b": ("a", "b"),
    "＜think＞a＜/think＞b": ("a", "b"),
    "[THINK]a[/THINK]b": ("a", "b"),
    "◁think▷a◁/think▷b": ("a", "b"),
    "<|START_THINKING|>a<|END_THINKING|>b": ("a", "b"),
    "<|begin_of_thought|>a<|end_of_thought|>b": ("a", "b"),
    "<unused94>thought\na<unused95>b": ("a", "b"),
    "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>": ("a", "b"),
    "<|channel|>final<|message|>b": ("", "b"),
    "a<|end|><|start|>assistant<|channel|>final<|message|>b": ("a", "b"),
    "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary to=x<|message|>c<|call|>"
    "<|start|>assistant<|channel|>final<|message|>b": ("a\nc", "b"),
    "analysisWe add.assistantfinalIt is 3.": ("We add.", "It is 3."),
    "analysis We add. assistantfinal It is 3.": ("We add. ", "It is 3."),
    "<|channel>thought\na<channel|>b": ("a", "b"),
    "[THOUGHT]a[/THOUGHT]b": ("a", "b"),
    "<cot>a</cot>b": ("a", "b"),
    "<thought_process>a</thought_process>b": ("a", "b"),
    "<ant_thinking>a</ant_thinking>b": ("a", "b"),
    "<think>Is it ```py\nx\n</think>\nIt is ```y```": ("Is it ```py\nx", "It is ```y```"),
}
CUT = {
    "<think>a": ("a", ""),
    "\n <think>\na\nb": ("a\nb", ""),
    "Well.\n<think>\na": ("a", "Well.\n"),
    "<think>a</think>\n<think>b": ("a\nb", ""),
    "<|channel>thought\na": ("a", ""),
    "[THINK]a": ("a", ""),
    "<|channel|>analysis<|message|>a": ("a", ""),
    "analysisWe add": ("We add", ""),
}
PLAIN = [
    "", "b", "Analysis of the text", "The `<think>` tag opens a thought.", "```\n<think>\n```\nis how it begins.",
    "I think <b>so</b>.", "A <think tank> met.", "<think/>b", "x < think > y", "analysis: fine",
]  # fmt: skip


@pytest.mark.parametrize(("text", "parts"), WHOLE.items())
def test_a_thought_is_set_apart_in_every_form(text, parts):
    assert split(text) == Thought(*parts, closed=True)


@pytest.mark.parametrize(("text", "parts"), CUT.items())
def test_a_thought_that_never_ends_is_said_to_be_open(text, parts):
    assert split(text) == Thought(*parts, closed=False)


@pytest.mark.parametrize("text", PLAIN)
def test_a_text_without_a_thought_is_its_own_answer_to_the_letter(text):
    assert split(text) == Thought("", text)


PIECES = ["<think>", "</think>", "a", "\n", "`", " ", "[THINK]", "<|channel|>final<|message|>", "```"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_every_text_is_taken_apart_and_an_answer_is_nothing_more(text):
    found = split(text)
    assert len(found.thinking) + len(found.answer) <= len(text)
    assert found.closed or found.thinking or not found.answer or "\n" in text


@pytest.mark.parametrize("piece", ["<think>", "</think>", "x <think>", "`<think>", "<|start|>  ", "<|channel|>final "])
def test_a_response_that_repeats_marks_without_end_is_split_in_time(piece):
    begin = time.process_time()
    split(piece * (20_000 // len(piece)))
    assert time.process_time() - begin < 2


@pytest.mark.parametrize(
    ("prompt", "mark"),
    [
        ("<|im_start|>assistant\n<think>\n", "<think>\n"),
        ("assistant\n<think>\n\n</think>\n\n", ""),
        ("What does <think> mean?<|im_end|>\nassistant\n", ""),
        ("hello", ""),
    ],
)
def test_a_prompt_that_ends_inside_a_thought_says_so(prompt, mark):
    assert thinking.opened(prompt) == mark
