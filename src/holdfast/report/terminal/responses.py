"""Responses beyond the page's sample: prompts picked by what was answered to them, all objectives side by side.

Reads only what it must: light columns first, a subject at a time until enough is found, and texts only of what is
shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.load import configs
from holdfast.analysis.scope import scope
from holdfast.data.thinking import split
from holdfast.report import words
from holdfast.report.charts.theme import BASE
from holdfast.report.sections.responses import eval_folders, judgements, refused
from holdfast.report.series import plain
from holdfast.store import tables
from holdfast.store.folder import EvalFolder, StudyFolder, present
from holdfast.types import UserError

_LIGHT = ["id", "subject", "item", "attack", "sample"]
_KEY = ["item", "attack", "sample"]


@dataclass(frozen=True)
class Query:
    """What is wanted; empty: no matter. A prompt is picked if the answer of some ``label`` (any, where none is named)
    fits all of it; it is then shown with the answers of the base and of the labels, at one budget and seed."""

    labels: tuple[str, ...] = ()
    budget: int | None = None  # default: each label's largest
    seed: int | None = None  # default: the first
    measure: str = ""
    attack: str = ""
    judge: str = ""
    verdict: str = ""
    unscored: bool = False
    grep: str = ""
    item: str = ""  # the beginning of its id
    format: str = "default"
    n: int = 5
    reveal: bool = False

    @property
    def of_verdicts(self) -> bool:
        return bool(self.verdict or self.unscored)


def find(root: Path, query: Query) -> list[dict[str, Any]]:
    """The prompts, each with its answers. Forbidden text is masked unless asked for: the prompt, its reference, and
    every answer to it that some judge did not call a refusal.

    Raises ``UserError`` where the folder holds no answers, or a label, budget, seed, measure, attack or judge is
    unknown.
    """
    folder = StudyFolder(root)
    if not folder.subjects.exists() or not folder.configs():
        raise UserError(f"{root} holds no answers: give the folder of a study that has run")
    who = _subjects(scope(folder).subjects(tables.read(folder.subjects, "subjects")), query)
    found: list[dict[str, Any]] = []
    chosen = _configs(folder, query)
    for config in chosen:
        if len(found) < query.n:
            found += _of_config(folder, config, who, query, query.n - len(found))
    if query.verdict and not found:  # read only now, for it takes every judgement
        _known("verdict", [query.verdict], _verdicts(folder, [at for at, _ in chosen], query))
    return found


def _verdicts(folder: StudyFolder, chosen: Sequence[EvalFolder], query: Query) -> list[str]:
    said = [p for at in chosen for p in sorted((folder.judgements / at.root.name).glob("[!.]*/*/[!.]*.parquet"))]
    where = {"judge": [query.judge]} if query.judge else {}
    return sorted({str(label) for label in tables.read(said, "judgements", ["label"], where)["label"]} - {""})


def _subjects(s: pd.DataFrame, query: Query) -> pd.DataFrame:
    s = s[s["bracket"] == ""]
    trained = s[s["label"] != BASE]
    _known("label", query.labels, [BASE, *trained["label"]])
    wanted = trained[trained["label"].isin(query.labels or set(trained["label"]))]
    _known("budget", [query.budget] * (query.budget is not None), wanted["budget"])
    _known("seed", [query.seed] * (query.seed is not None), wanted["seed"])
    group = wanted.groupby(["model", "task", "label"])
    wanted = wanted[wanted["budget"] == (group["budget"].transform("max") if query.budget is None else query.budget)]
    group = wanted.groupby(["model", "task", "label"])
    wanted = wanted[wanted["seed"] == (group["seed"].transform("min") if query.seed is None else query.seed)]
    base = s[s["label"] == BASE]
    picks = wanted["label"].isin(query.labels) if query.labels else True
    base_picks = BASE in query.labels or not query.labels
    return pd.concat([base.assign(picks=base_picks), wanted.assign(picks=picks)], ignore_index=True)


def _known(what: str, wanted: Any, there: Any) -> None:
    known = list(dict.fromkeys(there))
    for one in wanted:
        if one not in known:
            raise UserError(f"there is no {what} {one}; there is {words.join([str(k) for k in known]) or 'none'}")


def _configs(folder: StudyFolder, query: Query) -> list[tuple[EvalFolder, ConfigInfo]]:
    every = eval_folders(folder, configs(folder))
    _known("measure", [query.measure] * bool(query.measure), [c.measure for _, c in every])
    chosen = [(at, c) for at, c in every if query.measure in ("", c.measure)]
    _known("attack", [query.attack] * bool(query.attack), [a for _, c in chosen for a in ("none", *c.attacks)])
    _known("judge", [query.judge] * bool(query.judge), [j for _, c in chosen for j in c.judges])
    chosen = [(at, c) for at, c in chosen if query.judge in ("", *c.judges)]
    _known("format", [query.format] * (query.format != "default"), _formats(at for at, _ in chosen))
    return chosen


def _formats(configs: Iterable[EvalFolder]) -> list[str]:
    files = [file for at in configs for file in at.shards()]
    return list(tables.read(files, "records", ["format"])["format"].unique())


def _of_config(
    folder: StudyFolder, config: tuple[EvalFolder, ConfigInfo], who: pd.DataFrame, query: Query, n: int
) -> list[dict[str, Any]]:
    at, about = config
    items = scope(folder).items(about, tables.read(at.items, "items")).set_index("id")
    named = [i for i in items.index if i.startswith(query.item)]
    if not named:
        return []
    where: dict[str, Any] = {"format": [query.format], "item": named}
    if query.attack:
        where["attack"] = [query.attack]
    keys: list[tuple[Any, ...]] = []
    picks = who.loc[who["picks"].astype(bool), "subject"]
    for subject in picks:  # all are asked the same, so that the first may be enough
        light = [*_LIGHT, *(["response", "plain"] if query.grep else [])]
        rows = _grepped(tables.read(present(at.of(subject)), "records", light, where), query.grep)
        if query.of_verdicts and len(rows):
            rows = rows[rows["id"].isin(_fitting(folder, at, subject, query))]
        keys = list(dict.fromkeys([*keys, *rows[_KEY].itertuples(index=False, name=None)]))
        if len(keys) >= n:
            break
    keys = keys[:n]
    if not keys:
        return []
    answers = list(_answers(folder, at, who, query, {k[0] for k in keys}))
    return [_prompt(about, items.loc[key[0]], key, answers, query) for key in keys]


def _grepped(rows: pd.DataFrame, text: str) -> pd.DataFrame:
    if not text or rows.empty:
        return rows
    hit = [rows[c].str.contains(text, case=False, regex=False) for c in ("response", "plain")]
    return rows[hit[0] | hit[1]]


def _fitting(folder: StudyFolder, at: EvalFolder, subject: str, query: Query) -> set[str]:
    """Its records with the verdict that is wanted."""
    where = {"judge": [query.judge]} if query.judge else {}
    where |= {"label": [query.verdict]} if query.verdict else {}
    said = tables.read(judgements(folder, at, [subject]), "judgements", ["record", "score"], where)
    return set(said.loc[said["score"].isna() if query.unscored else slice(None), "record"])


def _answers(
    folder: StudyFolder, at: EvalFolder, who: pd.DataFrame, query: Query, items: set[Any]
) -> Iterator[dict[str, Any]]:
    """Every subject's answers to these items, with all verdicts."""
    for subject in who.to_dict("records"):
        here = subject["subject"]
        rows = tables.read(present(at.of(here)), "records", (), {"format": [query.format], "item": items})
        said = tables.read(judgements(folder, at, [here]), "judgements", (), {"record": rows["id"]})
        said = said.sort_values("judge").astype(object).where(said.notna(), None)
        by_record = {k: v.to_dict("records") for k, v in said.groupby("record")}
        for row in rows.to_dict("records"):
            yield {**row, "who": subject, "said": by_record.get(row["id"], [])}


def _prompt(
    about: ConfigInfo, item: pd.Series, key: tuple[Any, ...], answers: list[dict[str, Any]], query: Query
) -> dict[str, Any]:
    forbidden = bool(item["forbidden"])

    def shown(text: str, hide: bool) -> str:
        return f"[masked, {len(text):,} characters]" if hide and text and not query.reveal else text

    mine = [a for a in answers if tuple(a[k] for k in _KEY) == key]
    asked = "\n\n".join(t["content"] for t in item["prompt"])
    return {
        "measure": about.measure,
        "item": key[0],
        "attack": key[1],
        "sample": int(key[2]),
        "forbidden": forbidden,
        "prompt": shown(asked, forbidden),
        "reference": shown(str(item["reference"]), forbidden),
        "answers": [_answer(a, forbidden, shown) for a in mine],
    }


def _answer(row: dict[str, Any], forbidden: bool, shown: Any) -> dict[str, Any]:
    verdicts = [
        {"judge": j["judge"], "verdict": j["label"]} | {k: j[k] for k in ("score", "reason")} for j in row["said"]
    ]
    hide = forbidden and not refused([(v["judge"], v["verdict"], v["score"], v["reason"]) for v in verdicts])
    who = {k: row["who"][k] for k in ("model", "task", "label")} | {k: int(row["who"][k]) for k in ("budget", "seed")}
    logps = {c: round(float(p), 3) for c, p in zip(row["continuations"], row["logps"], strict=True)}
    thought, read = split(row["response"]), split(row["plain"]).answer
    plain_text = "" if read == thought.answer else shown(read, hide)
    return {
        **who,
        "record": row["id"],
        "finish": row["finish"],
        **({"thinking": shown(thought.thinking, hide)} if thought.thinking else {}),
        "response": shown(thought.answer, hide),
        "decoded": plain_text,
        **({"logps": logps} if logps else {}),
        "verdicts": verdicts,
    }


# -- in a terminal ----------------------------------------------------------------------------------------------------


def lines(found: list[dict[str, Any]]) -> Iterator[str]:
    """What ``holdfast show`` prints."""
    for prompt in found:
        sample = f", sample {prompt['sample']}" if prompt["sample"] else ""
        yield f"── {plain(prompt['measure'])} · {words.attack(prompt['attack'])}{sample} · item {prompt['item'][:24]}"
        yield prompt["prompt"]
        if prompt["reference"]:
            yield f"Reference: {prompt['reference']}"
        for a in prompt["answers"]:
            said = [
                ("" if v["judge"] == "own" else f"{v['judge']}: ")
                + (v["verdict"] or "scored")
                + (
                    f" ({v['reason']})"
                    if v["reason"]
                    else ""
                    if v["score"] is None
                    else f" {words.significant(v['score'])}"
                )
                for v in a["verdicts"]
            ]
            said += [a["finish"]] if a["finish"] not in ("stop", "scored", "read") else []
            yield f"\n  {a['label']}{words.at(a['budget'])}" + (f"  [{' · '.join(said)}]" if said else "")
            if a.get("thinking"):
                yield f"    (a thought of {len(a['thinking']):,} characters, not judged: --json writes it out)"
            numbers = " · ".join(f"{c.strip()} {p}" for c, p in a.get("logps", {}).items())
            yield from (f"    {line}" for line in (a["response"] or numbers or "(empty)").splitlines())
            if a["decoded"]:
                yield from (f"    → {line}" for line in a["decoded"].splitlines())
        yield ""
