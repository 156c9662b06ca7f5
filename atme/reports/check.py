"""What a check found, for the eye: a table in the terminal, and a page with pictures of what is suspicious.

The page stands alone: pictures are inside it, and it needs neither network nor script.
"""

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from atme.data.halves import read_halves
from atme.data.scan import Entry
from atme.images import Pixels, read_image
from atme.images.labels import Labels
from atme.names import as_word, shown
from atme.prepare.check.check import Report
from atme.prepare.check.classes import far_from
from atme.prepare.check.faults import KEPT_BY_FIX, MEANING, Fault, Kind
from atme.prepare.check.similarity import as_color
from atme.reports.embedded import picture_uri
from atme.reports.page import rendered, write_html

_CARDS = 48  # faults of one kind that are shown with pictures; the rest are listed by name
_HEIGHT = 144  # pixels of a thumbnail
_EXAMPLES = 3  # faults of one kind that the table names


@dataclass(frozen=True)
class _Picture:
    caption: str
    uri: str | None
    """None: it cannot be read."""
    width: int


@dataclass(frozen=True)
class _Card:
    name: str
    detail: str
    pictures: list[_Picture]


def split_table(report: Report) -> Table:
    """The splits in numbers."""
    table = Table()
    for column in ("Split", "Pairs", "Size of a half", "A | B"):
        table.add_column(column, justify="right" if column == "Pairs" else "left")
    for split in report.splits:
        table.add_row(shown(split.name), f"{split.pairs:,}", _said(split.sizes), _said(split.channels))
    return table


def fault_table(report: Report) -> Table:
    """The faults by kind, with the first few of each."""
    table = Table(title="Suspicious", title_justify="left")
    table.add_column("Fault")
    table.add_column("Pairs", justify="right")
    table.add_column("First ones", overflow="fold")
    for kind, faults in _by_kind(report).items():
        first = [f"{_name(fault.entry)}: {shown(fault.detail)}" for fault in faults[:_EXAMPLES]]
        more = [f"… and {len(faults) - _EXAMPLES:,} more"] if len(faults) > _EXAMPLES else []
        table.add_row(kind, f"{len(faults):,}", "\n".join(first + more))
    return table


def as_dict(report: Report) -> dict[str, Any]:
    """All that was found, for other programs; paths as they are below the dataset's folder."""
    return {
        "root": str(report.root),
        "has_manifest": report.has_manifest,
        "splits": [asdict(split) for split in report.splits],
        "faults": [_fault_as_dict(fault, report.root) for fault in report.faults],
        "remarks": list(report.remarks),
        "classes": {letter: labels.as_dict() for letter, labels in _labelled(report)},
    }


def write_page(report: Report, path: Path) -> None:
    """Writes the page, a single HTML file.

    Raises:
        OSError: `path` cannot be written.
    """
    sections = [
        {
            "kind": kind,
            "anchor": kind.replace(" ", "-"),
            "meaning": MEANING[kind],
            "count": len(faults),
            "cards": [_card(fault, report) for fault in faults[:_CARDS]],
            "more": [(_name(fault.entry), shown(fault.detail)) for fault in faults[_CARDS:]],
        }
        for kind, faults in _by_kind(report).items()
    ]
    page = rendered(
        "check.html",
        colors=[],
        root=shown(report.root),
        command=f"atme data check {as_word(report.root)}",
        count=len(report.faults),
        kept=[kind for kind in MEANING if kind in KEPT_BY_FIX and kind in _by_kind(report)],
        splits=[(shown(s.name), s.pairs, _said(s.sizes), _said(s.channels)) for s in report.splits],
        has_manifest=report.has_manifest,
        remarks=[shown(remark) for remark in report.remarks],
        sections=sections,
    )
    write_html(path, page)


def _fault_as_dict(fault: Fault, root: Path) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": fault.kind,
        "split": fault.entry.split,
        "name": fault.entry.name,
        "files": [path.relative_to(root).as_posix() for path in fault.entry.paths],
        "detail": fault.detail,
    }
    if fault.other is not None:
        found["other"] = {"split": fault.other.split, "name": fault.other.name}
    if fault.shift is not None:
        found["shift"] = {"right": fault.shift[0], "down": fault.shift[1]}
    return found


def _by_kind(report: Report) -> dict[Kind, list[Fault]]:
    kinds: dict[Kind, list[Fault]] = defaultdict(list)
    for fault in report.faults:
        kinds[fault.kind].append(fault)
    return dict(kinds)


def _name(entry: Entry) -> str:
    return shown("/".join(part for part in (entry.split, entry.name) if part))


def _said(counts: dict[str, int]) -> str:
    """ "256×256", or "256×256 (400), 512×512 (3) and 2 others"."""
    if len(counts) <= 1:
        return "".join(counts)
    first = list(Counter(counts).most_common(_EXAMPLES))
    others = f" and {len(counts) - len(first)} others" if len(counts) > len(first) else ""
    return ", ".join(f"{value} ({count:,})" for value, count in first) + others


def _labelled(report: Report) -> list[tuple[str, Labels]]:
    """The halves that are labels, A or B, and their classes."""
    return [(letter, labels) for letter, labels in zip("AB", report.classes, strict=True) if labels is not None]


def _card(fault: Fault, report: Report) -> _Card:
    pictures = [_thumbnail(path, path.name) for path in fault.entry.paths]
    if fault.other is not None:
        other = "/".join((fault.other.split, ""))
        pictures += [_thumbnail(path, f"{other}{path.name}") for path in fault.other.paths]
    if fault.shift is not None:
        pictures += _overlays(fault.entry, fault.shift)
    if fault.kind == "values":
        pictures += [_spread(half, letter) for letter, half in zip("AB", read_halves(fault.entry.paths), strict=True)]
    if fault.kind == "classes":
        halves = dict(zip("AB", read_halves(fault.entry.paths), strict=True))
        colored = [(letter, labels) for letter, labels in _labelled(report) if labels.ids is None]
        pictures += [_far(halves[letter], labels, letter) for letter, labels in colored]
    return _Card(_name(fault.entry), shown(fault.detail), pictures)


def _thumbnail(path: Path, caption: str) -> _Picture:
    try:
        return _picture(as_color(read_image(path)), shown(caption))
    except ValueError:  # it is on the page because it cannot be read
        return _Picture(shown(caption), uri=None, width=_HEIGHT)


def _spread(half: Pixels, letter: str) -> _Picture:
    """A half whose largest value is made white, so that what looks black is seen."""
    bright = half[..., :3] / max(1, int(half[..., :3].max())) * 255
    return _picture(as_color(bright.astype(np.uint8)), f"{letter}, spread over all values")


def _far(half: Pixels, labels: Labels, letter: str) -> _Picture:
    """A half of colors, pale, and black where no class is near."""
    color = as_color(half)
    pale = np.where(far_from(color, labels)[..., None], np.uint8(0), 255 - (255 - color) // 3)
    return _picture(pale.astype(np.uint8), f"{letter}, black where no class is near")


def _overlays(entry: Entry, shift: tuple[int, int]) -> list[_Picture]:
    """The edges of A in red over those of B in cyan, as they are and moved: white where both lie on each other."""
    a, b = read_halves(entry.paths)
    moved = np.roll(b, shift[::-1], (0, 1))
    red = _edges(a)
    return [
        _picture(
            np.dstack([red, _edges(other), _edges(other)]), f"{words}: edges of A red, of B cyan", height=2 * _HEIGHT
        )
        for words, other in (("as they are", b), ("B moved", moved))
    ]


def _edges(image: Pixels) -> NDArray[np.uint8]:
    gray = cv2.cvtColor(as_color(image), cv2.COLOR_RGB2GRAY).astype(np.float32)
    strength = cv2.magnitude(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    bright = max(float(np.percentile(strength, 98)), 1.0)
    return np.asarray(np.clip(255 * strength / bright, 0, 255), np.uint8)


def _picture(color: NDArray[np.uint8], caption: str, *, height: int = _HEIGHT) -> _Picture:
    scale = height / color.shape[0]
    size = max(1, round(color.shape[1] * scale)), height
    small = cv2.resize(color, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
    return _Picture(caption, picture_uri(np.asarray(small, np.uint8), format="jpeg"), size[0])
