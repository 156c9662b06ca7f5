"""Whether a split's files fit together, as far as their headers tell: a run shall fail before it starts."""

from dataclasses import dataclass
from pathlib import Path

from atme.data.layout import PairFiles
from atme.images import Header, read_header

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True)
class Shapes:
    """What the headers of a split's files say; of two values the first is A's, the second B's."""

    sizes: tuple[Size, ...]
    """Of each pair's halves."""
    channels: tuple[int, int]
    """1 (gray), 3 (RGB) or 4 (RGBA)."""
    bits: tuple[int, int]
    """Per value, the most that any file has: 8 or 16."""

    def bytes_at(self, load_size: Size | None) -> int:
        """Bytes of all pixels after resizing, at most."""
        per_place = sum(count * bits // 8 for count, bits in zip(self.channels, self.bits, strict=True))
        return per_place * sum(height * width for height, width in (load_size or size for size in self.sizes))


def read_shapes(files: PairFiles) -> Shapes:
    """Read the headers of all files (some 50 µs each) and check that the halves fit.

    Raises:
        ValueError: not an image, truncated, an odd width of an A | B file, halves of different size, or
            another number of channels than the side's other files have.
    """
    headers = [tuple(read_header(path) for path in paths) for paths in files.paths]
    sizes = tuple(_half_size(paths, found) for paths, found in zip(files.paths, headers, strict=True))
    for paths, found in zip(zip(*files.paths, strict=True), zip(*headers, strict=True), strict=True):
        _check_channels(paths, found)
    first, last = headers[0][0], headers[0][-1]
    bits = [max(found[side].bits for found in headers) for side in (0, -1)]
    return Shapes(sizes, channels=(first.channels, last.channels), bits=(bits[0], bits[1]))


def _half_size(paths: tuple[Path, ...], headers: tuple[Header, ...]) -> Size:
    """The size of each half of a pair."""
    if len(headers) == 1:
        return headers[0].height, _half_width(paths[0], headers[0].width)
    a, b = ((header.height, header.width) for header in headers)
    if a != b:
        sizes = f"{a[1]}×{a[0]} pixels and its partner {paths[1]} {b[1]}×{b[0]}"
        raise ValueError(f"{paths[0]}: has {sizes}; make both the same size")
    return a


def _half_width(path: Path, width: int) -> int:
    if width % 2:
        raise ValueError(f"{path}: its width of {width} pixels is odd, so it is no A|B pair; move it away")
    return width // 2


def _check_channels(paths: tuple[Path, ...], headers: tuple[Header, ...]) -> None:
    """Whether all files of a side agree."""
    expected = headers[0].channels
    for path, header in zip(paths, headers, strict=True):
        if header.channels != expected:
            counts = f"channels: {header.channels}, but {paths[0]} has {expected}"
            raise ValueError(f"{path}: {counts}; convert one of them")
