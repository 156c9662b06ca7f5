"""How pictures that are too large for memory are translated: whole, in tiles, or in strips as the whole would be."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from atme import require
from atme.data.shapes import Size
from atme.data.sizes import in_words
from atme.inference.appetite import Appetite
from atme.machine import free_memory
from atme.models.knowledge import Knowledge

UNDOUBTED = 2**16
"""Bytes a pixel: no network of this package takes more, so where there is so much nothing needs to be counted."""
SHARE = 0.8
"""Of the memory that is free: what a picture may take where no limit is given."""
SMALLEST = 64
"""Pixels: tiles smaller than this are not chosen."""
LEAST = 2**24
"""Bytes for tensors: strips are not tried with less."""

_UNITS = {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True)
class Tiling:
    """What is asked of the translation of large pictures; by default they are whole where memory allows it.

    Raises:
        ValueError: for values that cannot be, or options that exclude each other.
    """

    tile: int | None = None
    """Side of a tile in pixels; larger pictures are then never translated whole."""
    overlap: int | None = None
    """Pixels that neighboring tiles share, at least; None: a quarter of a tile."""
    max_memory: int | float | str | None = None
    """Bytes that a picture's translation may add to the process, or with a unit: ``2GB``; on a GPU, of its memory.
    None: most of what is free."""
    exact: bool = False
    """Pictures that do not fit are translated in strips, to what the whole would give; else in tiles."""
    scratch: Path | None = None
    """Folder on whose disk strips keep maps meanwhile; None: the system's for temporary files."""

    def __post_init__(self) -> None:
        if self.tile is not None:
            require.whole("tile", self.tile, least=1)
        if self.overlap is not None:
            require.whole("overlap", self.overlap)
        if self.exact and (self.tile is not None or self.overlap is not None):
            raise ValueError("exact: works in strips as high as max_memory allows; leave tile and overlap out")
        _ = self.limit

    @property
    def limit(self) -> int | None:
        """`max_memory` in bytes."""
        return None if self.max_memory is None else memory_of(self.max_memory)


WHOLE = Tiling()
"""Nothing is asked for."""


@dataclass(frozen=True)
class Way:
    """How one picture is translated."""

    tile: int | None = None
    """Side of a tile; None: there are none."""
    overlap: int = 0
    """Of tiles."""
    strips: bool = False
    """Whether it goes in strips."""
    memory: int = 0
    """Bytes that the tensors of a strip may take: of W and of verdicts where the picture goes in tiles."""

    @property
    def whole(self) -> bool:
        """Whether it is translated as one."""
        return self.tile is None and not self.strips


def memory_of(text: int | float | str) -> int:
    """Bytes of ``2GB``, ``500 MB``, ``1.5GiB``, ``2e9``.

    Raises:
        ValueError: for what is no amount of memory.
    """
    found = re.fullmatch(r"([\d.]+(?:e\d+)?)\s*([KMGT]?I?B|)", str(text).strip().upper().replace("E", "e"))
    try:
        size = int(float(found[1]) * _UNITS[found[2]]) if found else 0
    except (ValueError, KeyError, OverflowError):
        size = 0
    if size < 1:
        raise ValueError(f"max_memory: {text!r} is no amount of memory; give one such as 2GB or 500MB")
    return size


def free(device: torch.device) -> int:
    """Bytes that a translation may take where no limit is given."""
    left = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
    return int(SHARE * left)


@dataclass(frozen=True)
class Picture:
    """What the choice of a way depends on."""

    height: int
    """Pixels at work."""
    width: int
    """Pixels at work."""
    held: int
    """Bytes that the picture and its translation take as pixels, whatever the way."""
    a_row: int
    """Bytes of a row of tiles that is blended, for each row of pixels."""
    name: str
    """Of the picture, for errors."""


def large_picture(size: Size, own: Size, knows: Knowledge, *, in_tensors: bool, name: str) -> Picture:
    """What the choice of a way depends on.

    Args:
        size: (height, width) at work.
        own: (height, width) of the picture.
        knows: what the run knows.
        in_tensors: whether the game computes with whole pictures of floats.
        name: of the picture, for errors.
    """
    source, target = knows.source_channels, knows.target_channels
    a_pixel = source + target * knows.target_bits // 8
    held = size[0] * size[1] * a_pixel + (own[0] * own[1] * a_pixel if own != size else 0)
    held += 4 * size[0] * size[1] * (2 * source + 6 * target) if in_tensors else 0  # what is held and what is drawn
    return Picture(*size, held=held, a_row=4 * size[1] * 4 * target, name=name)


def choose(asked: Tiling, picture: Picture, *, appetite: Appetite, limit: int, stride: int) -> Way:
    """Whole where it fits and no tiles are asked for, else in tiles or strips.

    Args:
        asked: by the user.
        picture: its sizes.
        appetite: of the network.
        limit: bytes.
        stride: sides of tiles are multiples of it.

    Raises:
        ValueError: if the limit does not suffice, or the tile is none for this network.
    """
    longest, room = max(picture.height, picture.width), limit - picture.held
    tile = asked.tile
    if tile is None and appetite.of(picture.height, picture.width) <= room:
        return Way()
    if asked.exact:
        return Way(strips=True, memory=_for_tensors(picture, appetite, limit))
    if tile is None:
        smallest = max(-(-SMALLEST // stride), 2) * stride  # of one stride, neighbors could share nothing
        tile = max(smallest, longest // stride * stride)
        while tile > smallest and _tiled(appetite, picture, tile) > room:
            tile -= stride
    if _tiled(appetite, picture, tile) > room:
        raise _too_little(picture, limit, _tiled(appetite, picture, tile))
    memory = _for_tensors(picture, appetite, limit)
    return in_tiles(asked, (picture.height, picture.width), tile=tile, stride=stride, memory=memory)


def in_tiles(asked: Tiling, size: Size, *, tile: int, stride: int, memory: int) -> Way:
    """Tiles of a picture (height, width), if it is larger than one.

    Raises:
        ValueError: if a network of this stride cannot work on them.
    """
    if tile % stride:
        up = -(-tile // stride) * stride
        raise ValueError(f"tile {tile}: this generator works on multiples of {stride} pixels; choose {up}")
    overlap = min(tile // 4, tile - stride) if asked.overlap is None else asked.overlap
    if tile - overlap < stride:
        raise ValueError(f"overlap {overlap}: leaves nothing of tiles of {tile}; choose {tile - stride} at most")
    return Way() if max(size) <= tile else Way(tile, overlap, memory=memory)


def _for_tensors(picture: Picture, appetite: Appetite, limit: int) -> int:
    """Bytes that tensors may take beside the picture and what is needed whatever the size."""
    left = (limit - picture.held) / appetite.growth - appetite.fixed
    if left < LEAST:
        raise _too_little(picture, limit, (appetite.fixed + LEAST) * appetite.growth)
    return int(left)


def _tiled(appetite: Appetite, picture: Picture, tile: int) -> float:
    """Bytes that tiles of this size take, with the rows that are blended."""
    rows, columns = min(tile, picture.height), min(tile, picture.width)
    least = appetite.growth * (appetite.fixed + LEAST)  # for W and verdicts, which go in strips
    return max(appetite.of(rows, columns) + picture.a_row * rows, least)


def _too_little(picture: Picture, limit: float, needed: float) -> ValueError:
    size, allow = in_words((picture.height, picture.width)), math.ceil((needed + picture.held) / 1e6)
    return ValueError(
        f"{picture.name}: {limit / 1e6:,.0f} MB do not suffice for {size}; allow {allow:,} MB (max_memory)"
    )
