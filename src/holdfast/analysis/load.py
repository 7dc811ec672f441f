"""What the earlier stages left on disk, as one table in long form: a row per record and judge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from holdfast.analysis.config_info import KEYS, ConfigInfo, config_info
from holdfast.analysis.raters import PANEL, panel
from holdfast.analysis.record_files import Answers, Part, Reading, answered, judged
from holdfast.analysis.scope import Everything, check_distinct, scope
from holdfast.config.role import Role
from holdfast.config.study import Study
from holdfast.store import tables
from holdfast.store.files import read_json, read_lines
from holdfast.store.folder import EvalFolder, StudyFolder, present

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
    folder: StudyFolder, *, varied: bool = False, tuning: bool = False, relearnt: bool = False, numbered: bool = False
) -> pd.DataFrame:
    """Judgements ⋈ records ⋈ items ⋈ subjects ⋈ eval configs.

    Columns: record (its id), subject, the columns of ``SUBJECT``, distance (KL from the base, nats per token; NaN: not
    known), eval config, measure, axis, measure_task, item, forbidden, attack, format, sample, answer (a hash of
    response and log-probs: equal answers have equal hashes), judge, score (NaN: unscored), verdict, reason, ``d_*`` (a
    judgement's details), ``f_*`` (an item's fields), coherent (1, 0 or NaN where the coherence judge has not spoken).

    Where three judges or more stand in a config, the judge ``panel`` has the median of their scores. Only what the
    study in the folder plans is there, each row once (``scope``).

    A record that one of the config's judges has not judged is kept, as unscored with the reason "not judged". What the
    consistency section varies is left out, unless it is asked for (``varied``), and so are the settings that are tried
    for each objective and chosen among (``tuning``), and what relearns (``relearnt``).

    ``numbered``: for the analysis, in a third of the memory. Records are called by a number, texts are categories, and
    of what was said there is a hash only where it is compared: of base models and control runs, else 0.
    """
    planned = scope(folder)
    subjects = check_distinct(planned.subjects(tables.read(folder.subjects, "subjects")), SUBJECT)
    base = subjects["label"] == "base"
    compared = base | subjects["bracket"].map(lambda column: Role.of(column) is Role.CONTROL)
    reading = Reading(
        base=frozenset(subjects.loc[base, "subject"]),
        hashed=frozenset(subjects.loc[compared, "subject"].str[:12]) if numbered else None,
        numbered=numbered,
    )
    found = _configs(folder, planned, varied)
    nothing = pd.DataFrame({"id": [], "forbidden": [], "fields": []})
    parts = [_config(folder, about, c, planned, reading) for about, c in found]
    none = dict.fromkeys(("cell", "measure", "axis", "measure_task"), "")
    frame = reading.stacked(parts or [reading.part(Answers(), nothing, none, COHERENCE)])
    panels = [
        panel(
            frame[frame["cell"] == about.id].astype(dict.fromkeys(_SPOKEN, object) | {"score": float}),
            [j for j in judges(about) if j != PANEL],
        )
        for about, _ in found
        if PANEL in judges(about)
    ]
    if panels:
        kinds = frame.dtypes
        frame = pd.concat([frame, *panels], ignore_index=True)
        frame = frame.astype({c: "category" for c in frame if isinstance(kinds[c], pd.CategoricalDtype)})
    far = _distances(folder, subjects["trajectory"].unique())
    who = subjects[["label", "trajectory", "budget"]].itertuples(index=False, name=None)
    subjects["distance"] = [0.0 if label == "base" else far.get((run, b), np.nan) for label, run, b in who]
    beside = [*([] if varied else [Role.VARIATION]), *([] if tuning else [Role.TUNING, Role.TUNED])]
    beside += [] if relearnt else [Role.RELEARNT]
    frame = _joined(frame, subjects.loc[~subjects["bracket"].isin(beside), ["subject", *SUBJECT, "distance"]])
    if not numbered:
        frame = plain(frame)
    details, fields = ([c for c in frame if c.startswith(prefix)] for prefix in ("d_", "f_"))
    columns = [*_ASKED, *fields, *_SPOKEN, *details, "coherent"]
    return pd.DataFrame({c: frame[c] for c in columns}, copy=False)


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """With texts in place of categories, which take no other: for small tables, and for readers of their own."""
    return frame.astype({c: object for c in frame if isinstance(frame[c].dtype, pd.CategoricalDtype)})


_ASKED = ["record", "subject", *SUBJECT, "distance", "cell", "measure", "axis", "measure_task"]
_ASKED += ["item", "attack", "format", "sample", "answer", "forbidden"]
_SPOKEN = ["judge", "score", "verdict", "reason"]


def _joined(frame: pd.DataFrame, subjects: pd.DataFrame) -> pd.DataFrame:
    """Rows with what is known of their subject. Two labels may name one and the same subject; each then has them."""
    there = frame["subject"].cat.categories
    subjects = subjects.assign(who=there.get_indexer(subjects["subject"])).sort_values("who", kind="stable")
    subjects = subjects[subjects["who"] >= 0].astype(dict.fromkeys(["model", "task", "label", *_ROLE], "category"))
    n = np.bincount(subjects["who"], minlength=len(there))
    first, who = (n.cumsum() - n).astype(np.int32), frame["subject"].cat.codes.to_numpy()
    at = first[who] if len(there) else who
    if (n != 1).any():
        times = n[who]
        frame, at = frame.take(np.arange(len(frame)).repeat(times)), at.repeat(times)
        at += np.arange(len(at)) - (times.cumsum() - times).repeat(times)  # the first of a subject's, the second, …
    known = {c: pd.Series(subjects[c].array.take(at), copy=False) for c in (*SUBJECT, "distance")}
    return pd.DataFrame({c: frame[c].array for c in frame} | known, copy=False)


_ROLE = ["objective", "bracket"]


def _distances(folder: StudyFolder, runs: Iterable[str]) -> dict[tuple[str, int], float]:
    """KL(policy ‖ base) on fixed held-out prompts, by run and budget, so far as training left it."""
    files = {run: folder.run(run).checkpoints_jsonl for run in runs if run}
    points = [(run, point) for run, file in files.items() for point in read_lines(file, "budget")]
    return {(run, int(p["budget"])): p.get("distance", {}).get("kl_base", np.nan) for run, p in points}


def _config(folder: StudyFolder, about: ConfigInfo, config: EvalFolder, planned: Everything, reading: Reading) -> Part:
    """The records of an eval config, each under every judge that spoke in it, a subject at a time."""
    items = planned.items(about, tables.read(config.items, "items"))
    ids = pa.array(items["id"], pa.string())
    at = folder.judgements / config.root.name
    said = defaultdict[str, list[Path]](list)
    for shard in sorted(at.glob("[!.]*/[!.]*/[!.]*.parquet")):
        said[shard.parent.name].append(shard)
    records = {at.name: list(shards) for at, shards in groupby(config.shards(), key=lambda shard: shard.parent)}
    own = [] if about.summary.threshold else [j for j in about.judges if _is(about, j, "own")]
    samples, formats = planned.asked(about, lambda: _formats(config, reading.base))
    found, wanted = Answers(), [*about.judges, COHERENCE]
    for name in sorted(records.keys() | said):
        hashed = reading.hashed is None or name in reading.hashed
        mine = answered(records.get(name, []), ids, samples, formats, hashed)
        reading.take(found, mine)
        for judge, spoken in judged(said[name], mine["id"], wanted, own, reading.texts).items():
            found.said.setdefault(judge, {})[len(found.item) - 1] = spoken
    pa.default_memory_pool().release_unused()
    same = {"cell": about.id, "measure": about.measure, "axis": about.axis, "measure_task": about.task}
    return reading.part(found, items, same, COHERENCE)


def _formats(config: EvalFolder, base: Iterable[str]) -> set[str]:
    """Those that base models were asked in."""
    shards = [shard for subject in base for shard in present(config.of(subject))]
    return set(tables.read(shards, "records", ["format"])["format"])
