"""Bring a dataset here by its recipe: download, verify, unpack, count, and only then let it appear.

Everything is made in the hidden folder ``.NAME.partial`` beside the dataset's own and renamed in one step,
after the manifest is written: a fetch killed at any byte leaves nothing that passes as complete, and the next
one goes on where it ended. Mirrors are tried in the recipe's order; one that cuts, lies or holds something
else hands over to the next. A checksum that nobody published is recorded by the first good fetch, in
``checksums.json`` beside the datasets, and binds later ones.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from atme.data.recipes import LayoutName, Mirror, Recipe
from atme.prepare.disk import DiskError, guarded
from atme.prepare.fetch import checksums
from atme.prepare.fetch.archives import ArchiveError, Limits, Unpacked, nothing, unpack
from atme.prepare.fetch.arriving import Arrived, arrived_before, part_on_disk
from atme.prepare.fetch.connection import DownloadError, Unreachable
from atme.prepare.fetch.download import PATIENT, Expected, Patience, Report, download, silent
from atme.prepare.manifest import NAME as MANIFEST
from atme.prepare.manifest import FileRecord, Manifest, write_manifest
from atme.prepare.whole_folder import clear, refuse_existing, settle, workshop

_LIMIT_RATIO = 10.0  # bytes unpacked per byte of archive at most; images come to about 1
_SPARE_MEMBERS = 1_000  # beside the images: folders, a license
_LONGEST_NAME = 100  # characters of the name that an archive has at its address
_ROOM_RATIO = 1.1  # room that unpacked images take per byte of archive, disk blocks being filled partly


class UnfitError(Exception):
    """What arrived is not what the recipe describes."""


@dataclass(frozen=True)
class Watch:
    """Who is told what while a dataset is fetched."""

    say: Callable[[str], None] = lambda _: None
    """One line: what happens next, or why a mirror was left."""
    arriving: Report = silent
    """Bytes of the archive that are here, and in all."""
    unpacking: Callable[[int], None] = nothing
    """Bytes of files written since the last call."""


@dataclass(frozen=True)
class Fetched:
    """A dataset that is here now."""

    folder: Path
    mirror: Mirror
    splits: dict[str, int]
    """Pairs in each split."""
    archive: Arrived
    """What was unpacked; the file itself is gone."""
    recorded: bool
    """Whether the checksum was recorded now, since it was not known before."""


@dataclass(frozen=True)
class _Order:
    """A dataset asked of one mirror."""

    recipe: Recipe
    mirror: Mirror
    folder: Path
    hidden: Path

    @property
    def archive(self) -> Path:
        """Where the mirror's archive arrives: mirrors must not continue each other's parts."""
        name = Path(urlsplit(self.mirror.url).path).name[-_LONGEST_NAME:]
        return self.hidden / f"{hashlib.sha256(self.mirror.url.encode()).hexdigest()[:8]}-{name}"

    @property
    def layout(self) -> LayoutName:
        return self.mirror.layout or self.recipe.layout

    @property
    def splits(self) -> dict[str, int]:
        return self.mirror.splits or self.recipe.splits


def fetch_recipe(
    recipe: Recipe,
    folder: Path,
    *,
    patience: Patience = PATIENT,
    watch: Watch = Watch(),
    free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> Fetched:
    """Fetches the dataset of `recipe` into `folder`.

    Args:
        recipe: What to fetch and from where.
        folder: The dataset's own folder, such as ``datasets/facades``; it must not exist yet, or be empty.
        patience: How long each mirror is waited for.
        watch: Progress.
        free: Free bytes on the disk that holds a folder.

    Raises:
        ValueError: The recipe names no archive, `folder` is taken, another process fetches it, the disk has
            no room or is full, the machine is offline, or no mirror delivered (what each one did is said). What has
            arrived is kept.
    """
    if not recipe.mirrors:
        raise ValueError(f"{recipe.name}: cannot be fetched; {recipe.by_hand or 'it comes with the project'}")
    refuse_existing(folder)
    refusals: dict[str, Exception] = {}
    with workshop(folder) as hidden:
        for mirror in recipe.mirrors:
            order = _Order(recipe, mirror, folder, hidden)
            watch.say(f"{recipe.name}: from {mirror.url}")
            try:
                _refuse_lost_host(mirror, refusals)
                fetched = _fulfil(order, patience=patience, watch=watch, free=free)
            except (DownloadError, ArchiveError, UnfitError) as error:
                refusals[mirror.url] = error
                watch.say(f"{recipe.name}: leaving this mirror: {error}")
                continue
            clear(hidden)
            return fetched
    raise ValueError(f"{recipe.name}: {_in_vain(refusals)}")


def _refuse_lost_host(mirror: Mirror, refusals: dict[str, Exception]) -> None:
    """Raises Unreachable if there was no way to this machine for another address."""
    host = urlsplit(mirror.url).netloc
    for url, error in refusals.items():
        if isinstance(error, Unreachable) and urlsplit(url).netloc == host:
            raise Unreachable(str(error))


def _in_vain(refusals: dict[str, Exception]) -> str:
    """Why nothing came."""
    each = "; ".join(f"{url}: {error}" for url, error in refusals.items())
    if all(isinstance(error, Unreachable) for error in refusals.values()):
        return f"this machine seems to be offline; connect it and run it again, what has arrived is kept. {each}"
    return f"no mirror delivered; try again later. {each}"


def _fulfil(order: _Order, *, patience: Patience, watch: Watch, free: Callable[[Path], int]) -> Fetched:
    made = order.hidden / "made"
    shutil.rmtree(made, ignore_errors=True)  # left by a fetch that was killed
    _check_room(order, free(order.hidden))
    archive = arrived_before(order.archive) or download(
        order.mirror.url,
        order.archive,
        expected=Expected(size=order.mirror.size, most=_most(order.mirror)),
        patience=patience,
        report=watch.arriving,
    )
    try:
        known = _verify(order, archive)
        dataset, splits = _unpack(order, archive, made, advance=watch.unpacking)
    except (ArchiveError, UnfitError):
        order.archive.unlink()  # of no use to a later fetch either
        shutil.rmtree(made, ignore_errors=True)
        raise
    except DiskError:
        shutil.rmtree(made, ignore_errors=True)  # gives back the room; the archive is kept
        raise
    if not known:
        parent = order.folder.parent
        guarded(parent, lambda: checksums.record(parent, order.mirror.url, archive.sha256))
    settle(dataset, order.folder)
    return Fetched(order.folder, order.mirror, splits=splits, archive=archive, recorded=not known)


def _most(mirror: Mirror) -> int | None:
    return None if mirror.about is None else 2 * mirror.about


def _check_room(order: _Order, free: int) -> None:
    """Refuses to begin what cannot end well."""
    size = order.mirror.expected_size
    here = order.archive.stat().st_size if order.archive.exists() else part_on_disk(order.archive)[0]
    needed = max(0, size - here) + int(_ROOM_RATIO * size)
    if needed > free:
        raise DiskError(
            f"{order.hidden.parent}: {order.recipe.name} needs {needed / 1e6:,.0f} MB (its archive and what "
            f"it unpacks to) and {free / 1e6:,.0f} MB are free; make room or choose another folder"
        )


def _verify(order: _Order, archive: Arrived) -> bool:
    """Whether the checksum was known, and then it fits; raises UnfitError if it does not."""
    published = order.mirror.sha256
    known = published or checksums.recorded(order.folder.parent, order.mirror.url)
    if known is not None and known != archive.sha256:
        who = "published" if published else f"recorded in {order.folder.parent / checksums.NAME} by an earlier fetch"
        raise UnfitError(f"its SHA-256 is {archive.sha256}, not {known} as {who}")
    return known is not None


def _unpack(
    order: _Order, archive: Arrived, made: Path, *, advance: Callable[[int], None]
) -> tuple[Path, dict[str, int]]:
    """The finished dataset, still hidden, and its pairs by split."""
    most = 4 * sum(order.splits.values()) + _SPARE_MEMBERS
    files = unpack(archive.path, made, limits=Limits(files=most, ratio=_LIMIT_RATIO), advance=advance)
    dataset = _inner_folder(made, order)
    splits = {split: _count(dataset, order, split) for split in order.splits}
    manifest = Manifest(
        source=order.mirror.url,
        archive_sha256=archive.sha256,
        splits=splits,
        files=_records(files, prefix=dataset.relative_to(made).as_posix()),
    )
    guarded(dataset, lambda: write_manifest(dataset, manifest))
    return dataset, splits


def _inner_folder(made: Path, order: _Order) -> Path:
    """The folder that holds the splits: archives wrap them in one folder of the dataset's name."""
    from atme.data.layout import has_split  # it loads torch, which nothing needs until here

    entries = list(made.iterdir())
    is_wrapped = len(entries) == 1 and entries[0].is_dir()
    return entries[0] if is_wrapped and not any(has_split(made, split) for split in order.splits) else made


def _count(dataset: Path, order: _Order, split: str) -> int:
    from atme.data.layout import find_layout  # it loads torch, which nothing needs until here
    from atme.data.scan import list_pairs

    try:
        found = len(list_pairs(find_layout(dataset, split=split, layout=order.layout)).names)
    except ValueError as error:
        raise UnfitError(f"holds something else than the recipe says: {error}") from error
    expected = order.splits[split]
    if abs(found - expected) > order.recipe.tolerance * expected:
        raise UnfitError(f"holds {found:,} pairs of {split} where the recipe says {expected:,}")
    return found


def _records(files: list[Unpacked], *, prefix: str) -> dict[str, FileRecord]:
    """Records of the files below `prefix` by their path from there; "." is all of them."""
    start = "" if prefix == "." else f"{prefix}/"
    return {
        file.path.removeprefix(start): FileRecord(size=file.size, sha256=file.sha256)
        for file in files
        if file.path.startswith(start) and file.path != f"{start}{MANIFEST}"  # ours takes its place
    }
