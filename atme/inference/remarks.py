"""What the user should know of a translation that is planned, though nothing is wrong."""

from collections.abc import Sequence

from atme.data.halves import Half
from atme.data.sizes import in_words as size_in_words
from atme.images import Header
from atme.inference.tiling import Tiling, Way
from atme.models.knowledge import Knowledge

_ALIKE = 1.5
"""Sizes that differ by less are jitter."""


def tile_remarks(ways: Sequence[Way], tiling: Tiling) -> list[str]:
    """That pictures do not go whole, where nobody asked for that."""
    if not ways or tiling.tile is not None or tiling.exact:
        return []
    sides = {way.tile for way in ways if way.tile is not None}
    least = f"{min(sides)} to {max(sides)}" if len(sides) > 1 else f"{min(sides)}"
    return [
        f"{len(ways)} too large for memory: in tiles of {least} pixels, which differ from the whole "
        "(--exact gives what the whole would)"
    ]


def half_remarks(half: Half, knows: Knowledge, headers: Sequence[Header], *, asked: str) -> list[str]:
    """Which half is translated, where that is not plain; and a hint where a half seems to be meant."""
    if asked == "auto" and half != "none":
        return [f"translating the {half} halves of A|B pictures of the run's own dataset (--half none: the whole)"]
    if half not in ("none", knows.source_half):
        return [f"translating the {half} halves, and the run learned from {knows.source_half} ones"]
    doubled = bool(headers) and all(knows.may_be_pair(header.height, header.width) for header in headers)
    if asked == "auto" and doubled:
        return [f"every picture is twice as wide as high; if these are A|B pairs, say --half {knows.source_half}"]
    return []


def scale_remarks(knows: Knowledge, headers: Sequence[Header]) -> list[str]:
    """A run that resized to train and not to test works on details of a size that it never saw."""
    if knows.test_size is not None or knows.load_size is None or not headers:
        return []
    trained = knows.load_size
    largest = max(headers, key=lambda header: header.height * header.width)
    size = largest.height, largest.width
    factor = max(ours / theirs for ours, theirs in zip(trained, size, strict=True))
    if 1 / _ALIKE < factor < _ALIKE:
        return []
    return [
        f"the run learned from pictures resized to {size_in_words(trained)} and was tested on whole ones "
        f"(no data.test_size); these have up to {size_in_words(size)}: --scale {factor:.3g} works as it learned"
    ]
