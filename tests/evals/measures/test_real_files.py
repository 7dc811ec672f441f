"""The real benchmark files, where they are. Nothing of them is printed or kept."""

from __future__ import annotations

from collections import Counter

import pytest

from holdfast.evals.measures.dark_triad import DARK_TRIAD, DarkTriad
from holdfast.evals.measures.strongreject import StrongREJECT

pytestmark = pytest.mark.data


def test_strongreject_has_313_prompts_in_six_categories(need):
    items = StrongREJECT(path=str(need("strongreject/strongreject_dataset.csv"))).items()
    assert len(items) == 313
    assert len({i.fields["category"] for i in items}) == 6
    assert all(i.forbidden for i in items)


def test_the_dark_triad_has_1000_statements_a_trait_half_of_them_matched_by_yes(need):
    items = DarkTriad(path=str(need("anthropic_persona"))).items()
    assert Counter((i.fields["trait"], i.reference) for i in items) == {
        (trait, answer): 500 for trait in DARK_TRIAD for answer in ("Yes", "No")
    }
