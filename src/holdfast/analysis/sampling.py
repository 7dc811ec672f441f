"""Which responses people should label: a stratified random sample that can be drawn again, with its weights.

Strata are the crossing of who answered (base or objective), attack, the judge's label and coherence. Every stratum
gives about as many responses, so that rare ones are seen; the inverse of the probability of being drawn (N / n of the
stratum) is the response's weight, by which estimates are unbiased (Horvitz and Thompson, *JASA* 47 (1952)).
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from holdfast import rng
from holdfast.analysis.config_info import Configs
from holdfast.analysis.load import judges

STRATA = ("measure", "label", "attack", "verdict", "coherent")
GIVEN_UP = ("attack", "coherent", "label", "verdict", "measure")  # in this order, where there are too many strata


def candidates(frame: pd.DataFrame, configs: Configs, measure: str = "") -> pd.DataFrame:
    """A row a response, with the label that the eval config's first judge gave it. ``frame``: of ``load_records``."""
    first = {id: next(iter(judges(config)), "") for id, config in configs.items()}
    rows = frame[frame["judge"] == frame["cell"].map(first)]
    rows = rows[rows["measure"] == measure] if measure else rows
    rows = rows.drop_duplicates("record").sort_values("record", ignore_index=True)
    coherent = rows["coherent"].map({1.0: "coherent", 0.0: "incoherent"}).fillna("unknown")
    return rows[["record", "cell", *STRATA[:-1]]].assign(coherent=coherent)


def draw(rows: pd.DataFrame, n: int, seed: int = 0) -> pd.DataFrame:
    """``n`` of the rows (all where there are fewer), in a random order, with ``weight`` and ``stratum`` beside them.

    Where there are more strata than half of ``n``, one distinction after another is given up (``GIVEN_UP``).
    """
    by = list(STRATA)
    for gone in GIVEN_UP:
        if 2 * rows.groupby(by).ngroups <= n or len(by) == 1:
            break
        by.remove(gone)
    stratum = rows[by[0]].astype(str).str.cat([rows[c].astype(str) for c in by[1:]], sep=" · ")
    sizes = stratum.value_counts().sort_index()
    take = allocation(sizes.tolist(), n)
    weight = {name: size / k for (name, size), k in zip(sizes.items(), take, strict=True) if k}
    members = rows["record"].groupby(stratum)
    chosen = [
        record for (_, ids), k in zip(members, take, strict=True) for record in rng.order(ids, "judge sample", seed)[:k]
    ]
    known = rows.assign(stratum=stratum, weight=stratum.map(weight)).set_index("record")
    return known.loc[rng.order(chosen, "judge sample", "sheet", seed)].reset_index()


def allocation(sizes: Sequence[int], n: int) -> list[int]:
    """How many of each stratum: as even as their sizes allow, ``n`` in all (or all there are). Ties go to the first."""
    take = [0] * len(sizes)
    left = min(n, sum(sizes))
    while left:
        free = [k for k, size in enumerate(sizes) if take[k] < size]
        share = max(left // len(free), 1)
        for k in free[:left] if left < len(free) else free:
            more = min(share, sizes[k] - take[k])
            take[k] += more
            left -= more
    return take
