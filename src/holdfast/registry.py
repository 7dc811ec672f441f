"""What is pluggable, found by entry point: objectives, tasks, measures, judges, attacks, codecs,
signals, directions, executors.

holdfast's own are declared in its ``pyproject.toml`` as a stranger's are in theirs; there is no second way in. Nothing
is imported before it is asked for. An entry is a frozen dataclass of its parameters, or any callable.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import typing
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any

from holdfast.store.digest import canonical
from holdfast.types import UserError

GROUPS = ("objectives", "tasks", "measures", "judges", "attacks", "codecs", "signals", "directions", "executors")


@cache
def _entries(group: str) -> dict[str, EntryPoint]:
    assert group in GROUPS, group
    found: dict[str, EntryPoint] = {}
    for entry in sorted(entry_points(group=f"holdfast.{group}"), key=lambda e: (e.name, e.value)):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise UserError(
                f"two packages register {entry.name!r} as one of the {group} ({other.value} and {entry.value}); "
                "uninstall one of them"
            )
    return found


def names(group: str) -> list[str]:
    """All that is registered, without importing any of it."""
    return sorted(_entries(group))


def get(group: str, name: str) -> Callable[..., Any]:
    """The class or factory registered under this name."""
    entry = _entries(group).get(name)
    if entry is None:
        raise UserError(f"there is no {_singular(group)} named {name!r}; {close(name, names(group))}")
    try:
        return entry.load()
    except (ImportError, AttributeError) as e:
        raise UserError(f"the {_singular(group)} {name!r} is registered as {entry.value}, which fails: {e}") from e


def build(group: str, name: str, params: Mapping[str, Any] | None = None) -> Any:
    """The object, with its parameters checked; defaults fill the rest."""
    entry, params = get(group, name), dict(params or {})
    known = _parameters(entry)
    what = f"{_singular(group)} {name!r}"
    for key in params:
        if key not in known:
            has = f"has the parameters {', '.join(known)}" if known else "has no parameters"
            raise UserError(f"the {what} has no parameter {key!r}; it {has}")
    values = {}
    for key, parameter in known.items():
        if key in params:
            values[key] = _typed(params[key], parameter.annotation, f"{key!r} of the {what}")
        elif parameter.default is not inspect.Parameter.empty and not isinstance(parameter.default, _Made):
            values[key] = _typed(parameter.default, parameter.annotation, f"{key!r} of the {what}")
        elif parameter.default is inspect.Parameter.empty:
            raise UserError(f"the {what} needs the parameter {key!r}")
    try:
        return entry(**values)
    except (ValueError, TypeError) as e:
        raise UserError(f"the {what} cannot be made: {e}") from e


def describe(group: str, name: str) -> dict[str, Any]:
    """Name, version, documentation and parameters with their types and defaults, as plain JSON."""
    entry = get(group, name)
    return {
        "name": name,
        "version": getattr(entry, "version", None),
        "doc": inspect.getdoc(entry) or "",
        "params": {
            key: {"type": inspect.formatannotation(p.annotation), "required": p.default is inspect.Parameter.empty}
            | ({} if p.default is inspect.Parameter.empty else {"default": _shown(p.default)})
            for key, p in _parameters(entry).items()
        },
    }


def identity(thing: Any) -> dict[str, Any]:
    """What determines the behaviour of a registered object, as plain JSON.

    A field whose metadata say ``identity: False`` is left out: it says where data lie, and what they hold is digested
    elsewhere.
    """
    kept = [f.name for f in _fields(thing) if f.init and f.metadata.get("identity", True)]
    params = canonical({name: getattr(thing, name) for name in kept})
    return {"name": thing.name, "version": thing.version, "params": params}


def close(word: str, known: list[str] | tuple[str, ...]) -> str:
    """A half sentence that helps: the nearest of the known words, or all of them."""
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are {', '.join(known)}" if known else "there are none"


class _Made:
    """A default that a dataclass makes anew for each object."""

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.value = factory()


def _fields(thing: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ()


def _parameters(entry: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Parameters by name, their annotations as types and not as strings."""
    made = {f.name: _Made(f.default_factory) for f in _fields(entry) if f.default_factory is not dataclasses.MISSING}
    try:
        plain_class = isinstance(entry, type) and not dataclasses.is_dataclass(entry)
        hints = typing.get_type_hints(entry.__init__ if plain_class else entry)
    except Exception:  # a name that is only imported for type checkers: its parameter goes unchecked
        hints = {}
    return {
        key: p.replace(annotation=hints.get(key, Any), default=made.get(key, p.default))
        for key, p in inspect.signature(entry).parameters.items()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }


def _typed(value: Any, annotation: Any, what: str) -> Any:
    """The value as the annotation has it: a list becomes a tuple, 1 becomes 1.0, so that equal things are equal."""
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

    from holdfast.config.spec import Strict

    if annotation is Any:
        return value
    strict: Any = Annotated[annotation, Strict()]
    try:
        try:
            adapter = TypeAdapter(strict, config=ConfigDict(arbitrary_types_allowed=True, allow_inf_nan=False))
        except PydanticUserError:  # a dataclass or model has a configuration of its own
            adapter = TypeAdapter(strict)
        return adapter.validate_python(value)
    except ValidationError as e:
        first = e.errors()[0]
        reason = first["msg"][0].lower() + first["msg"][1:]
        if isinstance(value, Mapping):  # not shown: a key may have been written into it
            inside = ".".join(str(part) for part in first["loc"])
            raise UserError(f"the parameter {what} is not right at {inside or 'its top'}: {reason}") from None
        said = repr(value)
        said = said if len(said) <= 60 else f"{said[:60]}…"
        raise UserError(f"the parameter {what} cannot be {said}: {reason}") from None


def _shown(default: Any) -> Any:
    value = default.value if isinstance(default, _Made) else default
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


def _singular(group: str) -> str:
    return group.removesuffix("s")
