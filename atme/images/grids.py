"""Sample grids: images in rows and columns under titles, as one picture to look at."""

import math
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from atme.images.pixels import Pixels, to_array
from atme.names import shown

_INK, _PAPER = (20, 20, 20), (255, 255, 255)
_GAP, _TEXT = 4, 15  # pixels between cells; height of the letters
_SQUARE, _GROUND = 8, (214, 255)  # pixels of a square of the ground below what is transparent, and its grays
_LONGEST = 40  # letters of a title
_LEAST_CELL = 128  # pixels that the largest cell spans at least, for eyes
# From -1 over 0 to 1: blue, white, red, so that a zero map is white and both signs look equally strong.
_DIVERGING = np.array([(5, 48, 97), (67, 147, 195), (247, 247, 247), (214, 96, 77), (103, 0, 31)])


def grid(
    rows: Sequence[Sequence[Tensor | None]],
    *,
    columns: Sequence[str],
    row_titles: Sequence[str] = (),
    maps: Collection[str] = ("W",),
) -> Pixels:
    """Images in rows and columns under titles, as one RGB picture (H, W, 3) uint8.

    Cells may differ in size and in channels: gray and RGB are shown as they are, RGBA over a chequered ground.
    Small cells are enlarged by a whole factor, the same for all, so that the largest spans 128 pixels.

    Args:
        rows: in each row, for each column, an image (C, H, W) in [-1, 1], C in 1, 3, 4, or None (no cell).
        columns: the columns' titles.
        row_titles: the rows' titles, written on the left; none by default.
        maps: titles of the columns that hold maps (1, H, W) in (-1, 1), drawn from blue over white to red.

    Raises:
        ValueError: other numbers of cells than of titles, or values that are not finite.
    """
    _check(rows, columns, row_titles)
    painted = [[_paint(c, is_map=t in maps) for c, t in zip(row, columns, strict=True)] for row in rows]
    largest = max((max(cell.shape) for row in painted for cell in row), default=_LEAST_CELL)
    factor = math.ceil(_LEAST_CELL / largest)
    cells = [[cell.repeat(factor, axis=0).repeat(factor, axis=1) for cell in row] for row in painted]
    return _lay_out(cells, columns, [_title(text) for text in row_titles or [""] * len(rows)])


def _check(rows: Sequence[Sequence[object]], columns: Sequence[str], row_titles: Sequence[str]) -> None:
    counts = [len(row) for row in rows]
    if any(count != len(columns) for count in counts):
        raise ValueError(f"grid: rows of {counts} cells under {len(columns)} columns; give one cell for each")
    if row_titles and len(row_titles) != len(rows):
        raise ValueError(f"grid: {len(row_titles)} titles for {len(rows)} rows; give one for each, or none")


def _paint(cell: Tensor | None, *, is_map: bool) -> Pixels:
    """A cell as RGB pixels (H, W, 3)."""
    if cell is None:
        return np.empty((0, 0, 3), np.uint8)
    if is_map:
        return paint_map(cell)
    pixels = to_array(cell)
    if pixels.shape[2] == 4:
        return _over_ground(pixels)
    return pixels.repeat(3, axis=2) if pixels.shape[2] == 1 else pixels


def _over_ground(pixels: Pixels) -> Pixels:
    """RGBA (H, W, 4) over a chequered ground, as image editors show it, in RGB (H, W, 3)."""
    rows, columns = (np.arange(side) // _SQUARE for side in pixels.shape[:2])
    ground = np.where((rows[:, None] + columns) % 2, *_GROUND)[..., None]
    alpha = pixels[..., 3:] / 255
    return (alpha * pixels[..., :3] + (1 - alpha) * ground).round().astype(np.uint8)


def paint_map(field: Tensor) -> Pixels:
    """A map (1, H, W) in (-1, 1) in diverging colors (H, W, 3) uint8: blue below 0, white at it, red above."""
    values = to_array(field, bits=16)[..., 0] / 65535 * (len(_DIVERGING) - 1)
    anchors = np.arange(len(_DIVERGING))
    channels = [np.interp(values, anchors, channel) for channel in _DIVERGING.T]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _title(text: str) -> str:
    """A name as it can be drawn; of a long one its beginning and its end."""
    line = shown(text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]}…{line[1 - _LONGEST // 2 :]}"


def _lay_out(cells: list[list[Pixels]], columns: Sequence[str], row_titles: Sequence[str]) -> Pixels:
    """The picture: cells in their places, titles over the columns and beside the rows."""
    font = _font()
    widths = [[row[i].shape[1] for row in cells] for i in range(len(columns))]
    heights = [[cell.shape[0] for cell in row] for row in cells]
    lefts = _starts([font.getlength(title) for title in columns], widths)
    tops = _starts([_TEXT] * len(cells), heights)
    margin = math.ceil(max((font.getlength(title) for title in row_titles), default=0)) + 2 * _GAP
    header = _TEXT + 2 * _GAP
    picture = Image.new("RGB", (margin + lefts[-1], header + tops[-1]), _PAPER)
    pen = ImageDraw.Draw(picture)
    for title, left, right in zip(columns, lefts, lefts[1:], strict=False):
        pen.text((margin + (left + right - _GAP) / 2, header / 2), title, _INK, font, anchor="mm")
    for title, top, bottom in zip(row_titles, tops, tops[1:], strict=False):
        pen.text((_GAP, header + (top + bottom - _GAP) / 2), title, _INK, font, anchor="lm")
    for row, top in zip(cells, tops, strict=False):
        for cell, left in zip(row, lefts, strict=False):
            picture.paste(Image.fromarray(cell), (margin + left, header + top))
    return np.asarray(picture)


def _starts(least: Sequence[float], lengths: Sequence[Sequence[int]]) -> list[int]:
    """Where each line of cells starts, in pixels, and where the last one ends."""
    spans = [math.ceil(max([floor, *line])) for floor, line in zip(least, lengths, strict=True)]
    return [0, *np.cumsum([span + _GAP for span in spans]).tolist()]


def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along and which has ŷ."""
    import matplotlib  # here, because nothing else in this room needs it

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", _TEXT)
