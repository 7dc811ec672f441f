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
from itertools import accumulate
from typing import Any

import pandas as pd

from holdfast.analysis.frame import judges
from holdfast.data.thinking import split
from holdfast.report import speak
from holdfast.report.headline import plain
from holdfast.report.reading import Findings
from holdfast.report.theme import BASE
from holdfast.store import tables
from holdfast.store.digest import digest
from holdfast.store.folder import CellFolder

PROMPTS = 12  # of each cell
LONGEST = 2_000  # characters of a response
MOST = 9_000_000  # characters of the whole sample, before compression to a third or less; shared by the cells
REFUSALS = ("refusal", "refused")


def sample(findings: Findings) -> dict[str, Any]:
    """What page.js reads: subjects, cells with their prompts, and answers as short rows."""
    who = _subjects(findings)
    if who.empty:
        return {"subjects": [], "cells": []}
    every = [
        (at, c) for at in findings.folder.cells() for i, c in findings.cells.items() if at.root.name.endswith(i[:12])
    ]
    cells = [_cell(findings, about, at, who, MOST // len(every)) for at, about in every]
    cells = [cell for cell in cells if cell["answers"]]
    axes = ("robustness", "capability", "persona", "normative")
    cells.sort(key=lambda c: axes.index(c["axis"]) if c["axis"] in axes else len(axes))
    shown = who[["model", "task", "label", "budget", "seed"]]
    return {"subjects": shown.to_dict("records"), "cells": cells}


def counted(sampled: dict[str, Any]) -> str:
    """``2,016 responses to 36 prompts``."""
    answers, prompts = (sum(len(c[k]) for c in sampled["cells"]) for k in ("answers", "prompts"))
    return f"{answers:,} responses to {prompts:,} prompts"


def packed(sampled: dict[str, Any]) -> str:
    """Compressed and as letters; the same sample gives the same letters."""
    raw = json.dumps(sampled, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.b64encode(gzip.compress(raw, 9, mtime=0)).decode()


def _subjects(findings: Findings) -> pd.DataFrame:
    """The base and, of every objective, the first seed's checkpoints and the other seeds' last ones."""
    s = findings.subjects
    order = {label: i for i, label in enumerate((BASE, *findings.labels))}
    s = s[(s["bracket"] == "") & s["label"].isin(order) & s["seed"].isin((-1, *findings.study.draws))]
    last = s.groupby(["model", "task"])["budget"].transform("max")
    s = s[s["seed"].isin((-1, findings.study.draws[0])) | (s["budget"] == last)]
    return s.sort_values(
        ["model", "task", "seed", "budget", "label"], key=lambda c: c.map(order) if c.name == "label" else c
    )


def _cell(findings: Findings, about: Any, at: CellFolder, who: pd.DataFrame, most: int) -> dict[str, Any]:
    items = tables.read(at.items, "items")
    planned = findings.frame.loc[findings.frame["cell"] == about["cell"], "item"]
    items = items[items["id"].isin(planned)]
    place = {s: i for i, s in enumerate(who["subject"])}
    chosen = _chosen(findings, about, set(place), list(items["id"]))
    items = items.set_index("id").loc[chosen]
    short = {s[:12] for s in place}
    shards = [p for p in at.shards() if p.parent.name in short]
    wanted = {"subject": place, "item": chosen, "format": ["default"], "sample": [0]}
    records = tables.read(shards, "records", (), wanted).drop_duplicates("id")
    records = records[records["finish"] != "scored"]
    verdicts = _verdicts(findings, set(records["id"]), at, short) if len(records) else {}
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
                [[plain(j), v or "", None if s is None else speak.significant(s)] for j, v, s, _ in said],
                int(forbidden and not refused(said)),
                "" if r["finish"] == "stop" else r["finish"],
                _cut(thought.thinking),
            ]
        )
    kept = _kept(answers, most)
    return {
        "name": plain(about["measure"]),
        "axis": about["axis"],
        "task": about.get("task") or "",
        "attacks": [speak.attack(a) for a in attacks],
        "prompts": [
            [_turns(p), r, int(f), i[:12]]
            for i, p, r, f in items[["prompt", "reference", "forbidden"]].head(kept).itertuples()
        ],
        "answers": [a for a in answers if a[0] < kept],
    }


def _chosen(findings: Findings, about: Any, subjects: set[str], items: list[str]) -> list[str]:
    """The prompts of a cell, in the order in which they are kept."""
    order = sorted(items, key=lambda i: digest(["shown", i]))
    f = findings.frame
    f = f[(f["cell"] == about["cell"]) & (f["judge"] == judges(about)[0]) & (f["format"] == "default")]
    f = f[f["subject"].isin(subjects) & (f["sample"] == 0)]
    strata = {key: set(rows) for key, rows in f.groupby(["attack", "verdict"])["item"]}
    chosen: list[str] = []
    for key in sorted(strata, key=lambda key: (len(strata[key]), key)):
        if not strata[key] & set(chosen):
            chosen.append(next(i for i in order if i in strata[key]))
    return [*chosen, *(i for i in order if i not in chosen)][:PROMPTS]


def _kept(answers: list[list[Any]], most: int) -> int:
    """How many prompts have room, at least one."""
    sizes = [0] * PROMPTS
    for answer in answers:
        sizes[answer[0]] += len(json.dumps(answer, ensure_ascii=False))
    return max(1, sum(total <= most for total in accumulate(sizes)))


def _verdicts(
    findings: Findings, records: set[str], at: CellFolder, short: set[str]
) -> dict[str, list[tuple[str, str, Any, Any]]]:
    found: dict[str, list[tuple[str, str, Any, Any]]] = {}
    of_cell = (findings.folder.judgements / at.root.name).glob("[!.]*/*/[!.]*.parquet")
    paths = sorted(p for p in of_cell if p.parent.name in short)
    said = tables.read(paths, "judgements", (), {"record": records})
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
