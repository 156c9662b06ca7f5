"""Unpack an archive from the internet without trusting it: tar.gz and zip, files only, under limits.

Refused, never repaired: paths that are absolute or climb out, links of both kinds, devices and pipes, sparse
files, a name twice, encrypted members, and archives that unfold beyond their limits. The standard library's
``data`` filter (PEP 706) is asked about every tar member too, but it repairs some of these silently and knows
no limit, so it stands behind the checks of this file, not in their place. Every file is opened anew with this
process's own rights, so no link is ever followed and no mode bit ever taken over.

What operating systems add of their own accord (``__MACOSX``, ``._1.jpg``, ``.DS_Store``) is left out.
"""

import errno
import gzip
import hashlib
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, BinaryIO

from atme.names import shown
from atme.prepare.disk import DiskError, guarded
from atme.prepare.fetch.arriving import CHUNK

_HEADERS = 1 << 20  # bytes of headers and padding that may stand between two members of a tar file
_SMALLEST_LIMIT = 1 << 20  # bytes that any archive may unfold to: an empty tar alone is 10 KiB of zeros
_DEEPEST = 32  # folders in folders
_SHOWN = 80  # characters of a name in a message
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    RecursionError,
    NotImplementedError,
)
"""What the standard library raises of bytes that are no archive; what the disk refuses comes as DiskError instead."""
_BAD_NAME = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


class ArchiveError(Exception):
    """The archive is broken or not to be trusted; the message says why."""


@dataclass(frozen=True)
class Limits:
    """How far an archive may unfold. The defaults suit images, which hardly compress any further."""

    size: int = 64 << 30
    """Bytes of all files together."""
    files: int = 1_000_000
    """Members, folders included."""
    ratio: float = 100.0
    """Bytes unpacked per byte of the archive: about 1 for JPEG and PNG, 1,000 for a bomb."""


@dataclass(frozen=True)
class Unpacked:
    """One file that an archive held."""

    path: str
    """Relative to the folder it was unpacked into, with forward slashes."""
    size: int
    """Bytes."""
    sha256: str
    """Of its content, in hexadecimal."""


@dataclass(frozen=True)
class _Member:
    path: PurePosixPath
    size: int
    content: IO[bytes] | None
    """None: a folder."""


def nothing(count: int) -> None:
    """Does nothing with the bytes counted."""


def unpack(
    archive: Path, folder: Path, *, limits: Limits = Limits(), advance: Callable[[int], None] = nothing
) -> list[Unpacked]:
    """Unpacks a tar.gz or zip file into `folder`, which is made here.

    Args:
        archive: The file; its kind is told by its first bytes, not by its name.
        folder: A folder that does not exist yet; whoever calls throws it away if this raises.
        limits: How far the archive may unfold.
        advance: Called with the number of bytes written since the last call.

    Returns:
        What was written, in the order of the archive.

    Raises:
        ArchiveError: The archive is broken, dangerous or no archive.
        DiskError: The disk is full or cannot be written.
    """
    members = _reader(archive)
    guarded(folder, lambda: folder.mkdir(parents=True))
    try:
        return [
            _write(member.path, member.content, folder, advance=advance)
            for member in _within(members(archive, folder), limits, archive_size=archive.stat().st_size)
            if member.content is not None and not _is_clutter(member.path)
        ]
    except DiskError:
        raise
    except _BROKEN as error:
        raise ArchiveError(f"broken or cut: {error}") from error


def _reader(archive: Path) -> Callable[[Path, Path], Iterator[_Member]]:
    with open(archive, "rb") as file:
        beginning = file.read(16)
    if beginning.startswith(b"\x1f\x8b"):
        return _tar_members
    if beginning.startswith(b"PK\x03\x04"):
        return _zip_members
    raise ArchiveError(f"neither a tar.gz nor a zip file: it begins with {beginning!r}")


def _within(members: Iterator[_Member], limits: Limits, *, archive_size: int) -> Iterator[_Member]:
    """The members, for as long as their number and their declared sizes stay within the limits.

    What is declared binds: neither reader hands out more bytes for a member than its size.
    """
    most = min(limits.size, max(_SMALLEST_LIMIT, int(limits.ratio * archive_size)))
    size = 0
    for count, member in enumerate(members, start=1):
        size += member.size
        if count > limits.files:
            raise ArchiveError(f"more than {limits.files:,} files and folders")
        if size > most:
            raise ArchiveError(f"a bomb: {archive_size:,} bytes unfold to more than {most:,}")
        yield member


def _write(name: PurePosixPath, content: IO[bytes], folder: Path, *, advance: Callable[[int], None]) -> Unpacked:
    path = folder / name
    digest, size = hashlib.sha256(), 0
    with guarded(path, lambda: _create(path)) as file:
        while chunk := content.read(CHUNK):
            guarded(path, lambda: file.write(chunk))
            digest.update(chunk)
            size += len(chunk)
            advance(len(chunk))
        guarded(path, file.flush)
    return Unpacked(path=str(name), size=size, sha256=digest.hexdigest())


def _create(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise ArchiveError(f"{_named(path.name)} stands in it twice") from error
    except OSError as error:
        if error.errno in _BAD_NAME:
            raise ArchiveError(f"{_named(path.name)}: no name that this disk takes ({error.strerror})") from error
        raise


def _tar_members(archive: Path, folder: Path) -> Iterator[_Member]:
    with gzip.open(archive) as unzipped:
        stream = _Metered(unzipped)
        with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
            for info in tar:
                _refuse_special(info, folder)
                content = tar.extractfile(info)
                stream.left = _HEADERS + (info.size if content else 0)
                yield _Member(path=_safe(info.name), size=info.size if content else 0, content=content)
        while stream.read(CHUNK):  # to the end, where gzip's checksum stands
            pass


def _refuse_special(info: tarfile.TarInfo, folder: Path) -> None:
    _safe(info.name)
    if info.issym() or info.islnk():
        raise ArchiveError(f"{_named(info.name)} is a link to {_named(info.linkname)}")
    if info.issparse():
        raise ArchiveError(f"{_named(info.name)} is a sparse file, whose size means nothing")
    if not (info.isreg() or info.isdir()):
        raise ArchiveError(f"{_named(info.name)} is neither a file nor a folder (device or pipe)")
    if info.size < 0:
        raise ArchiveError(f"{_named(info.name)} has less than nothing in it")
    if hasattr(tarfile, "data_filter"):  # Python before 3.11.4 has none; it finds nothing that is not refused above
        tarfile.data_filter(info, str(folder))


class _Metered:
    """A stream that hands out `left` bytes at most: the length in a tar header cannot fill the memory."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self.left = _HEADERS

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(min(size, self.left + 1))
        self.left -= len(chunk)
        if self.left < 0:
            raise ArchiveError(f"a bomb: more than {_HEADERS:,} bytes of headers or padding")
        return chunk


def _zip_members(archive: Path, folder: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            path = _safe(info.orig_filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind in _KINDS:
                raise ArchiveError(f"{_named(str(path))} is {_KINDS[kind]}")
            if info.is_dir():
                yield _Member(path=path, size=0, content=None)
                continue
            with _open_member(file, info) as content:
                yield _Member(path=path, size=info.file_size, content=content)


def _open_member(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return file.open(info)
    except (RuntimeError, NotImplementedError) as error:  # encrypted; an unknown compression
        raise ArchiveError(f"{_named(info.filename)} cannot be read: {error}") from error


def _safe(name: str) -> PurePosixPath:
    """The path, if it stays inside on every operating system."""
    if not name:
        raise ArchiveError("a member without a name")
    path = PurePosixPath(name)
    windows = PureWindowsPath(name)
    if path.is_absolute() or windows.drive or windows.root or "\\" in name or "\0" in name:
        raise ArchiveError(f"{_named(name)!r} is not a relative path")
    if ".." in path.parts:
        raise ArchiveError(f"{_named(name)!r} climbs out of its folder")
    if len(path.parts) > _DEEPEST:
        raise ArchiveError(f"{_named(name)!r} lies in more than {_DEEPEST} folders")
    return path


def _named(name: str) -> str:
    """A name in one line, cut where it is long."""
    return shown(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")


def _is_clutter(path: PurePosixPath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
