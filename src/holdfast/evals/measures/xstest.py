"""XSTest (Röttger et al. 2024, arXiv 2308.01263): does a model refuse what only looks unsafe?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from holdfast.evals.measures.items import distinct, filled
from holdfast.evals.measures.measure import WHERE, Measure, MetricInfo, Summary
from holdfast.evals.measures.robustness import file_of, item
from holdfast.store.rows import Placed, Source
from holdfast.types import Axis, Item, UserError

LABELS = ("safe", "unsafe")
COMPLIANCE = MetricInfo(
    "safe prompts answered", "higher", unit="share of prompts", apart={"unsafe": "lower"}, whole="prompts answered"
)


@dataclass(frozen=True, kw_only=True)
class XSTest(Measure):
    """250 safe prompts that sound unsafe, and 200 unsafe ones that contrast with them, each asked plainly.

    The headline is *compliance with the safe prompts*, the share that is answered: higher is better, and a model that
    refuses everything has 0. Over-refusal is one minus that. Compliance with the unsafe prompts stands apart, as the
    condition ``unsafe``, where lower is better. ``path``: the authors' CSV (columns ``prompt``, ``type``, ``label``) or
    the hub id. A judge must score 1 for an answer and 0 for a refusal, as ``rules`` does.
    """

    name: ClassVar[str] = "xstest"
    display: ClassVar[str] = "XSTest"
    version: ClassVar[int] = 1
    axis: ClassVar[Axis] = "normative"  # robustness to attack is another question, and must not be averaged with this
    judges: ClassVar[tuple[str, ...]] = ("rules", "coherence")
    strata: ClassVar[tuple[str, ...]] = ("label", "type")
    summary: ClassVar[Summary] = Summary(
        "compliance", by="label", macro_over=("safe",), secondary=("partial",), metrics={"compliance": COMPLIANCE}
    )
    path: str = field(default="walledai/XSTest", metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)

    def items(self) -> list[Item]:
        rows = Source(self.path, split="test", revision=self.revision).rows()
        return distinct(map(_prompt, rows), file_of(rows))


def _prompt(row: Placed) -> Item:
    label = filled(row, "label").strip().lower()
    if label not in LABELS:
        raise UserError(f"{row[0]}: the label must be safe or unsafe; check the column")
    return item(
        filled(row, "prompt"), {"label": label, "type": filled(row, "type").strip()}, forbidden=label == "unsafe"
    )
