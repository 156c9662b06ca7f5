"""The verdicts D_t and the noise W_t of a few tracked images, epoch by epoch, as float arrays on disk.

    RUN/history.zarr/
        training/  decision (E, K, h, w)  map (E, K, H, W)  epoch (E,)     what the training steps wrote and read
        fixed/     the same, and before (K, h, w)                          under one fixed view, after each epoch

K images (named in each group's attribute ``images``), E epochs, one chunk an epoch. ``decision`` holds float32
logits, ``map`` W in (-1, 1), NaN what was not recorded. Nothing is ever normalized: on processes of known law, 8-bit
pictures normalized frame by frame destroy the very thing that is looked for.

The epoch's number is written after its arrays: a process that is killed loses at most the epoch under way.
"""

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray

FOLDER = "history.zarr"

Kind = Literal["training", "fixed"]
Numbers = NDArray[Any]


@dataclass(frozen=True)
class Recording:
    """One of a run's two recordings; the arrays are read from disk as they are indexed."""

    name: str
    """``training`` or ``fixed``."""
    images: tuple[str, ...]
    """Names of the K tracked images."""
    epochs: Numbers
    """(E,) the epochs recorded, counted from 1."""
    decisions: Any
    """(E, K, h, w) float32 logits D_t."""
    maps: Any
    """(E, K, H, W) W_t in (-1, 1)."""


def read(run: Path) -> dict[str, Recording]:
    """The recordings of a run, by name.

    Raises:
        ValueError: if the run has none, or they are damaged.
    """
    place = run / FOLDER
    if not place.is_dir():
        raise ValueError(f"{run}: has no history; train with --history.images 5 to record one")
    found = {kind: place / kind for kind in ("training", "fixed") if (place / kind).is_dir()}
    try:
        return {kind: _read(kind, folder) for kind, folder in found.items()}
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{place}: the history cannot be read ({error}); train again to record one") from error


def _read(kind: str, folder: Path) -> Recording:
    group: Any = zarr.open_group(folder, mode="r")
    epochs = np.asarray(group["epoch"])
    images = tuple(str(name) for name in group.attrs["images"])
    return Recording(kind, images, epochs, group["decision"], group["map"])


def cut(run: Path, *, epochs: int, visited: Collection[str] = ()) -> None:
    """Forget what was recorded after a moment of a run: by a process that was killed after its last checkpoint.

    Args:
        run: its folder.
        epochs: whole epochs that were done by then.
        visited: names of the images whose visits in the epoch under way belong to the run.
    """
    place = run / FOLDER
    if not epochs and not visited:
        if place.is_dir():
            shutil.rmtree(place)
        return
    for kind in (kind for kind in ("training", "fixed") if (place / kind).is_dir()):
        group: Any = zarr.open_group(place / kind, mode="a")
        under_way = kind == "training" and bool(visited)
        for name in ("decision", "map", "epoch"):
            array = group.get(name)
            if array is not None and array.shape[0] > epochs + under_way:
                array.resize((epochs + under_way, *array.shape[1:]))
            if array is not None and under_way and name != "epoch" and array.shape[0] > epochs:
                stays = np.array([image in visited for image in group.attrs["images"]])
                array[epochs] = np.where(stays[:, None, None], array[epochs], np.nan)


class Writer:
    """Writes one recording, epoch by epoch; what was recorded before stays.

    Args:
        run: the run's folder.
        kind: which of the recordings.
        images: names of the tracked images.
        precision: of W; the logits are float32.

    Raises:
        ValueError: if another recording, of other images, lies there.
    """

    def __init__(
        self, run: Path, kind: Kind, *, images: tuple[str, ...], precision: Literal["float32", "float16"]
    ) -> None:
        self._precision = precision
        self._group = zarr.open_group(run / FOLDER / kind, mode="a")
        there: Any = self._group.attrs.get("images", list(images))
        if tuple(there) != images:
            raise ValueError(f"{run / FOLDER}: holds a history of other images; choose another --run.dir")
        self._group.attrs["images"] = list(images)

    def write(self, epoch: int, decisions: Numbers, maps: Numbers) -> None:
        """Write what is known of an epoch, counted from 1; NaN leaves what is there.

        Args:
            epoch: whose row it is.
            decisions: (K, h, w) logits.
            maps: (K, H, W) in (-1, 1).
        """
        self._put("decision", epoch, decisions, np.dtype(np.float32))
        self._put("map", epoch, maps, np.dtype(self._precision))
        numbers = self._array("epoch", (), np.dtype(np.int64), fill=0)
        numbers.resize((max(epoch, numbers.shape[0]),))
        numbers[epoch - 1] = epoch

    @property
    def started(self) -> bool:
        """Whether it holds the logits from before its first epoch."""
        return "before" in self._group

    def decisions(self, epoch: int) -> Numbers:
        """(K, h, w) logits of an epoch, or those from before the first one if that epoch was not recorded."""
        rows: Any = self._group["decision"] if "decision" in self._group else np.empty(0)
        if 0 < epoch <= rows.shape[0] and not np.isnan(rows[epoch - 1]).all():
            return np.asarray(rows[epoch - 1])
        before: Any = self._group["before"]
        return np.asarray(before[:])

    def write_before(self, decisions: Numbers) -> None:
        """Keep the logits (K, h, w) from before the first epoch of this run."""
        self._group.create_array("before", data=decisions.astype(np.float32), overwrite=True)

    def _put(self, name: str, epoch: int, rows: Numbers, kind: np.dtype[Any]) -> None:
        array = self._array(name, rows.shape, kind, fill=np.nan)
        if array.shape[0] < epoch:
            array.resize((epoch, *rows.shape))
        array[epoch - 1] = np.where(np.isnan(rows), array[epoch - 1], rows)

    def _array(self, name: str, shape: tuple[int, ...], kind: np.dtype[Any], *, fill: float) -> Any:
        if name in self._group:
            return self._group[name]
        return self._group.create_array(name, shape=(0, *shape), chunks=(1, *shape), dtype=kind, fill_value=fill)
