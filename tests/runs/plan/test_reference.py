"""The reference says what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.config.messages import section_of
from holdfast.config.study import Spec, Study
from tools.docs import PAGES, update

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_generated_parts_of_the_docs_are_current(name: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert update(page, PAGES[name]()) == page, "run python -m tools.docs docs"


def test_every_field_of_every_part_is_described() -> None:
    parts: list[type[Spec]] = [Study]
    for part in parts:
        for name, field in part.model_fields.items():
            assert field.description, f"{part.__name__}.{name}"
            inner = section_of(field.annotation)
            if inner and inner not in parts:
                parts.append(inner)
    assert len(parts) > 8
