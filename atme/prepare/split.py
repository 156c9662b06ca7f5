"""Divide pairs into train, val and test: by count or share, at random, neighbors kept together.

Tiles of one picture or frames of one film resemble each other. If some are trained on and others tested, the
scores flatter the model; so pairs can be grouped by a pattern in their names, and no group is divided.
"""

import random
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from atme.data.scan import Entry, scan
from atme.prepare.whole_folder import appearing


def only_split(root: Path) -> list[Entry]:
    """The pairs of a folder that is not divided yet, or has a single split.

    Raises:
        ValueError: No pairs, several splits, or a pair of which a half is missing.
    """
    found = scan(root)
    if len(found) > 1:
        raise ValueError(f"{root}: divided already, into {', '.join(found)}; give a folder with one of them")
    (pairs,) = found.values()
    for pair in pairs:
        if pair.trouble is not None:
            raise ValueError(f"{pair.paths[0]}: {pair.trouble}; run: atme data check {root}")
    return pairs


def wanted(amount: float, total: int, *, option: str) -> int:
    """The number of pairs that `amount` stands for: below 1 it is a share of `total`, else a count.

    Raises:
        ValueError: Negative, or neither a share nor a whole number.
    """
    if amount < 0 or (amount >= 1 and amount != int(amount)):
        raise ValueError(f"{option} {amount}: write a share below 1, such as 0.1, or a count, such as 200")
    return int(amount) if amount >= 1 else round(amount * total)


def divide(pairs: Sequence[Entry], *, val: int, test: int, group: str | None, seed: int) -> dict[str, list[Entry]]:
    """Divides pairs at random: a function of its arguments alone, whatever the order of `pairs`.

    Args:
        pairs: All of them.
        val: Pairs for validation.
        test: Pairs for the test; train gets what is left.
        group: A regular expression with one group, searched in each name: pairs in which it finds the same
            text stay together. None: every pair stands alone.
        seed: Of the draw.

    Returns:
        The pairs of train, val and test, without those that get none. Where groups do not add up to `val` or
        `test`, as many pairs as do without exceeding them.

    Raises:
        ValueError: `group` is no such expression or is not found in a name, or a split that shall have pairs
            gets none.
    """
    groups = _grouped(pairs, group)
    order = sorted(groups)
    random.Random(seed).shuffle(order)
    splits: dict[str, list[Entry]] = {"train": [], "val": [], "test": []}
    for key in order:
        fits = [s for s, most in (("test", test), ("val", val)) if len(splits[s]) + len(groups[key]) <= most]
        splits[fits[0] if fits else "train"] += groups[key]
    for split, count in (("train", 1), ("val", val), ("test", test)):
        if count and not splits[split]:
            sizes = f"{len(pairs)} pairs in {len(groups)} groups of {min(map(len, groups.values()))} or more"
            raise ValueError(f"{split}: gets no pair ({sizes}, val {val}, test {test}); ask for other numbers")
    return {split: sorted(found, key=lambda pair: pair.name) for split, found in splits.items() if found}


def write_splits(
    splits: dict[str, list[Entry]],
    out: Path,
    *,
    workers: int,
    track: Callable[[Iterable[None]], Iterable[None]] = iter,
) -> None:
    """Copies the files of each split into `out`, which appears whole or not at all; nothing is moved.

    Args:
        splits: As `divide` returns them; A|B files go to ``OUT/train``, halves to ``OUT/trainA`` and ``B``.
        out: A folder that does not exist yet, or is empty.
        workers: Files copied at a time.
        track: Shows how many pairs have passed.

    Raises:
        ValueError: `out` is taken.
    """
    with appearing(out) as folder, ThreadPoolExecutor(workers) as pool:
        for split, pairs in splits.items():
            for _ in track(pool.map(lambda pair, split=split: _copy(pair, folder, split), pairs)):
                pass


def _grouped(pairs: Sequence[Entry], group: str | None) -> dict[str, list[Entry]]:
    if group is None:
        return {pair.name: [pair] for pair in pairs}
    expression = _compiled(group)
    groups: dict[str, list[Entry]] = defaultdict(list)
    for pair in pairs:
        found = expression.search(pair.name)
        if found is None:
            raise ValueError(f"{group}: not found in the name {pair.name}; write one that fits all names")
        groups[found[1]].append(pair)
    return dict(groups)


def _compiled(group: str) -> re.Pattern[str]:
    try:
        expression = re.compile(group)
    except re.error as error:
        raise ValueError(f"{group}: no regular expression ({error}); write one such as ^(x\\d+)_") from error
    if expression.groups != 1:
        raise ValueError(f"{group}: has {expression.groups} groups in parentheses; write exactly one")
    return expression


def _copy(pair: Entry, out: Path, split: str) -> None:
    halves = ("",) if len(pair.paths) == 1 else ("A", "B")
    for path, half in zip(pair.paths, halves, strict=True):
        place = out / f"{split}{half}"
        place.mkdir(exist_ok=True)
        shutil.copyfile(path, place / path.name)
