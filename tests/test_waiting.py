"""Waiting for the main process: for longer than the processes' own timeout, and no longer than it lives."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import os, sys, threading
from datetime import timedelta
from types import SimpleNamespace
import torch.distributed as dist
from atme.training.waiting import Waiting

rank, store, how = int(sys.argv[1]), dist.FileStore(sys.argv[2], 2), sys.argv[3]
dist.init_process_group("gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=2))
waiting = Waiting(SimpleNamespace(num_processes=2, is_main_process=rank == 0))
if how == "as others do":
    waiting._group = dist.group.WORLD

def work():
    if how == "dies":
        os._exit(3)
    threading.Event().wait(5)  # longer than the timeout
    return {"psnr": float("inf"), "rank": rank}

print(waiting.for_main(work))
dist.barrier()
"""


def two(tmp_path: Path, how: str) -> list[tuple[int, str]]:
    """Exit codes and output of two processes, the main one first."""
    commands = [[sys.executable, "-c", PROGRAM, str(rank), str(tmp_path / "store"), how] for rank in (0, 1)]
    both = [subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for each in commands]
    said = [process.communicate(timeout=120) for process in both]
    return [(process.returncode, out or err) for process, (out, err) in zip(both, said, strict=True)]


def test_no_timeout_ends_it(tmp_path: Path) -> None:
    assert two(tmp_path, "long") == [(0, "{'psnr': inf, 'rank': 0}\n")] * 2


@pytest.mark.parametrize("how", ["as others do", "dies"])
def test_it_ends_otherwise(tmp_path: Path, how: str) -> None:
    """Control: in the processes' own group the wait ends in an error; and so it does where the main process is gone."""
    (main, _), (other, said) = two(tmp_path, how)
    assert other == 1
    assert main == 3 or how != "dies"
    assert "for_main" in said
