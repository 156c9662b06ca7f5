"""Several seeds of one training, each in a process and a folder of its own: ``atme train --seeds 0,1,2 --jobs 2``.

On a CPU two trainings of one thread each do more together than one of two threads does in turns, since threads wait for
one another some thousand times in an update. So each gets its share of the cores.
"""

import os
import sys
from collections import deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from atme.cli.children import Children
from atme.cli.exits import DONE, INTERRUPTED, say
from atme.cli.own_words import taken
from atme.cli.page_word import WORD, page_of_seed
from atme.machine import cores
from atme.names import as_word

_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Seeds:
    """What was asked for."""

    seeds: tuple[int, ...]
    """Of the runs, each of them once."""
    jobs: int | None
    """Runs at a time; None: as many as there are cores, one on a GPU."""


def taken_from(arguments: list[str]) -> tuple[Seeds | None, list[str]]:
    """``--seeds`` and ``--jobs``, and the other words; None where neither is there.

    Raises:
        ValueError: for words that are no seeds or no number of jobs.
    """
    given, rest = taken(arguments, {"--seeds": "0,1,2", "--jobs": "2"})
    if not given:
        return None, rest
    if "--seeds" not in given:
        raise ValueError("--jobs: there is one run, of one seed; say which seeds, such as --seeds 0,1,2")
    jobs = _whole("--jobs", given["--jobs"], least=1) if "--jobs" in given else None
    seeds = [_whole("--seeds", word, least=0) for word in given["--seeds"].strip("[]").split(",")]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"--seeds: {given['--seeds']} names one twice; name each of them once")
    return Seeds(tuple(seeds), jobs), rest


def train_seeds(asked: Seeds, arguments: list[str], *, run: str, page: Path | None, on_gpu: bool) -> int:
    """Train each seed in ``RUN_SEED``, some of them at a time.

    All that one writes to the terminal stands behind its seed. What stops one of them does not stop the others;
    an interruption reaches them all, and each writes its checkpoint.

    Args:
        asked: seeds and jobs.
        arguments: the other words of ``atme train``.
        run: ``run.dir`` as these words have it.
        page: of each run, with its seed behind the name; None: none.
        on_gpu: whether the runs share a GPU.

    Raises:
        ValueError: under a launcher, which is one run already.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError("--seeds: a launcher's processes are one run; start atme train itself, or leave --seeds out")
    jobs = min(len(asked.seeds), asked.jobs or (1 if on_gpu else cores()))
    environment = {_THREADS: str(max(1, cores() // jobs)), **os.environ}
    waiting, codes = deque(asked.seeds), dict.fromkeys(asked.seeds, DONE)
    with Children() as children:
        while (waiting and not children.signal) or children.running:
            while waiting and len(children.running) < jobs and not children.signal:
                seed = waiting.popleft()
                words = [*arguments, "--run.seed", str(seed), "--run.dir", _folder(run, seed)]
                words += [] if page is None else [WORD, str(page_of_seed(page, seed))]
                command = [sys.executable, "-m", "atme", "train", *words]
                children.start(seed, command, environment, echo=partial(_echo, seed))
            ended = children.one_ended()
            assert ended is not None
            codes[ended[0]] = ended[1]
    failed = {seed: code for seed, code in codes.items() if code != DONE}
    folders = " ".join(as_word(_folder(run, seed)) for seed in asked.seeds)
    if children.signal:
        say(f"interrupted; --training.resume auto goes on with {folders}")
        return INTERRUPTED + children.signal
    if failed:
        say(f"{len(failed)} of {len(codes)} did not end well: seed {', '.join(map(str, failed))}; see above")
        return max(failed.values())
    together = as_word(f"{run}_compared")
    say(f"trained {len(codes)} seeds; set them side by side: atme compare {folders} --output {together}")
    return DONE


def _echo(seed: int, line: str) -> None:
    say(f"seed {seed}: {line}")


def _folder(run: str, seed: int) -> str:
    return f"{run.rstrip('/')}_{seed}"


def _whole(name: str, word: str, *, least: int) -> int:
    try:
        number = int(word)
    except ValueError:
        number = least - 1
    if number < least:
        raise ValueError(f"{name}: {word!r} is no whole number of {least} or more; write --seeds 0,1,2 --jobs 2")
    return number
