"""Halves that are numbers of classes, as a training shows them: painted, since a number is no brightness."""

from collections.abc import Sequence

from atme.images import Pixels
from atme.images.labels import Labels
from atme.prepare.palette import Palette

_TWO = 2  # classes that labels have, at least


def classes_of(palette: Palette, *, least: float = 0.0) -> dict[str, int | list[int]]:
    """The classes of a palette as ``data.labels`` has them: a color or an id by name.

    Args:
        palette: colors, or ids.
        least: share of the pixels that a class has, at least; but the two most frequent are always there.
    """
    named = enumerate(zip(palette.names, palette.values, palette.shares, strict=True))
    kept = {name: value for at, (name, value, share) in named if share >= least or at < _TWO}
    return {name: value[0] if len(value) == 1 else list(value) for name, value in kept.items()}


def holds_ids(palette: Palette | None) -> bool:
    """Whether a half is numbers of classes."""
    return palette is not None and len(palette.values[0]) == 1


def painted(pictures: Sequence[Pixels], palette: Palette | None) -> list[Pixels]:
    """Pictures (H, W, C) as networks get them, if these are ids; else as they are."""
    if palette is None or not holds_ids(palette):
        return list(pictures)
    labels = Labels.of(classes_of(palette), ignore=[], thin=[], key="data.labels")
    return [labels.painted(labels.read(picture, name=f"picture {at}")) for at, picture in enumerate(pictures)]
