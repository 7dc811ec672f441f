"""What was answered and by whom it was judged, counted once: judges against each other and against people, what went
unscored, how many answers make sense, and which prompts the page shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from holdfast.analysis import raters
from holdfast.analysis.answer_rows import PROMPTS, shown_subjects
from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.analysis.load import human_judges, judges
from holdfast.analysis.table_files import of_model
from holdfast.config.study import Study
from holdfast.store.digest import digest

# -- judges -----------------------------------------------------------------------------------------------------------


def agreements(frame: pd.DataFrame, configs: Configs, study: Study) -> pd.DataFrame:
    """A row per config, pair of judges and stratum of coherence, and of several models one for each: config, and
    the columns of ``raters.agreements``."""
    parts, models = [], sorted(frame["model"].unique())
    for config in configs.values():
        parts.append(_agreement(_said(frame, config), config, study))
        for model in models if len(models) > 1 else ():
            own = _agreement(_said(frame[frame["model"] == model], config), config, study)
            parts.append(own[own["stratum"] == "all"].assign(stratum=of_model(model)) if len(own) else own)
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _agreement(rows: pd.DataFrame, config: ConfigInfo, study: Study) -> pd.DataFrame:
    """Of all these rows of a config; empty where there is but one judge."""
    spoke = _spoke(rows, [*human_judges(config), *judges(config)])
    labelled = [j for j in spoke if j in human_judges(config)]
    rivals = [j for j in judges(config) if j in spoke and j not in labelled]
    if len(rivals) + len(labelled) < 2:
        return pd.DataFrame()
    return raters.agreements(_verdicts(rows, config, study), rivals, labelled, study.alpha).assign(cell=config.id)


def confusions(frame: pd.DataFrame, configs: Configs, study: Study) -> pd.DataFrame:
    """A row per eval config, judge and people: these, and what ``raters.confusion`` counts."""
    rows = []
    for config in (c for c in configs.values() if human_judges(c)):
        mine = _said(frame, config)
        spoke = _spoke(mine, [*judges(config), *human_judges(config)])
        for person in sorted(set(spoke) & set(human_judges(config))):
            table = _verdicts(mine, config, study)
            for judge in (j for j in spoke if j not in human_judges(config)):
                about = {"cell": config.id, "judge": judge, "people": person}
                rows.append(about | raters.confusion(table, judge, person))
    return pd.DataFrame(rows)


def _said(frame: pd.DataFrame, config: ConfigInfo) -> pd.DataFrame:
    return frame.loc[frame["cell"] == config.id, ["record", "item", "judge", "score", "coherent"]]


def _verdicts(rows: pd.DataFrame, config: ConfigInfo, study: Study) -> pd.DataFrame:
    threshold = study.threshold if config.summary.threshold else 0.5
    return raters.verdicts(rows[rows["judge"] != ""].rename(columns={"item": "prompt"}), threshold)


def _spoke(rows: pd.DataFrame, named: list[str]) -> list[str]:
    there = set(rows.loc[rows["score"].notna(), "judge"])
    return [j for j in dict.fromkeys(named) if j in there]


# -- counts -----------------------------------------------------------------------------------------------------------


def verdicts(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns: config, measure, judge, reason (why there is no score; None: there is one), responses; the commonest
    reason first."""
    return pd.DataFrame(_reasons(frame), columns=["cell", "measure", "judge", "reason", "responses"])


def _reasons(frame: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    keys = ["cell", "measure", "judge"]
    for who, some in frame[[*keys, "score", "reason"]].groupby(keys, sort=False):
        gone = some.loc[some["score"].isna(), "reason"].astype(object).fillna("no reason given")
        yield (*who, None, len(some) - len(gone))
        yield from ((*who, reason, int(n)) for reason, n in gone.value_counts().items())


def asked(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns: eval config, items, responses."""
    return (
        frame.groupby("cell", sort=False).agg(items=("item", "nunique"), responses=("record", "nunique")).reset_index()
    )


def screened(frame: pd.DataFrame) -> pd.DataFrame:
    """Of the responses whose coherence was judged: model, task, measure, responses, incoherent."""
    keys = ["model", "task", "measure"]
    each = frame.loc[frame["coherent"].notna(), [*keys, "record", "coherent"]].drop_duplicates([*keys, "record"])
    each = each.assign(incoherent=each["coherent"] == 0)
    return (
        each.groupby(keys, sort=False).agg(responses=("record", "size"), incoherent=("incoherent", "sum")).reset_index()
    )


# -- which prompts are shown ------------------------------------------------------------------------------------------


def shown_prompts(frame: pd.DataFrame, configs: Configs, subjects: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Columns: eval config, item, in the order in which they are kept."""
    who = set(shown_subjects(subjects, study)["subject"])
    f = frame[(frame["format"] == "default") & frame["subject"].isin(who) & (frame["sample"] == 0)]
    rows = []
    for id, about in configs.items():
        every = frame.loc[frame["cell"] == id, "item"].unique()
        mine = f[(f["cell"] == id) & (f["judge"] == judges(about)[0])]
        rows += [(id, item) for item in _chosen(mine, every)]
    return pd.DataFrame(rows, columns=["cell", "item"])


def _chosen(mine: pd.DataFrame, every: Any) -> list[str]:
    """One for each verdict under each attack, the rarest first, then any others."""
    order = sorted(every, key=lambda i: digest(["shown", i]))
    strata = {key: set(rows) for key, rows in mine.groupby(["attack", "verdict"])["item"]}
    chosen: list[str] = []
    for key in sorted(strata, key=lambda key: (len(strata[key]), key)):
        if not strata[key] & set(chosen):
            chosen.append(next(i for i in order if i in strata[key]))
    return [*chosen, *(i for i in order if i not in chosen)][:PROMPTS]
