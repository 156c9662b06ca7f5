"""How fast this machine trains a preset: measured by updates of throw-away copies, not looked up.

They are those that ``training.max_time`` plans by (`atme.training.plan`): here they are timed before the preset is
written, so that its number of updates stands in it.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jsonargparse import Namespace

from atme.machine import cores, free_memory
from atme.training.device import accelerator, facts, gpus_of, in_words, kind_of
from atme.training.options import parser
from atme.training.parts import measure
from atme.training.plan import Trial, make_trial, seconds_an_update, update

READ = 64
"""Training pairs that copies are trained on: they are decoded before, once, as a run with a cache has them."""
_FEW = 3  # updates by which two precisions are compared

Read = Callable[[Mapping[str, Any]], tuple[Namespace, str]]
"""From the sections of a preset to all options, instantiated, and as YAML."""


@dataclass(frozen=True)
class Machine:
    """What is there to compute on."""

    words: str
    """Device, threads and kernels."""
    device: str
    """``cpu``, ``cuda`` or ``mps``."""
    cores: int
    memory: int
    """Bytes that can be had."""


@dataclass(frozen=True)
class Speed:
    """How long the parts of a run take, in seconds."""

    update: float
    ready: float
    """From the options to the first update."""
    read: float
    """One pair, for the first time."""
    look: float
    """At the validation split; 0: there is none."""
    grid: float
    """Of samples."""


def read_preset(sections: Mapping[str, Any]) -> tuple[Namespace, str]:
    """The options of a preset's sections, instantiated, and as YAML.

    Raises:
        ValueError: a key or value that does not fit.
    """
    options = parser()
    chosen = options.parse_object(dict(sections))
    return options.instantiate(chosen), options.dump(chosen)


def read_text(text: str) -> Namespace:
    """The options of a run, as it wrote them, instantiated.

    Raises:
        ValueError: a key or value that does not fit.
    """
    options = parser()
    chosen: Namespace = options.instantiate(options.parse_string(text))
    return chosen


def time_whole(options: Namespace, *, now: Callable[[], float] = time.perf_counter) -> Speed:
    """Time the parts of a run; where several processes train it, each of them must call this.

    Args:
        options: all sections, instantiated.
        now: seconds since any moment.

    Raises:
        ValueError: if such a run cannot be made.
    """
    with _trial(options, now=now) as (trial, between, spent):
        each = seconds_an_update(0.0, trial, clock=now)
        for name, work in between.items():
            before = now()
            work()
            spent[name] = now() - before
    return Speed(each, spent["ready"], spent["read"], look=spent.get("look", 0.0), grid=spent.get("grid", 0.0))


@contextmanager
def _trial(
    options: Namespace, *, now: Callable[[], float]
) -> Iterator[tuple[Trial, dict[str, Callable[[], object]], dict[str, float]]]:
    """Copies that can be trained, what this process does between updates, and how long it took to make them."""
    began, training = now(), options.training
    processes = accelerator(training)
    train, test = options.data.open_train(seed=0), options.data.open_test()
    update_of = training.images_per_update(processes.num_processes)
    measured = measure(train, batch=update_of)
    images = min(len(train), max(READ, 2 * update_of))
    before = now()
    for index in range(images):
        train.draw(0, index)
    reading = now() - before
    trial, between = make_trial(options, processes, train=train, test=test, measured=measured, images=images)
    ready = now() - began - reading
    drawn = training.sample_every and processes.is_main_process
    names = [name for name, on in (("grid", drawn), ("look", training.evaluate_every)) if on]
    works = {name: work for name, (_, work) in zip(names, between, strict=True)}
    yield trial, works, {"ready": ready, "read": reading / images}
    processes.free_memory()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def find_machine(wanted: str = "auto") -> Machine:
    """What this machine has."""
    options, _ = read_preset({"training": {"device": wanted}})
    known = facts(accelerator(options.training)) | {"precision": ""}
    words = in_words(known).replace(", ,", ",")
    return Machine(words, kind_of(wanted), cores(), free_memory())


@dataclass
class Clock:
    """Measures presets, each kind of game once.

    Args:
        read: makes options of a preset's sections, with all that the user set anew.
        read_alone: the same without what the user set of a game, for an update of the generator alone.
        now: seconds since any moment.
    """

    read: Read = read_preset
    read_alone: Read = read_preset
    now: Callable[[], float] = time.perf_counter
    _known: dict[str, Any] = field(default_factory=dict)

    def few(self, sections: Mapping[str, Any]) -> float:
        """Seconds of an update of the generator alone, from few of them."""
        return float(self._once("few", sections, self._few))

    def whole(self, sections: Mapping[str, Any], *, processes: int = 1) -> Speed:
        """All that a run's length is planned by.

        Args:
            sections: of the preset.
            processes: that share a batch.
        """
        if processes > 1:
            found: Speed = self._once(f"whole by {processes}", sections, partial(self._together, processes))
            return found
        found = self._once("whole", sections, self._whole)
        return found

    def without_measuring(self) -> "Clock":
        """One that knows what this one measured, and takes the last of it for what it did not: for what would be."""
        return _Remembering(self.read, self.read_alone, self.now, dict(self._known))

    def _once(self, kind: str, sections: Mapping[str, Any], measured: Callable[[Mapping[str, Any]], Any]) -> Any:
        parts = ("data", "model", "generator", "discriminator", "noise", "optimizers")
        training = {key: sections.get("training", {}).get(key) for key in ("batch_size", "precision")}
        key = json.dumps([kind, training, {part: sections.get(part) for part in parts}], sort_keys=True, default=str)
        if key not in self._known:
            self._known[key] = self._missing(kind, sections, measured)
        return self._known[key]

    def _missing(self, kind: str, sections: Mapping[str, Any], measured: Callable[[Mapping[str, Any]], Any]) -> Any:
        return measured(sections)

    def _together(self, processes: int, sections: Mapping[str, Any]) -> Speed:
        from atme.planning.together import time_together

        options, text = self.read(sections)
        return time_together(text, processes, gpus=gpus_of(options.training.device))

    def _few(self, sections: Mapping[str, Any]) -> float:
        with _trial(self.read_alone(sections)[0], now=self.now) as (trial, _, _):
            seconds = []
            for _ in range(1 + _FEW):
                before = self.now()
                update(trial, at=0.0)
                seconds.append(self.now() - before)
        return min(seconds[1:])

    def _whole(self, sections: Mapping[str, Any]) -> Speed:
        return time_whole(self.read(sections)[0], now=self.now)


class _Remembering(Clock):
    def _missing(self, kind: str, sections: Mapping[str, Any], measured: Callable[[Mapping[str, Any]], Any]) -> Any:
        starts = (f'["{kind}"', f'["{kind.split()[0]}')  # the latter by other processes: more pairs, larger batches
        return next(value for start in starts for key, value in reversed(self._known.items()) if key.startswith(start))
