"""Pairs of images, and the folder that they are read from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from atme import require
from atme.data.augment import Augmentation, TestView
from atme.data.cache import Read, keep
from atme.data.device import DeviceAugmentation, Uncut
from atme.data.fingerprint import fingerprint
from atme.data.halves import read_halves
from atme.data.kinds import PICTURES, Kinds
from atme.data.layout import Direction, find_layout
from atme.data.pair import Pair
from atme.data.recipes import LayoutChoice, find_root
from atme.data.scan import list_pairs
from atme.data.shapes import Size, read_shapes
from atme.images import Pixels, to_tensor
from atme.machine import keep_freed_memory

T = TypeVar("T")

# Views and the order of samples (`batches.py`) draw from streams that differ in this number.
_VIEWS = 0


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
        layout: where the halves lie in the folder; ``auto`` finds out.
        augment: how a view is drawn; null for the whole pictures as they are.
        seed: of the views.
        kinds: which of the halves are labels, and of which classes; see `atme.data.kinds`.
        clear_transparent: colors under alpha 0, which nobody sees, become 0.
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
        layout: LayoutChoice = "auto",
        augment: Augmentation | DeviceAugmentation | TestView | None = None,
        seed: int = 0,
        kinds: Kinds = PICTURES,
        clear_transparent: bool = True,
        cache: Literal["none", "ram", "disk"] = "none",
        cache_dir: str | Path | None = None,
    ) -> None:
        require.kind("root", root, of=(str, Path))
        require.kind("split", split, of=str)
        require.whole("seed", seed)
        require.choice("direction", direction, Direction)
        require.choice("layout", layout, LayoutChoice)
        require.choice("cache", cache, ("none", "ram", "disk"))
        require.kind("kinds", kinds, of=(Kinds,))
        if augment is not None:
            require.kind("augment", augment, of=(Augmentation, DeviceAugmentation, TestView))
        keep_freed_memory()
        self.root, self.split, self.direction, self.seed = find_root(root), split, direction, seed
        self.layout = find_layout(self.root, split=split, layout=layout)
        self.kinds, self.augment = kinds, (augment or TestView()).of_kinds(kinds)
        self._files = list_pairs(self.layout)
        self.shapes = shapes = read_shapes(self._files)
        self._check_crop(shapes.sizes)
        kinds.require_files(shapes, sides=self._directed((0, 1)))
        self.source_channels, self.target_channels = kinds.channels(self._directed(shapes.channels))
        self.source_bits, self.target_bits = kinds.bits(self._directed(shapes.bits))
        size, made = shapes.bytes_at(self.augment.sizes.load_size), f"{split} {self.augment.sizes.load_size}"
        if "nearest" in self.augment.sizes.interpolation:
            made += f" {self._directed(self.augment.sizes.interpolation)}"
        made += "" if kinds.is_plain else f" {self._directed(kinds.both)} {kinds.resizing}"
        self.clear_transparent = clear_transparent
        made += "" if clear_transparent else " with what is transparent"
        self._load: Read = keep(cache, self._read, self._files, size=size, folder=cache_dir, made=made)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the pairs: without folder and ending."""
        return self._files.names

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user should know of the files: how many were left alone and why, and names that differ in case."""
        return self._files.remarks

    @property
    def fingerprint(self) -> dict[str, Any]:
        """By what these pairs are known again: see `fingerprint.py`."""
        return fingerprint(self.names, self._files.paths, direction=self.direction)

    @property
    def view_in_words(self) -> str:
        """What is done to the pictures, for protocols."""
        return self.augment.in_words

    def classes_of(self, index: int) -> NDArray[np.int64]:
        """How many pixels of a target of labels, as it is loaded, are of each class: (classes,).

        Raises:
            ValueError: the pair cannot be read.
        """
        assert self.kinds.target is not None
        places = self._directed(self._load(index))[1]
        return np.bincount(places.reshape(-1), minlength=len(self.kinds.target.names)).astype(np.int64)

    def shown(self, source: Tensor) -> Tensor:
        """A source (C, H, W) of these as a picture for people: one that is one-hot by the colors of its classes."""
        return self.kinds.shown(source)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, key: int | tuple[int, int]) -> Pair:
        drawn = self.draw(*(key if isinstance(key, tuple) else (0, key)))
        return drawn if isinstance(drawn, Pair) else drawn.alone()

    def draw(self, epoch: int, index: int) -> Pair | Uncut:
        """A sample as it goes into a batch, without the axis B: where views are cut on the device, still uncut.

        Raises:
            ValueError: the pair cannot be read or augmented.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        source, target = self._directed(self._load(index))
        seed = np.random.SeedSequence(self.seed, spawn_key=(_VIEWS, epoch, index))
        drawn = self.augment.draw(source, target, seed=seed, name=self.names[index])
        if isinstance(drawn, Uncut):
            return replace(drawn, index=torch.tensor(index))
        source, target = self.kinds.painted(drawn.source, drawn.target)
        return Pair(
            source=to_tensor(source),
            target=to_tensor(target),
            index=torch.tensor(index),
            view=drawn.view,
            name=(self.names[index],),
        )

    def _read(self, index: int) -> tuple[Pixels, Pixels]:
        """A and B of a pair, decoded and resized."""
        paths = self._files.paths[index]
        halves = read_halves(paths, clear=self.clear_transparent)
        kinds, sizes, sides = self._directed(self.kinds.both), self.augment.sizes, self._directed((0, 1))
        a, b = (
            self.kinds.loaded(half, labels, sizes, side=side, name=path)
            for half, labels, side, path in zip(halves, kinds, sides, (paths[0], paths[-1]), strict=True)
        )
        return a, b

    def _directed(self, both: tuple[T, T]) -> tuple[T, T]:
        """Of A and B: source and target."""
        return both if self.direction == "AtoB" else (both[1], both[0])

    def _check_crop(self, sizes: Sequence[Size]) -> None:
        """Whether the crop fits into all images."""
        self.augment.check({size: str(paths[0]) for size, paths in zip(sizes, self._files.paths, strict=True)})
