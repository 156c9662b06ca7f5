"""Cityscapes as pairs, from the two zips that its site gives to registered users.

Inside lie, for the cities of train and val (and of test, whose labels are not public):

    leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png      photograph, 2048×1024
    gtFine/train/aachen/aachen_000000_000019_gtFine_color.png          its labels, one color a class

Each pair becomes one A|B picture, photograph left and labels right, both at 256×256 as in pix2pix. A pixel of
the photograph is the mean of those it stands for, one of the labels is one of them: so colors stay classes.
PNG keeps both as they are; the archives of pix2pix hold JPEG, which blurs the labels' edges.
"""

import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from atme.images import Pixels, decode_image, write_image
from atme.prepare.check.similarity import as_color
from atme.prepare.manifest import Manifest, record, write_manifest
from atme.prepare.whole_folder import appearing

SIZE = 256
"""Pixels of a side of each half."""
COUNTS = {"train": 2975, "val": 500}
"""Pairs in each split."""

_PHOTOGRAPH = re.compile(r"leftImg8bit/(train|val)/[^/]+/([^/]+)_leftImg8bit\.png")
_LABELS = re.compile(r"gtFine/(train|val)/[^/]+/([^/]+)_gtFine_color\.png")
_LARGEST = 64 << 20  # bytes of a picture's file; the real ones have some 2 MiB


@dataclass(frozen=True)
class Scene:
    """One pair, and where its halves lie in the zips."""

    split: str
    name: str
    photograph: str
    labels: str


def make_pairs(
    photographs: Path,
    labels: Path,
    out: Path,
    *,
    workers: int,
    counts: dict[str, int] = COUNTS,
    track: Callable[[Iterable[None], int], Iterable[None]] = lambda made, total: made,
) -> None:
    """Makes the pairs in `out`, which appears whole, counted and with a manifest, or not at all.

    Args:
        photographs: ``leftImg8bit_trainvaltest.zip``.
        labels: ``gtFine_trainvaltest.zip``.
        out: A folder that does not exist yet, or is empty.
        workers: Pairs made at a time.
        counts: Pairs that each split must have.
        track: Shows how many pairs of all are made.

    Raises:
        ValueError: A zip is missing, broken or another one, a half has no partner, the counts differ, or
            `out` is taken.
    """
    with _open(photographs) as of_photographs, _open(labels) as of_labels:
        scenes = match(of_photographs.namelist(), of_labels.namelist())
        found = dict(Counter(scene.split for scene in scenes))
        if found != counts:
            raise ValueError(f"{photographs}, {labels}: hold {found} pairs, not {counts}; download them again")

        with appearing(out) as folder, ThreadPoolExecutor(workers) as pool:
            for split in counts:
                (folder / split).mkdir()
            made = pool.map(lambda scene: _make(scene, of_photographs, of_labels, folder), scenes)
            for _ in track(made, len(scenes)):
                pass
            source = f"{photographs.name} and {labels.name}"
            manifest = Manifest(source, archive_sha256=None, splits=counts, files=record(folder))
            write_manifest(folder, manifest)


def match(photographs: Sequence[str], labels: Sequence[str]) -> list[Scene]:
    """The pairs in two lists of paths, sorted; what belongs to neither train nor val is passed over.

    Raises:
        ValueError: A photograph has no labels, or labels have no photograph.
    """
    left, right = _by_scene(photographs, _PHOTOGRAPH), _by_scene(labels, _LABELS)
    for alone in sorted(left.keys() ^ right.keys()):
        path = left.get(alone) or right[alone]
        raise ValueError(f"{path}: has no partner in the other zip; download both again")
    return [Scene(*scene, photograph=left[scene], labels=right[scene]) for scene in sorted(left)]


def _by_scene(paths: Sequence[str], pattern: re.Pattern[str]) -> dict[tuple[str, str], str]:
    found = ((pattern.fullmatch(path), path) for path in paths)
    return {(match[1], match[2]): path for match, path in found if match}


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: cannot be opened as a zip ({error}); download it again") from error


def _make(scene: Scene, photographs: zipfile.ZipFile, labels: zipfile.ZipFile, folder: Path) -> None:
    a = cv2.resize(_read(photographs, scene.photograph), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    b = cv2.resize(_read(labels, scene.labels), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST_EXACT)
    write_image(folder / scene.split / f"{scene.name}.png", np.concatenate([a, b], axis=1))


def _read(file: zipfile.ZipFile, name: str) -> Pixels:
    """A picture in a zip: (H, W, 3) uint8. Threads may share the zip: it locks each read."""
    try:
        if file.getinfo(name).file_size > _LARGEST:
            raise ValueError(f"{file.filename}: {name} unfolds to more than any picture; download it again")
        content = file.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{file.filename}: {name} is broken ({error}); download it again") from error
    return as_color(decode_image(content, f"{file.filename}: {name}", clear=False))
