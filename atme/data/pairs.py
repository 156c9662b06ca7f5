"""Pairs of images: one sample or a batch, and the folder that they are read from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from atme.data.augment import Augmentation, TestView
from atme.data.cache import Read, keep
from atme.data.layout import Direction, find_layout, list_pairs
from atme.data.recipes import find_root
from atme.data.shapes import Size, read_shapes
from atme.images import Pixels, read_image, to_tensor

T = TypeVar("T")

# Views and the order of samples (`batches.py`) draw from streams that differ in this number.
_VIEWS = 0


@dataclass(frozen=True)
class Pair:
    """One sample, or a batch of them: then every tensor has an axis B in front."""

    source: Tensor
    """(B, C, H, W) float32 in [-1, 1]: what is translated."""
    target: Tensor | None
    """(B, C', H, W) float32 in [-1, 1]: what it should become; None where only the source is known."""
    index: Tensor | None
    """(B,) int64: position in the training set; None outside of it: of these images nothing is remembered."""
    view: Tensor
    """(B, 2, 3) float32: affine map from the sample's normalized coordinates, x and y in [-1, 1] from edge to
    edge (``grid_sample``, align_corners=False), to the whole picture's. [[1, 0, 0], [0, 1, 0]]: the whole."""
    name: tuple[str, ...]
    """Of each image, without folder and ending."""

    def __len__(self) -> int:
        """The number of samples; 1 for a sample without the axis B."""
        return len(self.name)

    def to(self, device: torch.device | str, *, channels_last: bool = False) -> Self:
        """A batch on another device, its images as (B, H, W, C) in memory if wanted."""
        apart = torch.device(device).type != "cpu"  # a copy to the CPU must have ended before it is read
        images = torch.channels_last if channels_last else torch.preserve_format

        def moved(tensor: Tensor, layout: torch.memory_format) -> Tensor:
            return tensor.to(device, non_blocking=apart, memory_format=layout)

        return replace(
            self,
            source=moved(self.source, images),
            target=None if self.target is None else moved(self.target, images),
            index=None if self.index is None else moved(self.index, torch.preserve_format),
            view=moved(self.view, torch.preserve_format),
        )

    def pin_memory(self) -> Self:
        """The same in page-locked memory, from where a GPU copies in the background."""
        return replace(
            self,
            source=self.source.pin_memory(),
            target=None if self.target is None else self.target.pin_memory(),
            index=None if self.index is None else self.index.pin_memory(),
            view=self.view.pin_memory(),
        )

    @staticmethod
    def collate(samples: Sequence["Pair"]) -> "Pair":
        """Samples as a batch.

        Raises:
            ValueError: samples of different size.
        """
        first = samples[0]
        for sample in samples:
            if sample.source.shape != first.source.shape:
                shapes = f"{tuple(sample.source.shape)}, but {first.name[0]} {tuple(first.source.shape)}"
                raise ValueError(f"{sample.name[0]}: has shape {shapes}; set load_size or crop_size")
        return Pair(
            source=torch.stack([sample.source for sample in samples]),
            target=_stack([sample.target for sample in samples]),
            index=_stack([sample.index for sample in samples]),
            view=torch.stack([sample.view for sample in samples]),
            name=tuple(name for sample in samples for name in sample.name),
        )


class PairedImages(Dataset[Pair]):
    """Pairs of a split of a dataset, each under a view that is drawn anew for every epoch.

    ``dataset[epoch, index]`` is one sample, without the axis B of a batch: a function of seed, epoch and
    index alone, whoever reads it and in whatever order. ``dataset[index]`` is that of epoch 0. Its ``index``
    counts within this split: drop it where this is not the training set. `layout.py` says how a folder may
    be laid out.

    Args:
        root: the dataset's folder, or the name of a recipe such as ``earth``.
        split: which of its splits: ``train``, ``val``, ``test``, ...
        direction: ``AtoB`` translates the left halves, or those in folder A, to the others; ``BtoA`` back.
        layout: how the halves lie in the folder; ``auto`` finds out.
        augment: how a view is drawn; null for the whole pictures as they are.
        seed: of the views.
        cache: keep the decoded and resized pictures in memory (``ram``) or in a file (``disk``), so that they
            are decoded once and not in every epoch.
        cache_dir: the folder of that file; it may be deleted at any time.

    Raises:
        ValueError: an unknown name, a missing split, files that make no pairs (the file is named), or
            pictures that do not fit into memory.
        OSError: the file of the cache cannot be written.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        split: str = "train",
        direction: Direction = "AtoB",
        layout: Literal["auto", "side_by_side", "two_folders"] = "auto",
        augment: Augmentation | TestView | None = None,
        seed: int = 0,
        cache: Literal["none", "ram", "disk"] = "none",
        cache_dir: str | Path | None = None,
    ) -> None:
        if seed < 0:
            raise ValueError(f"seed: {seed} is negative; give 0 or more")
        keep_freed_memory()
        self.root, self.split, self.direction, self.seed = find_root(root), split, direction, seed
        self.layout = find_layout(self.root, split=split, layout=layout)
        self.augment = augment or TestView()
        self._files = list_pairs(self.layout)
        shapes = read_shapes(self._files)
        self._check_crop(shapes.sizes)
        self.source_channels, self.target_channels = self._directed(shapes.channels)
        self.source_bits, self.target_bits = self._directed(shapes.bits)
        size, made = shapes.bytes_at(self.augment.sizes.load_size), f"{split} {self.augment.sizes.load_size}"
        self._load: Read = keep(cache, self._read, self._files, size=size, folder=cache_dir, made=made)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the pairs: without folder and ending."""
        return self._files.names

    @property
    def view_in_words(self) -> str:
        """What is done to the pictures, for protocols."""
        return self.augment.in_words

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, key: int | tuple[int, int]) -> Pair:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        if not 0 <= index < len(self):
            raise IndexError(index)
        source, target = self._directed(self._load(index))
        seed = np.random.SeedSequence(self.seed, spawn_key=(_VIEWS, epoch, index))
        viewed = self.augment.draw(source, target, seed=seed, name=self.names[index])
        return Pair(
            source=to_tensor(viewed.source),
            target=to_tensor(viewed.target),
            index=torch.tensor(index),
            view=viewed.view,
            name=(self.names[index],),
        )

    def _read(self, index: int) -> tuple[Pixels, Pixels]:
        """A and B of a pair, decoded and resized."""
        images = [read_image(path) for path in self._files.paths[index]]
        half = images[0].shape[1] // 2
        a, b = images if len(images) == 2 else (images[0][:, :half], images[0][:, half:])
        return self.augment.sizes.load(a), self.augment.sizes.load(b)

    def _directed(self, both: tuple[T, T]) -> tuple[T, T]:
        """Of A and B: source and target."""
        return both if self.direction == "AtoB" else (both[1], both[0])

    def _check_crop(self, sizes: Sequence[Size]) -> None:
        """Whether the crop fits into all images."""
        examples = dict(zip(sizes, self._files.paths, strict=True))
        for size, paths in examples.items():
            self.augment.sizes.check(size, name=str(paths[0]))


def keep_freed_memory() -> None:
    """Let this process keep the memory that one sample frees for the next one.

    glibc hands large blocks back to the system at once, and the pages that it gets for the next sample must
    be cleared again: on some machines that takes longer than all the rest. It stops doing so once it has seen
    a block of nearly 32 MiB freed (mallopt(3): the dynamic threshold). Elsewhere nothing happens.
    """
    np.empty(31 * 2**20, np.uint8)


def _stack(tensors: Sequence[Tensor | None]) -> Tensor | None:
    known = [tensor for tensor in tensors if tensor is not None]
    assert len(known) in (0, len(tensors))
    return torch.stack(known) if known else None
