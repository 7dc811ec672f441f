"""What the earlier stages left on disk, as one table in long form: a row per record and judge."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from holdfast.analysis.config_info import KEYS, ConfigInfo, config_info
from holdfast.analysis.raters import PANEL, panel
from holdfast.analysis.scope import Everything, check_distinct, once, scope
from holdfast.config.role import Role
from holdfast.config.study import Study
from holdfast.store import tables
from holdfast.store.files import read_json, read_lines
from holdfast.store.folder import EvalFolder, StudyFolder
from holdfast.types import UserError

COHERENCE = "coherence"  # the judge that says whether a response is language at all; a column, not a rival verdict
PEOPLE = "humans"  # the judge whose labels are people's
SUBJECT = ["model", "task", "label", "objective", "seed", "budget", "bracket"]  # what tells subjects apart


def configs(folder: StudyFolder, *, varied: bool = False) -> dict[str, ConfigInfo]:
    """Every planned ``cell.json`` by its id; with ``varied`` also those of the consistency section."""
    return {about.id: about for about, _ in _configs(folder, scope(folder), varied)}


def _configs(folder: StudyFolder, planned: Everything, varied: bool) -> list[tuple[ConfigInfo, EvalFolder]]:
    found = [(config_info(read_json(c.config_json, *KEYS)), c) for c in folder.configs()]
    wanted = ((about, c) for about, c in found if planned.has(about) and (varied or not about.varies))
    return [(planned.judged(about), c) for about, c in wanted]


def judges(config: ConfigInfo) -> list[str]:
    """The judges of a config whose scores are the measure's; the first is the headline's. People are so only where
    nobody else judges: what they label is a sample, by which the others are corrected. Three or more have a panel after
    """
    rivals = [j for j in config.judges if j != COHERENCE]
    machines = [j for j in rivals if j not in human_judges(config)]
    return machines + [PANEL] * (len(machines) > 2) or rivals


def human_judges(config: ConfigInfo) -> list[str]:
    """The judges of an eval config that are people."""
    return [j for j in config.judges if _is(config, j, PEOPLE)]


def _is(config: ConfigInfo, judge: str, name: str) -> bool:
    """Whether the judge of this label is the one registered under the name."""
    return config.judge_identities.get(judge, {}).get("name", judge) == name


def common_budgets(study: Study, subjects: pd.DataFrame) -> Study:
    """The study with the budgets that every run of one model and task came to (``subjects``: label, seed, budget).

    Of a study whose runs end at a target (``matched.stop``) only those who learn slowly are left at later budgets:
    comparing there would compare other seeds, chosen by what is measured.
    """
    runs = subjects[subjects["label"].isin([v.label for v in study.objectives])]
    if not study.stops or runs.empty:
        return study
    end = runs.groupby(["label", "seed"])["budget"].max().min()
    return study.model_copy(update={"budgets": tuple(b for b in study.budgets if b <= end)})


def load_records(folder: StudyFolder, *, varied: bool = False, tuning: bool = False) -> pd.DataFrame:
    """Judgements ⋈ records ⋈ items ⋈ subjects ⋈ eval configs.

    Columns: record, subject, the columns of ``SUBJECT``, distance (KL from the base, nats per token; NaN: not known),
    eval config, measure, axis, measure_task, item, forbidden, attack, format, sample, answer (a hash of response and
    log-probs: equal answers have equal hashes), judge, score (NaN: unscored), verdict, reason, ``d_*`` (a judgement's
    details), ``f_*`` (an item's fields), coherent (1, 0 or NaN where the coherence judge has not spoken).

    Where three judges or more stand in a config, the judge ``panel`` has the median of their scores. Only what the
    study in the folder plans is there, each row once (``scope``).

    A record that one of the config's judges has not judged is kept, as unscored with the reason "not judged". What the
    consistency section varies is left out, unless it is asked for (``varied``), and so are the settings that are tried
    for each objective and chosen among (``tuning``).
    """
    planned = scope(folder)
    subjects = check_distinct(planned.subjects(tables.read(folder.subjects, "subjects")), SUBJECT)
    base = set(subjects.loc[subjects["label"] == "base", "subject"])
    frames = [
        _judged(_config(about, c, planned, base), _verdicts(folder, about, c))
        for about, c in _configs(folder, planned, varied)
    ]
    nothing = _judged(_nothing(), tables.read([], "judgements", _SAID))
    frame = pd.concat(frames, ignore_index=True) if frames else nothing
    del frames
    panels = [
        panel(frame[frame["cell"] == id], [j for j in judges(about) if j != PANEL])
        for id, about in configs(folder, varied=varied).items()
        if PANEL in judges(about)
    ]
    frame = pd.concat([frame, *panels], ignore_index=True) if panels else frame
    far = _distances(folder, subjects["trajectory"].unique())
    who = subjects[["label", "trajectory", "budget"]].itertuples(index=False, name=None)
    subjects["distance"] = [0.0 if label == "base" else far.get((run, b), np.nan) for label, run, b in who]
    subjects = _thin(subjects[["subject", *SUBJECT, "distance"]])
    beside = [*([] if varied else [Role.VARIATION]), *([] if tuning else [Role.TUNING, Role.TUNED])]
    subjects = subjects[~subjects["bracket"].isin(beside)]
    # Two labels may name one and the same subject; each then has the records.
    frame = frame.merge(subjects, on="subject", how="inner")
    first = ["record", "subject", *SUBJECT, "distance", "cell", "measure", "axis", "measure_task", "item"]
    return frame[[*first, *(c for c in frame.columns if c not in first)]]


def _distances(folder: StudyFolder, runs: Iterable[str]) -> dict[tuple[str, int], float]:
    """KL(policy ‖ base) on fixed held-out prompts, by run and budget, so far as training left it."""
    files = {run: folder.run(run).checkpoints_jsonl for run in runs if run}
    points = [(run, point) for run, file in files.items() for point in read_lines(file, "budget")]
    return {(run, int(p["budget"])): p.get("distance", {}).get("kl_base", np.nan) for run, p in points}


def _verdicts(folder: StudyFolder, about: ConfigInfo, config: EvalFolder) -> pd.DataFrame:
    at = folder.judgements / config.root.name
    said = tables.read(sorted(at.glob("[!.]*/[!.]*/[!.]*.parquet")), "judgements", _SAID)
    said = once(said[said["judge"].isin([*about.judges, COHERENCE])], ("record", "judge"), at)
    own = [] if about.summary.threshold else [j for j in about.judges if _is(about, j, "own")]
    scores = said.loc[~said["judge"].isin(own), "score"]  # what a measure counts on its own may have another unit
    if (beyond := scores[(scores < 0) | (scores > 1)]).size:
        raise UserError(
            f"{at} holds the score {beyond.iloc[0]:g}, which lies outside 0 to 1: one of its files is not what "
            "holdfast wrote; delete it to have its rows judged again"
        )
    return said


def _judged(records: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """The records of an eval config, each under every judge that spoke in it."""
    said = _thin(said.rename(columns={"label": "verdict"}))
    frame = _with_judges(records, said[said["judge"] != COHERENCE])
    frame = pd.concat([frame.drop(columns="details"), _flat(frame["details"], "d_")], axis=1)
    return frame.merge(_coherent(said), on="record", how="left")


def _thin(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts that repeat are held once and pointed to: of a million rows, a tenth of the memory."""
    columns = {}
    for name in frame.columns:
        if name != "record" and not pd.api.types.is_numeric_dtype(frame[name]):
            codes, distinct = pd.factorize(frame[name])
            values = np.append(np.asarray(distinct, dtype=object), np.nan)[codes]  # code -1: missing
            columns[name] = pd.Series(values, index=frame.index, dtype=object)
    return frame.assign(**columns)


def _config(about: ConfigInfo, config: EvalFolder, planned: Everything, base: set[str]) -> pd.DataFrame:
    items = planned.items(about, tables.read(config.items, "items"))
    items = pd.concat([items[["id", "forbidden"]].rename(columns={"id": "item"}), _flat(items["fields"], "f_")], axis=1)
    items = _thin(items)
    # A subject at a time: of what was answered only a hash is kept, and all texts together may not fit into memory.
    of_subject = groupby(config.shards(), key=lambda shard: shard.parent)
    answered = [_answered(list(shards)) for _, shards in of_subject] or [_answered([])]
    records = once(pd.concat(answered, ignore_index=True), ("record",), config.root)
    records = planned.records(about, records, items["item"], base).reset_index(drop=True)
    same = {"cell": about.id, "measure": about.measure, "axis": about.axis, "measure_task": about.task}
    records = records.assign(**{k: pd.Series(v, index=records.index, dtype=object) for k, v in same.items()})
    return records.merge(items, on="item", how="left", validate="m:1")


_SAID = ["record", "judge", "score", "label", "reason", "details"]
_ASKED = ["record", "subject", "item", "attack", "format", "sample"]


def _answered(shards: list[Path]) -> pd.DataFrame:
    records = tables.read(shards, "records", ["id", *_ASKED[1:], "response", "logps"]).rename(columns={"id": "record"})
    scored = np.fromiter(map(len, records["logps"]), int, len(records)) > 0  # what is generated has no log-probs
    shown = records["response"].astype(object) + "\0"
    shown[scored] += records.loc[scored, "logps"].map(lambda x: np.asarray(x).tobytes().hex())
    answer = pd.util.hash_array(shown.to_numpy(dtype=object), categorize=False) if len(shown) else 0
    return _thin(records[_ASKED]).assign(answer=answer)


def _nothing() -> pd.DataFrame:
    columns = ["record", "subject", "item", "attack", "format", "sample", "cell", "measure", "axis", "measure_task"]
    return pd.DataFrame(columns=[*columns, "answer", "forbidden"])


def _with_judges(records: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Every record under every judge that spoke."""
    judges = pd.DataFrame({"judge": said["judge"].unique() if len(said) else [""]}, dtype=object)
    frame = records.merge(judges, how="cross")
    frame = frame.merge(said, on=["record", "judge"], how="left", validate="m:1", indicator="judged")
    silent = frame.pop("judged") == "left_only"
    frame.loc[silent, "verdict"] = "unscored"
    frame.loc[silent, "reason"] = "not judged"
    return frame


def _coherent(judgements: pd.DataFrame) -> pd.DataFrame:
    spoken = judgements[judgements["judge"] == COHERENCE]
    coherent = (spoken["score"] >= 0.5).astype(float).where(spoken["score"].notna())
    return pd.DataFrame({"record": spoken["record"], "coherent": coherent}).drop_duplicates("record")


def _flat(texts: pd.Series, prefix: str) -> pd.DataFrame:
    """A column of JSON objects as columns. Parsed once per distinct text, for fields repeat."""
    codes, distinct = pd.factorize(texts.fillna("{}"))
    if not len(distinct):
        return pd.DataFrame(index=texts.index)
    columns = pd.DataFrame([json.loads(t) for t in distinct]).add_prefix(prefix)
    return columns.iloc[codes].set_axis(texts.index)
