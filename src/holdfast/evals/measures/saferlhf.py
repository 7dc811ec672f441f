"""Prompts of PKU-SafeRLHF (Ji et al. 2024, arXiv 2406.15513) as a second benchmark of harm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from holdfast.data import unsafe
from holdfast.data.tasks.task import prompt_key
from holdfast.evals.measures.measure import WHERE
from holdfast.evals.measures.robustness import Robustness, item
from holdfast.store.rows import Source
from holdfast.types import Item, Turn, UserError


@dataclass(frozen=True, kw_only=True)
class SafeRLHF(Robustness):
    """The distinct prompts to which at least one of the two responses was labelled unsafe.

    ``path``: the hub id, a folder or a file of its rows. ``split`` is ``test``, so that unsafe texts for training can
    come from the other. Prompts that differ only in case, signs or white space are one, with the harm categories of
    all.
    """

    name: ClassVar[str] = "saferlhf"
    display: ClassVar[str] = "SafeRLHF"
    version: ClassVar[int] = 1
    path: str = field(default="PKU-Alignment/PKU-SafeRLHF", metadata=WHERE)
    file: str | None = field(default=None, metadata=WHERE)
    split: str = field(default="test", metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)

    def items(self) -> list[Item]:
        texts: dict[str, str] = {}
        harms: dict[str, set[str]] = {}
        for placed in Source(self.path, self.file, self.split, revision=self.revision).rows():
            prompt, _, safe = unsafe.labelled(placed)
            if prompt.strip() and not all(safe):
                key = prompt_key((Turn("user", prompt),))
                texts[key] = min(prompt, texts.get(key, prompt))  # whatever the order of the rows
                sides = [side for side, fine in enumerate(safe) if not fine]
                harms.setdefault(key, set()).update(*(_harms(placed[1], side) for side in sides))
        if not texts:
            raise UserError(f"{self.path} has no prompt with an unsafe response")
        return [item(text, {"category": "; ".join(sorted(harms[k]))} if harms[k] else {}) for k, text in texts.items()]


def _harms(row: Mapping[str, Any], side: int) -> set[str]:
    """The categories that a response was labelled with; none in files that leave that column out."""
    found = row.get(f"response_{side}_harm_category")
    return {name for name, yes in found.items() if yes} if isinstance(found, Mapping) else set()
