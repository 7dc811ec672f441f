"""How many kills, for how long, and what became of them: of the tests that end studies at random moments.

HOLDFAST_KILLS: so many; HOLDFAST_KILLS_MINUTES: as many as go into that; HOLDFAST_KILLS_SEED; HOLDFAST_KILLS_TO: a file
that gets the counts as a line of JSON.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import time
from collections import Counter
from pathlib import Path


class Kills:
    """``few``: where nobody asks for more."""

    def __init__(self, few: int) -> None:
        minutes = float(os.environ.get("HOLDFAST_KILLS_MINUTES", math.inf))
        self._until = time.monotonic() + 60 * minutes
        self._wanted = float(os.environ.get("HOLDFAST_KILLS", few if minutes == math.inf else math.inf))
        self.chance = random.Random(int(os.environ.get("HOLDFAST_KILLS_SEED", "0")))
        self._counts, self._studies = Counter[str](), 0

    def more(self) -> bool:
        """Whether another is wanted."""
        return self._counts.total() < self._wanted and time.monotonic() < self._until

    def add(self, what: str) -> None:
        self._counts[what] += 1

    def ended(self, log: Path, undisturbed: Path) -> None:
        """A study is at its end, with the bytes that it must have: no job that was said to be done was done again."""
        self._studies += 1
        again = _done(log) - _done(undisturbed)
        assert not again, f"done twice: {dict(again)}"

    def tell(self) -> None:
        for what, n in sorted(self._counts.items()):
            print(f"{what}: {n}")
        if to := os.environ.get("HOLDFAST_KILLS_TO"):
            with Path(to).open("a") as file:
                file.write(json.dumps({"kills": self._counts, "studies": self._studies}) + "\n")


def _done(log: Path) -> Counter[str]:
    return Counter(re.findall(r"^.{19}\s+(.+) done in ", log.read_text(), re.MULTILINE))
