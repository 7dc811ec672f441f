"""Which process a file is of, and whether that process is surely gone: it can be told on its own machine alone."""

from __future__ import annotations

import os
import platform
import uuid
from functools import lru_cache
from pathlib import Path

import psutil

from holdfast.store.digest import digest

_PROC = Path("/proc")
_HIDDEN = "hidden"
_OF_MACHINE = ("sys/kernel/random/boot_id", "self/ns/pid", "self/ns/time")


def me() -> str:
    """This process, ``MACHINE-PID-START``: as a name no other ever has, on whatever machine."""
    return _named(_machine(), os.getpid())


def gone(who: str) -> bool:
    """Whether a process that was named by ``me`` is no more. Of one on another machine, or in another container, that
    is never known."""
    machine, pid, start = who.split("-")
    return machine == _machine() and _start(int(pid)) not in (start, _HIDDEN)


def here(who: str) -> bool:
    """Whether it is or was one of this machine (and container)."""
    return who.split("-")[0] == _machine()


@lru_cache(maxsize=1)
def _named(machine: str, pid: int) -> str:
    return f"{machine}-{pid}-{_start(pid)}"


@lru_cache(maxsize=1)
def _machine() -> str:
    """This boot of this machine, and the container: in another one the same number is another process."""
    if not (_PROC / _OF_MACHINE[0]).exists():
        return digest([platform.node(), uuid.getnode()])[:8]
    boot, *spaces = (_PROC / name for name in _OF_MACHINE)
    return digest([boot.read_text(), [os.readlink(s) for s in spaces if s.is_symlink()]])[:8]


def _start(pid: int) -> str:
    """When the process began, in the system's own ticks; "" where there is none that runs."""
    try:
        if not (_PROC / "self/stat").exists():
            return str(int(psutil.Process(pid).create_time()))
        # After the name, which may hold anything: the state first, the start as the 20th.
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except psutil.NoSuchProcess:
        return ""
    except (FileNotFoundError, ProcessLookupError):
        try:
            os.kill(pid, 0)  # a system may hide others' processes from /proc
        except ProcessLookupError:
            return ""
        except PermissionError:
            return _HIDDEN
        return ""
