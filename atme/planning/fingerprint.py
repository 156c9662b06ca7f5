"""What there is to know of pairs before they are trained on, from their headers and from a sample of their pixels.

Listing, layouts and headers are those of a training (`atme.data`), faults those of ``atme data check`` and colors those
of ``atme data palette``: what is said here of a folder is what they say of it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

from atme.data.halves import read_halves
from atme.data.layout import Direction, split_of_folder
from atme.data.recipes import LayoutChoice, find_root
from atme.data.scan import Entry, Listing, list_splits
from atme.data.shapes import Shapes, Size, read_shapes
from atme.images import Pixels
from atme.machine import cores
from atme.planning.labelled import holds_ids, painted
from atme.planning.pictures import apart, detail, floor_of, spread
from atme.planning.upright import Upright, upright_of
from atme.prepare.check.faults import Kind, judge
from atme.prepare.check.inspect import inspect_all
from atme.prepare.palette import Palette, find_palette

MOST = 300
"""Training pairs whose pixels are looked at, at most, evenly over the split."""
_PIXELS, _LEAST = 60_000_000, 6  # of all that are looked at; pairs however large they are
_HELD_OUT = 100
"""Pairs that are not trained on, of which the median color's L1 is."""
_MOST_COLORS, _MOST_IDS = 32, 40  # of labels; a gray photograph has more values
_AT_A_TIME = 64  # pairs that are in memory where all are read
_NEAR = 0.9  # share of all pixels that are near to a color of labels

Track = Callable[[Iterable[tuple[Path, ...]], int], Iterable[tuple[Path, ...]]]
"""Shows how many of so many pairs have been read."""


@dataclass(frozen=True)
class Splits:
    """What the parts of the data are called, and how many pairs each has."""

    train: str
    validation: str | None
    """Looked at in training; None: there is no such split."""
    test: str | None
    counts: dict[str, int]
    """Of all splits that are there."""


@dataclass(frozen=True)
class Fingerprint:
    """Pairs in numbers; of two values the first is the source's, the second the target's."""

    root: str
    """As it was given: a folder or a dataset's name."""
    layout: LayoutChoice
    direction: Direction
    splits: Splits
    pairs: int
    """To train on."""
    looked_at: int
    """Of them, whose pixels were read."""
    size: Size
    """(height, width) of the smallest in each direction."""
    largest: Size
    """The same of the largest."""
    usual: int
    """The median of the shorter sides."""
    channels: tuple[int, int]
    bits: tuple[int, int]
    palettes: tuple[Palette | None, Palette | None]
    """The colors or ids that they are made of; None: many, as of photographs."""
    distance: float
    """Mean L1 between source and target, in [-1, 1]."""
    correlation: float
    """Mean correlation of gray values of source and target."""
    floor: float
    """L1 in [-1, 1] of the median color of the training targets: what a translator has to beat, on pairs that are not
    trained on where there are any."""
    detail: tuple[tuple[int, float], ...]
    """(shorter side, share of the target that is lost at it)."""
    upright: Upright | None
    """Whether turned and mirrored pairs can be told; None: too few pairs."""
    checked: int
    """Pairs that were checked, of all splits."""
    faults: dict[Kind, int]
    """How many of them have which fault."""
    remarks: tuple[str, ...]
    """What a user should know of the files."""

    @property
    def one_size(self) -> bool:
        """Whether all pictures are of one size."""
        return self.size == self.largest

    @property
    def labels(self) -> Palette | None:
        """The classes of the target, if it is labels."""
        return self.palettes[1]


def take_fingerprint(
    data: str, *, direction: Direction = "AtoB", layout: LayoutChoice = "auto", track: Track = lambda each, _: each
) -> Fingerprint:
    """Look at pairs: all of their headers, and the pixels of a sample.

    Args:
        data: a folder in any layout, or a dataset's name.
        direction: which half is the source.
        layout: where the halves lie.
        track: progress.

    Raises:
        ValueError: no such folder, files that make no pairs, no split to train on, or a file that cannot be read.
    """
    listings = list_splits(find_root(data), layout=layout)
    splits = _splits(data, listings)
    files = listings[splits.train].complete()
    shapes = read_shapes(files)
    looked = [files.paths[at] for at in spread(len(files.paths), _count(shapes))]
    order = (0, 1) if direction == "AtoB" else (1, 0)
    halves = list(_read(looked, track))
    sources, targets = ([pair[side] for pair in halves] for side in order)
    entries = _to_check(listings, 2 * _count(shapes))
    faults = judge(list(inspect_all(entries, workers=cores())))
    channels, bits = ((both[order[0]], both[order[1]]) for both in (shapes.channels, shapes.bits))
    used = dict.fromkeys(split for split in (splits.train, splits.validation, splits.test) if split)
    everything = [path for split in used for path in listings[split].complete().paths]
    palettes = (
        _complete(_palette(sources), everything, order[0], track),
        _complete(_palette(targets), everything, order[1], track),
    )
    held_out = splits.validation or splits.test
    unseen = _unseen(listings[held_out], order[1], like=targets[0], most=_count(shapes)) if held_out else []
    sources, targets = painted(sources, palettes[0]), painted(targets, palettes[1])
    known = any(map(holds_ids, palettes))  # values that look black are these
    distance, correlation = apart(sources, targets)
    return Fingerprint(
        root=data,
        layout=layout,
        direction=direction,
        splits=splits,
        pairs=len(files.paths),
        looked_at=len(looked),
        size=_each(shapes, min),
        largest=_each(shapes, max),
        usual=int(median(min(size) for size in shapes.sizes)),
        channels=channels,
        bits=bits,
        palettes=palettes,
        distance=distance,
        correlation=correlation,
        floor=floor_of(targets, painted(unseen, palettes[1]), bits=8 * targets[0].itemsize),
        detail=detail(targets),
        upright=upright_of(sources, targets),
        checked=len(entries),
        faults=dict(Counter(fault.kind for fault in faults if not (known and fault.kind == "values"))),
        remarks=files.remarks,
    )


def _splits(data: str, listings: dict[str, Listing]) -> Splits:
    """Which split is for what, by the usual names; one that is alone is trained on, whatever it is called."""
    named: dict[str, str] = {}
    for split in listings:
        usual = split_of_folder(split, "")
        for role, names in _NAMES.items():
            if usual in names and (role not in named or split == names[0]):
                named[role] = split
    train = named.get("train") or (next(iter(listings)) if len(listings) == 1 else None)
    if train is None:
        raise ValueError(f"{data}: none of its splits ({', '.join(listings)}) is called train; rename one of them")
    others = {role: split for role, split in named.items() if split != train}
    counts = {split: len(listing.entries) for split, listing in listings.items()}
    return Splits(train, others.get("validation"), others.get("test"), counts)


_NAMES = {
    "train": ("train", "training", "trainval"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "holdout"),
}
"""What splits are usually called, in lower case, the first one before all others."""


def _count(shapes: Shapes) -> int:
    """How many pairs are looked at: many, and few where they are large."""
    pixels = 2 * sum(height * width for height, width in shapes.sizes) / len(shapes.sizes)
    return max(_LEAST, min(MOST, int(_PIXELS / pixels)))


def _each(shapes: Shapes, pick: Callable[[Iterable[int]], int]) -> Size:
    return pick(size[0] for size in shapes.sizes), pick(size[1] for size in shapes.sizes)


def _to_check(listings: dict[str, Listing], most: int) -> list[Entry]:
    """Some so many pairs of all splits, evenly over each."""
    total = sum(len(listing.entries) for listing in listings.values())
    share = min(1.0, most / total)
    found = []
    for listing in listings.values():
        count = max(1, round(share * len(listing.entries)))
        found += [listing.entries[at] for at in spread(len(listing.entries), count)]
    return found


def _read(paths: Sequence[tuple[Path, ...]], track: Track) -> Iterator[tuple[Pixels, Pixels]]:
    """A and B of pairs, some of which are read at a time."""
    rest = iter(track(paths, len(paths)))
    with ThreadPoolExecutor(cores()) as pool:
        while some := list(islice(rest, _AT_A_TIME)):
            yield from pool.map(read_halves, some)


def _unseen(listing: Listing, side: int, *, like: Pixels, most: int) -> list[Pixels]:
    """One half of some pairs of another split, as far as they can be read, and have as many channels."""
    paths, found = listing.complete().paths, list[Pixels]()
    for at in spread(len(paths), min(most, _HELD_OUT)):
        with suppress(ValueError):  # a training names the file when it comes to it
            found.append(read_halves(paths[at])[side])
    return [each for each in found if each.shape[2:] == like.shape[2:]]


def _complete(palette: Palette | None, paths: Sequence[tuple[Path, ...]], side: int, track: Track) -> Palette | None:
    """A palette that is exact, of all pictures of all splits: a class that is missed would end a training when it comes
    to it, or be taken for another one."""
    if palette is None or not palette.exact:
        return palette
    return _palette(pair[side] for pair in _read(paths, track))


def _palette(pictures: Iterable[Pixels]) -> Palette | None:
    """The colors of a side, where they are few enough to be classes."""
    found = find_palette(pictures)
    if found is None or found.explained < _NEAR:
        return None
    return found if len(found.values) <= (_MOST_COLORS if len(found.values[0]) == 3 else _MOST_IDS) else None
