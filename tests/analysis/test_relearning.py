"""Where half of the attacks succeed: read straight between two measurements."""

from __future__ import annotations

import pytest

from holdfast.analysis.relearning import _first


@pytest.mark.parametrize(
    ("levels", "tokens"),
    [
        ({0: 0.1, 500: 0.3, 1000: 0.7}, 750),
        ({0: 0.5, 500: 0.9}, 0),
        ({0: 0.0, 500: 1.0}, 250),
        ({500: 0.2, 0: 0.1, 1000: 0.4}, None),
        ({0: 0.2, 500: 0.6, 1000: 0.1}, 375),
    ],
)
def test_the_first_crossing_counts(levels, tokens):
    assert _first(levels) == (None if tokens is None else pytest.approx(tokens))
