"""What a study's models and given adapters bring along that is not as it looks: a sentence each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from holdfast.runs.materials import Materials
from holdfast.store.adapter_files import adapter_config, foreign
from holdfast.store.model_files import json_object
from holdfast.store.sources import adapter_folder, is_hub_id, model_folder
from holdfast.types import UserError

# How a ``generation_config.json`` would have a response drawn, and what leaves it as it is (transformers' defaults).
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "do_sample": (False,),
    "temperature": (1, 1.0),
    "top_p": (1, 1.0),
    "top_k": (50, 0),
    "min_p": (0,),
    "typical_p": (1, 1.0),
    "epsilon_cutoff": (0,),
    "eta_cutoff": (0,),
    "repetition_penalty": (1, 1.0),
    "encoder_repetition_penalty": (1, 1.0),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "penalty_alpha": (0,),
    "no_repeat_ngram_size": (0,),
    "num_beams": (1,),
    "guidance_scale": (1, 1.0),
    "suppress_tokens": ([],),
    "begin_suppress_tokens": ([],),
    "bad_words_ids": ([],),
    "sequence_bias": ({}, []),
}


def of(materials: Materials) -> list[str]:
    """Of what is on this machine. Raises UserError for a local folder that is broken or does not fit its base."""
    notes, study = [], materials.study
    folders = {n: _here(model_folder, s.path, revision=s.revision) for n, s in materials.speakers.items()}
    for name, folder in folders.items():
        if folder and (said := _ignored(folder)):
            notes.append(
                f"the generation_config.json of {name} sets {said}, which is not used: every model is asked in the one "
                "way that the measure says"
            )
    for given in study.given:
        model = given.model or study.models[0].name
        if (base := folders[model]) and given.adapter and (mine := _here(adapter_folder, given.adapter, base=base)):
            recorded = foreign(adapter_config(mine), model, materials.models[model].path, base)
            if recorded:
                notes.append(
                    f"the adapter {given.label} says that it was trained on {recorded}, and is measured on {model}: "
                    "make sure that the two are one model"
                )
    return notes


def _here(find: Callable[..., Path], path: str, **how: Any) -> Path | None:
    """The folder; None of what would have to be fetched from the hub."""
    try:
        return find(path, download=False, **how)
    except UserError:
        if is_hub_id(path):
            return None
        raise


def _ignored(folder: Path) -> str:
    file = folder / "generation_config.json"
    found = json_object(file) if file.is_file() else {}
    kept = {k: v for k, v in found.items() if k in _NEUTRAL and v is not None and v not in _NEUTRAL[k]}
    return ", ".join(f"{k}: {v}" if len(str(v)) <= 20 else k for k, v in kept.items())
