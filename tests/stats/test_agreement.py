"""Agreement of two: worked examples by hand, and what must hold of any two."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.stats.agreement import agreement, contingency

VERDICT = st.sampled_from([0.0, 1.0, float("nan")])


def of(a, b):
    a, b = np.array(a, float), np.array(b, float)
    return agreement(contingency(a, b, np.arange(len(a))).sum(axis=0))


def test_kappa_and_alpha_of_a_table_worked_by_hand():
    """Of 50 responses both pass 20 and neither 15; A alone passes 5, B alone 10 (the usual textbook table).

    Raw 35/50. Chance (25·30 + 25·20)/50² = 0.5, κ = 0.2/0.5. Of 100 verdicts 55 pass and 45 do not: expected
    disagreement 2·55·45/(100·99) = 0.5, α = 1 - 0.3/0.5.
    """
    found = agreement(np.array([[15, 10], [5, 20]]))
    assert found.raw == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.alpha == pytest.approx(0.4)


def test_alpha_corrects_for_small_samples_as_kappa_does_not():
    """Two agree on 3 of 4, one passing 2 and the other 3: κ = (0.75 - 0.5)/0.5; of 8 verdicts 5 pass and 3 do not,
    expected 2·5·3/(8·7) = 30/56, α = 1 - 0.25·56/30 = 16/30."""
    found = of([1, 1, 0, 0], [1, 1, 1, 0])
    assert found.kappa == pytest.approx(0.5)
    assert found.alpha == pytest.approx(16 / 30)


@given(st.lists(st.tuples(VERDICT, VERDICT), min_size=2, max_size=30), st.randoms())
def test_agreement_is_mutual_and_alpha_equals_the_krippendorff_package(pairs, random):
    a, b = zip(*pairs, strict=True)
    found, other = of(a, b), of(b, a)
    np.testing.assert_allclose(found, other, err_msg="agreement is mutual")
    shuffled = random.sample(pairs, len(pairs))
    np.testing.assert_allclose(found, of(*zip(*shuffled, strict=True)), err_msg="rows have no order")
    both = [(x, y) for x, y in pairs if x == x and y == y]
    if len({v for pair in both for v in pair}) == 2:
        peer = krippendorff.alpha(reliability_data=np.array(both).T, level_of_measurement="nominal")
        assert found.alpha == pytest.approx(peer, abs=1e-12)
    else:
        assert np.isnan(found.alpha)
    if len({v for v, _ in both}) == 2:
        same = of([v for v, _ in both], [v for v, _ in both])
        assert (same.raw, same.kappa, same.alpha) == pytest.approx((1, 1, 1))


def test_tables_come_in_the_order_of_their_prompts():
    tables = contingency(np.array([1.0, 0, 1, np.nan]), np.array([1.0, 0, 0, 1]), np.array(["b", "a", "b", "c"]))
    assert tables.tolist() == [[[0, 0], [1, 1]], [[1, 0], [0, 0]]]
