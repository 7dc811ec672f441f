"""Hyper-parameter regimes: in which setting each objective is compared.

``shared``: one learning rate and one coefficient for all, as the study sets them (the published design). ``tuned``:
each objective at its own, chosen on validation capability and never on safety.
"""

from __future__ import annotations

import pandas as pd

from holdfast.analysis.estimates import Cells
from holdfast.spec import Study

SHARED, TUNED = "shared", "tuned"


def regimes(frame: pd.DataFrame, cells: Cells, study: Study) -> dict[str, pd.DataFrame]:
    """The records of each regime that the study has, under the labels of the study, for any analysis to be made of
    each in turn. ``frame``: of ``frame.load``."""
    return {SHARED: frame}
