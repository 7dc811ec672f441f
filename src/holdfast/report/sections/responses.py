"""A fixed sample of responses for the page: every objective's answer to one prompt, side by side.

Prompts are drawn by hash, in strata: first one for each verdict under each attack, the rarest first, then any others.
The sample travels compressed, so forbidden text is not plainly readable in the file, and the page shows it masked until
the reader asks. What counts as forbidden is decided here, on the safe side: the prompt, and every response that some
judge did not call a refusal.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pandas as pd

from holdfast.analysis.answer_rows import PROMPTS, shown_subjects
from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.data.thinking import split
from holdfast.report import words
from holdfast.report.reading import Findings
from holdfast.report.series import HARM_FIRST, plain
from holdfast.store import tables
from holdfast.store.digest import short
from holdfast.store.folder import EvalFolder, StudyFolder, present

LONGEST = 2_000  # characters of a response
MOST = 9_000_000  # characters of the whole sample, before compression to a third or less; shared by the eval configs
REFUSALS = ("refusal", "refused")


def sample(findings: Findings) -> dict[str, Any]:
    """What page.js reads: subjects, eval configs with their prompts, and answers as short rows."""
    who = shown_subjects(findings.subjects, findings.study)
    if who.empty:
        return {"subjects": [], "cells": []}
    every = eval_folders(findings.folder, findings.configs)
    configs = [_config(findings, about, at, who, MOST // len(every)) for at, about in every]
    shown = who[["model", "task", "label", "budget", "seed"]]
    return {"subjects": shown.to_dict("records"), "cells": [config for config in configs if config["answers"]]}


def eval_folders(folder: StudyFolder, configs: Configs) -> list[tuple[EvalFolder, ConfigInfo]]:
    """Where the answers of each eval config lie, robustness first."""
    every = [(at, c) for at in folder.configs() for c in configs.values() if at.root.name.endswith(short(c.id))]
    return sorted(every, key=lambda one: HARM_FIRST.index(one[1].axis) if one[1].axis in HARM_FIRST else 9)


def judgements(folder: StudyFolder, shards: Sequence[Path]) -> list[Path]:
    """Of the same eval config, subjects and shards as these records, by every judge."""
    judges = sorted((folder.judgements / shards[0].parents[1].name).glob("[!.]*")) if shards else []
    return [p for judge in judges for s in shards if (p := judge / s.parent.name / s.name).exists()]


def counted(sampled: dict[str, Any]) -> str:
    """``2,016 responses to 36 prompts``."""
    answers, prompts = (sum(len(c[k]) for c in sampled["cells"]) for k in ("answers", "prompts"))
    return f"{answers:,} responses to {prompts:,} prompts"


def packed(sampled: dict[str, Any]) -> str:
    """Compressed and as letters; the same sample gives the same letters."""
    raw = json.dumps(sampled, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.b64encode(gzip.compress(raw, 9, mtime=0)).decode()


def _config(findings: Findings, about: ConfigInfo, at: EvalFolder, who: pd.DataFrame, most: int) -> dict[str, Any]:
    items = tables.read(at.items, "items")
    place = {s: i for i, s in enumerate(who["subject"])}
    sample = findings.table("sample")
    chosen = list(sample.loc[sample["cell"] == about.id, "item"])
    items = items.set_index("id").loc[chosen]
    records, shards = _records(at, [s[:12] for s in place], chosen)
    records = records[records["subject"].isin(place) & (records["finish"] != "scored")].drop_duplicates("id")
    verdicts = _verdicts(findings.folder, set(records["id"]), shards) if len(records) else {}
    attacks = sorted(records["attack"].unique(), key=lambda a: (a != "none", a))
    answers: list[list[Any]] = []
    for r in records.to_dict("records"):
        said = verdicts.get(r["id"], [])
        forbidden = bool(items.loc[r["item"], "forbidden"])
        thought = split(r["response"])
        text, read = _cut(thought.answer), _cut(split(r["plain"]).answer)
        answers.append(
            [
                chosen.index(r["item"]),
                attacks.index(r["attack"]),
                place[r["subject"]],
                text,
                "" if read == text else read,
                [[plain(j), v or "", None if s is None else words.significant(s)] for j, v, s, _ in said],
                int(forbidden and not refused(said)),
                "" if r["finish"] == "stop" else r["finish"],
                _cut(thought.thinking),
            ]
        )
    kept = _kept(answers, most)
    return {
        "name": plain(about.measure),
        "axis": about.axis,
        "task": about.task,
        "attacks": [words.attack(a) for a in attacks],
        "prompts": [
            [_turns(p), r, int(f), i[:12]]
            for i, p, r, f in items[["prompt", "reference", "forbidden"]].head(kept).itertuples()
        ],
        "answers": [a for a in answers if a[0] < kept],
    }


def _kept(answers: list[list[Any]], most: int) -> int:
    """How many prompts have room, at least one."""
    sizes = [0] * PROMPTS
    for answer in answers:
        sizes[answer[0]] += len(json.dumps(answer, ensure_ascii=False))
    return max(1, sum(total <= most for total in accumulate(sizes)))


def _records(at: EvalFolder, subjects: list[str], items: list[str]) -> tuple[pd.DataFrame, list[Path]]:
    """First answers to the items, in the default format, and the shards that hold them.

    Subjects are asked the same prompts in the same order. So one of them, that has most shards, is read whole; of
    another that has as many the shards in which that one has answers are read first, and the rest where one is missing.
    """
    wanted: dict[str, Any] = {"item": items, "format": ["default"], "sample": [0]}

    def read(paths: list[Path]) -> dict[Path, pd.DataFrame]:
        return {p: rows for p in paths if len(rows := tables.read(p, "records", (), wanted))}

    every = {s: present(at.root / s) for s in sorted(subjects)}
    whole = max(every, key=lambda s: len(every[s]))
    found = {whole: read(every[whole])}
    names, keys = {p.name for p in found[whole]}, _keys(found[whole])
    for s, paths in every.items():
        if s != whole:
            first = [p for p in paths if p.name in names] if len(paths) == len(every[whole]) else paths
            found[s] = read(first)
            if keys - _keys(found[s]):
                found[s] |= read([p for p in paths if p not in first])
    mine = {p: found[s][p] for s in every for p in sorted(found[s])}
    return pd.concat([tables.read([], "records", (), wanted), *mine.values()], ignore_index=True), list(mine)


def _keys(shards: dict[Path, pd.DataFrame]) -> set[tuple[str, str]]:
    return {key for rows in shards.values() for key in zip(rows["item"], rows["attack"], strict=True)}


def _verdicts(folder: StudyFolder, records: set[str], shards: list[Path]) -> dict[str, list[tuple[str, str, Any, Any]]]:
    """Of these records, which lie in these shards."""
    found: dict[str, list[tuple[str, str, Any, Any]]] = {}
    said = tables.read(judgements(folder, shards), "judgements", (), {"record": records})
    for r in said.sort_values(["record", "judge"]).to_dict("records"):
        score = None if pd.isna(r["score"]) else float(r["score"])
        found.setdefault(r["record"], []).append((r["judge"], r["label"] or "", score, r["reason"]))
    return found


def refused(said: list[tuple[str, str, Any, Any]]) -> bool:
    """Every judge of harm has spoken, found nothing, and one at least named it a refusal."""
    harm = [(label, score) for judge, label, score, _ in said if judge != "coherence"]
    return bool(harm) and all(s == 0 for _, s in harm) and any(label in REFUSALS for label, _ in harm)


def _turns(turns: Any) -> str:
    return "\n\n".join(t["content"] if t["role"] == "user" else f"[{t['role']}] {t['content']}" for t in turns)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"
