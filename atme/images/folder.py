"""Which files of a folder are pictures: one rule for every verb, and none left out in silence.

A picture is a file, or a link to one, whose name ends as an image's does. Left alone, each with its reason: what is
hidden (its name begins with a dot, as that of macOS's ``._0.jpg``), what file managers and NAS systems keep beside
pictures (``@eaDir``, ``__MACOSX``, …), folders, whatever they are called, and files of other endings. A link that
leads nowhere counts as a picture: reading it fails by its name, where leaving it out would be silent.
"""

import os
import stat
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from atme.images.headers import IMAGE_SUFFIXES
from atme.names import shown

KEPT_BY_SYSTEMS = frozenset(
    {
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "@tmp",
        "__macosx",
        "found.000",
        "lost+found",
        "recycler",
        "system volume information",
    }
)
"""Folders, in lower case, in which a NAS or a file manager keeps thumbnails and what was thrown away."""

UNREAD_FORMATS = frozenset(
    f".{ending}"
    for endings in (
        ("apng", "avif", "dib", "gif", "heic", "heif", "hif", "j2k", "jfi", "jif", "jp2", "jpf", "jpx", "jxl", "jxr"),
        ("cur", "dds", "exr", "hdr", "icns", "ico", "mpo", "pbm", "pcx", "pfm", "pgm", "pnm", "ppm", "ras", "tga"),
        ("arw", "cr2", "cr3", "dng", "eps", "nef", "orf", "pdf", "pef", "psb", "psd", "raf", "rw2", "srw", "svg"),
        ("czi", "dcm", "fit", "fits", "lif", "mat", "nd2", "nii", "npy", "npz", "xcf"),
    )
    for ending in endings
)
"""Endings, in lower case, of pictures that have to be converted before they are read."""

HIDDEN, SYSTEM, BELOW, REPEATED, UNOPENED, UNREAD, OTHER, SPECIAL = (
    "hidden",
    "kept by a file manager",
    "in subfolders",
    "links to folders that are read already",
    "folders that cannot be opened",
    "in formats that are not read",
    "of other endings",
    "no regular files",
)
"""Reasons why something is left alone."""

_SHOWN = 3
_Identity = tuple[int, int]  # of a folder: its device and its number there


@dataclass(frozen=True)
class Found:
    """What a folder holds."""

    images: tuple[Path, ...]
    """Sorted by their place below the folder; paths begin with the folder's own."""
    left: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    """What is left alone, by its reason."""

    def left_in_words(self) -> str:
        """ "left alone: 2 hidden (._0.jpg, ._1.jpg), 1 of other endings (notes.txt)"; empty if nothing is."""
        return in_words(self.left)


def find_images(folder: Path, *, below: bool = False) -> Found:
    """The pictures of a folder, in time linear in what it holds.

    Args:
        folder: a folder.
        below: also those of its subfolders. Links to folders are followed, each folder is read once, and under its
            own name rather than a link's; a subfolder that cannot be opened is among what is left alone. Without,
            pictures in subfolders are among what is left alone.

    Raises:
        ValueError: no such folder, or one that cannot be read.
    """
    images: list[Path] = []
    left: dict[str, list[Path]] = defaultdict(list)
    for path, reason in _walk(folder):
        if reason is None and not below and path.parent != folder:
            reason = BELOW
        if reason is None:
            images.append(path)
        elif below or reason == BELOW or path.parent == folder:
            left[reason].append(path)
    return Found(tuple(sorted(images)), {reason: tuple(sorted(paths)) for reason, paths in sorted(left.items())})


def find_some_images(folder: Path, *, below: bool = False) -> Found:
    """The pictures of a folder that shall hold some: as `find_images`.

    Raises:
        ValueError: as `find_images`, or no pictures; what is there instead is named, with what to do about it.
    """
    found = find_images(folder, below=below)
    if not found.images:
        instead = f" ({found.left_in_words()})" if found.left else ""
        raise ValueError(f"{folder}: no pictures in it{instead}; {_remedy(found)}")
    return found


def holds_images(folder: Path) -> bool:
    """Whether a folder holds a picture, its subfolders left aside; False for one that cannot be opened."""
    try:
        with os.scandir(folder) as entries:
            return any(_is_image(entry) for entry in entries)
    except OSError:
        return False


def subfolders(folder: Path) -> tuple[str, ...]:
    """Names of the folders in a folder, sorted, without those that `find_images` leaves alone."""
    try:
        with os.scandir(folder) as entries:
            named = [entry.name for entry in entries if _kind(entry) == stat.S_IFDIR]
    except OSError:
        return ()
    return tuple(sorted(name for name in named if _reason(name, stat.S_IFDIR) is None))


def in_words(left: dict[str, tuple[Path, ...]]) -> str:
    """What was left alone and why, in one line; empty if nothing was."""
    kinds = [f"{len(paths):,} {reason} ({_some(paths)})" for reason, paths in left.items() if paths]
    return f"left alone: {', '.join(kinds)}" if kinds else ""


def together(found: Iterable[Found]) -> dict[str, tuple[Path, ...]]:
    """What was left alone in several folders."""
    left: dict[str, list[Path]] = defaultdict(list)
    for each in found:
        for reason, paths in each.left.items():
            left[reason] += paths
    return {reason: tuple(paths) for reason, paths in sorted(left.items())}


def _walk(top: Path) -> Iterator[tuple[Path, str | None]]:
    """Every entry below a folder, with the reason for which it is left alone, None for a picture.

    Folders wait in a queue, those behind links in another one, so that a folder is met under its own name first.
    """
    seen = set(_above(top))  # a link back to where we came from leads nowhere new
    own, linked = deque([top]), deque[Path]()
    while own or linked:
        is_linked = not own
        folder = linked.popleft() if is_linked else own.popleft()
        try:
            identity = _identity(folder)
            if identity in seen and folder is not top:
                yield folder, REPEATED
                continue
            seen.add(identity)
            entries = list(os.scandir(folder))
        except OSError as error:
            if folder is top:
                why = (error.strerror or str(error)).lower()
                raise ValueError(f"{folder}: cannot be looked into ({why}); give a folder of pictures") from error
            yield folder, UNOPENED
            continue
        for entry in sorted(entries, key=lambda entry: entry.name):
            path, kind = folder / entry.name, _kind(entry)
            reason = _reason(entry.name, kind)
            if kind == stat.S_IFDIR and reason is None:
                (linked if entry.is_symlink() else own).append(path)
            else:
                yield path, reason


def _kind(entry: "os.DirEntry[str]") -> int | None:
    """What an entry is, behind its links: `stat.S_IFDIR`, `stat.S_IFREG`, 0 for what is neither, None for nothing."""
    try:
        if entry.is_dir():
            return stat.S_IFDIR
        if entry.is_file():
            return stat.S_IFREG
        entry.stat()
    except OSError:  # a link to nowhere, or to itself, or to where nobody may look
        return None
    return 0


def _reason(name: str, kind: int | None) -> str | None:
    """Why an entry is left alone; None for pictures, and for folders that are looked into."""
    if name.startswith("."):
        return HIDDEN
    if kind == stat.S_IFDIR:
        return SYSTEM if name.lower() in KEPT_BY_SYSTEMS else None
    ending = os.path.splitext(name)[1].lower()
    if ending not in IMAGE_SUFFIXES:
        return UNREAD if ending in UNREAD_FORMATS else OTHER
    return SPECIAL if kind == 0 else None


def _is_image(entry: "os.DirEntry[str]") -> bool:
    kind = _kind(entry)
    return kind != stat.S_IFDIR and _reason(entry.name, kind) is None


def _identity(folder: Path) -> _Identity:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _above(folder: Path) -> Iterator[_Identity]:
    """The folders above this one, and itself."""
    place = Path(os.path.realpath(folder))
    for each in (place, *place.parents):
        try:
            yield _identity(each)
        except OSError:
            continue


def _remedy(found: Found) -> str:
    if found.left.get(UNREAD):
        return "convert them to PNG or JPEG first"
    if found.left.get(UNOPENED):
        return f"allow {found.left[UNOPENED][0]} to be read"
    if found.left.get(BELOW):
        return f"give {found.left[BELOW][0].parent}, or move the pictures up"
    return f"give a folder of pictures ({', '.join(IMAGE_SUFFIXES)})"


def _some(paths: tuple[Path, ...]) -> str:
    more = ", …" if len(paths) > _SHOWN else ""
    return ", ".join(shown(path.name) for path in paths[:_SHOWN]) + more
