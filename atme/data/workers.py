"""Processes that read ahead: whom they heed, and, in one line, what stopped one: PyTorch passes on its traceback."""

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from types import TracebackType

_PATIENCE = 1.0
"""Seconds after which a worker looks whether its parent is alive."""


def heed_the_parent_alone() -> None:
    """Let this process, a worker, end when its parent asks for it or is gone, and at no other signal.

    SIGINT and SIGTERM to all processes of a run, as terminals, schedulers and containers send them, are for the parent
    to answer: it saves a checkpoint, and needs batches until the step is done. Where signals do not tell who sent
    them (macOS, Windows), SIGTERM stays as it is. A parent that ends while it is handed a batch is no error here.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _but_for_handovers
    if hasattr(signal, "sigtimedwait"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _but_for_handovers(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that nobody caught, unless the parent broke off while it was handed a batch: it has ended."""
    if not isinstance(error, EOFError | ConnectionError):
        sys.__excepthook__(kind, error, trace)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        arrived = signal.sigtimedwait({signal.SIGTERM}, _PATIENCE)
        if arrived is not None and arrived.si_pid == parent:
            break
    os._exit(0)


_IN_WORKER = re.compile(r"Caught (\w+) in DataLoader worker process")
_DEAD_WORKER = re.compile(r"DataLoader worker \(pid.*\) (?:is killed by signal: (?P<signal>\w+)|exited unexpectedly)")


@contextmanager
def workers_in_words() -> Iterator[None]:
    """What stopped a worker becomes one line of the same type, or an OSError with the remedy.

    Raises:
        ValueError: what a worker refused, such as a damaged file.
        OSError: too little shared memory, or a worker that was killed.
    """
    try:
        yield
    except (ValueError, OSError, RuntimeError, EOFError) as error:
        words = _words_of_a_dead("ended unexpectedly") if _in_a_handover(error) else _words_of_a_worker(str(error))
        if words is None:
            raise
        raise (ValueError if isinstance(error, ValueError) else OSError)(words) from error


def _in_a_handover(error: BaseException) -> bool:
    """Whether a worker was gone while it handed a batch on: its end of a connection broke off."""
    frames = (frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__))
    return isinstance(error, EOFError | ConnectionError) and any("multiprocessing" in name for name in frames)


def _words_of_a_dead(how: str) -> str:
    return f"data.workers: a worker {how}, perhaps for lack of memory; use fewer --data.workers, or 0"


def _words_of_a_worker(text: str) -> str | None:
    """What to say of an error that a worker passed on; None if no worker did, or nothing is known of it."""
    if "unable to allocate shared memory" in text or "killed by signal: Bus error" in text:
        return (
            "data.workers: there is too little shared memory (/dev/shm) for batches on their way from the workers; use "
            "--data.workers 0, or give more (docker run --shm-size 2g)"
        )
    dead = _DEAD_WORKER.search(text)
    if dead:
        how = f"was killed ({dead['signal']})" if dead["signal"] else "ended unexpectedly"
        return _words_of_a_dead(how)
    inside = _IN_WORKER.search(text)
    if inside and inside[1] != "RuntimeError":
        return text.rstrip().rsplit("\n", 1)[-1].split(": ", 1)[-1]
    return None
