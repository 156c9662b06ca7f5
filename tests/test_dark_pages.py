"""Drawings in the dark: whatever a chart is drawn in can be told from the page of the dark theme."""

import re
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import atme.reports
from atme.reports.figures import ACCENT, COLORS, EDGE, IN_THE_DARK, INK, LINES, PAPER, curves, growth, pixel, ratios

STEPS = np.arange(1.0, 31)
PROFILE = [(0.5, 1.0, 1.5)] * 3
DRAWN = {
    "curves": lambda: curves(STEPS, {str(n): STEPS for n in range(7)}, level=(5.0, "5"), labels=("x", "y")),
    "ratios": lambda: ratios(dict.fromkeys(["W", *COLORS], PROFILE), [2, 5, 10]),
    "growth": lambda: growth(dict.fromkeys(["W", *COLORS], STEPS)),
    "pixel": lambda: pixel(STEPS, STEPS, np.full(5, 0.1), band=0.2),
}


def luminance(color: str) -> float:
    """Of sRGB (WCAG 2.2)."""
    parts = np.asarray(to_rgb(color))
    return float(np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def in_the_dark(color: str) -> str:
    return IN_THE_DARK.get(color.lower(), color)


@pytest.mark.parametrize("color", [INK, ACCENT, EDGE, *COLORS.values(), *LINES])
def test_every_color_stands_out_in_the_dark(color: str) -> None:
    """3 : 1 is what WCAG 2.2 (1.4.11) asks of graphics; the edges of axes only frame them."""
    assert contrast(in_the_dark(color), IN_THE_DARK[PAPER]) > (3 if color != EDGE else 2)


def test_colors_that_differ_in_the_light_differ_in_the_dark() -> None:
    for colors in (LINES, tuple(COLORS.values())):
        assert len({in_the_dark(color) for color in colors}) == len(set(colors))


def test_ink_and_paper_are_those_of_the_page() -> None:
    style = (Path(atme.reports.__file__).parent / "templates" / "base.html").read_text()
    light, dark = (dict(re.findall(r"--(ink|paper): (#[0-9a-f]+)", part)) for part in style.split("@media", 2)[:2])
    assert {name: to_rgb(color) for name, color in light.items()} == {"ink": to_rgb(INK), "paper": to_rgb(PAPER)}
    assert dark == {"ink": IN_THE_DARK[INK], "paper": IN_THE_DARK[PAPER]}


@pytest.mark.parametrize("kind", DRAWN)
def test_every_color_of_a_drawing_is_one_of_a_style(kind: str) -> None:
    """Attributes such as fill="#1f2933" would stay dark in the dark, and so would a color that nobody named."""
    drawing = b64decode(DRAWN[kind]().partition(",")[2]).decode()
    light, _, dark = drawing.partition("@media (prefers-color-scheme: dark)")
    assert all(f'[style*="fill: {color}"]' in dark for color in IN_THE_DARK)
    stated = re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", light)
    assert len(stated) == len(re.findall(r"#[0-9a-f]{6}\b", light)) > 0
    assert set(stated) <= {*IN_THE_DARK, *(color.lower() for color in LINES)}
