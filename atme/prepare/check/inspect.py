"""One pair, decoded and measured: what a check needs to know of it, in some five kilobytes."""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from atme.data.halves import read_halves
from atme.data.scan import Entry
from atme.images import Pixels
from atme.images.alignment import shift_of
from atme.images.labels import Labels
from atme.images.levels import Levels, levels_of
from atme.prepare.check.classes import PICTURES, Classes, strange
from atme.prepare.check.similarity import Look, look_of

BLANK = 2.0
"""Of 255: a picture whose every channel spreads less (standard deviation) shows nothing."""


@dataclass(frozen=True)
class Half:
    """One picture of a pair."""

    size: tuple[int, int]
    """(height, width) in pixels."""
    channels: int
    """1 (gray), 3 (RGB) or 4 (RGBA)."""
    bits: int
    """Per value: 8 or 16."""
    blank: bool
    digest: bytes
    """Equal if and only if all pixels are."""
    look: Look
    levels: Levels
    """The values that it uses: a mask of 0 and 1 looks like one color, and is none."""
    strange: str | None = None
    """What it holds that none of its classes has, in words."""


@dataclass(frozen=True)
class Inspection:
    """A pair and what was found in its files."""

    entry: Entry
    error: str | None = None
    """Why it cannot be read as a pair; then there are no halves."""
    halves: tuple[Half, Half] | None = None
    """A and B."""
    shift: tuple[float, float] | None = None
    """(right, down) in pixels, the way in which B must be moved to lie on A; None: not to be told."""


def inspect_all(pairs: Iterable[Entry], *, workers: int, classes: Classes = PICTURES) -> Iterator[Inspection]:
    """The inspections of all pairs in their order, `workers` at a time.

    Threads do: decoding and arithmetic release the interpreter's lock, which is held for 27 % of the time with
    pictures of 256 pixels and for less with larger ones, so some four cores are used, and nothing is copied.
    """
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(partial(inspect, classes=classes), pairs)


def inspect(entry: Entry, *, classes: Classes = PICTURES) -> Inspection:
    """Decodes a pair and measures it; whatever is wrong with its files ends up in `error`."""
    if entry.trouble is not None:
        return Inspection(entry, error=entry.trouble)
    try:
        a, b = read_halves(entry.paths)
    except ValueError as error:
        return Inspection(entry, error=_without_path(str(error), entry.paths))
    halves = _half(a, classes[0]), _half(b, classes[1])
    comparable = not any(half.blank for half in halves) and halves[0].digest != halves[1].digest
    return Inspection(entry, halves=halves, shift=shift_of(a, b) if comparable else None)


def _half(picture: Pixels, labels: Labels | None) -> Half:
    _, spread = cv2.meanStdDev(picture)  # 28 times as fast as numpy's
    least = BLANK * np.iinfo(picture.dtype).max / 255
    if labels is not None and labels.ids is not None:
        least = np.finfo(float).tiny  # ids lie side by side
    return Half(
        size=picture.shape[:2],
        channels=picture.shape[2],
        bits=8 * picture.dtype.itemsize,
        blank=bool(spread.max() < least),
        digest=hashlib.sha1(np.ascontiguousarray(picture).tobytes(), usedforsecurity=False).digest(),
        look=look_of(picture),
        levels=levels_of(picture),
        strange=None if labels is None else strange(picture, labels),
    )


def _without_path(message: str, paths: tuple[Path, ...]) -> str:
    """The message of a reader without the path in front: the report names the file already."""
    for path in paths:
        message = message.removeprefix(f"{path}: ")
    return message.partition(";")[0]
