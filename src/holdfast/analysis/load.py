"""What the earlier stages left on disk, as one table in long form: a row per record and judge."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import count, groupby, islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from holdfast.analysis.config_info import KEYS, ConfigInfo, config_info
from holdfast.analysis.raters import PANEL, panel
from holdfast.analysis.scope import Everything, check_distinct, once, scope
from holdfast.config.role import Role
from holdfast.config.study import Study
from holdfast.store import tables
from holdfast.store.files import read_json, read_lines
from holdfast.store.folder import EvalFolder, StudyFolder, plain
from holdfast.types import UserError

COHERENCE = "coherence"  # the judge that says whether a response is language at all; a column, not a rival verdict
Array = np.ndarray
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


def load_records(
    folder: StudyFolder, *, varied: bool = False, tuning: bool = False, numbered: bool = False
) -> pd.DataFrame:
    """Judgements ⋈ records ⋈ items ⋈ subjects ⋈ eval configs.

    Columns: record (its id; ``numbered``: a number in its place, for ids are a third of a large study's memory),
    subject, the columns of ``SUBJECT``, distance (KL from the base, nats per token; NaN: not known), eval config,
    measure, axis, measure_task, item, forbidden, attack, format, sample, answer (a hash of response and log-probs:
    equal answers have equal hashes), judge, score (NaN: unscored), verdict, reason, ``d_*`` (a judgement's details),
    ``f_*`` (an item's fields), coherent (1, 0 or NaN where the coherence judge has not spoken).

    Where three judges or more stand in a config, the judge ``panel`` has the median of their scores. Only what the
    study in the folder plans is there, each row once (``scope``).

    A record that one of the config's judges has not judged is kept, as unscored with the reason "not judged". What the
    consistency section varies is left out, unless it is asked for (``varied``), and so are the settings that are tried
    for each objective and chosen among (``tuning``).
    """
    planned = scope(folder)
    subjects = check_distinct(planned.subjects(tables.read(folder.subjects, "subjects")), SUBJECT)
    base = set(subjects.loc[subjects["label"] == "base", "subject"])
    numbers = count() if numbered else None
    frame = _stacked(
        [_config(folder, about, c, planned, base, numbers) for about, c in _configs(folder, planned, varied)]
        or [_judged(_nothing(), {})]
    )
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
    # Two labels may name one and the same subject; each then has the records. (By numbers: texts would be copied.)
    frame["who"], there = pd.factorize(frame["subject"])
    subjects["who"] = pd.Index(there).get_indexer(subjects.pop("subject"))
    frame = frame.merge(subjects, on="who", how="inner")
    first = ["record", "subject", *SUBJECT, "distance", "cell", "measure", "axis", "measure_task", "item"]
    return pd.DataFrame({c: frame[c] for c in dict.fromkeys([*first, *frame.columns]) if c != "who"}, copy=False)


def _distances(folder: StudyFolder, runs: Iterable[str]) -> dict[tuple[str, int], float]:
    """KL(policy ‖ base) on fixed held-out prompts, by run and budget, so far as training left it."""
    files = {run: folder.run(run).checkpoints_jsonl for run in runs if run}
    points = [(run, point) for run, file in files.items() for point in read_lines(file, "budget")]
    return {(run, int(p["budget"])): p.get("distance", {}).get("kl_base", np.nan) for run, p in points}


def _verdicts(records: pd.DataFrame, place: pd.Index, about: ConfigInfo, at: Path) -> dict[str, Said]:
    """What each judge said of each of the records, or that it did not; in the order of their folders.

    ``place``: the name of each record's folder, where under every judge its verdicts lie: a subject at a time is read.
    """
    wanted, ids, found = [*about.judges, COHERENCE], pa.array(records["record"], pa.large_string()), dict[str, Said]()
    own = [] if about.summary.threshold else [j for j in about.judges if _is(about, j, "own")]
    of = pd.Series(np.arange(len(records))).groupby(place).indices
    shards = sorted(at.glob("[!.]*/[!.]*/[!.]*.parquet"), key=lambda shard: (shard.parent.name, shard))
    for name, some in groupby(shards, key=lambda shard: shard.parent.name):
        said = tables.read(list(some), "judgements", _SAID).rename(columns={"label": "verdict"})
        said = _thin(once(said[said["judge"].isin(wanted)], ("record", "judge"), at))
        scores = said.loc[~said["judge"].isin(own), "score"]  # what a measure counts on its own may have another unit
        if (beyond := scores[(scores < 0) | (scores > 1)]).size:
            raise UserError(
                f"{at} holds the score {beyond.iloc[0]:g}, which lies outside 0 to 1: one of its files is not what "
                "holdfast wrote; delete it to have its rows judged again"
            )
        mine = of.get(name, np.array([], dtype=int))
        # A subject's records stand together but where rows were left out; a slice of texts copies none of them.
        asked = ids.slice(mine[0], len(mine)) if len(mine) and mine[-1] - mine[0] == len(mine) - 1 else ids.take(mine)
        where = pc.index_in(pa.array(said["record"], pa.large_string()), value_set=asked).fill_null(-1).to_numpy()
        for judge, rows in said.groupby("judge", sort=False).indices.items():
            if judge not in found:
                found[judge] = _silence(len(records))
            planned = rows[where[rows] >= 0]
            for column, values in found[judge].items():
                values[mine[where[planned]]] = said[column].to_numpy()[planned]
    return {judge: found[judge] for judge in sorted(found, key=plain)}


def _silence(n: int) -> Said:
    said = {"score": np.nan, "verdict": "unscored", "reason": "not judged", "details": np.nan}
    return {k: np.full(n, v, dtype=float if k == "score" else object) for k, v in said.items()}


def _judged(records: pd.DataFrame, said: dict[str, Said]) -> pd.DataFrame:
    """Each record under every judge that spoke in its eval config, one after the other."""
    score = said.pop(COHERENCE, _silence(len(records)))["score"]
    coherent = np.where(np.isnan(score), np.nan, score >= 0.5)
    judges = said or {"": _silence(len(records))}
    n = len(judges)
    columns = {k: pd.Series(v.array.repeat(n), dtype=v.dtype) for k, v in records.items()}
    columns["judge"] = pd.Series(list(judges) * len(records), dtype=object)
    for k, empty in _silence(0).items():
        columns[k] = pd.Series(np.stack([one[k] for one in judges.values()], axis=1).ravel(), dtype=empty.dtype)
    details = _flat(columns.pop("details"), "d_")
    return pd.concat([pd.DataFrame(columns, copy=False), details], axis=1).assign(coherent=coherent.repeat(n))


def _thin(frame: pd.DataFrame) -> pd.DataFrame:
    """Texts that repeat are held once and pointed to: of a million rows, a tenth of the memory."""
    columns = {}
    for name in frame.columns:
        if name != "record" and not pd.api.types.is_numeric_dtype(frame[name]):
            codes, distinct = pd.factorize(frame[name])
            values = np.append(np.asarray(distinct, dtype=object), np.nan)[codes]  # code -1: missing
            columns[name] = pd.Series(values, index=frame.index, dtype=object)
    return frame.assign(**columns)


def _config(
    folder: StudyFolder,
    about: ConfigInfo,
    config: EvalFolder,
    planned: Everything,
    base: set[str],
    numbers: Iterator[int] | None,
) -> pd.DataFrame:
    """The records of an eval config, each under every judge. ``numbers``: what they are called; None: their ids."""
    items = planned.items(about, tables.read(config.items, "items"))
    items = pd.concat([items[["id", "forbidden"]].rename(columns={"id": "item"}), _flat(items["fields"], "f_")], axis=1)
    items = _thin(items)
    # A subject at a time: of what was answered only a hash is kept, and all texts together may not fit into memory.
    of_subject = groupby(config.shards(), key=lambda shard: shard.parent)
    answered = {at.name: _answered(list(shards)) for at, shards in of_subject} or {"": _answered([])}
    records = planned.records(about, once(pd.concat(answered), ("record",), config.root), items["item"], base)
    del answered
    place, records = records.index.get_level_values(0), records.reset_index(drop=True)
    same = {"cell": about.id, "measure": about.measure, "axis": about.axis, "measure_task": about.task}
    records = records.assign(**{k: pd.Series(v, index=records.index, dtype=object) for k, v in same.items()})
    records = records.merge(items, on="item", how="left", validate="m:1")
    said = _verdicts(records, place, about, folder.judgements / config.root.name)
    if numbers is not None:
        records["record"] = np.fromiter(islice(numbers, len(records)), int, len(records))
    pa.default_memory_pool().release_unused()  # of what was read: as much as the frame itself
    return _judged(records, said)


def _stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """One under another, a column at a time, each taken out of the frames: no two copies of all of them are held."""
    columns = {}
    for name in dict.fromkeys(c for frame in frames for c in frame.columns):
        parts = [frame.pop(name) if name in frame else pd.Series(np.nan, frame.index) for frame in frames]
        columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns, copy=False)


_SAID = ["record", "judge", "score", "label", "reason", "details"]
Said = dict[str, Array]  # of one judge: score, verdict, reason and details of each record
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


def _flat(texts: pd.Series, prefix: str) -> pd.DataFrame:
    """A column of JSON objects as columns. Parsed once per distinct text, for fields repeat."""
    codes, distinct = pd.factorize(texts.fillna("{}"))
    if not len(distinct):
        return pd.DataFrame(index=texts.index)
    columns = pd.DataFrame([json.loads(t) for t in distinct]).add_prefix(prefix)
    return columns.iloc[codes].set_axis(texts.index)
