"""What speaks most against a claim, to stand beside it: judges that disagree, ways of asking that say otherwise, and
how much of a score is the judge's."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from holdfast.analysis.answer_rows import CLEAR, ONE_SEED
from holdfast.analysis.table_files import of_model
from holdfast.report import words
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting
from holdfast.report.sections import judge_trust
from holdfast.report.series import Series, lead, plain

ENOUGH = 0.8  # κ from which agreement is strong (McHugh, Biochemia Medica 22, 2012), and a share of ways that is most
MUCH = 0.2  # of the variance of a score


def of(s: Setting) -> dict[tuple[str, str], str]:
    """By finding (``last``, ``matched``) and measure of attack success: one sentence, the strongest reservation first;
    none where there is none. Ways of asking are of the last budget: of equal capability they say nothing."""
    robusts = [x for x in s.shown if x.axis == "robustness"]
    pairs, stable = judge_trust.agreements(s.findings), _claimed(s)
    parts = s.findings.repeated.components
    parts = parts[(parts["model"] == s.model) & (parts["task"] == s.task)] if len(parts) else parts
    found = {}
    for k, x in enumerate(robusts):
        judges = [*_judges(pairs, x, s.model), *_variance(parts, x)]
        for finding, said in (("last", [*judges, *(_ways(stable) if k == 0 else ())]), ("matched", judges)):
            if said:
                text = "; ".join(t for _, t in sorted(said, reverse=True))
                found[finding, x.measure] = f"{text[:1].upper()}{text[1:]}."
    return found


def beside(begun: str, s: Setting, said: dict[tuple[str, str], str]) -> str:
    """The reservation that touches a sentence of the answer, by how that has ``begun``."""
    begun = begun.lower()
    about = "matched" if begun.startswith("at equal capability") else "last"
    alone = len([x for x in s.shown if x.axis == "robustness"]) == 1
    for measure, text in ((m, t) for (finding, m), t in said.items() if finding == about):
        if begun.endswith("attack success") if alone else begun.endswith(f"attack success on {plain(measure)}".lower()):
            return text
    return ""


def _judges(pairs: pd.DataFrame, x: Series, model: str) -> Iterator[tuple[float, str]]:
    """How strong it is, from 0 to 1, and in words: of this model's responses."""
    if not len(pairs):
        return
    own = (pairs["responses"] == of_model(model)).any()
    mine = pairs[(pairs["measure"] == plain(x.measure)) & (pairs["responses"] == (of_model(model) if own else "all"))]
    if not len(mine):
        return
    kappa = judge_trust.kappas(mine)
    if kappa.min() < ENOUGH:
        r = mine.loc[kappa.idxmin()]
        yield 1 - float(kappa.min()), phrase("reservations.judges", who=r["judges"], kappa=r["κ"])


def _claimed(s: Setting) -> pd.DataFrame:
    """Of the ways of asking, the comparisons that the answer calls higher or lower: ``says`` which, ``share`` is that
    of the ways which say so, too. What is inconclusive is no claim, whatever the declared way says by itself."""
    a, found, of = s.answers(), s.table("stability"), lead(s.shown, "robustness")
    if not len(found) or of is None:
        return found
    clear = a["verdict"].isin(CLEAR) | ((a["verdict"] == ONE_SEED) & ((a["low_all"] > 0) | (a["high_all"] < 0)))
    mine = a[(a["estimand"] == "last") & (a["measure"] == of.measure) & clear]
    says = mine.set_index(["label", "against"])["value"].gt(0).map({True: "higher", False: "lower"})
    keys = pd.MultiIndex.from_frame(found[["label", "against"]])
    found = found.assign(says=says.reindex(keys).to_numpy()).dropna(subset=["says"])
    return found.assign(share=found["higher"].where(found["says"] == "higher", found["lower"]))


def _ways(found: pd.DataFrame) -> Iterator[tuple[float, str]]:
    """``found``: of ``_claimed``."""
    least = found.loc[found["share"].idxmin()] if len(found) else None
    if least is not None and least["share"] < ENOUGH:
        yield 1 - least["share"], phrase("reservations.ways", **least.to_dict())


def _variance(parts: pd.DataFrame, x: Series) -> Iterator[tuple[float, str]]:
    mine = parts[(parts["measure"] == x.measure) & (parts["effect"] == "judge")] if len(parts) else parts
    most = mine.loc[mine["score_share"].idxmax()] if len(mine) else None
    if most is not None and most["score_share"] > MUCH:
        share = {"value": most["score_share"], "low": most["score_low"], "high": most["score_high"]}
        yield float(most["score_share"]), phrase("reservations.variance", of=words.estimate(share))
