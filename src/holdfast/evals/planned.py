"""A record to be: what is planned of it before anything is asked."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.types import Item, Prompt, Request, Subject

# Why nothing was asked, as a record's ``finish``: the prompt does not fit, cannot be put, or the attack said no more.
OVERLONG, UNTRANSLATED, UNASKED = "overlong", "untranslated", "unasked"
UNREADABLE = (OVERLONG, UNTRANSLATED, UNASKED, "another_base")  # and of a reading, a model whose base is not here


@dataclass(frozen=True, slots=True)
class PlannedRecord:
    """A record to be, and what is asked for it. An ask without turns cannot be put: ``request`` is None, and the
    record's ``finish`` will be ``unasked``.

    ``condition``: label of the objective's own, under which it is asked. ``before``: ids of the records of the rounds
    before it; the turns of its request are then those of the first, until ``Episodes`` makes them the conversation's.
    """

    id: str
    subject: Subject
    item: Item
    prompt: Prompt
    sample: int
    request: Request | None
    condition: str = ""
    before: tuple[str, ...] = ()
    unasked: str = UNTRANSLATED
