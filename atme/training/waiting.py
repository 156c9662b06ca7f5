"""Waiting for what the main process finds alone: a look at a whole split may take longer than any timeout allows."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch.distributed
from accelerate import Accelerator

_T = TypeVar("_T")

_EVER = timedelta(days=365)


class Waiting:
    """Lets all processes wait for the main one; every process must make one, at the same time.

    They wait in a group of their own, on the CPU, whatever the device: a process that dies ends the wait of the others,
    as its connections break, and time does not.

    Args:
        accelerator: the processes.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._group: Any = None
        self._accelerator = accelerator
        if accelerator.num_processes > 1:
            self._group = torch.distributed.new_group(backend="gloo", timeout=_EVER)

    def for_main(self, work: Callable[[], _T]) -> _T:
        """What the main process's work returns, on every process; it travels pickled."""
        if self._group is None:
            return work()
        found: list[Any] = [work() if self._accelerator.is_main_process else None]
        torch.distributed.broadcast_object_list(found, src=0, group=self._group)
        answer: _T = found[0]
        return answer


def connection(accelerator: Accelerator) -> object | None:
    """What connects processes, as an object of Python's; None if there is one process.

    It ends by waiting for a thread of its own, which may be waiting for Python's lock to drop a last tensor. PyTorch
    gives the lock away meanwhile where such an object is the last holder, but not where a network that averages
    gradients is (pytorch/pytorch#56297): then, once in many runs, the process stands still at its end. So this is
    to be held until the networks are gone.
    """
    if accelerator.num_processes == 1:
        return None
    found: object = torch.distributed.group.WORLD._get_backend(accelerator.device)  # type: ignore[union-attr]
    return found
