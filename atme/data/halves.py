"""Which half of a pair is which: one rule for training, checks, pairing and translation.

A pair is two files, or one file A|B whose left half is A and whose right half is B.
"""

from pathlib import Path
from typing import Literal

from atme.images import Pixels, read_image

Half = Literal["none", "left", "right"]
"""Which half of a picture is meant; ``none``: all of it, as it is no pair."""

_AWAY = "move it away"


def half_width(width: int, *, name: str | Path, remedy: str = _AWAY) -> int:
    """Pixels across each half of an A|B picture.

    Args:
        width: of the whole picture, in pixels.
        name: what an error calls the picture.
        remedy: what an error advises.

    Raises:
        ValueError: an odd width.
    """
    if width % 2:
        raise ValueError(f"{name}: its width of {width} pixels is odd, so it is no A|B pair; {remedy}")
    return width // 2


def halve(picture: Pixels, *, name: str | Path, remedy: str = _AWAY) -> tuple[Pixels, Pixels]:
    """A and B, each a view (H, W, C), of a picture (H, 2W, C).

    Raises:
        ValueError: an odd width.
    """
    half = half_width(picture.shape[1], name=name, remedy=remedy)
    return picture[:, :half], picture[:, half:]


def cut(picture: Pixels, *, half: Half, name: str | Path) -> Pixels:
    """One half (H, W, C) of an A|B picture (H, 2W, C), or the whole of another one.

    Raises:
        ValueError: if the halves are not equally wide.
    """
    if half == "none":
        return picture
    a, b = halve(picture, name=name, remedy="say --half none")
    return a if half == "left" else b


def same_size(paths: tuple[Path, Path], a: tuple[int, int], b: tuple[int, int]) -> None:
    """Whether the two files of a pair have the same size; sizes are (height, width) in pixels.

    Raises:
        ValueError: they have not.
    """
    if a != b:
        sizes = f"{a[1]}×{a[0]} pixels and its partner {paths[1]} {b[1]}×{b[0]}"
        raise ValueError(f"{paths[0]}: has {sizes}; make both the same size")


def read_halves(paths: tuple[Path, ...], *, clear: bool = True) -> tuple[Pixels, Pixels]:
    """A and B of a pair, decoded: each (H, W, C) uint8 or uint16; C and the depth may differ.

    Args:
        paths: of one file A|B, or of two files A and B.
        clear: colors under alpha 0 become 0, as in `read_image`.

    Raises:
        ValueError: a file is no image or damaged, an A|B picture has an odd width, or the halves differ in size.
    """
    images = [read_image(path, clear=clear) for path in paths]
    if len(images) == 1:
        return halve(images[0], name=paths[0])
    a, b = images
    same_size((paths[0], paths[1]), a.shape[:2], b.shape[:2])
    return a, b
