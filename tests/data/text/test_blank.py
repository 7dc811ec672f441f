"""What carries no word is blank, whatever it is made of; a single digit is not."""

from __future__ import annotations

import pytest

from holdfast.data.blank import is_blank

BLANK = [
    "", " \n\t", "\u200b", "\ufeff\u2060\u200e", "\u00ad", "\u2800", "\u3164", "\U000e0041", "\x00", "\u00a0\u3000",
    "...", "…", ". . .", "---", "!!!", "?", "“”", "。", "**", "###", "```\n```", "|||", "===", "<>", "\ufffd\ufffd",
    "■□", "<|im_end|>", "<|endoftext|>" * 9, "</s>", "<s></s>", "<pad>" * 30, "<unk>", "[PAD]", "[INST] [/INST]",
    "<<SYS>>\n<</SYS>>", "<|im_start|>assistant\n", "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "<start_of_turn>model\n", "<end_of_turn>", "<｜end▁of▁sentence｜>", "<|channel|>final<|message|>", "<0x0A>",
    "<unused5>", "<extra_id_0>", "<|reserved_special_token_7|>", "assistant\n\nassistant", "model\n", "### Response:",
    "Assistant:", "&nbsp;", "<br>", "\\boxed{}", "<answer></answer>", "\\n\\n",
    "<|turn>model\n", "<turn|>", "```python\n```", "```json\n\n```",
]  # fmt: skip
SAID = ["5", "No", "Yes.", "A", "👍", "是", "½", "∅", "∞", "model", "user", "<b>x</b>", "-1", "no <|im_end|>",
        "<|im_start|>assistant\nNo.", "я", "Assistant: no"]  # fmt: skip


@pytest.mark.parametrize("text", BLANK)
def test_what_carries_no_word_is_blank(text):
    assert is_blank(text)


@pytest.mark.parametrize("text", SAID)
def test_whatever_says_something_is_not(text):
    assert not is_blank(text)
