"""From the file that a visitor dropped to what is shown of it: pictures in files, and words where there are none.

A picture is what it is for ``atme translate``: the same files are read, the same halves cut, at the same sizes. What is
shown are PNG files of the run's own depth, so that what is saved from the page is the translation itself.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from atme.data.halves import Half, halve
from atme.images import Pixels, paint_map, read_header, read_image, write_image
from atme.inference import Inside, Translator
from atme.inference.pictures import Scale, work_size

LARGEST = 50.0
"""Million pixels of a picture, at whatever size it is worked on: more would keep every browser busy."""


@dataclass(frozen=True)
class Limits:
    """How much a visitor may ask for."""

    megapixels: float = 2.1
    """Million pixels of a picture at the size that it is worked on; 1920×1080 fits."""
    upload: str = "64mb"
    """Of a file, as gradio writes it."""

    def __post_init__(self) -> None:
        if not 0 < self.megapixels < float("inf"):
            raise ValueError(f"megapixels: {self.megapixels} is no size; give million pixels, such as 4")


@dataclass(frozen=True)
class Asked:
    """What is wanted of a picture."""

    half: Half = "none"
    """Which half of an A|B picture is meant."""
    scale: Scale = "run"
    """The size at which it is worked on, as for a `Translator`."""
    seed: int = 0
    """Of the first answer, where answers are drawn; each further one has the next seed."""
    count: int = 1
    """Answers, where answers are drawn."""


@dataclass(frozen=True)
class Answer:
    """What a run made of a picture."""

    source: Path
    """PNG: what was translated."""
    translations: tuple[Path, ...]
    """PNG, of the picture's own size: one, or one for each seed."""
    noise: Path | None
    """PNG: W from blue over white to red; None where the game has none."""
    noise_in_words: str
    """Which values of W have the deepest colors; empty where the game has none."""
    read: Path | None
    """PNG: x·(1 + W), which the generator read; None where it read the picture itself."""


def open_picture(path: Path, *, half: Half) -> Pixels:
    """The picture (H, W, C) of a file, or a half of it, with its colors under alpha 0.

    Raises:
        ValueError: in one line that names the file without its folder: it is none, or too large to be shown.
    """
    try:
        header = read_header(path)
        _require_small(path.name, header.height, header.width, most=LARGEST, remedy="make it smaller")
        pixels = read_image(path, clear=False)
    except ValueError as error:
        said = str(error).replace(str(path), path.name)
        raise ValueError(said.replace("move it elsewhere", "drop another one")) from error
    if half == "none":
        return pixels
    left, right = halve(pixels, name=path.name, remedy="choose the whole picture")
    return left if half == "left" else right


def answer(translator: Translator, picture: Pixels, asked: Asked, *, name: str, limits: Limits, folder: Path) -> Answer:
    """Translate a picture and write all that is to be shown.

    Args:
        translator: of the run.
        picture: (H, W, C), as `open_picture` returns it.
        asked: what is wanted of it.
        name: of the picture, without folder.
        limits: of what may be asked.
        folder: an empty one, for the files.

    Raises:
        ValueError: in one line that names the picture: the run cannot translate it.
    """
    own = picture.shape[0], picture.shape[1]
    height, width = work_size(own, asked.scale, translator.knows, name=name)
    least = np.ceil(height * width / 1e5) / 10
    remedy = f"work at a smaller size, or start the page with --megapixels {least:g}"
    _require_small(name, height, width, most=limits.megapixels, remedy=remedy)
    seen = translator.look_inside(picture, scale=asked.scale, name=name, seed=asked.seed)
    count = 1 if translator.one_answer else asked.count
    seeds = range(asked.seed + 1, asked.seed + count)
    others = (translator.pixels(picture, scale=asked.scale, name=name, seed=seed) for seed in seeds)
    stem = Path(name).stem
    places = [_written(folder, f"{stem}_translated", seen.translation)]
    places += [_written(folder, f"{stem}_translated_{i}", each) for i, each in enumerate(others, 2)]
    source = _written(folder, f"{stem}_source", picture)
    read = None if seen.read is None else _written(folder, f"{stem}_read", seen.read)
    return Answer(source, tuple(places), *_painted(seen, folder, stem), read)


def _painted(seen: Inside, folder: Path, stem: str) -> tuple[Path | None, str]:
    """W in colors that its largest value makes full, and which value that is."""
    if seen.noise is None:
        return None, ""
    most = float(np.abs(seen.noise).max())
    field = torch.from_numpy(seen.noise / most if most else seen.noise)[None]
    scale = f"W: blue −{most:.2g}, white 0, red {most:.2g}; mean {seen.noise.mean():.2g}".replace(" -", " −")
    words = f"{scale}. The generator read x·(1 + W)."
    return _written(folder, f"{stem}_W", paint_map(field)), words


def _written(folder: Path, stem: str, pixels: Pixels) -> Path:
    place = folder / f"{stem}.png"
    write_image(place, pixels)
    return place


def _require_small(name: str, height: int, width: int, *, most: float, remedy: str) -> None:
    """Whether a size is within a limit of million pixels.

    Raises:
        ValueError: it is not.
    """
    if height * width > most * 1e6:
        here = f"{width:,}×{height:,} pixels"
        raise ValueError(f"{name}: {here}, and this page works on up to {most:g} million; {remedy}")
