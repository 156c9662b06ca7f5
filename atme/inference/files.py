"""Translate a file, or every image of a folder."""

from collections.abc import Iterator
from pathlib import Path

from atme.data.halves import Half, cut
from atme.images import is_image_name, read_image, write_image
from atme.inference.translator import Translator


def jobs(source: Path, output: Path) -> list[tuple[Path, Path]]:
    """Which file becomes which: a file for a file, and for a folder a PNG of the same stem for each image.

    Args:
        source: an image, or a folder of images.
        output: the translation's file, or a folder.

    Raises:
        ValueError: if there is nothing to translate, or two images would be written to the same place.
    """
    if source.is_file():
        return [(source, output / f"{source.stem}.png" if output.is_dir() else output)]
    if not source.is_dir():
        raise ValueError(f"{source}: no such file or folder; give an image, or a folder of images")
    if output.is_file():
        raise ValueError(f"{output}: is a file, and {source} a folder; give a folder to write to")
    found = sorted(path for path in source.iterdir() if is_image_name(path))
    if not found:
        raise ValueError(f"{source}: no images in this folder; give a folder of images")
    pairs = [(path, output / f"{path.stem}.png") for path in found]
    seen: dict[Path, Path] = {}
    for path, place in pairs:
        if place in seen:
            raise ValueError(f"{path}: {seen[place].name} would be written to {place} too; rename one of them")
        seen[place] = path
    return pairs


def translate_files(
    translator: Translator, pairs: list[tuple[Path, Path]], *, half: Half = "none", samples: int = 1, seed: int = 0
) -> Iterator[Path]:
    """Translate file by file, yielding each file that was read once its translations are written.

    Args:
        translator: of a run.
        pairs: files to read and to write, as `jobs` lists them.
        half: which half of an ``A|B`` picture is the source; ``none`` for pictures that are no pairs.
        samples: answers per picture; with more than one, ``map.png`` becomes ``map_1.png``, ``map_2.png``, …
        seed: of the first answer; each further one has the next seed.

    Raises:
        ValueError: naming the file that cannot be read or written, or if the model has but one answer.
        OSError: if the disk does not take it.
    """
    if samples < 1 or seed < 0:
        raise ValueError(f"samples {samples}, seed {seed}: ask for one answer or more, by a seed of 0 or more")
    if translator.one_answer and (samples > 1 or seed):
        option = f"samples {samples}" if samples > 1 else f"seed {seed}"
        raise ValueError(f"{option}: the model of this run has one answer to a picture; leave the option out")
    for path, place in pairs:
        picture = cut(read_image(path), half=half, name=str(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        for i in range(samples):
            translation = translator.pixels(picture, name=str(path), seed=seed + i)
            write_image(place if samples == 1 else place.with_stem(f"{place.stem}_{i + 1}"), translation)
        yield path
