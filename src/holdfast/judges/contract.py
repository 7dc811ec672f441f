"""What a judge is: it reads records and gives each a verdict, or says why it gives none."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from holdfast.words import Item, Judgement, Record, Request, Scored, Subject


class Backend(Protocol):
    """As much of a backend as judges use; ``models.backend`` has the whole of it."""

    def score(self, requests: Sequence[Request]) -> Iterator[Scored]: ...


class Judge(Protocol):
    """A frozen dataclass of parameters. Registered under the entry-point group ``holdfast.judges``.

    ``version`` changes whenever the same parameters would give another verdict. ``needs_backend``: the judge asks the
    base model (``backend``, ``base``).
    """

    name: ClassVar[str]
    version: ClassVar[int]
    needs_backend: ClassVar[bool] = False

    def identity(self) -> dict[str, Any]:
        """What determines the verdicts, for digests."""
        params: Mapping[str, Any] = {}
        if dataclasses.is_dataclass(self):
            params = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {"name": self.name, "version": self.version, "params": params}

    def judge(
        self, rows: Sequence[tuple[Item, Record]], backend: Backend | None, base: Subject | None
    ) -> list[Judgement]:
        """One judgement for each row, in their order. Rows that hold no readable response never come here."""
        ...
