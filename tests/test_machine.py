"""What a process may use: its machine's, or less where a control group says so."""

import os
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from atme import machine

CORES = machine.cores()
FREE = psutil.virtual_memory().available
MIB = 2**20
Files = dict[str, str]

NEW: Files = {"proc/self/cgroup": "0::/job/step\n"}
OLD: Files = {"proc/self/cgroup": "5:cpu,cpuacct:/docker/7\n4:memory:/docker/7\n1:name=systemd:/x\n0::/\n"}
STAT = "anon 5\ninactive_file {idle}\nactive_file 9\n"


def made(tmp_path: Path, files: Files) -> Path:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def new_memory(folder: str, limit: str, used: int, idle: int = 0) -> Files:
    place = f"sys/fs/cgroup/{folder}"
    files = {"memory.max": f"{limit}\n", "memory.current": f"{used}\n", "memory.stat": STAT.format(idle=idle)}
    return {f"{place}{name}": text for name, text in files.items()}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16", True),
        ("flags\t\t: fpu avx2 amx_bf16 amx_tile", True),
        ("Features\t: fp asimd bf16 i8mm", True),
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", False),
        ("Features\t: fp asimd", False),
        ("model name: bf16", None),
        (None, None),
    ],
)
def test_a_processor_that_multiplies_bfloat16(flags: str | None, expected: bool | None, tmp_path: Path) -> None:
    files = {} if flags is None else {"proc/cpuinfo": f"processor: 0\n{flags}\n\nprocessor: 1\n{flags}\n"}
    assert machine.multiplies_bfloat16(root=made(tmp_path, files)) is expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, CORES),
        (NEW | {"sys/fs/cgroup/job/step/cpu.max": "max 100000\n"}, CORES),
        (NEW | {"sys/fs/cgroup/job/step/cpu.max": "50000 100000\n"}, 1),
        (NEW | {"sys/fs/cgroup/job/cpu.max": "100000 100000\n", "sys/fs/cgroup/job/step/cpu.max": "max 100000\n"}, 1),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "20000 100000\n"}, 1),
        (NEW | {"sys/fs/cgroup/job/step/cpu.max": "99900000 100000\n"}, CORES),
        (NEW | {"sys/fs/cgroup/job/step/cpu.max": "garbage\n"}, CORES),
        (OLD | {f"sys/fs/cgroup/cpu,cpuacct/docker/7/cpu.cfs_{n}_us": "100000" for n in ("quota", "period")}, 1),
        (OLD | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, CORES),
        (OLD | {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 1),
    ],
)
def test_cores(tmp_path: Path, files: Files, expected: int) -> None:
    assert machine.cores(root=made(tmp_path, files)) == expected


def test_part_of_a_core_counts_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    for quota, expected in (("150000", 2), ("400000", 4), ("max", 64)):
        root = made(tmp_path, NEW | {"sys/fs/cgroup/job/step/cpu.max": f"{quota} 100000\n"})
        assert machine.cores(root=root) == expected


def test_cores_without_affinity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """macOS and Windows have none."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    assert machine.cores(root=tmp_path) == 12
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.cores(root=tmp_path) == 1


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (NEW | new_memory("job/step/", str(64 * MIB), 24 * MIB), 40 * MIB),
        (NEW | new_memory("job/step/", str(64 * MIB), 24 * MIB, idle=10 * MIB), 50 * MIB),
        (NEW | new_memory("job/", str(64 * MIB), 60 * MIB) | new_memory("job/step/", "max", 1), 4 * MIB),
        (NEW | new_memory("job/", "max", 0) | new_memory("job/step/", str(8 * MIB), 1 * MIB), 7 * MIB),
        (NEW | new_memory("job/step/", str(8 * MIB), 9 * MIB), 0),
        (
            OLD
            | {
                "sys/fs/cgroup/memory/docker/7/memory.limit_in_bytes": f"{64 * MIB}\n",
                "sys/fs/cgroup/memory/docker/7/memory.usage_in_bytes": f"{30 * MIB}\n",
                "sys/fs/cgroup/memory/docker/7/memory.stat": f"cache 1\ntotal_inactive_file {6 * MIB}\n",
            },
            40 * MIB,
        ),
        (  # in a container that sees its own group as the highest one
            OLD
            | {
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{64 * MIB}\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{30 * MIB}\n",
            },
            34 * MIB,
        ),
    ],
)
def test_memory_of_a_group(tmp_path: Path, files: Files, expected: int) -> None:
    assert machine.free_memory(root=made(tmp_path, files)) == expected


@pytest.mark.parametrize(
    "files",
    [{}, NEW, NEW | new_memory("job/step/", "max", 5), OLD | {"sys/fs/cgroup/memory/memory.limit_in_bytes": "x"}],
)
def test_memory_without_a_limit(tmp_path: Path, files: Files) -> None:
    assert FREE / 4 < machine.free_memory(root=made(tmp_path, files)) < FREE * 4


def test_memory_here() -> None:
    assert 2**20 < machine.free_memory() <= psutil.virtual_memory().total


def test_room(tmp_path: Path) -> None:
    assert machine.free_room(tmp_path / "not" / "there" / "yet") > 0
    assert not (tmp_path / "not").exists()


def test_nothing_else_counts_workers() -> None:
    """One rule in one place: who asks for cores asks `atme.machine`."""
    package = Path(machine.__file__).parent
    counting = ("cpu_count", "sched_getaffinity", "process_cpu_count")
    others = [path.name for path in package.rglob("*.py") if any(word in path.read_text() for word in counting)]
    assert others == ["machine.py"]


class Clock:
    """A machine whose processors, and this process, have worked for so many seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, processors: int = 2) -> None:
        self.now = self.everybody = self.ours = self.children = 0.0
        monkeypatch.setattr(machine.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(machine.os, "times", lambda: os.times_result((self.ours / 2, self.ours / 2, 0, 0, 0)))
        monkeypatch.setattr(psutil, "cpu_times", lambda: SimpleNamespace(user=self.everybody, system=0.0, idle=1e9))
        monkeypatch.setattr(psutil, "cpu_count", lambda: processors)
        child = SimpleNamespace(cpu_times=lambda: (self.children, 0.0, 0.0, 0.0))
        monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(children=lambda recursive: [child]))
        monkeypatch.setattr(machine, "cores", lambda: 2)

    def others_after(self, seconds: float, *, others: float, ours: float, children: float = 0.0) -> float:
        found = machine.Others()
        self.now += seconds
        self.ours, self.children = self.ours + ours, self.children + children
        self.everybody += others + ours + children
        return found.busy()


def test_what_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    assert clock.others_after(4, others=6, ours=2) == pytest.approx(1.5)
    assert clock.others_after(4, others=0, ours=3, children=4) == pytest.approx(0)
    assert clock.others_after(0, others=0, ours=0) == 0


def test_what_others_do_is_not_told_of_a_part_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's two cores of sixty-four are its own, whatever the other sixty-two do."""
    assert Clock(monkeypatch, processors=64).others_after(4, others=240, ours=2) == 0


def test_others_here() -> None:
    assert machine.Others().busy() >= 0
