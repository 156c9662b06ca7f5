"""Translate a file, or every picture of a folder: all is planned before the first is written, and done to its end."""

import errno
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from atme.complaints import several
from atme.data.halves import Half, cut, half_width
from atme.data.layout import find_layout, split_names
from atme.data.sizes import in_words as size_in_words
from atme.images import Header, find_some_images, read_header, read_image, write_image
from atme.images.folder import UNOPENED, in_words
from atme.images.writing import require_ending
from atme.inference.pictures import Scale, require_scale, work_size
from atme.inference.translator import Translator
from atme.models.knowledge import Knowledge
from atme.outputs import require_free, some

_ALIKE = 1.5
"""Sizes that differ by less are jitter."""


@dataclass(frozen=True)
class Jobs:
    """Which file becomes which."""

    pairs: tuple[tuple[Path, Path], ...]
    """Files to read and to write, sorted."""
    left: str = ""
    """What of the folder is left alone, and why, in words; empty if nothing is."""
    unopened: tuple[Path, ...] = ()
    """Subfolders that cannot be opened: pictures in them, if any, are not translated."""


@dataclass(frozen=True)
class Plan:
    """All that is to be done, checked as far as names and headers tell."""

    pairs: tuple[tuple[Path, tuple[Path, ...]], ...]
    """Files to read, and for each the places of its translations, one a sample."""
    half: Half
    """Which half of a picture is translated."""
    scale: Scale
    """The size at which pictures are worked on."""
    seed: int
    """Of the first answer; each further one has the next seed."""
    bad: dict[Path, str] = field(default_factory=dict)
    """Files that cannot be translated, and why."""
    remarks: tuple[str, ...] = ()
    """What the user should know, though nothing is wrong."""


def jobs(source: Path, output: Path) -> Jobs:
    """Which file becomes which: a file for a file, and for a folder a PNG for each picture in it and below it.

    Args:
        source: a picture, or a folder of pictures, whose subfolders are looked into as well.
        output: the translation's file; or a folder, in which subfolders are as in the source. For a single picture,
            a name without ending, and a folder that is there, are taken for a folder.

    Raises:
        ValueError: if there is nothing to translate, or two pictures would be written to the same place.
    """
    if source.is_file():
        folder = output.is_dir() or not output.suffix
        return Jobs(((source, output / f"{source.stem}.png" if folder else output),))
    if not source.is_dir():
        raise ValueError(f"{source}: no such file or folder; give an image, or a folder of images")
    if output.is_file():
        raise ValueError(f"{output}: is a file, and {source} a folder; give a folder to write to")
    if output.resolve() == source.resolve():
        raise ValueError(f"{output}: is the folder that is read; choose another one to write to")
    found = find_some_images(source, below=True)
    own = _below(found.images, output)
    images = [path for path in found.images if path not in own]
    left = found.left | ({"in the folder that is written to": tuple(sorted(own))} if own else {})
    if not images:
        raise ValueError(f"{output}: holds all pictures of {source}; choose another folder to write to")
    pairs = tuple((path, (output / path.relative_to(source)).with_suffix(".png")) for path in images)
    _refuse_twins(pairs)
    return Jobs(pairs, in_words(left), found.left.get(UNOPENED, ()))


def plan(
    translator: Translator,
    work: Jobs,
    *,
    scale: Scale = "run",
    half: Half | Literal["auto"] = "auto",
    samples: int = 1,
    seed: int = 0,
    overwrite: bool = False,
) -> Plan:
    """Check all that names and headers tell, before anything is written.

    Args:
        translator: of a run.
        work: as `jobs` lists it.
        scale: the size at which pictures are worked on, as for a `Translator`.
        half: which half of ``A|B`` pictures is the source, ``none`` for pictures that are no pairs. ``auto``: the
            half that the run translates, where they lie in its own dataset of ``A|B`` pictures; else none.
        samples: answers per picture; with more than one, ``map.png`` becomes ``map_1.png``, ``map_2.png``, …
        seed: of the first answer; each further one has the next seed.
        overwrite: whether files that are there may be replaced; those that are read never are.

    Raises:
        ValueError: naming all places that are taken, or cannot hold what the run makes; if no picture can be
            translated; or if the model has but one answer.
    """
    require_scale(scale)
    _require_answers(translator, samples=samples, seed=seed)
    places = [(path, _places(place, samples)) for path, place in work.pairs]
    written = [place for _, each in places for place in each]
    knows = translator.knows
    for suffix in {place.suffix for place in written}:
        where = next(place for place in written if place.suffix == suffix)
        require_ending(where, bits=knows.target_bits, channels=knows.target_channels)
    require_free(written, reads=[path for path, _ in work.pairs], overwrite=overwrite)
    chosen = own_half([path for path, _ in work.pairs], knows) if half == "auto" else half
    headers, bad = _headers([path for path, _ in work.pairs], knows, half=chosen, scale=scale)
    if len(bad) == len(places):
        raise ValueError(several([_named(path, why) for path, why in bad.items()], what="pictures"))
    remarks = _half_remarks(chosen, knows, headers, asked=half)
    remarks += _scale_remarks(chosen, knows, headers) if scale == "run" else []
    todo = tuple((path, each) for path, each in places if path not in bad)
    return Plan(todo, chosen, scale, seed, bad, tuple(remarks))


def translate_files(translator: Translator, planned: Plan) -> Iterator[tuple[Path, str | None]]:
    """Translate file by file, each read once, yielding each once its translations are written.

    Args:
        translator: of a run.
        planned: as `plan` made it.

    Yields:
        The file that was read, and None, or why it could not be translated.

    Raises:
        OSError: if the disk takes no more.
    """
    for path, places in planned.pairs:
        try:
            picture = cut(read_image(path, clear=translator.knows.clear_transparent), half=planned.half, name=str(path))
            for i, place in enumerate(places):
                place.parent.mkdir(parents=True, exist_ok=True)
                seed = planned.seed + i
                write_image(place, translator.pixels(picture, name=str(path), seed=seed, scale=planned.scale))
        except ValueError as error:
            yield path, _named(path, str(error))
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            yield path, f"{path}: its translation would have too long a name; rename it"
        else:
            yield path, None


def own_half(pictures: Sequence[Path], knows: Knowledge) -> Half:
    """The half that the run translates, if all pictures are A|B pairs of its own dataset; none otherwise."""
    if knows.root is None or knows.layout not in ("auto", "side_by_side"):
        return "none"
    places = {path.parent.resolve() for path in pictures}
    return knows.source_half if places <= _side_by_side(knows.root) else "none"


def _side_by_side(root: Path) -> set[Path]:
    """The folders of a dataset that hold A|B pictures."""
    try:
        layouts = [find_layout(root, split=split) for split in split_names(root)]
    except ValueError:  # a split in two layouts: nothing is known of it
        return set()
    return {layout.folders[0].resolve() for layout in layouts if layout.name == "side_by_side"}


def _require_answers(translator: Translator, *, samples: int, seed: int) -> None:
    if samples < 1 or seed < 0:
        raise ValueError(f"samples {samples}, seed {seed}: ask for one answer or more, by a seed of 0 or more")
    if translator.one_answer and (samples > 1 or seed):
        option = f"samples {samples}" if samples > 1 else f"seed {seed}"
        raise ValueError(f"{option}: the model of this run has one answer to a picture; leave the option out")


def _places(place: Path, samples: int) -> tuple[Path, ...]:
    if samples == 1:
        return (place,)
    return tuple(place.with_stem(f"{place.stem}_{i + 1}") for i in range(samples))


def _refuse_twins(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Two pictures that differ in their ending alone have one place."""
    seen: dict[Path, Path] = {}
    twins = [f"{seen[place]} and {path}" for path, place in pairs if seen.setdefault(place, path) != path]
    if twins:
        raise ValueError(f"{some(twins)}: would be written to the same place; rename one of them")


def _headers(
    paths: Sequence[Path], knows: Knowledge, *, half: Half, scale: Scale
) -> tuple[list[Header], dict[Path, str]]:
    """What the files say of themselves, and those that cannot be translated."""
    headers, bad = [], {}
    for path in paths:
        try:
            header = read_header(path)
            knows.require_source(header.channels, name=str(path))
            width = header.width
            if half != "none":
                width = half_width(width, name=path, remedy="say --half none")
            work_size((header.height, width), scale, knows, name=str(path))
            headers.append(header)
        except ValueError as error:
            bad[path] = str(error)
    return headers, bad


def _half_remarks(half: Half, knows: Knowledge, headers: Sequence[Header], *, asked: str) -> list[str]:
    """Which half is translated, where that is not plain; and a hint where a half seems to be meant."""
    if asked == "auto" and half != "none":
        return [f"translating the {half} halves of A|B pictures of the run's own dataset (--half none: the whole)"]
    if half not in ("none", knows.source_half):
        return [f"translating the {half} halves, and the run learned from {knows.source_half} ones"]
    doubled = bool(headers) and all(knows.may_be_pair(header.height, header.width) for header in headers)
    if asked == "auto" and doubled:
        return [f"every picture is twice as wide as high; if these are A|B pairs, say --half {knows.source_half}"]
    return []


def _scale_remarks(half: Half, knows: Knowledge, headers: Sequence[Header]) -> list[str]:
    """A run that resized to train and not to test works on details of a size that it never saw."""
    if knows.test_size is not None or knows.load_size is None or not headers:
        return []
    trained = knows.load_size
    largest = max(headers, key=lambda header: header.height * header.width)
    size = largest.height, largest.width // (1 if half == "none" else 2)
    factor = max(ours / theirs for ours, theirs in zip(trained, size, strict=True))
    if 1 / _ALIKE < factor < _ALIKE:
        return []
    return [
        f"the run learned from pictures resized to {size_in_words(trained)} and was tested on whole ones "
        f"(no data.test_size); these have up to {size_in_words(size)}: --scale {factor:.3g} works as it learned"
    ]


def _named(path: Path, why: str) -> str:
    return why if str(path) in why else f"{path}: {why}"


def _below(paths: Sequence[Path], folder: Path) -> set[Path]:
    """Those that lie in a folder."""
    if not folder.is_dir():
        return set()
    place = folder.resolve()
    return {path for path in paths if path.resolve().is_relative_to(place)}
