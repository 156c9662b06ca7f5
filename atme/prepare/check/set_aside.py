"""Move bad files aside, and back: nothing is deleted, and every move stands in a log before it is made.

The files of ``ROOT/train`` go to ``ROOT.set_aside/train``, a folder beside the dataset's own, read by no one;
``ROOT.set_aside/moves.jsonl`` has one line a file: where it was, where it is, and why.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from atme.data.scan import Entry
from atme.prepare.check.faults import Fault
from atme.prepare.status import set_aside_folder

LOG = "moves.jsonl"

_MOST = 0.5  # of the pairs of a split; where more are bad, it is no single file that is wrong


def set_aside(root: Path, faults: Iterable[Fault], *, pairs: dict[str, int]) -> list[Path]:
    """Moves all files of every pair with a fault out of `root`.

    Args:
        root: The dataset.
        faults: What is wrong; both halves of a pair move together.
        pairs: Number of pairs in each split.

    Returns:
        Where the files are now.

    Raises:
        ValueError: More than half of a split would go; nothing is moved then.
    """
    bad: dict[Entry, Fault] = {}
    for fault in faults:
        bad.setdefault(fault.entry, fault)
    _refuse_most(root, Counter(entry.split for entry in bad), pairs)
    moves = [(path, fault) for entry, fault in bad.items() for path in entry.paths if path.is_file()]
    return [_move_away(root, path, fault) for path, fault in moves]


def put_back(root: Path) -> list[Path]:
    """Moves everything that was set aside back to where it was; the last move first.

    Raises:
        ValueError: Nothing was set aside, or a place is taken by another file.
    """
    folder = set_aside_folder(root)
    log = folder / LOG
    if not log.is_file():
        raise ValueError(f"{log}: not there; nothing of {root} was set aside")
    moves = [json.loads(line) for line in log.read_text().splitlines()]
    back = [(folder / move["to"], root / move["from"]) for move in reversed(moves)]
    back = [(here, place) for here, place in back if here.is_file()]
    for _, place in back:
        if place.exists():
            raise ValueError(f"{place}: a file was put where another belongs; move it away first")
    for here, place in back:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.rename(here, place)
    log.unlink()
    _remove_empty(folder)
    return [place for _, place in back]


def _refuse_most(root: Path, bad: Counter[str], pairs: dict[str, int]) -> None:
    for split, count in bad.items():
        if count > _MOST * pairs.get(split, count):
            raise ValueError(
                f"{root}: {count} of {pairs[split]} pairs of {split} would be set aside; see what is wrong "
                "with them all (--page report.html) before any of them is moved"
            )


def _move_away(root: Path, path: Path, fault: Fault) -> Path:
    folder = set_aside_folder(root)
    place = next(p for p in _names(folder / path.relative_to(root)) if not p.exists())
    place.parent.mkdir(parents=True, exist_ok=True)
    move = {
        "from": path.relative_to(root).as_posix(),
        "to": place.relative_to(folder).as_posix(),
        "kind": fault.kind,
        "detail": fault.detail,
    }
    with open(folder / LOG, "a") as log:
        log.write(json.dumps(move, ensure_ascii=False) + "\n")
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
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    if not any(folder.iterdir()):
        folder.rmdir()
