"""The one reader of every YAML and JSON document: studies, gates, rubrics, cards, settings of endpoints, rows.

A document says one thing or is refused, with its file and line. YAML is read by the core schema of YAML 1.2
(yaml.org/spec/1.2.2, section 10.3) without what two readers would read as two things: each key stands once, numbers are
plain decimals, dates are text, and there are no tags. ``01500``, ``0x1f``, ``1:30`` and ``yes`` are numbers or truth
values to some readers and text to others: they are refused, and quotes make them text.

Sizes and nesting are bounded *after* aliases are followed, so that nine lines cannot stand for a billion values.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from holdfast.store.files import read_bytes, reading
from holdfast.types import UserError

MAX_BYTES = 8 << 20  # of a YAML document; JSON documents of people's data may be longer
MAX_VALUES = 200_000  # of a YAML document, aliases followed
MAX_DEPTH = 60  # of mappings and lists in one another; Python's own stack ends at about 1000
MAX_DIGITS = 100  # of a whole number

_INT = r"[-+]?(?:0|[1-9]\d*(?:_\d+)*)"
_FLOAT = r"[-+]?(?:(?:0|[1-9]\d*(?:_\d+)*)(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_UNCLEAR = (  # what YAML 1.1, YAML 1.2 and people read differently, and what is no finite number
    r"[-+]?0[\d_]+(?:\.[\d_]*)?(?:[eE][-+]?\d+)?|[-+]?0[xob][\da-fA-F_]+|[-+]?\d[\d_]*(?:\.[\d_]*)?"
    r"|[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    r"|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF"
)
_TAG = "tag:yaml.org,2002:"
_RESOLVERS = (  # in order: what the first takes no later one is asked about
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", _INT, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
    ("unclear", _UNCLEAR, list("-+.0123456789yYnNoO")),
)


def read_text(path: Path | str, most: int | None = None) -> str:
    """A file's text, without a byte order mark. Raises UserError where it is missing, longer than ``most`` bytes, no
    UTF-8, or cannot be read."""
    path = Path(path)
    with reading(path):
        if most is not None and path.stat().st_size > most:
            raise UserError(
                f"{path} has {path.stat().st_size:,} bytes, and at most {most:,} are read; is it this file?"
            )
        data = read_bytes(path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise UserError(f"{path} is not UTF-8 text (byte {e.start}): save it as UTF-8") from None


def read_yaml(path: Path | str) -> Any:
    """What a YAML file says, as plain dicts, lists, texts, numbers, booleans and None. Raises UserError."""
    return parse_yaml(read_text(path, MAX_BYTES), str(path))


def parse_yaml(text: str, where: str) -> Any:
    """The same from text; ``where`` is named in what is said of mistakes."""
    if len(text) > MAX_BYTES:
        raise UserError(f"{where} has {len(text):,} characters, and at most {MAX_BYTES:,} are read")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.reader.ReaderError as e:
        line = text.count("\n", 0, e.position) + 1
        raise UserError(
            f"{where} is not valid YAML: the character #x{e.character:04x} may not stand in it (line {line})"
        ) from None
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        problem = getattr(e, "problem", None) or str(e).splitlines()[0]
        problem = f"{e.context}, {problem}" if problem.startswith("but ") else problem  # type: ignore[attr-defined]
        raise UserError(f"{where} is not valid YAML: {problem}{f' (line {mark.line + 1})' if mark else ''}") from None
    except (ValueError, OverflowError):  # the scanner's: "\UFFFFFFFF"
        raise UserError(f"{where} is not valid YAML: an escape in it stands for no character") from None


def dump_yaml(value: Any) -> str:
    """Text that ``parse_yaml`` reads as the same value; short lists of numbers on one line."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def read_json(path: Path | str, finite: bool = True) -> Any:
    """What a JSON file of the user's says, by ``parse_json``. Raises UserError naming file and line."""
    return parse_json(read_text(path), str(path), finite)


def parse_json(text: str, where: str, finite: bool = True) -> Any:
    """The same from text. Each key stands once; NaN and Infinity, which are no JSON, are read only without ``finite``
    (other people's rows hold them)."""
    try:
        value = json.loads(
            text,
            object_pairs_hook=_once,
            parse_int=_whole,
            parse_float=_finite if finite else float,
            parse_constant=_finite if finite else float,
        )
    except json.JSONDecodeError as e:
        line = f", line {e.lineno}" if "\n" in text.rstrip("\n") else ""
        raise UserError(f"{where}{line}: not valid JSON ({e.msg})") from None
    except RecursionError:
        raise UserError(f"{where}: not read as JSON: it is nested too deeply") from None
    except ValueError as e:
        raise UserError(f"{where}: not read as JSON: {e}") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise UserError(f"{where}: not read as JSON: it is nested more than {MAX_DEPTH} deep")
    if "\\u" in text and lone_surrogate(json.dumps(value, ensure_ascii=False)):
        raise UserError(f"{where}: not read as JSON: an escape (\\ud800 to \\udfff) stands for no character")
    return value


def lone_surrogate(text: str) -> bool:
    """Whether the text holds half a character, which no file in UTF-8 can."""
    return re.search("[\ud800-\udfff]", text) is not None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:60]!r} stands there twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a whole number has {len(digits)} digits, and at most {MAX_DIGITS} are read")
    return int(digits)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:30]} is no finite number")
    return number


def _depth(value: Any) -> int:
    """How deep mappings and lists lie in one another, without recursion."""
    deepest, left = 0, [(value, 1)]
    while left:
        one, depth = left.pop()
        if isinstance(one, (dict, list)):
            deepest = max(deepest, depth)
            left += [(v, depth + 1) for v in (one.values() if isinstance(one, dict) else one)]
    return deepest


class _Loader(yaml.SafeLoader):
    """Nodes are counted while they are composed, an alias as all that it stands for."""

    yaml_implicit_resolvers = {}  # type: ignore[misc]  # noqa: RUF012  # none of YAML 1.1's

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.depth = 0
        self.sizes: dict[int, int] = {}  # of whole nodes by their id
        self.deep: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if id(node) not in self.sizes:
                raise _refused(f"the alias *{event.anchor} stands inside what it names", event.start_mark)
            self._limit(self.depth + self.deep[id(node)], self.sizes[id(node)], event.start_mark)
            return node
        if getattr(event, "tag", None) is not None:
            raise _refused(f"the tag {str(event.tag)[:60]} is not read; write the plain value", event.start_mark)
        self.depth += 1
        self._limit(self.depth, 1, event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        inside: Any = [] if isinstance(node, yaml.ScalarNode) else node.value  # type: ignore[union-attr]
        inside = [n for pair in inside for n in pair] if isinstance(node, yaml.MappingNode) else inside
        self.sizes[id(node)] = 1 + sum(self.sizes[id(n)] for n in inside)
        self.deep[id(node)] = 1 + max((self.deep[id(n)] for n in inside), default=0)
        self._limit(0, self.sizes[id(node)], event.start_mark)
        return node

    def _limit(self, depth: int, size: int, mark: Any) -> None:
        if depth > MAX_DEPTH:
            raise _refused(f"it is nested more than {MAX_DEPTH} deep", mark)
        if size > MAX_VALUES:
            raise _refused(f"it stands for more than {MAX_VALUES:,} values", mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True) if key.tag != f"{_TAG}merge" else key.value
            if not isinstance(name, Hashable):
                raise _refused("a key is a mapping or a list; write a plain one", key.start_mark)
            if name in seen:
                raise _refused(f"the key {str(name)[:60]!r} stands there twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)

    def text(self, node: yaml.ScalarNode) -> str:
        text = str(self.construct_scalar(node))
        if "\0" in text:
            raise _refused("a text holds the character NUL, which no file's name or prompt can", node.start_mark)
        if lone_surrogate(text):  # JSON writes one character as two escapes
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
            if "\ufffd" in text:
                raise _refused("an escape (\\ud800 to \\udfff) stands for no character", node.start_mark)
        return text

    def whole(self, node: yaml.ScalarNode) -> int:
        return self._number(_whole, node)

    def real(self, node: yaml.ScalarNode) -> float:
        return self._number(_finite, node)

    def _number(self, read: Any, node: yaml.ScalarNode) -> Any:
        try:
            return read(node.value.replace("_", ""))
        except ValueError as e:
            raise _refused(str(e), node.start_mark) from None

    def unclear(self, node: yaml.ScalarNode) -> Any:
        if re.fullmatch(r"[-+]?\.\w+", node.value):
            raise _refused(f"{node.value} is no finite number", node.start_mark)
        if node.value[0] in "yYnNoO":
            raise _refused(
                f"{node.value} may be a word or a truth value; write true or false, or put it into quotes",
                node.start_mark,
            )
        raise _refused(
            f"{node.value[:60]} may be read as different numbers; write it in plain decimal digits, or put it into "
            "quotes where it is text",
            node.start_mark,
        )


def _refused(problem: str, mark: Any) -> ConstructorError:
    return ConstructorError(problem=problem, problem_mark=mark)


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = {}  # type: ignore[misc]  # noqa: RUF012  # none of YAML 1.1's

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        plain = all(isinstance(v, (int, float)) for v in sequence)
        return super().represent_sequence(tag, sequence, flow_style=True if plain else flow_style)

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # PyYAML writes a NEL (and a lone return) between single quotes, and reads it as a space.
        style = '"' if re.search("[\x85\r\u2028\u2029]", data) else None
        return self.represent_scalar(f"{_TAG}str", data, style)

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _kind in (_Loader, _Dumper):
    for _name, _pattern, _first in _RESOLVERS:
        _kind.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"(?:{_pattern})$"), _first)
_Dumper.add_representer(str, _Dumper.represent_str)
_Loader.add_constructor(f"{_TAG}str", _Loader.text)
_Loader.add_constructor(f"{_TAG}int", _Loader.whole)
_Loader.add_constructor(f"{_TAG}float", _Loader.real)
_Loader.add_constructor(f"{_TAG}unclear", _Loader.unclear)
