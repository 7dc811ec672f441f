"""An attack that sees inside: embeddings are found with which the subject begins to answer, and put into its prompt
(Schwinn et al. 2024, arXiv 2402.09063)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from holdfast import registry
from holdfast.evals.measures.attacks import Prefill
from holdfast.evals.measures.codecs import Codec
from holdfast.store.digest import digest
from holdfast.types import SoftPrompt, Turn


@dataclass(frozen=True)
class Soft:
    """The request, and behind it ``tokens`` embeddings that no text has. They are found on each subject itself, in
    ``steps`` of Adam, as those with which it most likely begins its answers with the words of ``prefill``. ``rate``: of
    Adam, in standard deviations of the model's embeddings.

    ``direction``, ``direction_params``: on whose forbidden conversations, its training share: not on what is attacked.
    """

    name: ClassVar[str] = "soft_prompt"
    version: ClassVar[int] = 1
    codec: ClassVar[Codec | None] = None
    tokens: int = 8
    steps: int = 60
    rate: float = 0.1
    direction: str = "refusal"
    direction_params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("tokens", "steps", "rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be above 0")

    @cached_property
    def soft(self) -> SoftPrompt:
        """What is found, and on what."""
        found = registry.build("directions", self.direction, self.direction_params)
        asked = tuple(c.turns for c in found.contrasts() if c.there and not c.held_out)
        what = (asked, Prefill().begins, self.tokens, self.steps, self.rate)
        return SoftPrompt(*what, digest=digest(["soft prompt", self.version, *what]))

    @cached_property
    def hash(self) -> str:
        return digest({"attack": self.name, "version": self.version, "soft": self.soft.digest})

    def wrap(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...] | None:
        return turns
