"""The rooms of the package in their order, and the picture of them: what `test_imports.py` and the docs both read.

Draw the picture anew after a change: python tests/house.py
"""

from html import escape
from pathlib import Path
from textwrap import wrap

ROOMS: tuple[dict[str, str], ...] = (
    {
        "names": "names of files, as any file system allows them",
        "require": "what public doors ask of their arguments",
        "yaml_files": "the one reader of YAML",
        "shipped": "presets, recipes, a model",
    },
    {
        "images": "pixels of files, in and out",
        "run_folder": "what lies where in a run",
        "outputs": "where results may be written",
        "complaints": "errors in one line",
        "terminal": "what the terminal shows",
        "machine": "what is there to use",
        "ramp": "numbers that move",
        "outside": "a user's own classes",
    },
    {
        "data": "pairs: found, viewed, batched",
        "networks": "generators, discriminators, W",
        "losses": "terms of the game",
        "metrics": "how good translations are",
        "process": "is W a Brownian motion?",
    },
    {
        "noise": "what is corrupted, what is remembered: schemes",
        "history": "D and W of tracked images, on disk",
        "prepare": "makes datasets: fetch, pair, split, check",
        "status": "is a training converging? in words",
    },
    {"models": "which losses, in which order networks are updated"},
    {
        "training": "the loop, its state, checkpoints, options",
        "inference": "translators, evaluation, published weights",
    },
    {
        "reports": "pages, tables and pictures of what was found",
        "serve": "a page on which runs are tried",
        "planning": "what to train, by rules",
    },
    {"cli": "the atme command: one function a verb"},
    {"__main__": "python -m atme"},
)
"""Floors from the ground up: a room may import from the floors below it, and from itself."""

ORDER = tuple(frozenset(floor) for floor in ROOMS)

ONLY_FOR = {
    "prepare": {"planning", "reports", "cli"},
    "terminal": {"training", "planning", "reports", "cli"},
    "planning": {"cli"},
    "reports": {"cli"},
    "serve": {"cli"},
    "cli": {"__main__"},
}
"""Rooms that few may enter: what training and translating read knows neither how data was made nor how it is shown."""

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "rooms.svg"

_WIDTH, _FLOOR, _GAP = 1000, 76, 10
_LOW, _HIGH = (231, 237, 243), (111, 175, 199)  # of the lowest and the highest floor


def drawn() -> str:
    """The rooms as SVG: floors one above the other, the ground floor lowest."""
    height = len(ROOMS) * (_FLOOR + _GAP) + _GAP
    boxes = [
        line
        for number, floor in enumerate(ROOMS)
        for line in _floor(floor, top=height - (number + 1) * (_FLOOR + _GAP), color=_color(number / (len(ROOMS) - 1)))
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
            'aria-label="The rooms of atme: each imports from the floors below it alone" '
            'font-family="system-ui, sans-serif" text-anchor="middle">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            *boxes,
            "</svg>",
            "",
        ]
    )


def _color(height: float) -> str:
    return "#" + "".join(f"{round(a + (b - a) * height):02x}" for a, b in zip(_LOW, _HIGH, strict=True))


def _floor(floor: dict[str, str], *, top: int, color: str) -> list[str]:
    width = (_WIDTH - _GAP * (len(floor) + 1)) / len(floor)
    lines = []
    for number, (room, purpose) in enumerate(floor.items()):
        left = _GAP + number * (width + _GAP)
        middle = left + width / 2
        place = f'x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_FLOOR}"'
        lines.append(f'<rect {place} rx="8" fill="{color}" stroke="#8aa1b3"/>')
        lines.append(
            f'<text x="{middle:.1f}" y="{top + 27}" font-size="18" font-weight="600" fill="#1f2933">{room}</text>'
        )
        for row, words in enumerate(wrap(purpose, int(width / 7.8))):
            lines.append(
                f'<text x="{middle:.1f}" y="{top + 47 + 17 * row}" font-size="14" fill="#3e4c59">{escape(words)}</text>'
            )
    return lines


if __name__ == "__main__":
    PICTURE.write_text(drawn(), "utf-8")
