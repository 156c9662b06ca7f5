"""Maps (1, C, H, W) that need not be in memory: they are read a strip of whole rows at a time.

A `Rows` is a rule that gives the rows from a to b. Layers make rules from rules and compute nothing; only `Shelf`
sweeps over a map, strip by strip, and keeps its values in a file, row after row, so that a strip is one read.

A layer that looks r rows up and down is run on a strip with r more rows on either side, and what those gave is cut
off. Where a strip ends at the map's own border nothing is added, and the layer's own padding, with zeros or by
reflection, does there what it does to the whole. So each strip has the values of the whole map, whatever its height.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from atme.images import Pixels, to_tensor
from atme.models.any_size import continuation


@dataclass(frozen=True)
class Rows:
    """A map of one picture."""

    channels: int
    """C."""
    height: int
    """H."""
    width: int
    """W."""
    read: Callable[[int, int], Tensor]
    """The rows from a to b, b not included: (1, C, b − a, W)."""

    def whole(self) -> Tensor:
        """All of it, in memory: (1, C, H, W)."""
        return self.read(0, self.height)


def through(
    layer: Callable[..., Tensor],
    *maps: Rows,
    channels: int,
    reach: int = 0,
    down: int = 1,
    up: int = 1,
    size: tuple[int, int] | None = None,
) -> Rows:
    """What a layer makes of maps of one height, read beside each other.

    Args:
        layer: from strips (1, C, h, W) to (1, C', h·up/down, W').
        maps: that it reads.
        channels: C'.
        reach: rows of the maps that a row of the result depends on, up and down from its own place.
        down: by how much it shrinks; strips begin at multiples of it.
        up: by how much it enlarges.
        size: (H', W') of the result, where it is not (H·up/down, W·up/down).
    """
    first = maps[0]
    height, width = size or (first.height * up // down, first.width * up // down)

    def read(a: int, b: int) -> Tensor:
        top = max(0, (a * down // up - reach) // down * down)
        bottom = min(first.height, -(-b * down // up) + reach)
        made = layer(*(each.read(top, bottom) for each in maps))
        begins = top * up // down
        strip = made[:, :, a - begins : b - begins]
        assert strip.shape[2] == b - a, "the layer reaches further than it says"
        return strip

    return Rows(channels, height, width, read)


def beside(*maps: Rows) -> Rows:
    """Maps of one size as one, channel after channel."""
    return through(lambda *strips: torch.cat(strips, dim=1), *maps, channels=sum(each.channels for each in maps))


def held(image: Tensor) -> Rows:
    """A map that is in memory, (1, C, H, W)."""
    assert len(image) == 1, "one picture at a time"
    _, channels, height, width = image.shape
    return Rows(channels, height, width, lambda a, b: image[:, :, a:b])


def of_pixels(pixels: Pixels, *, device: torch.device) -> Rows:
    """A picture (H, W, C) of uint8 or uint16, read into [-1, 1] strip by strip."""
    height, width, channels = pixels.shape
    return Rows(channels, height, width, lambda a, b: to_tensor(pixels[a:b])[None].to(device))


def continued(rows: Rows, *, stride: int) -> Rows:
    """A picture whose sides are made multiples of the stride, as `any_size.pad` does it."""
    down, right, mode = continuation(rows.height, rows.width, stride=stride)
    last = rows.height - 1

    def read(a: int, b: int) -> Tensor:
        mirror = 2 * last if mode == "reflect" else last
        seen = [i if i <= last else (mirror - i if mode == "reflect" else last) for i in range(a, b)]
        strip = rows.read(min(seen), max(seen) + 1)
        strip = strip[:, :, [i - min(seen) for i in seen]] if b > rows.height else strip
        return F.pad(strip, (0, right, 0, 0), mode=mode)

    return Rows(rows.channels, rows.height + down, rows.width + right, read)


def cropped(rows: Rows, *, height: int, width: int) -> Rows:
    """The upper left part of a map."""
    return Rows(rows.channels, height, width, lambda a, b: rows.read(a, b)[..., :width])
