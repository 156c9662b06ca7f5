"""Several things at once: the same answers in the same order, and what goes wrong goes wrong as one by one."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from atme.inference.at_once import at_once


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_answers_come_in_the_order_of_the_things(workers: int) -> None:
    assert list(at_once(lambda n: n * n, range(20), workers=workers)) == [(n, n * n) for n in range(20)]
    assert list(at_once(lambda n: n, [], workers=workers)) == []


def test_several_are_worked_on_at_once_each_with_one_thread_of_torch() -> None:
    """Each waits for the other: one after the other they would wait for ever. All else keeps its threads."""
    code = """
import threading, torch
from atme.inference.at_once import at_once
meeting, elsewhere = threading.Barrier(2, timeout=60), [torch.get_num_threads()]
told = torch.__config__.parallel_info()
def work(_):
    meeting.wait()
    return torch.get_num_threads()
print(*(made for _, made in at_once(work, "ab", workers=2)))
other = threading.Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
other.start(), other.join()
print(elsewhere.count(torch.get_num_threads()), torch.__config__.parallel_info() == told)
"""
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1", "2", "True"]


def test_at_most_one_a_worker_is_made_ahead() -> None:
    taken: list[int] = []

    def things() -> Iterator[int]:
        for n in range(20):
            taken.append(n)
            yield n

    answers = at_once(lambda n: n, things(), workers=2)
    next(answers)
    assert len(taken) == 3
    answers.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_ends_it_at_its_place(workers: int) -> None:
    answers = at_once(lambda n: 1 // (1 - n), range(100), workers=workers)
    assert next(answers) == (0, 1)
    with pytest.raises(ZeroDivisionError):
        next(answers)
