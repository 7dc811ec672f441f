"""Lines of a running job: its speed is that of this process, not of what was done before it."""

from __future__ import annotations

import pytest

from holdfast.runs import display


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets."""
    now = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    return now


def said(tmp_path, clock, *events: tuple[float, int]) -> str:
    """The last line, when so much was done at these times."""
    with display.Display(tmp_path / "log", quiet=True) as shown:
        for clock[0], done in events:
            shown.update({"job": "SFT", "done": done, "total": 1000, "unit": "tokens"})
    return (tmp_path / "log").read_text().splitlines()[-1]


def test_what_was_done_before_does_not_count_as_speed(tmp_path, clock):
    assert said(tmp_path, clock, (0, 800), (20, 840)).endswith("840 of 1,000 tokens, 2 tokens/s, 80 s left")


def test_a_job_that_was_lost_is_timed_from_where_it_began_again(tmp_path, clock):
    line = said(tmp_path, clock, (0, 0), (10, 100), (60, 50), (80, 70))
    assert line.endswith("70 of 1,000 tokens, 1 tokens/s, 930 s left")
