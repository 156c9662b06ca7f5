"""Pillow's images as pixels: one rule for files and for pictures that a program hands over."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from atme.images.headers import count_channels, orientation_of, packing
from atme.images.pixels import Pixels
from atme.images.refusals import decoding

# What undoes each of EXIF's orientations.
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: np.rot90(image),
}
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
# Gray values of 2 and 4 bits are spread over 8; their transparent one is told as it was.
_SPREAD = {"L;2": 85, "L;4": 17}


def from_pil(image: Image.Image, *, name: str | Path = "picture", clear: bool = True) -> Pixels:
    """The pixels of Pillow's image: (H, W, C) uint8 or uint16, as `read_image` gives those of its file.

    It is turned upright as EXIF says, palettes become RGB or RGBA, one bit becomes 0 and 255, gray with alpha RGBA,
    CMYK RGB; ``I;16`` keeps its 16 bits. One thing is lost before we see it: of files with 16 bits in three or four
    channels Pillow reads 8; give their path, or an array.

    Args:
        image: in any mode but ``I``, ``F``, ``LAB`` and ``HSV``.
        name: what errors call it.
        clear: colors under alpha 0 become 0, see `clear_transparent`.

    Raises:
        ValueError: pixels of a kind that is not supported.
    """
    with decoding(name):
        count_channels(name, image)
        pixels = upright(unpack(image), orientation_of(image))
    return clear_transparent(pixels) if clear else pixels


def unpack(image: Image.Image) -> Pixels:
    """The pixels (H, W, C) of Pillow's image in a supported mode, decoded now if they were not yet."""
    white_is_zero = _is_deep_gray_with_white_at_zero(image)
    spread = _SPREAD.get(packing(image), 1)
    image.load()
    transparent = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        gray = np.asarray(image).astype(np.uint16)[..., None]
        return _with_alpha(65535 - gray if white_is_zero else gray, transparent)
    if image.mode == "L" and isinstance(transparent, int):
        return _with_alpha(np.asarray(image)[..., None], transparent * spread)
    if image.mode == "1" and isinstance(transparent, int):
        return _with_alpha(np.asarray(image.convert("L"))[..., None], transparent)
    if image.has_transparency_data:
        return np.asarray(_straight(image).convert("RGBA"))
    gray = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    return gray[..., None] if gray.ndim == 2 else gray


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels (H, W, C), turned as EXIF's orientation, 1 to 8, asks for; contiguous."""
    return np.ascontiguousarray(_UPRIGHT[orientation](pixels))


def clear_transparent(pixels: Pixels) -> Pixels:
    """Pixels whose colors under alpha 0 are 0: nobody has seen what programs leave there. Others as they are."""
    if pixels.shape[2] != 4:
        return pixels
    hidden = pixels[..., 3] == 0
    if not pixels[hidden].any():
        return pixels
    cleared = pixels.copy()
    cleared[hidden] = 0
    return cleared


def _straight(image: Image.Image) -> Image.Image:
    """Colors that alpha was multiplied into are divided by it."""
    return image.convert("LA") if image.mode == "La" else image


def _with_alpha(gray: Pixels, transparent: object) -> Pixels:
    """Gray (H, W, 1) with one transparent value as RGBA; without one as it is."""
    if not isinstance(transparent, int):
        return gray
    alpha = np.where(gray == transparent, 0, np.iinfo(gray.dtype).max).astype(gray.dtype)
    return np.concatenate([gray, gray, gray, alpha], axis=2)


def _is_deep_gray_with_white_at_zero(image: Image.Image) -> bool:
    """Of TIFFs with white at 0 Pillow inverts those of up to 8 bits, and leaves those of 16."""
    tags: dict[int, object] = getattr(image, "tag_v2", {})
    return image.mode.startswith("I;16") and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
