"""Check a dataset before hours of training go into it: every file decoded, every pair measured."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from atme.data.recipes import LayoutChoice
from atme.data.scan import Entry, Listing, in_no_split, list_splits
from atme.images.folder import in_words
from atme.prepare.check.classes import PICTURES, Classes
from atme.prepare.check.faults import COLORS, Fault, in_order, judge
from atme.prepare.check.inspect import Inspection, inspect_all
from atme.prepare.manifest import NAME, Manifest, changed_files, missing_files, read_manifest
from atme.prepare.status import is_set_aside

Track = Callable[[Iterable[Inspection], int], Iterable[Inspection]]
"""Shows how many of so many inspections have passed."""


@dataclass(frozen=True)
class SplitSummary:
    """One split in numbers."""

    name: str
    pairs: int
    sizes: dict[str, int]
    """Pairs of each size of a half ("256×256"), the commonest first."""
    channels: dict[str, int]
    """Pairs of each "RGB | gray" (A | B), the commonest first."""


@dataclass(frozen=True)
class Report:
    """What a check found."""

    root: Path
    splits: tuple[SplitSummary, ...]
    faults: tuple[Fault, ...]
    has_manifest: bool
    """Whether the files could be compared with what they were when the dataset was made."""
    remarks: tuple[str, ...] = ()
    """What a user should know of the files: names that differ in case, and what was left alone; a line each."""
    classes: Classes = PICTURES
    """Of A and B, where they are labels."""

    @property
    def pairs(self) -> dict[str, int]:
        """Number of pairs in each split."""
        return {split.name: split.pairs for split in self.splits}


def untracked(inspections: Iterable[Inspection], total: int) -> Iterable[Inspection]:
    """Shows nothing."""
    return inspections


def check_folder(
    root: Path,
    *,
    workers: int,
    layout: LayoutChoice = "auto",
    classes: Classes = PICTURES,
    track: Track = untracked,
) -> Report:
    """Checks the dataset in `root`, in any layout.

    Args:
        root: The folder with the splits, or with the pairs themselves.
        workers: Pairs decoded at a time.
        layout: Where the pairs lie in the folder.
        classes: Of A and B, where they are labels.
        track: Progress.

    Raises:
        ValueError: No such folder, no images in it, splits in two layouts, or a manifest that cannot be read.
    """
    splits = list_splits(root, layout=layout)
    pairs = [entry for listing in splits.values() for entry in listing.entries]
    inspections = list(track(inspect_all(pairs, workers=workers, classes=classes), len(pairs)))
    manifest = read_manifest(root)
    faults = judge(inspections, classes=classes) + (
        [] if manifest is None else list(_departures(root, manifest, pairs))
    )
    return Report(
        root=root,
        splits=tuple(_summary(split, inspections) for split in splits),
        faults=tuple(in_order(faults)),
        has_manifest=manifest is not None,
        remarks=tuple(_remarks(root, splits)),
        classes=classes,
    )


def _remarks(root: Path, splits: dict[str, Listing]) -> Iterator[str]:
    yield from (f"{split}: {listing.loosely}" for split, listing in splits.items() if listing.loosely)
    left = in_no_split(root, splits.values(), known={root / NAME})
    if left:
        yield in_words(left)


def _departures(root: Path, manifest: Manifest, pairs: list[Entry]) -> Iterator[Fault]:
    """Files that are no longer what the manifest says, except those that an earlier check set aside."""
    owners = {path.relative_to(root).as_posix(): entry for entry in pairs for path in entry.paths}
    for name in changed_files(root, manifest, names=list(owners)):
        yield Fault("changed", owners[name], "its bytes are not those that the manifest vouches for")
    for name in missing_files(root, manifest):
        if name not in owners and not is_set_aside(root, name):
            split, _, rest = name.rpartition("/")
            yield Fault("missing", Entry(split, rest, ()), "the manifest lists it")


def _summary(split: str, inspections: list[Inspection]) -> SplitSummary:
    own = [inspection for inspection in inspections if inspection.entry.split == split]
    halves = [inspection.halves for inspection in own if inspection.halves is not None]
    sizes = Counter(f"{a.size[1]}×{a.size[0]}" for a, _ in halves)
    channels = Counter(f"{COLORS[a.channels]} | {COLORS[b.channels]}" for a, b in halves)
    return SplitSummary(split, len(own), dict(sizes.most_common()), dict(channels.most_common()))
