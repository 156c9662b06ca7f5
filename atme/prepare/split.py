"""Divide pairs into train, val and test: by count or share, at random, neighbors kept together.

Tiles of one picture or frames of one film resemble each other. If some are trained on and others tested, the
scores flatter the model; so pairs can be grouped by a pattern in their names, and no group is divided.
"""

import math
import random
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from atme.data.recipes import LayoutChoice
from atme.data.scan import Entry, Listing, list_splits
from atme.data.shapes import read_shapes
from atme.names import shown
from atme.outputs import some
from atme.prepare.names_written import Place, require_apart
from atme.prepare.whole_folder import appearing


def one_split(
    root: Path, split: str | None = None, *, layout: LayoutChoice = "auto"
) -> tuple[Listing, dict[str, Listing]]:
    """The pairs that are to be divided, and the other splits of the folder.

    All of them must be sound: a division of the others would be another one once these are repaired, and pairs that
    were trained on would be tested on.

    Args:
        root: The folder.
        split: Whose pairs they are; None in a folder that is not divided yet, or has a single split.
        layout: Where its pairs lie.

    Raises:
        ValueError: No pairs, no such split, or several if none is named. Or naming all files that have no partner, and
            all whose headers a run would refuse.
    """
    found = list_splits(root, layout=layout)
    if split is None and len(found) > 1:
        raise ValueError(f"{root}: divided already, into {', '.join(found)}; say by --split which of them to divide")
    if split is not None and split not in found:
        raise ValueError(f"split: {root} has no {split}; give one of {', '.join(found)}")
    for listing in found.values():
        read_shapes(listing.complete())
    return found.pop(split if split is not None else next(iter(found))), found


def beside(splits: dict[str, list[Entry]], others: dict[str, Listing]) -> dict[str, list[Entry]]:
    """A division, and the splits that are left as they are.

    Raises:
        ValueError: One of the names is given twice.
    """
    for name in splits.keys() & others.keys():
        remedy = f"give --{name} 0" if name != "train" else "rename its folders"
        raise ValueError(f"{name}: the folder has such a split already, beside the one that is divided; {remedy}")
    return splits | {name: list(listing.entries) for name, listing in others.items()}


def wanted(amount: float, total: int, *, option: str) -> int:
    """The number of pairs that `amount` stands for: below 1 it is a share of `total`, else a count.

    Raises:
        ValueError: Negative, without end, or neither a share nor a whole number.
    """
    if not 0 <= amount < math.inf or (amount >= 1 and amount != int(amount)):
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
        ValueError: `group` is no such expression or finds nothing in a name (all of them are named), or a split
            that shall have pairs gets none.
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
        ValueError: `out` is taken, or names that would be one where case is ignored: all of them are named.
    """
    for side in (0, 1):
        paths = [(split, pair.paths[side]) for split, pairs in splits.items() for pair in pairs if pair.paths[side:]]
        require_apart(Place(split, path.name, "", path) for split, path in paths)
    with appearing(out) as folder, ThreadPoolExecutor(workers) as pool:
        for split, pairs in splits.items():
            for _ in track(pool.map(lambda pair, split=split: _copy(pair, folder, split), pairs)):
                pass


def _grouped(pairs: Sequence[Entry], group: str | None) -> dict[str, list[Entry]]:
    if group is None:
        return {pair.name: [pair] for pair in pairs}
    expression = _compiled(group)
    groups: dict[str, list[Entry]] = defaultdict(list)
    without = []
    for pair in pairs:
        found = expression.search(pair.name)
        if found is None or found[1] is None:
            without.append(shown(pair.name))
        else:
            groups[found[1]].append(pair)
    if without:
        what = f"the name {without[0]}" if len(without) == 1 else f"{len(without):,} names ({some(without)})"
        raise ValueError(f"{group}: its group is not found in {what}; write one that fits all names")
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
