"""What this process may use of its machine: cores, memory, room on a disk, also where a container limits them.

Linux limits processes by control groups (https://docs.kernel.org/admin-guide/cgroup-v2.html, and the older version 1),
of which a container, a batch system or systemd makes use. A group's limit holds for all groups below it, so that the
tightest one on the way up counts. Elsewhere there are none.
"""

import ctypes
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_ROOT = Path("/")
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # of x86, and of ARM
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)


def cores(*, root: Path = _ROOT) -> int:
    """Processors that this process may keep busy, at least 1.

    Args:
        root: where ``proc`` and ``sys`` lie.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(share) for share in _shares(root))]))


def multiplies_bfloat16(*, root: Path = _ROOT) -> bool | None:
    """Whether the processor has instructions for products of bfloat16, as Linux tells; None where nothing tells.

    Without, each product is made in float32, of numbers that are widened and rounded again: an update of
    `earth_atme_demo` takes seven times as long as in float32 (AVX2 alone).

    Args:
        root: where ``proc`` lies.
    """
    flags = processor_flags(root=root).split()
    return not _BFLOAT16.isdisjoint(flags) if flags else None


def processor_flags(*, root: Path = _ROOT) -> str:
    """What the processor can do, in Linux's words; empty elsewhere.

    Args:
        root: where ``proc`` lies.
    """
    lines = _text(root / "proc" / "cpuinfo").splitlines()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


class Others:
    """What the machine's other programs do, from when this is made."""

    def __init__(self) -> None:
        self._since = _spent()

    def busy(self) -> float:
        """Cores that they have kept busy, on average; 0 where this process has a part of the machine to itself."""
        if cores() < (psutil.cpu_count() or 1):
            return 0.0
        before, now = self._since, _spent()
        seconds, everybody, ours = (after - earlier for after, earlier in zip(now, before, strict=True))
        return max(0.0, everybody - ours) / seconds if seconds > 0 else 0.0


def _spent() -> tuple[float, float, float]:
    """Seconds of the clock, of all processors at work, and of those for this process and what it started."""
    times, ended = psutil.cpu_times(), os.times()
    everybody = times.user + times.system + getattr(times, "nice", 0.0)
    ours = ended.user + ended.system + ended.children_user + ended.children_system
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it ended just now
            ours += sum(child.cpu_times()[:2])
    return time.monotonic(), everybody, ours


def free_memory(*, root: Path = _ROOT) -> int:
    """Bytes that this process can have without swapping, and without being killed for it.

    Args:
        root: where ``proc`` and ``sys`` lie.
    """
    available: int = psutil.virtual_memory().available
    return max(0, min([available, *_memory_left(root)]))


def free_room(folder: Path) -> int:
    """Bytes that can be written below a folder, which need not exist yet."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _shares(root: Path) -> Iterator[float]:
    """Processors that each group above this process may keep busy on average."""
    for group in _groups("cpu", root):
        quota, *period = _text(group / "cpu.max").split() or ["max"]
        if quota != "max" and period:
            yield int(quota) / int(period[0])
        old_quota, old_period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
        if old_quota is not None and old_period and old_quota > 0:
            yield old_quota / old_period


def _memory_left(root: Path) -> Iterator[int]:
    """Bytes that each group above this process may still take; pages of files that nobody reads are given up first."""
    for group in _groups("memory", root):
        for limit, used, idle in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most, taken = _number(group / limit), _number(group / used)
            if most is not None and taken is not None:
                yield most - taken + _entry(group / "memory.stat", idle)


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """The folders of this process's groups of a controller, from its own up to the highest that can be seen."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = [
            root / "sys/fs/cgroup" / name for name in ((controllers, controller) if controllers else ("", "unified"))
        ]
        for mount in dict.fromkeys(mounts):
            below = [Path(), *reversed(Path(path.lstrip("/")).parents), Path(path.lstrip("/"))]
            yield from (mount / each for each in dict.fromkeys(below) if (mount / each).is_dir())


def _text(path: Path) -> str:
    """What a file says; nothing where it is not there, or not for us."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _entry(path: Path, name: str) -> int:
    """A line of a table of names and numbers; 0 where it is not there."""
    rows = (line.split() for line in _text(path).splitlines())
    return next((int(row[1]) for row in rows if row[:1] == [name]), 0)


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, for the next array of the size.

    glibc hands large blocks back to the system at once, and the pages that it gets for the next map or picture must be
    cleared again: in an update at 256 px 75,000 of them, some 6 % of its time; with this, none. Elsewhere than on Linux
    with glibc nothing happens.
    """
    _tell_malloc(mmap_threshold=2**30, trim_threshold=2**31 - 1)


@contextmanager
def give_back_freed_memory() -> Iterator[None]:
    """Within, large blocks go back to the system as soon as they are freed: what is kept would count as this process's.

    For work that shall stay within a limit; afterwards freed memory is kept again.
    """
    _tell_malloc(mmap_threshold=2**20, trim_threshold=2**20)
    try:
        yield
    finally:
        keep_freed_memory()


def _tell_malloc(*, mmap_threshold: int, trim_threshold: int) -> None:
    """Set from which size on blocks are the system's own, and how much free memory is kept (mallopt(3))."""
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_MMAP_THRESHOLD, mmap_threshold)
        library.mallopt(_TRIM_THRESHOLD, trim_threshold)
        library.malloc_trim(0)
