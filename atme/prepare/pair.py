"""Make pairs of two folders of pictures: match them by name, check each pair, write them as one dataset."""

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path, PurePosixPath

import numpy as np

from atme.data.halves import read_halves
from atme.data.recipes import LayoutName
from atme.images import is_image_name, write_image
from atme.prepare.whole_folder import appearing

_SHOWN = 5  # names that a message lists

Rule = Callable[[PurePosixPath], str | None]
"""What two files that belong together have in common, from a path below its folder; None: no such name."""


@dataclass(frozen=True)
class Match:
    """Two files that belong together."""

    name: str
    """Of the pair; slashes are those of subfolders."""
    a: Path
    b: Path


@dataclass(frozen=True)
class Matches:
    """The pairs of two folders, and what has no partner."""

    pairs: tuple[Match, ...]
    alone: tuple[Path, ...]


def match(a: Path, b: Path, *, by: str) -> Matches:
    """Matches the pictures of two folders, their subfolders included.

    Args:
        a: Folder of the A halves.
        b: Folder of the B halves.
        by: ``name``: the whole name, ending included, is the same; ``stem``: the name without ending; or two
            patterns with a comma between, such as ``{}_A,{}_B``: what ``{}`` stands for, in the names without
            ending, is the same.

    Raises:
        ValueError: A folder is missing or holds no pictures, `by` is no rule, two files of a folder match the
            same partner, or nothing matches.
    """
    of_a, of_b = (_keyed(folder, rule) for folder, rule in zip((a, b), _rules(by), strict=True))
    keys = sorted(of_a.keys() & of_b.keys())
    if not keys:
        raise ValueError(f"{a} and {b}: no two names match by {by}; try another --by")
    pairs = (
        Match(str(PurePosixPath(key).with_suffix("")) if by == "name" else key, of_a[key], of_b[key]) for key in keys
    )
    matched = {path for key in keys for path in (of_a[key], of_b[key])}
    alone = [path for folder in (a, b) for path in _pictures(folder) if path not in matched]
    return Matches(tuple(pairs), tuple(alone))


def write_pairs(
    pairs: Sequence[Match],
    out: Path,
    *,
    split: str,
    layout: LayoutName,
    workers: int,
    track: Callable[[Iterable[None]], Iterable[None]] = iter,
) -> None:
    """Writes pairs as a dataset in `out`, which appears whole or not at all.

    Args:
        pairs: What to write; slashes in their names become ``_``.
        out: A folder that does not exist yet, or is empty.
        split: Name of the split to write.
        layout: ``two_folders`` copies the files as they are; ``side_by_side`` writes A|B as PNG, which loses
            nothing but takes more room than JPEG.
        workers: Pairs written at a time.
        track: Shows how many have passed.

    Raises:
        ValueError: `out` is taken, two pairs get the same name, a pair cannot be read or its halves differ.
    """
    names = [pair.name.replace("/", "_") for pair in pairs]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{out}: {listed(twice)} would be written twice; rename the files")
    write = _copy_halves if layout == "two_folders" else _join_halves
    with appearing(out) as folder, ThreadPoolExecutor(workers) as pool:
        for _ in track(pool.map(write, pairs, names, repeat(folder), repeat(split))):
            pass


def listed(names: Sequence[object]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(str, names[:_SHOWN])) + more


def _rules(by: str) -> tuple[Rule, Rule]:
    if by == "name":
        return str, str
    if by == "stem":
        return _stem, _stem
    patterns = by.split(",")
    if len(patterns) != 2 or any(pattern.count("{}") != 1 for pattern in patterns):
        raise ValueError(f"{by}: no rule to match by; write name, stem, or two patterns like {{}}_A,{{}}_B")
    return _pattern(patterns[0]), _pattern(patterns[1])


def _stem(path: PurePosixPath) -> str:
    return str(path.with_suffix(""))


def _pattern(pattern: str) -> Rule:
    before, after = map(re.escape, pattern.split("{}"))
    expression = re.compile(f"{before}(.+){after}")

    def rule(path: PurePosixPath) -> str | None:
        found = expression.fullmatch(_stem(path))
        return found[1] if found else None

    return rule


def _keyed(folder: Path, rule: Rule) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in _pictures(folder):
        key = rule(PurePosixPath(path.relative_to(folder).as_posix()))
        if key in found:
            raise ValueError(f"{path}: would have the same partner as {found[key].name}; rename one of them")
        if key is not None:
            found[key] = path
    return found


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; give one with pictures")
    found = sorted(p for p in folder.rglob("*") if is_image_name(p) and not p.name.startswith("."))
    if not found:
        raise ValueError(f"{folder}: no pictures in it; give a folder with pictures")
    return found


def _copy_halves(pair: Match, name: str, folder: Path, split: str) -> None:
    read_halves((pair.a, pair.b))  # what cannot be read, or differs in size, shall not come in
    for path, half in ((pair.a, "A"), (pair.b, "B")):
        place = folder / f"{split}{half}"
        place.mkdir(exist_ok=True)
        shutil.copyfile(path, place / (name + path.suffix.lower()))


def _join_halves(pair: Match, name: str, folder: Path, split: str) -> None:
    a, b = read_halves((pair.a, pair.b), clear=False)  # what training makes of it is for the run to say
    if a.shape != b.shape or a.dtype != b.dtype:
        kinds = " and ".join(f"{x.shape[2]} channels of {8 * x.itemsize} bits" for x in (a, b))
        raise ValueError(f"{pair.a}: the halves have {kinds}, which one file cannot hold; use two_folders")
    (folder / split).mkdir(exist_ok=True)
    write_image(folder / split / f"{name}.png", np.concatenate([a, b], axis=1))
