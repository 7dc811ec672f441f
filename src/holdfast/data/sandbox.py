"""Where a chat template runs: jinja2's sandbox with bounds, for a template from the hub is untrusted code.

jinja2's sandbox keeps a template from Python, but lets it loop for hours and make texts of many gigabytes. Here every
turn of a loop and every call of a macro looks at the clock, and whatever makes a text longer looks at its length.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from jinja2 import TemplateError, nodes, pass_context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

SECONDS = 5.0  # that a conversation may take to render; the templates of the field take a thousandth
LONGEST = 2**24  # characters of a text, and the largest whole number that a filter or method may be given
_TICK, _JOIN, _SAID = "_holdfast_tick", "_holdfast_join", "_holdfast_said"
_OPERATORS = frozenset({"+", "*", "**", "%"})


class TooMuch(TemplateError):
    """A template that asks for more time or room than any conversation needs."""


class Environment(ImmutableSandboxedEnvironment):
    """jinja2's sandbox with a bound on time and on the length of texts; ``filters`` are beside jinja2's own."""

    intercepted_binops = _OPERATORS  # else jinja2 works them out unseen, some while it compiles

    def __init__(self, filters: Mapping[str, Callable[..., Any]], **options: Any):
        super().__init__(**options)
        self._until, self._left = float("inf"), LONGEST
        self.filters = {name: _bounded(filter) for name, filter in {**self.filters, **filters}.items()}
        self.filters |= {_TICK: self._tick, _JOIN: _joined, _SAID: self._said}

    def begin(self) -> None:
        """Sets the bounds of one rendering."""
        self._until, self._left = time.monotonic() + SECONDS, LONGEST

    # jinja2 works out what does not ask for the context while it compiles.
    @pass_context
    def _tick(self, context: Any, written: int) -> None:
        self._left -= written
        if time.monotonic() > self._until:
            raise TooMuch(f"it takes longer than {SECONDS:g} seconds")

        if self._left < 0:
            raise TooMuch("it writes too long a text")

    @pass_context
    def _said(self, context: Any, value: Any) -> Any:
        self._left -= _size(value)
        if self._left < 0:
            raise TooMuch("it writes too long a text")
        return value

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            _check_widths(left)
            _check(right if isinstance(right, tuple) and "*" in left else ())
        elif operator == "**":  # the bits of a power
            _check(left.bit_length() * right if isinstance(left, int) and isinstance(right, int) else 0)
        elif operator == "*":
            _check(
                _size(left) * right if isinstance(right, int) else _size(right) * left if isinstance(left, int) else 0
            )
        else:
            _check(_size(left) + _size(right))
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(__obj, "__name__", "") in ("format", "format_map"):
            _check_widths(getattr(getattr(__obj, "__wrapped__", __obj), "__self__", ""))
        _check((args, kwargs))
        return _check(super().call(__context, __obj, *args, **kwargs))

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        return super()._generate(_Bounds().visit(source), *args, **kwargs)


class _Bounds(NodeTransformer):
    """Puts a look at the clock into every loop and macro, and one at the length where texts are joined or written."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        return self._ticking(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        return self._ticking(node)

    def visit_Output(self, node: nodes.Output) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [n if isinstance(n, nodes.TemplateData) else _through(_SAID, n) for n in node.nodes]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _through(_JOIN, nodes.Tuple(node.nodes, "load", lineno=node.lineno))

    def _ticking(self, node: Any) -> nodes.Node:
        written = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        tick = _through(_TICK, nodes.Const(written, lineno=node.lineno))
        node.body.insert(0, nodes.ExprStmt(tick, lineno=node.lineno))
        return node


def _through(name: str, node: nodes.Expr) -> nodes.Expr:
    """The expression through one of the filters here, which jinja2 calls without further ado."""
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


@pass_context
def _joined(context: Any, parts: tuple[Any, ...]) -> str:
    return _check("".join(map(str, parts)))


def _bounded(filter: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(filter)  # jinja2 marks on a filter what it wants to be given
    def bounded(*args: Any, **kwargs: Any) -> Any:
        if filter.__name__ == "do_format":
            _check_widths(args[0])
        _check((args[1:], kwargs))
        return _check(filter(*args, **kwargs))

    return bounded


def _check(value: Any) -> Any:
    """The value; raises ``TooMuch`` where it is, or holds, a text that is too long or too large a number."""
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else ()
    for part in inside:
        _check(part)
    size = abs(value) if isinstance(value, int) else _size(value)
    if size > LONGEST:
        raise TooMuch("it makes too large a value")
    return value


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes | list | tuple) else 0


def _check_widths(text: Any) -> None:
    """A format may ask for any width; three digits are more than a conversation needs."""
    if re.search(r"[%{:][^%{}]*?\d{4}", str(text)):
        raise TooMuch("it makes too large a value")
