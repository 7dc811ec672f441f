"""What speaks most against a claim, to stand beside it: judges that disagree, ways of asking that say otherwise, and
how much of a score is the judge's."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from holdfast.analysis import consistency
from holdfast.report import gist, judged, speak
from holdfast.report.headline import Series, plain
from holdfast.report.reading import Setting

ENOUGH = 0.8  # κ from which agreement is strong (McHugh, Biochemia Medica 22, 2012), and a share of ways that is most
MUCH = 0.2  # of the variance of a score


def of(s: Setting) -> dict[str, str]:
    """By measure of attack success: one sentence, the strongest reservation first; none where there is none."""
    robusts = [x for x in s.shown if x.axis == "robustness"]
    pairs, stable = judged.agreements(s.findings), s.stable
    parts = consistency.read(s.findings.folder).components
    found = {}
    for k, x in enumerate(robusts):
        said = sorted([*_judges(pairs, x), *(_ways(stable) if k == 0 else ()), *_variance(parts, x)], reverse=True)
        if said:
            text = "; ".join(t for _, t in said)
            found[x.measure] = f"{text[:1].upper()}{text[1:]}."
    return found


def beside(lead: str, s: Setting, said: dict[str, str]) -> str:
    """The reservation that touches a sentence of the answer, which begins with ``lead``."""
    lead = lead.lower()
    alone = len([x for x in s.shown if x.axis == "robustness"]) == 1
    for measure, text in said.items():
        if lead.endswith("attack success") if alone else lead.endswith(f"attack success on {plain(measure)}".lower()):
            return text
    return ""


def _judges(pairs: pd.DataFrame, x: Series) -> Iterator[tuple[float, str]]:
    """How strong it is, from 0 to 1, and in words."""
    mine = pairs[(pairs["measure"] == plain(x.measure)) & (pairs["responses"] == "all")] if len(pairs) else pairs
    if not len(mine):
        return
    kappa = gist.kappas(mine)
    if kappa.min() < ENOUGH:
        r = mine.loc[kappa.idxmin()]
        yield 1 - float(kappa.min()), f"{r['judges']} agree with κ {r['κ']}"


def _ways(found: pd.DataFrame) -> Iterator[tuple[float, str]]:
    least = found.loc[found["agree"].idxmin()] if len(found) else None
    if least is not None and least["agree"] < ENOUGH:
        versus = f"{least['label']} against {'the base' if least['against'] == 'base' else 'SFT'}"
        share = speak.percent(least["agree"], 0)
        yield 1 - least["agree"], f"{share} of {least['n_distinct']} distinct ways to ask say the same of {versus}"


def _variance(parts: pd.DataFrame, x: Series) -> Iterator[tuple[float, str]]:
    mine = parts[(parts["measure"] == x.measure) & (parts["effect"] == "judge")] if len(parts) else parts
    share = float(mine["score_share"].max()) if len(mine) else 0.0
    if share > MUCH:
        yield share, f"the judge makes {speak.percent(share, 0)} of the variance of a score"
