"""One training by several processes of this machine: ``atme train --processes 2``, or ``auto``.

They share each update (torch's data parallelism, by way of accelerate), wait for one another once in it, and each has
its part of the cores, or a GPU of its own. On a CPU two processes of one thread do more than one of two threads, which
wait for one another some thousand times in an update, the more so beside other work.

``auto`` takes as many as there are cores or GPUs, four at most on cores, and shares the batch between them
(`training.share_batch`), so that the run is the one that a single process would make, up to rounding.
"""

import os
import sys
from collections import deque
from collections.abc import Callable
from functools import partial

from atme.cli.children import Children
from atme.cli.exits import DONE, FAULTY, say
from atme.cli.own_words import taken
from atme.machine import cores, free_memory

WORD, AUTO = "--processes", "auto"
_MOST = 4
"""Processes that ``auto`` starts on a CPU; two were measured."""
_EACH = 2 * 1024**3
"""Bytes of free memory for each of them: PyTorch takes one by itself."""
SHARED = ("--training.share_batch", "true")
"""Words of each process that ``auto`` starts."""
_LINES = 40
"""Of another process than the first, that are shown where it alone fails."""
_GRACE = 60.0
"""Seconds within which the others end by themselves where one has failed: they say why, or miss it."""


def processes_taken_from(arguments: list[str]) -> tuple[int | None, list[str]]:
    """The number that ``--processes`` gives, and the other words; 1 where it is not there, None for ``auto``.

    Raises:
        ValueError: if it gives none.
    """
    given, rest = taken(arguments, {WORD: "2"})
    value = given.get(WORD, "1")
    if value == AUTO:
        return None, rest
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"{WORD}: {value!r} is no whole number of 1 or more; write {WORD} 2, or {WORD} {AUTO}")
    return int(value), rest


def as_many_as_share(batch: int, *, gpus: int) -> int:
    """How many processes ``auto`` starts.

    Args:
        batch: images of a batch, which they share.
        gpus: that this machine trains on; 0: it trains on its cores.
    """
    return min(batch, gpus or max(1, min(cores(), _MOST, free_memory() // _EACH)))


def shared_by(count: int | None, *, gpus: int) -> Callable[[int], int]:
    """How many processes share a batch, by its size: those that were asked for, or as many as ``auto`` starts.

    Raises:
        ValueError: where there is not a GPU for each.
    """
    _require_gpus(count or 1, gpus)
    return partial(as_many_as_share, gpus=gpus) if count is None else lambda _: count


def train_together(count: int, arguments: list[str], *, gpus: int) -> int:
    """Train one run by several processes; the first one speaks for all.

    A signal reaches them all, and they end after the same step. Where one fails, so do the others, which would wait for
    it.

    Args:
        count: of the processes.
        arguments: the other words of ``atme train``.
        gpus: that this machine trains on; 0: it trains on its cores.

    Raises:
        ValueError: under a launcher, or where there is not a GPU for each.
    """
    from atme.training.together import environments

    if "WORLD_SIZE" in os.environ:
        raise ValueError(f"{WORD}: a launcher has started several already; leave it out")
    _require_gpus(count, gpus)
    said = {rank: deque[str](maxlen=_LINES) for rank in range(1, count)}
    codes: dict[int, int] = {}
    with Children() as children:
        for rank, environment in enumerate(environments(count, gpus=gpus)):
            echo = None if rank == 0 else said[rank].append
            children.start(rank, [sys.executable, "-m", "atme", "train", *arguments], environment, echo=echo)
        while children.running:
            failed = any(code != DONE for code in codes.values()) and not children.signal
            ended = children.one_ended(within=_GRACE if failed else None)
            if ended is None:
                children.kill()
            else:
                codes[ended[0]] = ended[1]
    return _outcome(codes, said)


def _require_gpus(count: int, gpus: int) -> None:
    if gpus and count > gpus:
        raise ValueError(f"{WORD}: {count}, and GPUs that can be used here: {gpus}; give so many or fewer")


def _outcome(codes: dict[int, int], said: dict[int, deque[str]]) -> int:
    """The exit code of them all, by the order in which they ended; what the first one cannot have said is shown."""
    first = next((rank for rank, code in codes.items() if code != DONE), 0)
    if first and not (codes[first] == codes[0] and codes[first] != FAULTY):
        for line in said[first]:
            say(f"process {first}: {line}")
    return codes[first]
