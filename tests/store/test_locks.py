"""One process at a time works in a folder: by the system's lock, or by a lease where that one may lie."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from holdfast.store import locks, processes, shared
from holdfast.store.locks import SIGNS, TERM, Turn, lock
from holdfast.types import UserError

HOLD = """
import sys, time
from holdfast.store import locks
locks.TERM = float(sys.argv[2])
with locks.lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""
COUNT = """
import sys, pathlib
from holdfast.store import locks
locks.TERM = float(sys.argv[2])
for k in range(int(sys.argv[3])):
    with locks.lock(sys.argv[1], wait=True) as lost:
        at = pathlib.Path(sys.argv[1], "count")
        n = int(at.read_text()) if at.exists() else 0
        print("read", flush=True)
        at.write_text(str(n + 1))
"""


def start(script: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


@pytest.fixture(params=["flock", "lease"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(locks.SWITCH, request.param)
    return request.param


@pytest.fixture
def leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(locks.SWITCH, "lease")


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen]:
    """A process that holds ``tmp_path`` until it is ended."""
    other = start(HOLD, tmp_path, 1.5)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    yield other
    other.kill()
    other.wait()
    other.stdout.close()


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this process is on another machine than those that it began."""
    monkeypatch.setattr(processes, "_machine", lambda: "0000abcd")


@pytest.mark.usefixtures("way")
class TestBothWays:
    def test_a_folder_held_by_a_second_process_is_refused_until_that_process_is_gone(self, tmp_path, request) -> None:
        other = request.getfixturevalue("holder")
        with pytest.raises(UserError, match=r"another process.* is at work in"), lock(tmp_path):
            pass
        other.kill()
        other.wait()
        start = time.monotonic()
        with lock(tmp_path, wait=True):
            assert time.monotonic() - start < 1

    def test_threads_take_turns(self, tmp_path: Path) -> None:
        inside, most = [0], [0]

        def work() -> None:
            with lock(tmp_path, wait=True):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.01)
                inside[0] -= 1

        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert most == [1]

    def test_who_gives_up_waiting_leaves_nothing(self, tmp_path: Path) -> None:
        said = []

        def give_up() -> None:
            try:
                with lock(tmp_path, wait=True, unless=lambda: True):
                    pass
            except UserError as e:
                said.append(str(e))

        with lock(tmp_path):
            before = sorted(tmp_path.rglob("*"))
            other = threading.Thread(target=give_up)
            other.start()
            other.join()
            assert "is at work" in said[0]
            assert sorted(tmp_path.rglob("*")) == before
        with lock(tmp_path):
            pass

    def test_an_error_inside_lets_go(self, tmp_path: Path) -> None:
        with pytest.raises(ZeroDivisionError), lock(tmp_path):
            raise ZeroDivisionError
        with lock(tmp_path):
            pass


@pytest.mark.usefixtures("leases")
def test_processes_under_leases_lose_no_count(tmp_path: Path) -> None:
    some = [start(COUNT, tmp_path, 30, 25) for _ in range(3)]
    assert [p.communicate()[1] for p in some] == [None] * 3
    assert (tmp_path / "count").read_text() == "75"
    assert [p.name for p in (tmp_path / ".lease").iterdir()] == ["free"]


@pytest.mark.slow
@pytest.mark.usefixtures("leases")
def test_a_holder_on_another_machine_is_waited_for_a_term_and_a_live_one_is_not_taken_over(
    tmp_path: Path, holder: subprocess.Popen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "TERM", 1.5)
    elsewhere(monkeypatch)
    began = time.monotonic()
    with (
        pytest.raises(UserError, match=rf"another process is at work in .* \(process {holder.pid} on "),
        lock(tmp_path),
    ):
        pass  # as soon as it has shown that it lives
    assert time.monotonic() - began < 1.5
    deadline = time.monotonic() + 2.5
    with pytest.raises(UserError), lock(tmp_path, wait=True, unless=lambda: time.monotonic() > deadline):
        pass
    holder.kill()
    holder.wait()
    began = time.monotonic()
    with lock(tmp_path):  # nobody lives there, and it is told from the clock here alone
        assert 1.4 < time.monotonic() - began < 3
    assert [p.name for p in (tmp_path / ".lease").iterdir()] == ["free"]


@pytest.mark.usefixtures("leases")
def test_a_holder_that_was_stopped_past_its_term_is_taken_over_and_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = HOLD.replace("lock(sys.argv[1])", "lock(sys.argv[1]) as lost").replace(
        "time.sleep(60)", "time.sleep(2); print(lost(), flush=True); raise OSError(116, 'Stale file handle')"
    )
    stopped = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), "0.5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert stopped.stdout is not None
    assert stopped.stdout.readline() == "held\n"
    os.kill(stopped.pid, signal.SIGSTOP)
    monkeypatch.setattr(locks, "TERM", 0.5)
    with lock(tmp_path, wait=True):
        os.kill(stopped.pid, signal.SIGCONT)
        said, errors = stopped.communicate()
    assert said == "True\n"
    assert "UserError: this process was stopped for so long that another took" in errors
    assert [p.name for p in (tmp_path / ".lease").iterdir()] == ["free"]


def test_a_folder_in_which_another_machine_held_a_lease_is_locked_by_leases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not locks.leased(tmp_path)
    monkeypatch.setenv(locks.SWITCH, "lease")
    with lock(tmp_path):
        pass
    monkeypatch.delenv(locks.SWITCH)
    assert locks.leased(tmp_path)
    monkeypatch.setenv(locks.SWITCH, "none")
    with pytest.raises(UserError, match="make it `lease` or `flock`"), lock(tmp_path):
        pass


@pytest.mark.parametrize(
    ("type", "leased"), [("ext4", False), ("tmpfs", False), ("nfs4", True), ("lustre", True), ("fuse.sshfs", True)]
)
def test_the_way_goes_by_the_file_system_of_the_nearest_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type: str, leased: bool
) -> None:
    mount = tmp_path / "mount"
    (mount / "study").mkdir(parents=True)
    found = [("/", "ext4"), (str(tmp_path), "xfs"), (str(mount), "autofs"), (str(mount), type)]

    class Partition:
        def __init__(self, mountpoint: str, fstype: str) -> None:
            self.mountpoint, self.fstype = mountpoint, fstype

    monkeypatch.setattr(shared.psutil, "disk_partitions", lambda all: [Partition(*one) for one in found])
    shared.kind.cache_clear()
    assert locks.leased(mount / "study") is leased
    shared.kind.cache_clear()


def test_a_process_is_gone_only_where_that_is_known() -> None:
    other = start("pass")
    machine, _, began = processes.me().split("-")
    assert not processes.gone(processes.me())
    assert processes.gone(f"{machine}-{os.getpid()}-{int(began) - 1}")  # the number was another process's before
    assert not processes.gone(f"0000abcd-{os.getpid()}-1")
    other.communicate()
    assert processes.gone(f"{machine}-{other.pid}-1")


# -- every order of acts, on a file system that is read late -----------------------------------------------------------

LAG = TERM / 3  # seconds by which a client may see the folder as it was


class World:
    """A server and a clock. What is renamed is renamed at the server; what is read may be of up to ``LAG`` ago."""

    def __init__(self) -> None:
        self.now = 0.0
        self.files: dict[str, str] = {"free": ""}
        self.past = [(0.0, dict(self.files))]

    def changed(self) -> None:
        self.past.append((self.now, dict(self.files)))

    def as_of(self, when: float) -> dict[str, str]:
        return next(files for at, files in reversed(self.past) if at <= max(when, 0.0))


class Client:
    """``locks.Names``, as one client of the world sees it."""

    def __init__(self, world: World) -> None:
        self.world, self.lag, self.own = world, 0.0, 0.0

    def _seen(self) -> dict[str, str]:
        return self.world.as_of(max(self.world.now - self.lag, self.own))  # never before what it did itself

    def rename(self, old: str, new: str) -> bool:
        files = self.world.files
        if old not in files:
            return self.has(new)
        files[new] = files.pop(old)
        self.world.changed()
        self.own = self.world.now
        return True

    def has(self, name: str) -> bool:
        return name in self._seen()

    def all(self) -> list[str]:
        return list(self._seen())

    def read(self, name: str) -> str | None:
        return self._seen().get(name)

    def write(self, name: str, text: str) -> None:
        self.world.files[name] = text
        self.world.changed()

    def remove(self, name: str) -> None:
        self.world.files.pop(name, None)
        self.world.changed()


class Process:
    def __init__(self, world: World, number: int) -> None:
        self.client = Client(world)
        self.turn = Turn(self.client, f"0000abcd-{number}-1-0", TERM, lambda: world.now)
        self.turn.sign()
        self.holds = self.stopped = False
        self.found = ""  # the token that was to be taken over when it looked
        self.late = False  # it has once been silent for so long that another may have found it dead
        self.signed = world.now

    def live(self) -> None:
        """As the thread of a lease does."""
        self.late = self.late or self.client.world.now - self.signed > TERM / 2
        self.signed = self.client.world.now
        self.client.lag = 0.0
        if self.turn.lost():
            self.holds = False
        else:
            self.turn.sign()


def test_of_two_who_found_the_holder_dead_one_takes_it_over_however_late_the_other_comes() -> None:
    world = World()
    dead, first, second, third = (Process(world, k) for k in range(4))
    assert dead.turn.attempt()
    assert not first.turn.attempt()
    assert not second.turn.attempt()
    world.now += TERM + 1
    found = first.turn.look()
    assert second.turn.look() == found == f"held.{dead.turn._id}"
    assert first.turn.take(found)
    assert not second.turn.take(found)
    assert dead.turn.lost()
    first.turn.end()
    dead.turn.end()  # it goes on, and lets go of what it has no more
    assert third.turn.attempt()
    assert not second.turn.take(found)
    assert not third.turn.lost()
    assert not second.turn.attempt()


def test_a_holder_is_not_taken_for_dead_by_who_sees_it_late() -> None:
    world = World()
    holder, other = Process(world, 0), Process(world, 1)
    assert holder.turn.attempt()
    for step in range(200):
        if step % 3 == 0:
            holder.turn.sign()  # six times a term
        world.now += TERM / SIGNS / 3
        other.client.lag = 0.0 if step % 7 else TERM / 2  # now and then half a term late
        assert not other.turn.attempt()


SOME, LATE = st.integers(0, 2), st.sampled_from([0.0, LAG])


class Leases(RuleBasedStateMachine):
    """Processes on as many machines look, take, count, are stopped and let go, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world, self.turns = World(), 0
        self.all = [self.begun() for _ in range(3)]

    def begun(self) -> Process:
        self.turns += 1
        return Process(self.world, self.turns)

    @rule(k=SOME, late=LATE)
    def attempt(self, k: int, late: float) -> None:
        self.look(k, late)
        self.take(k)

    @rule(k=SOME, late=LATE)
    def look(self, k: int, late: float) -> None:
        p = self.all[k]
        p.client.lag = late
        if not p.holds and not p.stopped:
            p.found = p.turn.look()

    @rule(k=SOME)
    def take(self, k: int) -> None:
        """However long after it looked, and whatever it saw."""
        p = self.all[k]
        if not p.holds and not p.stopped and (p.turn.take("free") or (p.found and p.turn.take(p.found))):
            p.holds, p.late, p.signed = True, False, self.world.now

    @rule(seconds=st.sampled_from([TERM / SIGNS, TERM + 1]))
    def wait(self, seconds: float) -> None:
        """Those who hold it and are not stopped count on time."""
        end = self.world.now + seconds
        while self.world.now < end:
            self.world.now = min(end, self.world.now + TERM / SIGNS)
            for p in self.all:
                if p.holds and not p.stopped:
                    p.live()

    @rule(k=SOME)
    def stop_or_go_on(self, k: int) -> None:
        p = self.all[k]
        p.stopped = not p.stopped
        if p.holds and not p.stopped:
            p.live()

    @rule(k=SOME)
    def let_go(self, k: int) -> None:
        p = self.all[k]
        if not p.stopped:
            p.turn.end()
            self.all[k] = self.begun()

    @invariant()
    def there_is_one_token(self) -> None:
        assert sum(not name.endswith(".json") for name in self.world.files) == 1

    @invariant()
    def of_those_that_were_never_stopped_for_long_one_holds_it_and_keeps_it(self) -> None:
        holders = [p for p in self.all if p.holds and not p.late and self.world.now - p.signed < TERM / 2]
        assert len(holders) <= 1
        assert all(f"held.{p.turn._id}" in self.world.files for p in holders)


Leases.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestLeases = Leases.TestCase
