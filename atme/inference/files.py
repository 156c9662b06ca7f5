"""Which files are translated, and to where: all is planned before the first is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from atme.complaints import several
from atme.data.halves import Half, half_width
from atme.data.layout import find_layout, split_names
from atme.data.shapes import Size
from atme.images import Header, find_some_images, read_header
from atme.images.folder import UNOPENED, in_words
from atme.images.writing import require_ending
from atme.inference.pictures import Scale, named, require_scale, work_size
from atme.inference.remarks import half_remarks, scale_remarks, tile_remarks
from atme.inference.tiling import WHOLE, Tiling, Way
from atme.inference.translator import Translator
from atme.models.knowledge import Knowledge
from atme.outputs import require_free, some

Format = Literal["png", "jpeg", "tiff", "webp"]
ENDINGS: dict[Format, tuple[str, ...]] = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "tiff": (".tif", ".tiff"),
    "webp": (".webp",),
}
"""Of the files of each format; the first one is written."""


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
    samples: int
    """Answers for each picture."""
    sizes: dict[Path, Size]
    """(height, width) at which each picture is worked on, as its header tells."""
    compare: bool = False
    """Whether what is written is ``A|B``: the picture beside its translation."""
    passes: int = 1
    """How often a picture is translated, each time what came out before."""
    tiling: Tiling = WHOLE
    """What is asked of pictures that are too large for memory."""
    bad: dict[Path, str] = field(default_factory=dict)
    """Files that cannot be translated, and why."""
    remarks: tuple[str, ...] = ()
    """What the user should know, though nothing is wrong."""
    as_labels: bool = False
    """Whether every pixel of what is written is that of the nearest class."""


def jobs(source: Path, output: Path, *, format: Format | None = None) -> Jobs:
    """Which file becomes which: a file for a file, and for a folder one for each picture in it and below it.

    Args:
        source: a picture, or a folder of pictures, whose subfolders are looked into as well.
        output: the translation's file; or a folder, in which subfolders are as in the source. For a single picture,
            a name without ending, and a folder that is there, are taken for a folder.
        format: of the translations in a folder; None for PNG.

    Raises:
        ValueError: if there is nothing to translate, two pictures would be written to the same place, or the format
            is not that of the file to write.
    """
    ending = ENDINGS[format or "png"][0]
    if source.is_file():
        if output.is_dir() or not output.suffix:
            return Jobs(((source, output / f"{source.stem}{ending}"),))
        if format is not None and output.suffix.lower() not in ENDINGS[format]:
            raise ValueError(
                f"format {format}: {output} ends in {output.suffix}; leave --format out, or change the name"
            )
        return Jobs(((source, output),))
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
    pairs = tuple((path, (output / path.relative_to(source)).with_suffix(ending)) for path in images)
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
    compare: bool = False,
    passes: int = 1,
    tiling: Tiling = WHOLE,
    as_labels: bool = False,
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
        compare: whether to write the picture beside its translation.
        passes: how often a picture is translated, each time what came out before.
        tiling: what is asked of pictures that are too large for memory.
        as_labels: whether every pixel is written as that of the nearest class.

    Raises:
        ValueError: naming all places that are taken, or cannot hold what the run makes; if no picture can be
            translated; or if the model has but one answer.
    """
    require_scale(scale)
    _require_answers(translator, samples=samples, seed=seed)
    places = [(path, _places(place, samples)) for path, place in work.pairs]
    written = [place for _, each in places for place in each]
    knows = translator.knows
    _require_passes(passes, knows)
    bits = knows.target_bits
    if as_labels:
        bits = knows.require_labels().bits
        _refuse_lossy(written)
    channels = max(knows.target_channels, knows.picture_channels) if compare else knows.target_channels
    for suffix in {place.suffix for place in written}:
        where = next(place for place in written if place.suffix == suffix)
        require_ending(where, bits=bits, channels=channels)
    require_free(written, reads=[path for path, _ in work.pairs], overwrite=overwrite)
    chosen = own_half([path for path, _ in work.pairs], knows) if half == "auto" else half
    headers, bad = _headers([path for path, _ in work.pairs], knows, half=chosen)
    sizes, tiled = _sizes(translator, headers, scale=scale, tiling=tiling, bad=bad)
    if len(bad) == len(places):
        raise ValueError(several([named(path, why) for path, why in bad.items()], what="pictures"))
    seen = list(headers.values())
    remarks = half_remarks(chosen, knows, seen, asked=half)
    remarks += scale_remarks(knows, seen) if scale == "run" else []
    remarks += tile_remarks(tiled, tiling)
    todo = tuple((path, each) for path, each in places if path not in bad)
    return Plan(todo, chosen, scale, seed, samples, sizes, compare, passes, tiling, bad, tuple(remarks), as_labels)


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


def _require_passes(passes: int, knows: Knowledge) -> None:
    if passes < 1:
        raise ValueError(f"passes {passes}: give 1 or more")
    read, made = knows.picture_channels, knows.target_channels
    if passes > 1 and read != made:
        raise ValueError(
            f"passes {passes}: this run makes pictures of {made} channels and reads {read}, so that what comes out "
            "cannot go in again; leave the option out"
        )


def _refuse_lossy(places: Sequence[Path]) -> None:
    lossy = [place for place in places if place.suffix.lower() in ENDINGS["jpeg"]]
    if lossy:
        raise ValueError(f"{lossy[0]}: JPEG changes colors, and labels are few exact ones; write png, tiff or webp")


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


def _headers(paths: Sequence[Path], knows: Knowledge, *, half: Half) -> tuple[dict[Path, Header], dict[Path, str]]:
    """What the files say of themselves, and those that cannot be translated."""
    headers, bad = {}, {}
    for path in paths:
        try:
            header = read_header(path)
            knows.require_source(header.channels, name=str(path))
            width = header.width
            if half != "none":
                width = half_width(width, name=path, remedy="say --half none")
            headers[path] = replace(header, width=width)
        except ValueError as error:
            bad[path] = str(error)
    return headers, bad


def _sizes(
    translator: Translator,
    headers: dict[Path, Header],
    *,
    scale: Scale,
    tiling: Tiling,
    bad: dict[Path, str],
) -> tuple[dict[Path, Size], list[Way]]:
    """The size to work at of each picture, and the ways of those that do not go whole; adds to ``bad``."""
    sizes, ways = {}, []
    for path, header in headers.items():
        own, name = (header.height, header.width), str(path)
        try:
            sizes[path] = work_size(own, scale, translator.knows, name=name)
            ways.append(translator.large.way(sizes[path], own, tiling=tiling, name=name))
        except ValueError as error:
            bad[path] = str(error)
    return sizes, [way for way in ways if not way.whole]


def _below(paths: Sequence[Path], folder: Path) -> set[Path]:
    """Those that lie in a folder."""
    if not folder.is_dir():
        return set()
    place = folder.resolve()
    return {path for path in paths if path.resolve().is_relative_to(place)}
