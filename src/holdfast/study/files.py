"""A study as YAML: in, with every mistake said in one sentence, and out."""

from __future__ import annotations

import os
import re
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from holdfast.spec import SCHEMA, Study
from holdfast.store.files import write_text
from holdfast.study.sentences import sentence
from holdfast.words import UserError

# ``${NAME}``, ``${NAME:-default}``, and ``$${`` for the two characters themselves.
_VARIABLE = re.compile(r"\$(\$\{)|\$\{(\w+)(?::-([^}]*))?\}")


def presets() -> list[str]:
    """Names of the studies that are shipped."""
    folder = resources.files("holdfast.study") / "presets"
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


def load(path_or_preset: str | Path) -> Study:
    """A study from a file, a preset's name, or a folder that holds a ``study.yaml``. A preset's name comes first."""
    if str(path_or_preset) in presets():
        text = (resources.files("holdfast.study") / "presets" / f"{path_or_preset}.yaml").read_text(encoding="utf-8")
        return parse(text, f"preset {path_or_preset}")
    path = Path(path_or_preset).expanduser()
    if path.is_dir():
        path = path / "study.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"there is no study at {path}; give a file, or a preset: {', '.join(presets())}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file in UTF-8") from None
    return parse(text, str(path))


def parse(text: str, where: str = "study") -> Study:
    """A study from YAML text; ``where`` is named in what is said of mistakes."""
    try:
        raw = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as e:
        raise UserError(f"{where} is not valid YAML: {_yaml_problem(e)}") from None
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
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def save(study: Study, path: Path) -> None:
    write_text(path, dump(study))


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


class _Loader(yaml.SafeLoader):
    """YAML with each key once, ``2e-4`` as a number, and dates left as text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} stands there twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Writes what ``_Loader`` reads; short lists of numbers on one line."""

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        plain = all(isinstance(v, (int, float)) for v in sequence)
        return super().represent_sequence(tag, sequence, flow_style=True if plain else flow_style)

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _kind in (_Loader, _Dumper):
    _kind.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
        for first, found in _kind.yaml_implicit_resolvers.items()
    }
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
    )


def _yaml_problem(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    mark = getattr(error, "problem_mark", None)
    return f"{problem} (line {mark.line + 1})" if mark else problem
