"""The sheet that people label: a stratified sample of a study's responses, blind, with its weights kept beside it."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

import pandas as pd

from holdfast import registry
from holdfast.analysis import load, sampling
from holdfast.evals.judges.humans import key_of
from holdfast.store import tables
from holdfast.store.defuse import csv
from holdfast.store.files import write_text
from holdfast.store.folder import StudyFolder
from holdfast.types import Record, UserError


def sample(study: Path, n: int, to: Path, measure: str = "", seed: int = 0) -> pd.DataFrame:
    """Writes a blind sheet of ``n`` responses of a study (CSV: id, prompt, response, label, rater) and, beside it, the
    key that keeps strata and weights. Returns the key. Raises ``UserError``; a sheet that is there is not overwritten.
    """
    folder = StudyFolder(study)
    if to.exists():
        raise UserError(f"{to} is there already, and may hold people's labels; choose another name")
    if not folder.judgement_shards():
        raise UserError(f"nothing is judged in {study}; run `holdfast judge {study}` first")
    about = load.configs(folder)
    measures = sorted({str(c.measure) for c in about.values()})
    if measure and measure not in measures:
        raise UserError(f"the study has no measure {measure}; {registry.close(measure, measures)}")
    found = sampling.candidates(load.load_records(folder), about, measure)
    texts = _texts(folder, set(found["record"]))
    found = found[found["record"].isin(texts.keys())]
    if found.empty:
        raise UserError(f"{measure or study} has no responses to label: its answers are probabilities of choices")
    drawn = sampling.draw(found, n, seed)
    rows = [(id, *texts[id], "", "") for id in drawn["record"]]
    sheet = pd.DataFrame(rows, columns=["id", "prompt", "response", "label", "rater"])
    key = drawn.rename(columns={"record": "id"})[["id", "weight", "stratum", *sampling.STRATA]]
    write_text(key_of(to), csv(key))
    write_text(to, csv(sheet))
    return key


def _texts(folder: StudyFolder, planned: Set[str]) -> dict[str, tuple[str, str]]:
    """Prompt and response, as a judge reads them, of every one of these records that is a response."""
    found: dict[str, tuple[str, str]] = {}
    for config in folder.configs():
        items = tables.read(config.items, "items").set_index("id")["prompt"]
        prompts = {id: "\n\n".join(turn["content"] for turn in turns) for id, turns in items.items()}
        records = (r for r in tables.read_rows(config.shards(), "records", Record) if r.id in planned)
        found |= {r.id: (prompts[r.item], r.plain) for r in records if not r.continuations and r.plain}
    return found
