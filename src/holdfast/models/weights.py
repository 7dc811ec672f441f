"""Weights from a folder into a model of transformers: all that the model has, and nothing made up.

transformers goes on where the two do not fit: weights that are missing are drawn at random, and those that the
configuration has no place for are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import transformers

from holdfast.models.finite import check_weights
from holdfast.store.sources import AS_FILES, reason
from holdfast.types import UserError

# Constants that older versions saved beside the weights: masks of attention, rotary frequencies, positions.
_CONSTANT = re.compile(r"(.*\.)?((attn|attention|self_attn)\.(masked_)?bias|inv_freq|position_ids)")


def pretrained(auto: Any, folder: Path, who: str, **how: Any) -> tuple[Any, str]:
    """A model of one of transformers' ``Auto`` classes, and what its folder holds that it has no use for, in words.

    who: what to call it. Raises UserError where it cannot be loaded, and by name where a weight is missing, of another
    shape or not finite. Tied weights count as there where one of them is.
    """
    try:
        with quiet():
            model, info = auto.from_pretrained(
                folder, output_loading_info=True, ignore_mismatched_sizes=True, **AS_FILES, **how
            )
    except Exception as error:  # of whatever kind: the folder is anybody's
        raise UserError(f"{who} cannot be loaded: {reason(error)}") from error
    if missing := sorted(info["missing_keys"]):
        raise UserError(f"{who} lacks {len(missing)} of its weights, {missing[0]} first: they are not in its files")
    for name, there, wanted in sorted(info["mismatched_keys"]):
        raise UserError(
            f"{who} does not fit its configuration: {name} has the shape {tuple(there)} and should have {tuple(wanted)}"
        )
    check_weights(model, who)
    return model, _unused(sorted(name for name in info["unexpected_keys"] if not _CONSTANT.fullmatch(name)))


def _unused(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
    return f"the weights hold {shown}, which the model's configuration has no place for: left out" if names else ""


@contextmanager
def quiet() -> Iterator[None]:
    """transformers reports what it loads on standard error; a library does not."""
    log = transformers.utils.logging
    level, bar = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bar:
            log.enable_progress_bar()
