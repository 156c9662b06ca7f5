"""Work on several things at once, each with one thread of PyTorch's, instead of on one with all of them.

Threads that share one small picture meet a thousand times on its way and mostly wait; threads that have a picture each
do not.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")
R = TypeVar("R")


def at_once(work: Callable[[T], R], things: Iterable[T], *, workers: int) -> Iterator[tuple[T, R]]:
    """Each thing with what was made of it, in their order; at most one a worker is made ahead.

    Args:
        work: what is done with a thing; with several workers in threads of their own.
        things: to work on.
        workers: how many at once; 1: one after the other, here.
    """
    if workers == 1:
        yield from ((thing, work(thing)) for thing in things)
        return
    ahead: deque[tuple[T, Future[R]]] = deque()
    with ThreadPoolExecutor(workers, initializer=_one_thread) as pool:
        try:
            for thing in things:
                ahead.append((thing, pool.submit(work, thing)))
                if len(ahead) > workers:
                    yield _next(ahead)
            while ahead:
                yield _next(ahead)
        finally:
            for _, waiting in ahead:
                waiting.cancel()


def _next(ahead: deque[tuple[T, Future[R]]]) -> tuple[T, R]:
    thing, made = ahead.popleft()
    return thing, made.result()


def _one_thread() -> None:
    """PyTorch uses one thread in the thread that asks; in all others as many as before, and MKL chooses as before.

    `torch.set_num_threads` is the whole process's, and changes the bits of later trainings even once it is put back.
    """
    threadpool_limits(limits=1, user_api="openmp")
