"""The manifest of a dataset: each file with size and hash, written last, so that its presence means whole."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "manifest.json"


@dataclass(frozen=True)
class FileRecord:
    """One file as it was when the dataset was made."""

    size: int
    """Bytes."""
    sha256: str
    """In hexadecimal."""


@dataclass(frozen=True)
class Manifest:
    """What a dataset's folder holds and where it came from."""

    source: str
    """The address or the files that it was made from."""
    archive_sha256: str | None
    """Of the archive it was unpacked from, in hexadecimal; None: of no archive."""
    splits: dict[str, int]
    """For each split the number of its pairs."""
    files: dict[str, FileRecord]
    """By path, relative to the folder, with forward slashes."""


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `manifest` into `folder`."""
    (folder / NAME).write_text(json.dumps(asdict(manifest), indent=0, sort_keys=True))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of `folder`, or None if it has none.

    Raises:
        ValueError: The manifest is damaged.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        fields = json.loads(path.read_text())
        files = {name: FileRecord(**record) for name, record in fields.pop("files").items()}
        return Manifest(files=files, **fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path}: damaged; move {folder} away and fetch it again") from error


def record(folder: Path) -> dict[str, FileRecord]:
    """Size and hash of every file in the folders of `folder`, read in parallel."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.parent != folder)
    with ThreadPoolExecutor() as pool:  # hashing and reading release the interpreter
        records = pool.map(_record, paths)
        return {path.relative_to(folder).as_posix(): found for path, found in zip(paths, records, strict=True)}


def missing_files(folder: Path, manifest: Manifest) -> list[str]:
    """Files that are not there, or not of the size they had; nothing is read."""
    return [name for name, known in manifest.files.items() if _size(folder / name) != known.size]


def changed_files(folder: Path, manifest: Manifest, *, names: list[str]) -> list[str]:
    """Those of `names` that are there but not as they were; every byte is read, in parallel."""
    there = [name for name in names if name in manifest.files and (folder / name).is_file()]
    with ThreadPoolExecutor() as pool:
        records = pool.map(_record, (folder / name for name in there))
        return [name for name, now in zip(there, records, strict=True) if now != manifest.files[name]]


def _record(path: Path) -> FileRecord:
    with open(path, "rb") as file:
        return FileRecord(size=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
