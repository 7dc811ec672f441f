"""Charts, tables, the page, exports. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.report.page import build as build


def __getattr__(name: str) -> Any:
    """``build`` on first use: its libraries take a second to import, and `holdfast --help` needs none of them."""
    if name == "build":
        from holdfast.report.page import build

        return build
    raise AttributeError(name)
