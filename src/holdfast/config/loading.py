"""A study as YAML: in, with every mistake said in one sentence, and out."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from holdfast.config.messages import sentence
from holdfast.config.study import SCHEMA, Study
from holdfast.store import documents
from holdfast.store.files import write_text
from holdfast.store.folder import StudyFolder
from holdfast.store.sources import local
from holdfast.types import UserError

# ``${NAME}``, ``${NAME:-default}``, and ``$${`` for the two characters themselves.
_VARIABLE = re.compile(r"\$(\$\{)|\$\{(\w+)(?::-([^}]*))?\}")


def presets() -> list[str]:
    """Names of the studies that are shipped."""
    folder = resources.files("holdfast.config") / "presets"
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


def load(path_or_preset: str | Path) -> Study:
    """A study from a file, a preset's name, or a folder that holds a ``study.yaml``. A preset's name comes first."""
    if str(path_or_preset) in presets():
        text = (resources.files("holdfast.config") / "presets" / f"{path_or_preset}.yaml").read_text(encoding="utf-8")
        return parse(text, f"preset {path_or_preset}")
    path = local(str(path_or_preset))
    if path.is_dir():
        path = path / "study.yaml"
    if not path.exists():
        raise UserError(f"there is no study at {path}; give a file, or a preset: {', '.join(presets())}")
    return parse(documents.read_text(path, documents.MAX_BYTES), str(path))


def finished(folder: StudyFolder) -> Study:
    """The study of a folder that has come to its estimates. Raises UserError where there is none, or it has not."""
    root = folder.root
    if not folder.study_yaml.is_file():
        raise UserError(f"{root} is no study's folder: it has no study.yaml; give the folder that a study ran in")
    if not folder.estimates_parquet.exists():
        raise UserError(f"{root} has no estimates yet; run `holdfast run {root}` (or `holdfast analyse {root}`) first")
    return load(folder.study_yaml)


def parse(text: str, where: str = "study") -> Study:
    """A study from YAML text; ``where`` is named in what is said of mistakes."""
    raw = _plain(text, where)
    if not isinstance(raw, dict):
        raise UserError(f"{where} holds no study: the file must be a mapping with the keys name, models, tasks, …")
    version = raw.get("schema", SCHEMA)
    if isinstance(version, int) and version > SCHEMA:
        raise UserError(f"{where} has schema {version} and this holdfast reads up to {SCHEMA}; upgrade holdfast")
    try:
        return Study.model_validate(_expand(raw, where))
    except ValidationError as e:
        raise UserError(f"{where}: {sentence(e)}") from None


def dump(study: Study) -> str:
    """The whole study, defaults included; ``parse`` gives the same study back."""
    plain = _map_text(study.model_dump(mode="json", by_alias=True), lambda s: s.replace("${", "$${"))
    return documents.dump_yaml(plain)


def save(study: Study, path: Path) -> None:
    write_text(path, dump(study))


@lru_cache(maxsize=8)
def _plain(text: str, where: str) -> Any:
    """A study is read many times, by every table of its analysis; what is returned is never changed."""
    return documents.parse_yaml(text, where)


def _expand(raw: Any, where: str) -> Any:
    def value(match: re.Match[str]) -> str:
        literal, name, default = match.groups()
        if literal:
            return literal
        found = os.environ.get(name) or default
        if found is None:
            raise UserError(
                f"{where} uses ${{{name}}}, which is not set; set it, or write ${{{name}:-default}} in the file"
            )
        return found

    return _map_text(raw, lambda s: _VARIABLE.sub(value, s))


def _map_text(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {k: _map_text(v, change) for k, v in value.items()}
    if isinstance(value, list):
        return [_map_text(v, change) for v in value]
    return value
