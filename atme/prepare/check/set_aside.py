"""Move bad files aside, and back: nothing is deleted, and every move stands in a log before it is made.

The files of ``ROOT/train`` go to ``ROOT.set_aside/train``, a folder beside the dataset's own, read by no one;
``ROOT.set_aside/moves.jsonl`` has one line a file: where it was, where it is, and why. A link is moved as it is, and
leads where it led when it comes back. Nothing outside of the two folders is ever touched: not what lies behind a
link to a folder, and nothing that a log written by someone else may name.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from atme.names import shown
from atme.outputs import some
from atme.prepare.check.faults import Fault
from atme.prepare.status import set_aside_folder

LOG = "moves.jsonl"

_MOST = 0.5  # of the pairs of a split; where more are bad, it is no single file that is wrong


@dataclass(frozen=True)
class Back:
    """What came back."""

    files: tuple[Path, ...]
    """Where they are again, the last one that was set aside first."""
    lost: tuple[Path, ...]
    """Places of files that are neither there nor among what was set aside; the log still names them."""


@dataclass(frozen=True)
class _Move:
    here: Path
    """Where the file was put."""
    place: Path
    """Where it belongs."""
    line: str
    """Of the log."""


def set_aside(root: Path, faults: Iterable[Fault], *, pairs: dict[str, int]) -> list[Path]:
    """Moves all files of every pair with a fault out of `root`.

    Args:
        root: The dataset.
        faults: What is wrong; both halves of a pair move together. Those of files that are not there move nothing.
        pairs: Number of pairs in each split.

    Returns:
        Where the files are now.

    Raises:
        ValueError: More than half of a split would go, or files lie behind a link to a folder outside of `root`;
            nothing is moved then.
    """
    files: dict[Path, Fault] = {}
    for fault in faults:
        for path in fault.entry.paths:
            if os.path.lexists(path):
                files.setdefault(path, fault)
    bad = {(fault.entry.split, fault.entry.name) for fault in files.values()}
    _refuse_most(root, Counter(split for split, _ in bad), pairs)
    _refuse_outside(root, list(files))
    return [_move_away(root, path, fault) for path, fault in files.items()]


def put_back(root: Path) -> Back:
    """Moves everything that was set aside back to where it was; the last move first.

    Raises:
        ValueError: Nothing was set aside, the log cannot be read or names what lies elsewhere, or a place is taken;
            nothing is moved then.
    """
    folder = set_aside_folder(root)
    log = folder / LOG
    if not log.is_file():
        raise ValueError(f"{log}: not there; nothing of {root} was set aside")
    moves = [_read_move(root, number, line) for number, line in _lines(log)]
    waiting = [move for move in reversed(moves) if os.path.lexists(move.here)]
    _refuse_outside(root, [move.place for move in waiting])
    _refuse_outside(folder, [move.here for move in waiting])
    _refuse_taken(waiting)
    for move in waiting:
        move.place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(move.here, move.place)
    lost = [move for move in moves if not os.path.lexists(move.here) and not os.path.lexists(move.place)]
    if lost:
        log.write_text("".join(f"{move.line}\n" for move in lost), encoding="utf-8")
    else:
        log.unlink()
    _remove_empty(folder)
    return Back(tuple(move.place for move in waiting), tuple(move.place for move in lost))


def _lines(log: Path) -> Iterator[tuple[int, str]]:
    text = log.read_text(encoding="utf-8", errors="surrogateescape")
    yield from ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def _read_move(root: Path, number: int, line: str) -> _Move:
    folder = set_aside_folder(root)
    try:
        said: Any = json.loads(line)
        here, place = (_inside(said[key]) for key in ("to", "from"))
        if here == PurePosixPath(LOG):
            raise ValueError(f"{LOG!r} is the log")
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{folder / LOG}: line {number} names no file of {root} and of {folder}; correct it, or move "
            "the files back by hand"
        ) from error
    return _Move(folder / here, root / place, line)


def _inside(name: str) -> PurePosixPath:
    """A path that stays below the folder that it is meant in, by its words alone.

    Raises:
        ValueError: It leads elsewhere.
    """
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ValueError(f"{name!r} leads elsewhere")
    return path


def _refuse_most(root: Path, bad: Counter[str], pairs: dict[str, int]) -> None:
    for split, count in bad.items():
        all_of_it = pairs.get(split, count)
        if count > _MOST * all_of_it:
            raise ValueError(
                f"{root}: {count:,} of {all_of_it:,} pairs of {split} would be set aside, so it is no single file that "
                "is wrong; look at them with --page PAGE.html, or move some kinds alone with --only"
            )


def _refuse_outside(root: Path, paths: Sequence[Path]) -> None:
    """Only what truly lies below `root` is moved: behind a link to a folder lie somebody else's files."""
    true = root.resolve()
    folders = {folder: folder.resolve().is_relative_to(true) for folder in {path.parent for path in paths}}
    outside = sorted({shown(path) for path in paths if not folders[path.parent]})
    if outside:
        raise ValueError(
            f"{some(outside)}: behind a link to a folder outside of {root}, and nothing is moved there; give the "
            "folder that the link leads to"
        )


def _refuse_taken(moves: Sequence[_Move]) -> None:
    taken = sorted(shown(move.place) for move in moves if os.path.lexists(move.place))
    if taken:
        raise ValueError(f"{some(taken)}: a file was put where another belongs; move it away first")
    twice = [place for place, count in Counter(move.place for move in moves).items() if count > 1]
    if twice:
        rivals = sorted(shown(move.here) for move in moves if move.place == twice[0])
        raise ValueError(
            f"{some(rivals)}: all of them belong to {shown(twice[0])}; move all but one of them out of their folder"
        )


def _move_away(root: Path, path: Path, fault: Fault) -> Path:
    folder = set_aside_folder(root)
    place = next(p for p in _names(folder / path.relative_to(root)) if not os.path.lexists(p))
    place.parent.mkdir(parents=True, exist_ok=True)
    move = {
        "from": path.relative_to(root).as_posix(),
        "to": place.relative_to(folder).as_posix(),
        "kind": fault.kind,
        "detail": fault.detail,
    }
    with open(folder / LOG, "a", encoding="utf-8") as log:
        log.write(json.dumps(move) + "\n")  # in ASCII, so that a name of any bytes can be written, and read again
    shutil.move(path, place)
    return place


def _names(path: Path) -> Iterator[Path]:
    """The path, then others like it: an earlier file of the same name may lie there."""
    yield path
    number = 1
    while True:
        number += 1
        yield path.with_name(f"{path.stem}~{number}{path.suffix}")


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
    if not any(folder.iterdir()):
        folder.rmdir()
