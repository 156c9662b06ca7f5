"""Faults that are put into a part of earth, side by side or in two folders, for the check to find.

PLANTED and PLANTED_IN_TWO list them: each must be found by its kind, in its pair, and nowhere else.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from atme.data.recipes import find_root
from atme.images import read_image, write_image
from atme.prepare.check.check import Report, check_folder
from atme.prepare.manifest import Manifest, record, write_manifest

EARTH = find_root("earth")
TRAIN = sorted((EARTH / "train").iterdir())[:16]
TEST = sorted((EARTH / "test").iterdir())[:4]
SHOWY = next(path for path in TRAIN if path.stem == "x0128_y0288")  # with edges all over, in both halves


def check(root: Path) -> Report:
    return check_folder(root, workers=2)


def found(root: Path) -> set[tuple[str, str]]:
    return {(fault.kind, f"{fault.entry.split}/{fault.entry.name}") for fault in check(root).faults}


def contents(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)


def mirrored(picture: np.ndarray) -> np.ndarray:
    a, b = np.split(picture, 2, axis=1)
    return np.concatenate([a[:, ::-1], b[:, ::-1]], axis=1)


def with_halves(change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> Callable:
    return lambda picture: np.concatenate(change(*np.split(picture, 2, axis=1)), axis=1)


def shifted(right: int, down: int) -> Callable:
    """B moved, as by a careless crop; what is missing repeats the border."""

    def move(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        matrix = np.float32([[1, 0, right], [0, 1, down]])
        return a, cv2.warpAffine(b, matrix, b.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)

    return with_halves(move)


def one_color(picture: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.uint8([90, 140, 200]), picture.shape)


def redrawn(source: Path, change: Callable[[np.ndarray], np.ndarray], to: str = "") -> Callable[[Path], None]:
    """Puts a changed picture in place of a file, or into another one, as PNG, which loses nothing."""

    def plant(root: Path) -> None:
        path = root / source.parent.name / source.name
        picture = change(read_image(path))
        if to:
            write_image(root / to, picture)
        else:
            path.unlink()
            write_image(path.with_suffix(".png"), np.ascontiguousarray(picture))

    return plant


def bytes_of(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def plant(root: Path) -> None:
        path = root / "train" / SHOWY.name
        path.write_bytes(change(path.read_bytes()))

    return plant


def unchanged(picture: np.ndarray) -> np.ndarray:
    return picture


def half_of_test(root: Path) -> None:
    """A training pair whose A is that of a test pair, with another B."""
    a = np.split(read_image(root / "test" / TEST[0].name), 2, axis=1)[0]
    b = np.split(read_image(root / "train" / TRAIN[5].name), 2, axis=1)[1]
    write_image(root / "train" / "half.png", np.concatenate([a, b], axis=1))


def half_of_test_again(root: Path) -> None:
    """The same, saved as JPEG: no pixel of the half is quite what it was."""
    half_of_test(root)
    picture = read_image(root / "train" / "half.png")
    (root / "train" / "half.png").unlink()
    write_image(root / "train" / "half.jpg", jpeg(picture, 60))


def turned(quarters: int) -> Callable:
    return with_halves(lambda a, b: (np.rot90(a, quarters), np.rot90(b, quarters)))


def no_photograph(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return a, jpeg(a, 50)


def mask(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return a, np.uint8(b > 90)


def manifest_of(root: Path) -> None:
    write_manifest(root, Manifest("here", archive_sha256=None, splits={"train": len(TRAIN)}, files=record(root)))


def one_bit(root: Path) -> None:
    manifest_of(root)
    path = root / "train" / SHOWY.name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lost(root: Path) -> None:
    manifest_of(root)
    (root / "train" / SHOWY.name).unlink()


HERE = f"train/{SHOWY.stem}"
PLANTED: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "no image": (bytes_of(lambda _: b"<html>404 Not Found</html>"), "unreadable", HERE),
    "empty file": (bytes_of(lambda _: b""), "unreadable", HERE),
    "cut file": (bytes_of(lambda content: content[: len(content) * 2 // 3]), "unreadable", HERE),
    "odd width": (redrawn(SHOWY, lambda picture: picture[:, :-1]), "unreadable", HERE),
    "another size": (redrawn(SHOWY, lambda picture: picture[::2, ::2]), "size", HERE),
    "gray among color": (redrawn(SHOWY, lambda picture: picture[..., :1]), "channels", HERE),
    "transparent among opaque": (redrawn(SHOWY, lambda p: np.dstack([p, p[..., 0]])), "channels", HERE),
    "16 bits among 8": (redrawn(SHOWY, lambda picture: picture.astype(np.uint16) * 257), "bits", HERE),
    "blank A": (redrawn(SHOWY, with_halves(lambda a, b: (one_color(a), b))), "blank", HERE),
    "blank B": (redrawn(SHOWY, with_halves(lambda a, b: (a, one_color(b)))), "blank", HERE),
    "a mask of 0 and 1 for B": (redrawn(SHOWY, with_halves(mask)), "values", HERE),
    "A twice, once recompressed": (redrawn(SHOWY, with_halves(no_photograph)), "same halves", HERE),
    "A twice, no B": (redrawn(SHOWY, with_halves(lambda a, b: (a, a))), "same halves", HERE),
    "B 4 px beside A": (redrawn(SHOWY, shifted(4, 0)), "misaligned", HERE),
    "B 4 px above A": (redrawn(SHOWY, shifted(0, -4)), "misaligned", HERE),
    "B 17 px across": (redrawn(SHOWY, shifted(-12, 12)), "misaligned", HERE),
    "copy in train": (redrawn(SHOWY, unchanged, to="train/x9999.png"), "duplicate", "train/x9999"),
    "coarse copy in train": (
        redrawn(SHOWY, lambda p: jpeg(p, 30), to="train/x9999.png"),
        "duplicate",
        "train/x9999",
    ),
    "mirrored copy in train": (redrawn(SHOWY, mirrored, to="train/x9999.png"), "duplicate", "train/x9999"),
    "test pair in train": (redrawn(TEST[0], unchanged, to="train/x9999.png"), "leak", "train/x9999"),
    "coarse test pair in train": (
        redrawn(TEST[0], lambda p: jpeg(p, 30), to="train/x9999.png"),
        "leak",
        "train/x9999",
    ),
    "mirrored test pair in train": (redrawn(TEST[0], mirrored, to="train/x9999.png"), "leak", "train/x9999"),
    **{
        f"test pair turned by {90 * n} degrees in train": (
            redrawn(TEST[0], turned(n), to="train/x9999.png"),
            "leak",
            "train/x9999",
        )
        for n in (1, 2, 3)
    },
    "train pair turned and mirrored in train": (
        redrawn(SHOWY, lambda p: turned(1)(mirrored(p)), to="train/x9999.png"),
        "duplicate",
        "train/x9999",
    ),
    "A of a test pair in train": (half_of_test, "leak", "train/half"),
    "A of a test pair in train, recompressed": (half_of_test_again, "leak", "train/half"),
    "one bit changed since it was fetched": (one_bit, "changed", HERE),
    "a file lost since it was fetched": (lost, "missing", f"train/{SHOWY.name}"),
}


def cut_off(root: Path) -> None:
    (root / "trainB" / f"{SHOWY.stem}_B.png").unlink()


def no_source(root: Path) -> None:
    (root / "trainA" / f"{SHOWY.stem}_A.png").unlink()


def other_size(root: Path) -> None:
    path = root / "trainB" / f"{SHOWY.stem}_B.png"
    write_image(path, read_image(path)[:-2])


def name_twice(root: Path) -> None:
    path = root / "trainB" / f"{SHOWY.stem}_B.png"
    write_image(path.with_suffix(".jpg"), read_image(path))


PLANTED_IN_TWO: dict[str, tuple[Callable[[Path], None], str]] = {
    "no B": (cut_off, "has no partner in trainB"),
    "no A": (no_source, "has no partner in trainA"),
    "halves of two sizes": (other_size, "has 256×256 pixels and its partner"),
    "two files of one name": (name_twice, "have the same name"),
}
