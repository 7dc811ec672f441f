"""How a benchmark's row is put into words: forms with a place in them, primers, and the authors' own files."""

from __future__ import annotations

from pathlib import Path

from holdfast.store.sources import data_file
from holdfast.types import UserError


def placed(form: str, place: str, who: str) -> str:
    """The form, if it holds its ``{place}`` exactly once. Raises ``UserError``."""
    if form.count("{" + place + "}") != 1:
        raise UserError(f"the form {form!r} of {who} must hold {{{place}}} exactly once")
    return form


def primed(primer: str | None, form: str) -> str:
    """The form after the text of a primer file (solved examples, as a rule), a blank line between them."""
    if primer is None:
        return form
    text = data_file(primer).read_text(encoding="utf-8-sig").rstrip()
    return f"{text}\n\n{form}"


def authors_file(path: str, name: str) -> str | None:
    """The name, where the path is a folder that holds the authors' own file; a copy in another layout does not."""
    return name if (Path(path).expanduser() / name).is_file() else None
