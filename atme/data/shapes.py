"""Whether a split's files fit together, as far as their headers tell: a run shall fail before it starts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atme.complaints import several
from atme.data.halves import half_width, same_size
from atme.data.scan import PairFiles
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
    examples: tuple[Path, Path]
    """A file of each side."""

    def bytes_at(self, load_size: Size | None) -> int:
        """Bytes of all pixels after resizing, at most."""
        per_place = sum(count * bits // 8 for count, bits in zip(self.channels, self.bits, strict=True))
        return per_place * sum(height * width for height, width in (load_size or size for size in self.sizes))


def read_shapes(files: PairFiles) -> Shapes:
    """Read the headers of all files (some 100 µs each) and check that the halves fit.

    Raises:
        ValueError: naming all files that are no image, truncated or too large, A|B files of an odd width, halves
            of different size, and files of other channels than most of their side.
    """
    read = [_Read(paths, tuple(map(_header, paths))) for paths in files.paths]
    wrong = [complaint for pair in read for complaint in pair.wrong()]
    for side in (0, -1) if len(files.paths[0]) == 2 else (0,):
        wrong += _other_channels([(pair.paths[side], pair.headers[side]) for pair in read])
    if wrong:
        raise ValueError(several(wrong, what="files"))
    first, last = (read[0].known[side] for side in (0, -1))
    bits = [max(pair.known[side].bits for pair in read) for side in (0, -1)]
    return Shapes(
        tuple(pair.size() for pair in read),
        channels=(first.channels, last.channels),
        bits=(bits[0], bits[1]),
        examples=(read[0].paths[0], read[0].paths[-1]),
    )


def compare_shapes(train: Shapes, test: Shapes) -> list[str]:
    """Whether what is trained on one split can be tested on another one, as far as headers tell.

    Args:
        train: of the split to train on.
        test: of the other split, under the same layout.

    Returns:
        What differs and can be lived with, for a person: one line for each side of another depth.

    Raises:
        ValueError: A or B has other channels in the one than in the other.
    """
    sides = list(zip("AB", train.channels, test.channels, train.examples, test.examples, strict=True))
    wrong = [
        f"{there}: {letter} has {other} channels here and {own} in {here}; convert one of the two splits"
        for letter, own, other, here, there in sides
        if own != other
    ]
    if wrong:
        raise ValueError(several(wrong, what="sides"))
    return [
        f"{there}: {letter} has {other} bits per value here and {own} in {here}; scores round to {other}"
        for letter, own, other, here, there in zip(
            "AB", train.bits, test.bits, train.examples, test.examples, strict=True
        )
        if own != other
    ]


@dataclass(frozen=True)
class _Read:
    """The files of a pair with their headers, or with what is wrong instead."""

    paths: tuple[Path, ...]
    headers: tuple[Header | ValueError, ...]

    @property
    def known(self) -> tuple[Header, ...]:
        """The headers of a pair all of whose files have one."""
        return tuple(header for header in self.headers if isinstance(header, Header))

    def wrong(self) -> list[str]:
        """What keeps this pair from being one."""
        unread = [str(header) for header in self.headers if isinstance(header, ValueError)]
        if unread:
            return unread
        try:
            self.size()
        except ValueError as error:
            return [str(error)]
        return []

    def size(self) -> Size:
        """Of each half.

        Raises:
            ValueError: an odd width, or halves of different size.
        """
        first, last = self.known[0], self.known[-1]
        if len(self.paths) == 1:
            return first.height, half_width(first.width, name=self.paths[0])
        same_size((self.paths[0], self.paths[1]), (first.height, first.width), (last.height, last.width))
        return first.height, first.width


def _header(path: Path) -> Header | ValueError:
    try:
        return read_header(path)
    except ValueError as error:
        return error


def _other_channels(files: Sequence[tuple[Path, Header | ValueError]]) -> Iterator[str]:
    """Those files of a side whose channels are not those of most others."""
    known = [(path, header.channels) for path, header in files if isinstance(header, Header)]
    for usual, count in Counter(channels for _, channels in known).most_common(1):
        example = next(path for path, channels in known if channels == usual)
        others = f"{example} has" if count == 1 else f"{example} and {count - 1:,} more have"
        for path, channels in known:
            if channels != usual:
                yield f"{path}: channels: {channels}, but {others} {usual}; convert it"
