"""What this machine has: memory that processes may take, cores and GPUs that they may use."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from collections.abc import Iterable
from pathlib import Path

import psutil

SHARE = 0.8  # of what is free: the rest is for the system, and for what a reckoning does not know
granted: int | None = None  # bytes that this process may take in all, where whoever started it has said so
_GROUP = Path("/sys/fs/cgroup")
_LIMITS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


def free(processes: int = 1) -> int:
    """Bytes that each of so many processes may still take, with a share left over: by the machine, the control group
    and ``ulimit`` (which is of each process by itself)."""
    room = [psutil.virtual_memory().available]
    for most, used in _LIMITS:  # of version 2 and version 1; a container sees its own as the root
        try:
            limit = (_GROUP / most).read_text().strip()
            if limit.isdigit():
                cached = _cached(_GROUP / Path(most).parent / "memory.stat")
                room.append(int(limit) - int((_GROUP / used).read_text()) + cached)
        except OSError:
            continue
    each = min(room) / processes
    address_space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if address_space != resource.RLIM_INFINITY:
        each = min(each, address_space - psutil.Process().memory_info().vms)
    return max(int(SHARE * each), 0)


def taken() -> int:
    """Bytes of memory that this process has."""
    return psutil.Process().memory_info().rss


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


def processor() -> str:
    """Its name, as the system has it."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def gpus() -> list[str]:
    """Those that this process may use, as CUDA names them."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return [name for name in allowed.split(",") if name.strip() not in ("", "-1")]
    return [str(k) for k in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]


def gpu_bytes() -> int:
    """Memory of the smallest GPU here, as its driver says; 0 where none can be asked."""
    if not gpus():
        return 0
    ask = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, timeout=10, check=True).stdout
        return min((int(mib) * 2**20 for mib in said.split()), default=0)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _cached(stat: Path) -> int:
    """Of files, which the system gives back when memory is asked for."""
    lines = dict(line.split() for line in stat.read_text().splitlines() if len(line.split()) == 2)
    return int(lines.get("inactive_file", 0))


def device(asked: Iterable[str]) -> str:
    """Where models lie here that ask for these devices (``auto``, ``cpu``, ``cuda``, ``cuda:1``): cpu or cuda."""
    asked = set(asked)
    return "cuda" if any(d.startswith("cuda") for d in asked) or ("auto" in asked and gpus()) else "cpu"
