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
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any

import pandas as pd

from holdfast.analysis.answer_rows import PROMPTS, shown_subjects
from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.data.thinking import split
from holdfast.report import words
from holdfast.report.reading import Findings
from holdfast.report.sections import rounds
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


def judgements(folder: StudyFolder, at: EvalFolder, subjects: Iterable[str]) -> list[Path]:
    """The files of every judge's verdicts on these subjects' answers there."""
    judges = sorted((folder.judgements / at.root.name).glob("[!.]*"))
    return [p for judge in judges for s in subjects for p in present(judge / short(s))]


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
    first: dict[str, Any] = {"item": chosen, "format": ["default"], "sample": [0]}
    records = tables.read([p for s in sorted(place) for p in present(at.of(s))], "records", (), first)
    records = records[records["subject"].isin(place) & ~records["finish"].isin(("scored", "read"))].drop_duplicates(
        "id"
    )
    verdicts = _verdicts(judgements(findings.folder, at, place), records["id"]) if len(records) else {}
    attacks = sorted(records["attack"].unique(), key=lambda a: (a != "none", a))
    talks = _talks(findings, about, at, place, items)
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
                *([talk] if (talk := talks.get((r["item"], r["attack"], r["subject"]))) else []),
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


def _talks(
    findings: Findings, about: ConfigInfo, at: EvalFolder, who: Iterable[str], items: pd.DataFrame
) -> dict[rounds.Key, list[list[Any]]]:
    """What was said before the answers of attacks of several rounds: asked, answered, whether that is masked."""
    mine = findings.estimates[findings.estimates["measure"] == about.measure]
    if not any(map(rounds.round_of, mine["format"].unique())):
        return {}
    wanted: dict[str, Any] = {"item": list(items.index), "format": rounds.earlier_formats(), "sample": [0]}
    records = tables.read([p for s in sorted(who) for p in present(at.of(s))], "records", (), wanted)
    if records.empty:
        return {}
    verdicts = _verdicts(judgements(findings.folder, at, who), records["id"])
    return {
        key: [
            [_cut(asked), _cut(said), int(bool(items.loc[key[0], "forbidden"]) and not refused(verdicts.get(id, [])))]
            for asked, said, id in talk
        ]
        for key, talk in rounds.transcripts(findings, about, at, records.drop_duplicates("id"), items).items()
    }


def _kept(answers: list[list[Any]], most: int) -> int:
    """How many prompts have room, at least one."""
    sizes = [0] * PROMPTS
    for answer in answers:
        sizes[answer[0]] += len(json.dumps(answer, ensure_ascii=False))
    return max(1, sum(total <= most for total in accumulate(sizes)))


def _verdicts(files: list[Path], records: Iterable[str]) -> dict[str, list[tuple[str, str, Any, Any]]]:
    """Of these records."""
    found: dict[str, list[tuple[str, str, Any, Any]]] = {}
    said = tables.read(files, "judgements", (), {"record": list(records)})
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
