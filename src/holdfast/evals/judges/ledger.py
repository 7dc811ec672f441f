"""What answers cost: an estimate before they are asked for, and a ledger that all workers of a study share.

The ledger of a model that is paid for is a small file for each process that asks it; what is spent is their sum. A call
is entered at the most it can cost before it goes out, and only then the sum is held to the cap: of two processes that
enter a call at once each sees the other's. It is corrected when its answer says what it did cost. So the cap holds,
whatever is killed when and whether locks can be trusted or not.
"""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from holdfast.evals.judges.judge import JudgeCost
from holdfast.store.digest import digest, short
from holdfast.store.files import opened, read_bytes, write_json
from holdfast.store.folder import present
from holdfast.store.locks import lock
from holdfast.store.processes import gone, me
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


_ONE = threading.Lock()  # of a process's threads writes its file


class Ledger:
    """Calls, tokens and dollars that went to one model. Safe between threads and processes, on one machine and several.

    A call counts when it may have been charged: one that was turned away (429, 5xx, no connection) does not, one whose
    answer was lost (time-out, cut connection) does, at the most it can have cost. ``max_calls``, ``budget_usd``: the
    caps; None: none.
    """

    def __init__(self, folder: Path, model: str, max_calls: int | None, budget_usd: float | None) -> None:
        self._folder, self._model = folder / "ledger" / short(digest(model)), model
        self._max_calls, self._budget_usd = max_calls, budget_usd

    def spent(self) -> Mapping[str, Any]:
        """Calls and US dollars, by all. Raises UserError where a file is damaged: read as nothing, it would lift the
        cap."""
        while True:
            files = present(self._folder, "*.json")  # ``ledger.json``: of earlier versions
            with suppress(FileNotFoundError):  # one got another name meanwhile (``_own``): counted anew
                found = [self._read(path) for path in files]
                if files == present(self._folder, "*.json"):
                    break
        return {"calls": sum(one["calls"] for one in found), "usd": round(sum(one["usd"] for one in found), 9)}

    def cost(self, calls: int, usd: float, entered: bool = False) -> JudgeCost:
        """So many more calls, and what the caps leave for them. ``entered``: they are in the sum already."""
        spent = self.spent()
        before = (spent["calls"] - calls, spent["usd"] - usd) if entered else (spent["calls"], spent["usd"])
        calls_left = None if self._max_calls is None else self._max_calls - before[0]
        usd_left = None if self._budget_usd is None else self._budget_usd - before[1]
        return JudgeCost(self._model, calls, usd, calls_left, usd_left)

    def reserve(self, usd: float) -> None:
        """Enters a call of at most this cost. Raises UserError where it would go over the cap."""
        try:
            self._reserve(usd)
        except UserError:  # or another entered one at the same moment, and both are over: now one after the other
            with lock(self._folder, wait=True):
                self._reserve(usd)

    def _reserve(self, usd: float) -> None:
        self._add(1, usd)
        try:
            self.cost(1, usd, entered=True).check()
        except UserError:
            self._add(-1, -usd)
            raise

    def settle(self, reserved: float, usd: float) -> None:
        """The call is answered, and cost this."""
        self._add(0, usd - reserved)

    def release(self, reserved: float) -> None:
        """The call was turned away."""
        self._add(-1, -reserved)

    def _add(self, calls: int, usd: float) -> None:
        with _ONE:
            own = self._own()
            spent = self._read(own) if own.exists() else {"calls": 0, "usd": 0.0}
            total = {"calls": max(0, spent["calls"] + calls), "usd": max(0.0, round(spent["usd"] + usd, 9))}
            write_json(own, {"model": self._model, **total})

    def _own(self) -> Path:
        """This process's file; where it has none yet, the file of one that is gone: else every worker that ever was
        would leave one."""
        own = self._folder / f"{me()}.json"
        if not own.exists():
            for other in present(self._folder, "*-*-*.json"):
                if gone(other.stem):
                    with suppress(FileNotFoundError):  # another was before
                        os.rename(other, own)
                        break
        return own

    def _read(self, path: Path) -> Mapping[str, Any]:
        try:
            spent = opened(json.loads(read_bytes(path)))
            sound = all(spent[k] >= 0 and math.isfinite(spent[k]) for k in ("calls", "usd"))
        except FileNotFoundError:
            raise
        except (ValueError, KeyError, TypeError):
            sound = False
        if not sound:
            raise UserError(
                f"the ledger {path} is damaged, so what was spent on {self._model} is not known: restore it, or write "
                'the calls and dollars of its invoice there ({"calls": 10, "usd": 0.5})'
            )
        return spent
