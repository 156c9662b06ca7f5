"""Pictures as a translator is given them, and the sizes at which it works on them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeGuard

import numpy as np
from PIL import Image
from torch import Tensor

from atme.data.shapes import Size
from atme.data.sizes import in_words
from atme.images import Pixels, clear_transparent, from_pil, read_image
from atme.images.limits import VARIABLE, max_pixels
from atme.models.knowledge import Knowledge

Picture = str | Path | Image.Image | Pixels
Scale = Literal["run", "native"] | float
"""``run``: the size that the run was tested at; ``native``: the picture's own; a number: so many times its own."""

_LARGEST = 2**32
"""No picture can be worked on at so many times its size."""


def is_one(picture: object) -> TypeGuard[Picture]:
    """Whether this is one picture, or what holds several."""
    return isinstance(picture, str | Path | Image.Image | np.ndarray)


def several_pictures(pictures: object) -> Iterable[Picture]:
    """What holds several pictures.

    Raises:
        ValueError: if it is nothing of the kind.
    """
    if isinstance(pictures, Iterable) and not isinstance(pictures, bytes | dict):
        return pictures
    raise ValueError(f"picture: {type(pictures).__name__} is none; give a path, a PIL image or an array (H, W, C)")


def to_pixels(picture: object, *, name: str, clear: bool = True) -> Pixels:
    """One picture, (H, W, C) uint8 or uint16.

    Args:
        picture: a path, a PIL image, or an array (H, W) or (H, W, C) of uint8 or uint16.
        name: what errors call it.
        clear: colors under alpha 0 become 0.

    Raises:
        ValueError: if it is none, or cannot be read.
    """
    if isinstance(picture, str | Path):
        return read_image(picture, clear=clear)
    if isinstance(picture, Image.Image):
        return from_pil(picture, name=name, clear=clear)
    if not isinstance(picture, np.ndarray):
        kind = type(picture).__name__
        raise ValueError(f"{name}: {kind} is no picture; give a path, a PIL image or an array (H, W, C)")
    array = picture[:, :, None] if picture.ndim == 2 else picture
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or not array.size:
        raise ValueError(f"{name}: an array of shape {picture.shape} is no picture; give (H, W, C) with C of 1, 3 or 4")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype not in (np.dtype(np.uint8), np.dtype(np.uint16)):
        raise ValueError(f"{name}: values of {array.dtype} have no range; give uint8 (0 to 255) or uint16 (0 to 65535)")
    array = np.ascontiguousarray(array)
    return clear_transparent(array) if clear else array


def named(path: Path, why: str) -> str:
    """A reason, with the file's name in it."""
    return why if str(path) in why else f"{path}: {why}"


def size_of(pixels: Pixels) -> Size:
    """(height, width) of pixels (H, W, C)."""
    return pixels.shape[0], pixels.shape[1]


def to_pil(pixels: Pixels) -> Image.Image:
    """Pixels (H, W, C) as a PIL image; not for 16 bits in several channels."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def require_holdable(knows: Knowledge, *, bits: object) -> None:
    """Whether PIL can hold translations of so many bits.

    Raises:
        ValueError: it cannot, or there is no such number of bits.
    """
    if bits not in (None, 8, 16):
        raise ValueError(f"bits: {bits!r} is no number of bits that files hold; use 8, 16 or None")
    if (bits or knows.target_bits) == 16 and knows.target_channels > 1:
        raise ValueError(
            "bits: this run's translations have colors of 16 bits, which PIL cannot hold; take arrays from "
            "Translator.pixels, let atme translate write files, or ask for bits=8"
        )


def require_batch(source: object, knows: Knowledge) -> None:
    """Whether this is a batch of sources.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(source, Tensor) or source.ndim != 4 or not source.is_floating_point() or not source.numel():
        what = f"{source.dtype} of shape {tuple(source.shape)}" if isinstance(source, Tensor) else type(source)
        raise ValueError(f"source: {what} is no batch; give floats (B, C, H, W) in [-1, 1], as to_tensor makes them")
    if not knows.kinds.one_hot:
        knows.require_source(source.shape[1], name="source")
    elif source.shape[1] != knows.source_channels:
        what = f"has {source.shape[1]} channels, and the generator reads {knows.source_channels}, one a class"
        raise ValueError(f"source: {what}; give them, or a picture to Translator.pixels")


def require_seed(seed: object) -> None:
    """Whether this is a seed.

    Raises:
        ValueError: it is not.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ValueError(f"seed: {seed!r} is none; give a whole number of 0 or more")


def work_size(size: Size, scale: Scale, knows: Knowledge, *, name: str) -> Size:
    """The size (height, width) at which a picture of another size is worked on.

    Args:
        size: its own.
        scale: as it is asked for.
        knows: at which size the run was tested.
        name: what errors call the picture.

    Raises:
        ValueError: for a scale that is none, or that makes more pixels of the picture than one is read with.
    """
    require_scale(scale)
    if scale == "native" or (scale == "run" and knows.test_size is None):
        return size
    if scale == "run":
        assert knows.test_size is not None
        return knows.test_size
    height, width = (max(1, round(side * float(scale))) for side in size)
    if scale > 1 and height * width > max_pixels():
        limit = f"more than the {max_pixels() / 1e6:,.0f} million that pictures may have ({VARIABLE})"
        raise ValueError(f"{name}: at scale {scale:g} it has {limit}; choose a smaller --scale")
    return height, width


@dataclass(frozen=True)
class AtWork:
    """A picture that is about to be translated."""

    pixels: Pixels
    """(h, w, C) uint8 or uint16, at the size to work at."""
    own: Size
    """(height, width) of the picture, which its translation gets back."""
    name: str
    """What errors call it."""


def at_work(picture: Picture, scale: Scale, knows: Knowledge, *, name: str = "picture") -> AtWork:
    """A picture at the size to work at.

    Args:
        picture: as a `Translator` is given it.
        scale: as for a `Translator`.
        knows: what the run knows of pictures.
        name: what errors call a picture that is no path.

    Raises:
        ValueError: if it cannot be read, or has other channels than the generator reads.
    """
    title = str(picture) if isinstance(picture, str | Path) else name
    pixels = to_pixels(picture, name=title, clear=knows.clear_transparent)
    knows.require_source(pixels.shape[2], name=title)
    size = work_size(size_of(pixels), scale, knows, name=title)
    with within_memory(size, name=title):
        return AtWork(knows.work(pixels, size, name=title), size_of(pixels), title)


def require_scale(scale: object) -> None:
    """Whether this is a scale.

    Raises:
        ValueError: it is not.
    """
    if scale in ("run", "native"):
        return
    if isinstance(scale, int | float) and not isinstance(scale, bool) and 0 < scale <= _LARGEST:
        return
    raise ValueError(f"scale: {scale!r} is none; use run, native, or a number above 0 such as 0.5")


def scale_in_words(scale: Scale, knows: Knowledge) -> str:
    """At which size pictures are worked on."""
    if scale == "run":
        return knows.scale_in_words
    return "at their own size" if scale == "native" else f"at {float(scale):g} times their own size"


@contextmanager
def within_memory(size: Size, *, name: str) -> Iterator[None]:
    """Within, a picture is worked on at a size (height, width) that may be too much.

    Raises:
        ValueError: memory ended.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        what = f"{name}: too large for this machine at {in_words(size)}"
        raise ValueError(f"{what}; try --scale 0.5, or tiles (--tile 256)") from error
