"""The longest unbroken stretch of epochs of a recording: what the tests of the process can be asked about.

A test of a series needs every epoch of it. An epoch that was not recorded, or that cannot be read, splits the
recording; the tests read the longest piece, and `Stretch.remarks` says what was left out and why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atme.history import Recording

AT_ONCE = 512 * 2**20
"""Bytes of W, and as many of D, that are kept in memory."""


@dataclass(frozen=True)
class Stretch:
    """Consecutive epochs of one recording, all of them whole.

    Attributes:
        recording: Where they lie.
        rows: Their rows in its arrays.
        images: Rows of the tracked images that were recorded.
        remarks: What was left out, in words; empty where nothing was.
    """

    recording: Recording
    rows: slice
    images: tuple[int, ...]
    remarks: tuple[str, ...]
    _read: dict[str, tuple[int, NDArray[np.float32]]] = field(default_factory=dict, repr=False, compare=False)
    """The images that were read last, several at once: a chunk on disk holds an epoch of all images."""

    @property
    def epochs(self) -> NDArray[np.int64]:
        """(T,) numbers of the epochs, counted from 1."""
        return np.asarray(self.recording.epochs[self.rows])

    def maps(self, image: int) -> NDArray[np.float32]:
        """W of one image, (T, H, W) in [-1, 1]."""
        return self._series("maps", image)

    def decisions(self, image: int) -> NDArray[np.float32]:
        """D of one image, (T, h, w) logits."""
        return self._series("decisions", image)

    def _series(self, name: Literal["maps", "decisions"], image: int) -> NDArray[np.float32]:
        stored = getattr(self.recording, name)
        size = len(self.epochs) * int(np.prod(stored.shape[2:])) * np.dtype(np.float32).itemsize
        together = max(1, AT_ONCE // max(size, 1))
        first = image // together * together
        if name not in self._read or self._read[name][0] != first:
            self._read[name] = first, np.asarray(stored[self.rows, first : first + together], dtype=np.float32)
        return self._read[name][1][:, image - first]


def longest_stretch(recording: Recording, *, window: tuple[int, int] | None = None) -> Stretch:
    """Look through a recording for its longest unbroken stretch.

    Args:
        recording: One of a run's recordings.
        window: First and last epoch to look at, both counted from 1 and included; None for all.

    Raises:
        ValueError: If the window lies outside the recording, or no W was recorded in it.
    """
    first, last = _checked(window, recording)
    damaged: dict[int, str] = {}
    recorded = np.zeros((last - first, len(recording.images)), dtype=np.bool_)
    for row in range(first, last):
        try:
            recorded[row - first] = _recorded(recording, row)
        except (RuntimeError, ValueError, OSError) as error:  # what zarr raises depends on the damage
            damaged[row + 1] = str(error)
    images = tuple(int(image) for image in np.flatnonzero(recorded.any(axis=0)))
    if not images:
        raise ValueError(f"{recording.name}: {_why_nothing(damaged)}")
    whole = np.asarray(recorded[:, images].all(axis=1))
    start, stop = _longest_run(whole)
    rows = slice(first + start, first + stop)
    return Stretch(recording, rows, images, tuple(_remarks(recording, whole, damaged, images, rows, first)))


def _checked(window: tuple[int, int] | None, recording: Recording) -> tuple[int, int]:
    """The window as rows: first, and the one behind the last."""
    epochs = len(recording.epochs)
    if window is None:
        return 0, epochs
    first, last = window
    if not 1 <= first < last <= epochs:
        raise ValueError(
            f"window {first} to {last}: the {recording.name} recording holds epochs 1 to {epochs}; "
            f"choose 1 <= first < last <= {epochs}"
        )
    return first - 1, last


def _recorded(recording: Recording, row: int) -> NDArray[np.bool_]:
    """Which images (K,) this epoch holds.

    Raises:
        ValueError: If what it holds cannot be W.
    """
    if recording.epochs[row] == 0:
        return np.zeros(len(recording.images), dtype=np.bool_)
    maps = np.asarray(recording.maps[row], dtype=np.float32)
    np.asarray(recording.decisions[row])
    known = ~np.isnan(maps)
    if (np.abs(maps[known]) > 1).any():
        raise ValueError("W leaves [-1, 1]")
    return np.asarray(known.any(axis=(1, 2)))


def _longest_run(whole: NDArray[np.bool_]) -> tuple[int, int]:
    """First and one behind the last of the longest run of True; the later one of two."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], whole, [False]])))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    best = len(starts) - 1 - int(np.argmax((stops - starts)[::-1]))
    return int(starts[best]), int(stops[best])


def _remarks(
    recording: Recording,
    whole: NDArray[np.bool_],
    damaged: dict[int, str],
    images: Sequence[int],
    rows: slice,
    first: int,
) -> list[str]:
    remarks = [f"epoch {epoch} cannot be read ({error})" for epoch, error in damaged.items()]
    missing = [int(row) + first + 1 for row in np.flatnonzero(~whole) if int(row) + first + 1 not in damaged]
    if missing:
        remarks.append(f"not every tracked image was recorded in epoch {_listed(missing)}")
    if not whole.all():
        remarks.append(f"tested was the longest unbroken stretch, epochs {rows.start + 1} to {rows.stop}")
    lost = [name for k, name in enumerate(recording.images) if k not in images]
    return remarks + [f"{name} was never recorded" for name in lost]


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return shown if len(numbers) <= 8 else f"{shown} and {len(numbers) - 8} others"


def _why_nothing(damaged: dict[int, str]) -> str:
    if damaged:
        epoch, error = next(iter(damaged.items()))
        return f"none of its epochs can be read (epoch {epoch}: {error}); record the history again"
    return "holds no W; choose a scheme that makes one, such as atme.noise.DecisionMemory"
