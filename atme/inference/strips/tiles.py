"""A generator over a large picture in overlapping tiles, blended smoothly.

Tile i of an axis has the window u_i: 1 inside, and sin² up and down over the overlap where another tile lies. The
weights w_i = u_i / Σ_j u_j add up to 1 at every pixel, those of both axes are multiplied, and Σ w_i ŷ_i is the result.
What a tile cannot know is the rest of the picture: statistics that a network takes over the whole are the tile's own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from atme.inference.strips.rows import Rows


@dataclass(frozen=True)
class Axis:
    """Where the tiles of one axis lie."""

    starts: tuple[int, ...]
    """First pixel of each tile, a multiple of the generator's stride."""
    tile: int
    """Pixels of each."""
    weights: Tensor
    """(tiles, tile): what each pixel of a tile counts; over the tiles of a pixel they add up to 1."""


def axis(side: int, *, tile: int, overlap: int, stride: int) -> Axis:
    """As few tiles as cover a side, spread evenly.

    Args:
        side: pixels, a multiple of the stride.
        tile: pixels of a tile, a multiple of the stride.
        overlap: least pixels that neighbors share, less than a tile.
        stride: tiles begin at multiples of it.
    """
    if side <= tile:
        return Axis((0,), side, torch.ones(1, side))
    step = max((tile - overlap) // stride, 1) * stride  # neighbors share the overlap, or more
    steps = -(-(side - tile) // step)
    starts = tuple((side - tile) // stride * i // steps * stride for i in range(steps + 1))
    windows = torch.zeros(len(starts), side, dtype=torch.float64)
    for i, start in enumerate(starts):
        windows[i, start : start + tile] = _window(tile, overlap, first=i == 0, last=i == steps)
    weights = windows / windows.sum(0)
    each = [weights[i, start : start + tile] for i, start in enumerate(starts)]
    return Axis(starts, tile, torch.stack(each).float())


def _window(tile: int, overlap: int, *, first: bool, last: bool) -> Tensor:
    """(tile,): 1, and a ramp at each end that has a neighbor."""
    place = torch.arange(tile, dtype=torch.float64) + 0.5  # from the tile's edge, in pixels
    ramp = (place / max(overlap, 1)).clamp(max=1).mul(torch.pi / 2).sin().square()
    ones = torch.ones(tile, dtype=torch.float64)
    return (ones if first else ramp) * (ones if last else ramp.flip(0))


def tiled(
    translate: Callable[[Tensor], Tensor], image: Rows, *, down: Axis, across: Axis
) -> Iterator[tuple[int, Tensor]]:
    """The blended translation as strips (first row, (1, C', h, W)), from the first row to the last.

    Args:
        translate: from a tile (1, C, h, w) to (1, C', h, w).
        image: the picture.
        down: its tiles from top to bottom.
        across: its tiles from left to right.
    """
    carried: Tensor | None = None  # rows that the next tiles add to
    ends = [*down.starts[1:], image.height]
    for top, end, by_row in zip(down.starts, ends, down.weights, strict=True):
        band = _blended(translate, image.read(top, top + down.tile), by_row, across)  # (1, C', tile, W)
        if carried is not None:
            band[:, :, : carried.shape[2]] += carried
        yield top, band[:, :, : end - top]
        carried = band[:, :, end - top :].clone()


def _blended(translate: Callable[[Tensor], Tensor], strip: Tensor, by_row: Tensor, across: Axis) -> Tensor:
    """A row of tiles, each weighted, added up: (1, C', h, W)."""
    band: Tensor | None = None
    for left, by_column in zip(across.starts, across.weights, strict=True):
        made = translate(strip[..., left : left + across.tile].contiguous()).float()  # (1, C', h, w)
        if band is None:
            band = made.new_zeros(1, made.shape[1], made.shape[2], strip.shape[3])
        weight = torch.outer(by_row, by_column).to(made)  # (h, w)
        band[..., left : left + across.tile].addcmul_(made, weight)
    assert band is not None
    return band
