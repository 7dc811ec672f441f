"""What is known of the file system that a folder lies on, and patience with one that several machines share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")

# Seconds after which what one machine wrote is seen by another, whatever its caches: NFS keeps the attributes and names
# of a folder for 60 at most (``acdirmax``), also that a name was not there.
LATE = 75.0
POLL = 0.5
# On these flock is the kernel's own. What is none of them may be shared, and a lease holds there and here.
LOCAL = re.compile(
    "apfs|bcachefs|btrfs|devtmpfs|exfat|ext[234]|f2fs|fuseblk|hfs|jfs|ntfs3?|overlay|ramfs|reiserfs|tmpfs|ufs|vfat|xfs|zfs"
)


def shared(folder: Path) -> bool:
    """Whether several machines may see the folder, so that one may see late what another writes, and locks may lie."""
    return bool(type := kind(folder)) and not LOCAL.fullmatch(type)


@lru_cache(maxsize=1024)
def kind(folder: Path) -> str:
    """The type of the file system that a folder lies on; "" where the system does not say."""
    at = folder.resolve()
    mounted = {Path(p.mountpoint): p.fstype for p in psutil.disk_partitions(all=True)}  # of two at one place the last
    return next((mounted[place] for place in (at, *at.parents) if place in mounted), "")


def unseen(folder: Path, wanted: Iterable[T], seen: Callable[[T], bool]) -> list[T]:
    """What of those wanted is still not seen in the folder, when it must be: at once on a file system of this machine's
    own."""
    until = time.monotonic() + LATE
    left = [one for one in wanted if not seen(one)] if shared(folder) else []
    while left and time.monotonic() < until:
        time.sleep(POLL)
        left = [one for one in left if not seen(one)]
    return left
