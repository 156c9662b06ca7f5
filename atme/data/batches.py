"""The order in which a run sees its images: a function of seed and step, so that it can go on at any step."""

import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from atme import require
from atme.data.device import Uncut
from atme.data.pair import Pair
from atme.data.pairs import PairedImages
from atme.data.workers import heed_the_parent_alone
from atme.machine import keep_freed_memory

# Views (`pairs.py`) and the order of samples draw from streams that differ in this number.
_ORDER = 1


class Batches(Sampler[list[tuple[int, int]]]):
    """Micro-batches of (epoch, index) for one process, from a step to the end of the run.

    Every epoch visits each image exactly once: its permutation is cut into steps × accumulate × world
    micro-batches whose sizes differ by at most one. No image is dropped or doubled, no last batch is small.

    Args:
        images: how many there are.
        batch_size: images in a micro-batch, at most. (Two where it is one, and the number of images is no
            multiple of accumulate × world: a micro-batch may not be empty.)
        share: whether that is the number of all processes together, so that a step takes as many with any number of
            them. The parts of it may differ by one image.
        epochs: of the whole run.
        steps: of the whole run, where it does not end with an epoch; None for all of its epochs.
        accumulate: micro-batches per step and process.
        rank: this process, counted from 0.
        world: the number of processes.
        seed: of the permutations.
        start_step: the first step to be made, counted from 0.

    Raises:
        ValueError: fewer images than one step takes, or a number out of its range.
    """

    def __init__(
        self,
        images: int,
        *,
        batch_size: int,
        share: bool = False,
        epochs: int,
        steps: int | None = None,
        accumulate: int = 1,
        rank: int = 0,
        world: int = 1,
        seed: int = 0,
        start_step: int = 0,
    ) -> None:
        require.wholes(0, images=images, epochs=epochs, seed=seed, start_step=start_step)
        require.wholes(1, batch_size=batch_size, accumulate=accumulate, world=world)
        require.whole("rank", rank, most=world - 1)
        if share and batch_size < world:
            raise ValueError(
                f"training.share_batch: {world} processes cannot share a batch of {batch_size}; start fewer processes, "
                f"or choose a training.batch_size of at least {world}"
            )
        times, slots = accumulate * (1 if share else world), accumulate * world
        self.steps_per_epoch = _steps_per_epoch(images, batch_size, times=times, slots=slots)
        self.steps = epochs * self.steps_per_epoch if steps is None else steps
        self.start_step = start_step
        self._images, self._seed = images, seed
        cuts = self.steps_per_epoch * accumulate
        # where a batch is shared it is cut as one process cuts it, and then each part anew
        shared = [size for part in _even(images, cuts) for size in _even(part, world)] if share else []
        self._sizes = shared or _even(images, cuts * world)
        self._accumulate, self._rank, self._world = accumulate, rank, world

    def __len__(self) -> int:
        return max(self.steps - self.start_step, 0) * self._accumulate

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        cut, parts = -1, list[NDArray[np.int64]]()
        slots = self._accumulate * self._world
        for step in range(self.start_step, self.steps):
            epoch = self.epoch_of(step)
            if epoch != cut:
                cut, parts = epoch, self._cut(epoch)
            first = step % self.steps_per_epoch * slots
            for part in parts[first + self._rank : first + slots : self._world]:
                yield [(epoch, index) for index in part.tolist()]

    def epoch_of(self, step: int) -> int:
        """The epoch that a step belongs to; both are counted from 0."""
        return step // self.steps_per_epoch

    def weights(self, step: int) -> list[float]:
        """What the mean loss of each of this process's micro-batches counts for in a step, 1 on average.

        All images of a step weigh the same, whatever the sizes of its micro-batches.
        """
        slots = self._accumulate * self._world
        sizes = self._sizes[(first := step % self.steps_per_epoch * slots) : first + slots]
        return [size * slots / sum(sizes) for size in sizes[self._rank :: self._world]]

    def seen(self, step: int) -> set[int]:
        """The images that all processes saw in the epoch of a step, before that step."""
        parts = self._cut(self.epoch_of(step))[: step % self.steps_per_epoch * self._accumulate * self._world]
        return {index for part in parts for index in part.tolist()}

    def _cut(self, epoch: int) -> list[NDArray[np.int64]]:
        """The epoch's permutation in micro-batches: in the order of steps, accumulation, processes."""
        chance = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(_ORDER, epoch)))
        return np.split(chance.permutation(self._images), np.cumsum(self._sizes[:-1]))


def loader(
    dataset: PairedImages, batches: Batches, *, workers: int = 0, pin_memory: bool = False
) -> "DataLoader[Pair | Uncut]":
    """Batches of pairs, the same bit for bit with any number of workers; ``to`` brings one to its device.

    Args:
        dataset: where they are read from.
        batches: which, and in what order.
        workers: processes that read ahead; 0 reads when a batch is asked for.
        pin_memory: hand them over in page-locked memory, from where a GPU copies in the background.

    Raises:
        ValueError: no such data set or batches, or a negative number of workers.
    """
    require.kind("dataset", dataset, of=PairedImages)
    require.kind("batches", batches, of=Batches)
    require.whole("workers", workers)
    return DataLoader(
        _Drawn(dataset),
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        worker_init_fn=_prepare,
        # The loader draws a number for its workers that nobody reads: not from the run's generator.
        generator=torch.Generator(),
    )


class _Drawn(Dataset[Pair | Uncut]):
    """A dataset's samples as they go into a batch."""

    def __init__(self, dataset: PairedImages) -> None:
        self._dataset = dataset

    def __getitem__(self, key: tuple[int, int]) -> Pair | Uncut:
        return self._dataset.draw(*key)


def _collate(samples: list[Any]) -> Pair | Uncut:
    """A batch; of a worker, in memory that the parent sees: where that is too small, it is told, and does not wait."""
    batch: Pair | Uncut = type(samples[0]).collate(samples)
    if get_worker_info() is not None:
        for tensor in (each for each in vars(batch).values() if isinstance(each, Tensor)):
            tensor.share_memory_()
    return batch


def _even(count: int, parts: int) -> list[int]:
    """Whole numbers that differ by at most one, the larger ones first."""
    return [count // parts + (part < count % parts) for part in range(parts)]


def _steps_per_epoch(images: int, batch_size: int, *, times: int, slots: int) -> int:
    """The least number of steps of so many times the batch size, in ``slots`` micro-batches, none of them empty."""
    if images < batch_size * times:
        need = f"{images}, and a step takes {batch_size * times} (batch size × accumulation × processes)"
        least = f"a training.batch_size of at most {images // times}"
        fewer = least if images >= slots else "less accumulation, fewer processes"
        raise ValueError(f"images: too few for a batch: {need}; choose {fewer}, or add images")
    return min(math.ceil(images / (batch_size * times)), images // slots)


def _prepare(worker: int) -> None:
    """A worker has one core, and reads one sample after the other."""
    heed_the_parent_alone()
    cv2.setNumThreads(0)
    keep_freed_memory()
