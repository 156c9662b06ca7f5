"""Make pairs of two folders of pictures: match them by name, check each pair, write them as one dataset."""

import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from atme.complaints import several
from atme.data.halves import read_halves
from atme.data.layout import split_of_folder
from atme.data.recipes import LayoutName
from atme.images import find_some_images, write_image
from atme.images.folder import UNOPENED, Found, in_words, together
from atme.names import composed, loosely, partners, shown
from atme.outputs import some
from atme.prepare.names_written import Place, require_apart, require_split_name
from atme.prepare.whole_folder import appearing

Rule = Callable[[PurePosixPath], str | None]
"""What two files that belong together have in common, from a path below its folder; None: no such name."""


@dataclass(frozen=True)
class Match:
    """Two files that belong together."""

    name: str
    """Of the pair, as it is written: no folder, no ending."""
    a: Path
    b: Path
    split: str = "train"


@dataclass(frozen=True)
class Matches:
    """The pairs of two folders, and what is none."""

    pairs: tuple[Match, ...]
    """By split, then by name."""
    alone: tuple[Path, ...] = ()
    """Pictures that have no partner."""
    remarks: tuple[str, ...] = ()
    """What was matched or named otherwise than its files are called, and what was left alone: a line each."""


@dataclass(frozen=True)
class Written:
    """What became of pairs."""

    splits: dict[str, int]
    """For each split how many pairs were written."""
    bad: tuple[str, ...]
    """Of each other pair, why it was left out."""


def match(a: Path, b: Path, *, by: str, split: str | None = None) -> Matches:
    """Matches the pictures of two folders, their subfolders included.

    Args:
        a: Folder of the A halves.
        b: Folder of the B halves.
        by: ``name``: the whole name, ending included, is the same; ``stem``: the name without ending; or two
            patterns with a comma between, such as ``{}_A,{}_B``: what ``{}`` stands for, in the names without
            ending, is the same. Names that look the same are the same, in whatever form of Unicode; those that differ
            in case are matched where only one on each side comes into question.
        split: Into which split all pairs go. None: where both folders are divided into train, test, … already, each
            into its own, and everything else into train.

    Raises:
        ValueError: A folder is missing, holds no pictures or one that cannot be opened; `by` is no rule; `split` is
            no name; two files of a folder match the same partner, or two pairs would be written to the same place
            (all of them are named); or nothing matches.
    """
    rules = _rules(by)
    if split is not None:
        require_split_name(split)
    found = [_pictures(folder) for folder in (a, b)]
    divided = [_divided(each, folder, half) for each, folder, half in zip(found, (a, b), "AB", strict=True)]
    known = set(divided[0].values()) & set(divided[1].values()) - {None} if split is None else set()
    sides = [
        _keyed(each, folder, rule, splits=splits, known=known)
        for each, folder, rule, splits in zip(found, (a, b), rules, divided, strict=True)
    ]
    pairs, loose = _matched(sides[0], sides[1], usual=split or "train")
    if not pairs:
        examples = " and ".join(shown(each.images[0].name) for each in found)
        raise ValueError(f"{a} and {b}: no two names match by {by} (such as {examples}); try another --by")
    matched = {path for pair in pairs for path in (pair.a, pair.b)}
    alone = dict.fromkeys(path for each in found for path in each.images if path not in matched)
    pairs, renamed = _written(pairs, keeps_ending=by == "name")
    require_apart(Place(pair.split, pair.name, _longest(pair.a.suffix, pair.b.suffix), pair.a) for pair in pairs)
    remarks = tuple(line for line in (loose, renamed, in_words(together(found))) if line)
    return Matches(tuple(pairs), tuple(alone), remarks)


def write_pairs(
    pairs: Sequence[Match],
    out: Path,
    *,
    layout: LayoutName,
    workers: int,
    track: Callable[[Iterable[str | None]], Iterable[str | None]] = iter,
) -> Written:
    """Writes pairs as a dataset in `out`, which appears whole or not at all.

    Args:
        pairs: What to write.
        out: A folder that does not exist yet, or is empty.
        layout: ``two_folders`` copies the files as they are; ``side_by_side`` writes A|B as PNG, which loses
            nothing but takes more room than JPEG.
        workers: Pairs written at a time.
        track: Shows how many have passed.

    Returns:
        What was written; pairs that cannot be read, or whose halves do not fit, are left out.

    Raises:
        ValueError: `out` is taken, or no pair can be written.
        OSError: The disk takes no more.
    """
    write = _copy_halves if layout == "two_folders" else _join_halves
    with appearing(out) as folder, ThreadPoolExecutor(workers) as pool:
        for place in {folder / name for pair in pairs for name in _folders(pair, layout)}:
            place.mkdir()
        wrong = list(track(pool.map(lambda pair: _tried(write, pair, folder), pairs)))
        bad = tuple(each for each in wrong if each is not None)
        if len(bad) == len(pairs):
            raise ValueError(several(bad, what="pairs"))
        splits = Counter(pair.split for pair, each in zip(pairs, wrong, strict=True) if each is None)
        _remove_empty(folder)
    return Written(dict(splits), bad)


def _pictures(folder: Path) -> Found:
    found = find_some_images(folder, below=True)
    if found.left.get(UNOPENED):
        raise ValueError(f"{some(found.left[UNOPENED])}: cannot be opened; allow it, or move it elsewhere")
    return found


def _divided(found: Found, folder: Path, half: str) -> dict[Path, str | None]:
    """For each picture the split that its first folder is called after."""
    return {
        path: split_of_folder(parts[0], half) if len(parts) > 1 else None
        for path in found.images
        for parts in (path.relative_to(folder).parts,)
    }


def _keyed(
    found: Found, folder: Path, rule: Rule, *, splits: dict[Path, str | None], known: set[str | None]
) -> dict[str | None, dict[str, Path]]:
    """Pictures by split and by what they have in common with their partners."""
    keyed: dict[str | None, dict[str, Path]] = defaultdict(dict)
    twice = []
    for path in found.images:
        split = splits[path] if splits[path] in known else None
        place = PurePosixPath(composed(path.relative_to(folder).as_posix()))
        key = rule(PurePosixPath(*place.parts[1:]) if split else place)
        if key in keyed[split]:
            twice.append(f"{path}: would have the same partner as {keyed[split][key].name}; rename one of them")
        elif key is not None:
            keyed[split][key] = path
    if twice:
        raise ValueError(several(twice, what="files"))
    return keyed


def _matched(
    a: dict[str | None, dict[str, Path]], b: dict[str | None, dict[str, Path]], *, usual: str
) -> tuple[list[Match], str]:
    """The pairs by split and name, and which names differ in case."""
    pairs, loose = [], []
    for split in sorted(a.keys() & b.keys(), key=str):
        for key, other in sorted(partners(a[split], b[split]).items()):
            pairs.append(Match(key, a[split][key], b[split][other], split or usual))
            if key != other:
                loose.append((a[split][key].name, b[split][other].name))
    return pairs, loosely(loose)


def _written(pairs: list[Match], *, keeps_ending: bool) -> tuple[list[Match], str]:
    """The pairs under the names that are written, and which of them would have been hidden."""
    named, hidden = [], []
    for pair in pairs:
        name = str(PurePosixPath(pair.name).with_suffix("")) if keeps_ending else pair.name
        whole = name.replace("/", "_")
        if whole.startswith("."):
            hidden.append(f"{shown(whole)} as {shown(whole.lstrip('.'))}")
        named.append(replace(pair, name=whole.lstrip(".")))
    words = f"{len(hidden):,} named without the dot that would hide them ({some(hidden, most=3)})" if hidden else ""
    return named, words


def _longest(*endings: str) -> str:
    return max(endings, key=len)


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
    before, after = map(re.escape, composed(pattern).split("{}"))
    expression = re.compile(f"{before}(.+){after}", re.DOTALL)

    def rule(path: PurePosixPath) -> str | None:
        found = expression.fullmatch(_stem(path) if "/" in pattern else path.stem)
        if found is None or "/" in pattern:
            return found and found[1]
        return "".join(f"{part}/" for part in path.parts[:-1]) + found[1]

    return rule


def _folders(pair: Match, layout: LayoutName) -> tuple[str, ...]:
    return (f"{pair.split}A", f"{pair.split}B") if layout == "two_folders" else (pair.split,)


def _remove_empty(folder: Path) -> None:
    """Without the folders of a split no pair of which was good."""
    for place in folder.iterdir():
        if not any(place.iterdir()):
            place.rmdir()


def _tried(write: Callable[[Match, Path], None], pair: Match, folder: Path) -> str | None:
    """Why a pair could not be written; None if it was."""
    try:
        write(pair, folder)
    except ValueError as error:
        return str(error)
    return None


def _copy_halves(pair: Match, folder: Path) -> None:
    read_halves((pair.a, pair.b))  # what cannot be read, or differs in size, shall not come in
    for path, place in zip((pair.a, pair.b), _folders(pair, "two_folders"), strict=True):
        shutil.copyfile(path, folder / place / (pair.name + path.suffix.lower()))


def _join_halves(pair: Match, folder: Path) -> None:
    a, b = read_halves((pair.a, pair.b), clear=False)  # what training makes of it is for the run to say
    if a.shape != b.shape or a.dtype != b.dtype:
        kinds = " and ".join(f"{x.shape[2]} channels of {8 * x.itemsize} bits" for x in (a, b))
        raise ValueError(f"{pair.a}: the halves have {kinds}, which one file cannot hold; use --layout two_folders")
    write_image(folder / pair.split / f"{pair.name}.png", np.concatenate([a, b], axis=1))
