"""A cap holds over processes and machines, whatever becomes of locks and of those who had something in hand."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from holdfast.evals.judges.ledger import Ledger
from holdfast.store import locks, processes
from holdfast.store.files import write_json
from holdfast.types import UserError

FORK = multiprocessing.get_context("fork")


def spend(folder: Path, tries: int, granted) -> None:
    ledger = Ledger(folder, "m", max_calls=30, budget_usd=None)
    for _ in range(tries):
        try:
            ledger.reserve(0.25)
        except UserError:
            continue
        granted.put(1)
        ledger.settle(0.25, 0.125)


@pytest.mark.parametrize("lie", [False, True])
def test_a_cap_holds_though_many_spend_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: bool) -> None:
    if lie:
        monkeypatch.setattr(locks._Flock, "acquire", lambda self, wait, unless: True)
    granted = FORK.Queue()
    some = [FORK.Process(target=spend, args=(tmp_path, 15, granted), daemon=True) for _ in range(4)]
    for p in some:
        p.start()
    for p in some:
        p.join(30)
    n = sum(granted.get() for _ in range(granted.qsize()))
    assert n <= 30 if lie else n == 30
    assert n > 20
    spent = Ledger(tmp_path, "m", None, None).spent()
    assert (spent["calls"], spent["usd"]) == (n, n * 0.125)


def test_what_a_process_spent_that_is_gone_counts_and_needs_no_file_of_its_own(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "m", max_calls=None, budget_usd=None)
    at = ledger._folder
    machine = processes.me().split("-")[0]
    write_json(at / "ledger.json", {"model": "m", "calls": 5, "usd": 1.0})  # of earlier versions
    for name, calls in ((f"{machine}-{os.getpid()}-1", 7), ("0000abcd-1-1", 11)):
        write_json(at / f"{name}.json", {"model": "m", "calls": calls, "usd": 0.5})
    ledger.reserve(0.25)
    assert ledger.spent() == {"calls": 24, "usd": 2.25}
    assert {p.stem for p in at.glob("*.json")} == {"ledger", "0000abcd-1-1", processes.me()}
    ledger.release(0.25)
    assert ledger.spent() == {"calls": 23, "usd": 2.0}
    with pytest.raises(UserError, match="more than the 2 that max_calls leaves"):
        Ledger(tmp_path, "m", max_calls=25, budget_usd=None).cost(3, 0.0).check()
    with pytest.raises(UserError, match="budget_usd leaves"):
        Ledger(tmp_path, "m", None, budget_usd=2.1).reserve(0.25)
    assert ledger.spent() == {"calls": 23, "usd": 2.0}
