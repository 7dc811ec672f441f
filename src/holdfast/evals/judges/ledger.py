"""What answers cost: an estimate before they are asked for, and a ledger that all workers of a study share.

The ledger is one small file for each model that is paid for, written under a lock. A call is entered at the most it can
cost before it goes out, and corrected when its answer says what it did cost; so the cap holds whatever is killed when.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from holdfast.evals.judges.judge import JudgeCost
from holdfast.store.digest import digest, short
from holdfast.store.files import lock, opened, write_json
from holdfast.types import UserError

BYTES_PER_TOKEN = 3  # of a prompt whose tokens nobody has counted: English has about four


def totals(costs: Iterable[JudgeCost | None]) -> list[JudgeCost]:
    """Of each model that is paid for, all together."""
    found: dict[str, JudgeCost] = {}
    for cost in costs:
        if cost is not None:
            found[cost.model] = found[cost.model] + cost if cost.model in found else cost
    return list(found.values())


def tokens(messages: list[dict[str, str]]) -> int:
    """An estimate, rather too high: the tokens of a conversation."""
    return sum(8 + math.ceil(len(m["content"].encode()) / BYTES_PER_TOKEN) for m in messages)


class Ledger:
    """Calls, tokens and dollars that went to one model. Safe between threads and processes.

    A call counts when it may have been charged: one that was turned away (429, 5xx, no connection) does not, one whose
    answer was lost (time-out, cut connection) does, at the most it can have cost. ``max_calls``, ``budget_usd``: the
    caps; None: none.
    """

    def __init__(self, folder: Path, model: str, max_calls: int | None, budget_usd: float | None) -> None:
        self._folder, self._model = folder / "ledger" / short(digest(model)), model
        self._max_calls, self._budget_usd = max_calls, budget_usd

    def spent(self) -> Mapping[str, Any]:
        """Calls and US dollars. Raises UserError where the file is damaged: read as nothing, it would lift the cap."""
        path = self._folder / "ledger.json"
        if not path.exists():
            return {"calls": 0, "usd": 0.0}
        try:
            spent = opened(json.loads(path.read_bytes()))
            sound = all(spent[k] >= 0 and math.isfinite(spent[k]) for k in ("calls", "usd"))
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise UserError(
                f"the ledger {path} is damaged, so what was spent on {self._model} is not known: restore it, or write "
                'the calls and dollars of its invoice there ({"calls": 10, "usd": 0.5})'
            )
        return spent

    def cost(self, calls: int, usd: float) -> JudgeCost:
        """So many more calls, and what the caps leave for them."""
        spent = self.spent()
        calls_left = None if self._max_calls is None else self._max_calls - spent["calls"]
        usd_left = None if self._budget_usd is None else self._budget_usd - spent["usd"]
        return JudgeCost(self._model, calls, usd, calls_left, usd_left)

    def reserve(self, usd: float) -> None:
        """Enters a call of at most this cost. Raises UserError where it would go over the cap."""
        with lock(self._folder, wait=True):
            self.cost(1, usd).check()
            self._add(1, usd)

    def settle(self, reserved: float, usd: float) -> None:
        """The call is answered, and cost this."""
        with lock(self._folder, wait=True):
            self._add(0, usd - reserved)

    def release(self, reserved: float) -> None:
        """The call was turned away."""
        with lock(self._folder, wait=True):
            self._add(-1, -reserved)

    def _add(self, calls: int, usd: float) -> None:
        spent = self.spent()
        total = {"calls": max(0, spent["calls"] + calls), "usd": max(0.0, round(spent["usd"] + usd, 9))}
        write_json(self._folder / "ledger.json", {"model": self._model, **total})
