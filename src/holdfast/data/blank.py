"""Whether a response says anything: what is left when all is taken away that carries no word.

A model that was broken in training writes nothing, spaces, invisible characters, pieces of its chat format, or dots.
That is neither a refusal nor an answer, and must be counted as what it is.
"""

from __future__ import annotations

import html
import re
import unicodedata

# Special tokens as tokenizers and chat templates write them: ChatML, Llama 2 and 3, Gemma, Mistral, Phi, DeepSeek, T5,
# BERT, harmony and their like; bytes and reserved places of a vocabulary.
_TOKENS = re.compile(
    r"<[|｜][^<>|｜]{0,60}[|｜]>"  # <|im_end|>, <|eot_id|>, <｜end▁of▁sentence｜>
    r"|<\|[a-z_]{1,30}>|<[a-z_]{1,30}\|>"  # <|turn> and <turn|> of Gemma 4
    r"|</?(?:s|pad|unk|eos|bos|mask|cls|sep|eod|eot|eom|sot|blank|null|none|image|audio|video|fim_\w+|tool_calls?"
    r"|answer|output|response|assistant|user|system|model|human|br|p|div|span|code|pre|b|i)\s?/?>"
    r"|</?(?:start|end|begin)_of_\w{1,30}>|<<?/?SYS>>?"
    r"|<(?:unused|reserved|special|extra_id|extra|control|dummy|placeholder|madeupword)[_\w]{0,30}>|<0x[0-9a-f]{2}>"
    r"|\[/?(?:INST|PAD|UNK|CLS|SEP|MASK|BOS|EOS|EOT|IMG|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS"
    r"|THINK|control_\d+|unused\d+)\]"
    r"|```[\w+-]{0,20}\s*```"  # code without a line
    r"|\\boxed\{\s*\}|\\(?:text|mathrm|displaystyle)\b\s*(?:\{\s*\})?|\\[nrt](?![a-z])",
    re.IGNORECASE,
)
# What a template says of who speaks, alone.
_SPEAKER = re.compile(
    r"\s*(?:#+\s*)?(?:assistant|model|ai|bot|response|answer|output|user|human|system|final)\s*:?\s*", re.IGNORECASE
)
_NAMED = re.compile(
    r"\s*(?:(?:assistant\s*)+|model\n\s*|#+\s*\w+\s*:\s*|(?:assistant|ai|bot|response|answer|output)\s*:\s*)",
    re.IGNORECASE,
)
# Letters and signs that are drawn as nothing, or as a box.
_INVISIBLE = re.compile("[\u115f\u1160\u3164\uffa0\u2800\u2500-\u25ff\ufffc\ufffd]")


def is_blank(text: str) -> bool:
    """Whether a text says nothing: it is empty, or holds spaces, invisible characters, special tokens and speakers'
    names of chat formats, and punctuation alone. A digit, a letter of any script or an emoji says something."""
    rest = html.unescape(text)
    bare = _TOKENS.sub(" ", rest)
    if (_SPEAKER.fullmatch(bare) and bare != rest) or _NAMED.fullmatch(bare):
        return True
    return not any(map(_says, _INVISIBLE.sub("", bare)))


def _says(c: str) -> bool:
    category = unicodedata.category(c)
    return category[0] == "N" or (category[0] == "L" and category != "Lm") or (category in ("So", "Sm") and c > "\x7f")
