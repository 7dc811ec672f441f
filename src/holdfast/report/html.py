"""What a section is made of, as HTML.

Nothing becomes HTML but by ``element`` and the page's template, which escape whatever is not HTML made by them. No text
is written between tags by hand, so no name of a study can be read as one (tests/report/test_safe.py holds it).
"""

from __future__ import annotations

from typing import Any

from markupsafe import Markup, escape


def element(tag: str, *children: Any, **attributes: Any) -> Markup:
    """One element. Children are text, and escaped, unless they are elements themselves. Attributes: None and "" are
    left out, ``cls`` is ``class``, ``_`` in a name is ``-``, True is the bare name."""
    said = [f"<{tag}"]
    for name, value in attributes.items():
        if value is not None and value != "" and value is not False:
            key = "class" if name == "cls" else name.replace("_", "-")
            said.append(f" {key}" if value is True else f' {key}="{escape(value)}"')
    return Markup("".join([*said, ">", *map(escape, children), f"</{tag}>"]))


def scrolled(title: str, *parts: Any, cls: str = "") -> Markup:
    """A table that scrolls by itself on a narrow page; ``title`` is read aloud where there is one."""
    aloud: dict[str, Any] = {"tabindex": "0", "role": "region", "aria_label": title} if title else {}
    return element("div", element("table", *parts, cls=cls), cls="scroll", **aloud)
