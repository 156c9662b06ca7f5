"""Pictures of a study as data URIs: curves as SVG, maps over pixels and films as WebP.

A page that holds its pictures needs no network and no second file. Text lies outside the maps, in HTML, so that it
stays readable on a narrow screen.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from atme.reports.embedded import Format, figure_uri, picture_uri

Numbers = NDArray[Any]

WIDTH, HEIGHT = 4.6, 2.7  # inches; small, so that 9 pt stay readable when the page is 400 pixels wide
INK, PAPER, EDGE, ACCENT = "#1f2933", "#ffffff", "#9aa5b1", "#0b6e99"
COLORS = {
    "brownian": ACCENT,
    "autoregressive": "#c2410c",
    "student_walk": "#7c3aed",
    "white_noise": "#6b7280",
    "bounded_brownian": "#15803d",
}
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": EDGE,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}

LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
"""Okabe and Ito's colors, which color-blind readers can tell apart."""

IN_THE_DARK = {
    INK: "#e4e8ec",
    PAPER: "#1d2329",
    EDGE: "#6b7784",
    ACCENT: "#6cc3ea",
    "#c2410c": "#f0883e",
    "#7c3aed": "#b794f6",
    "#6b7280": "#a3afba",
    "#15803d": "#4cc38a",
    "#0072b2": "#3d9bdc",
    "#000000": "#ffffff",
}
"""What colors of drawings become on a dark page; ink and paper are the page's own (templates/base.html)."""

DASHES = ("", "6 2", "2 2", "8 2 2 2")
"""In points, as SVG writes them; the same for legend and curve."""

FILM_SIDE = 96
FRAMES = 240  # of a film, at most: a page of 2,000 epochs of 20 images would have 125 MB
SMALL = 64**2  # pixels of a map that is drawn large, and would show what WebP leaves out
SHEET_SIDE = 16383  # of a WebP picture, at most


@dataclass(frozen=True)
class Picture:
    """A picture of one map.

    Attributes:
        uri: The picture.
        low: Value of the first color, as text.
        high: Value of the last one.
        colors: Name of the gradient in the page's style sheet.
        width: Pixels.
        height: Pixels.
    """

    uri: str
    low: str
    high: str
    colors: str
    width: int
    height: int


@dataclass(frozen=True)
class Film:
    """Frames of one panel on one sheet, row by row.

    Attributes:
        uri: The sheet.
        columns: Frames in a row.
        rows: Rows of frames.
        shown: Rows of the maps that have a frame, in their order.
        low: Value of the first color, as text.
        high: Value of the last one.
        width: Pixels of a frame.
        height: Pixels of a frame.
    """

    uri: str
    columns: int
    rows: int
    shown: tuple[int, ...]
    low: str
    high: str
    width: int
    height: int


@dataclass(frozen=True)
class Mark:
    """How a line looks, in a drawing and in the legend beside it.

    Attributes:
        color: As HTML and matplotlib write it.
        dashes: As SVG writes them; empty for a whole line.
    """

    color: str
    dashes: str

    @property
    def style(self) -> Any:
        """For matplotlib."""
        return (0, [float(length) for length in self.dashes.split()]) if self.dashes else "-"


def marks(names: Iterable[str]) -> dict[str, Mark]:
    """A look for each name: seven colors, four dashes, so 28 of them.

    Names stand in the page's own legend: what draws curves would read $ and a leading _ as markup, and lacks letters.
    """
    looks = zip(cycle(LINES), cycle(DASHES), strict=False)
    return {name: Mark(*look) for name, look in zip(names, looks, strict=False)}


def curves(x: Numbers, lines: Mapping[str, Numbers], *, level: tuple[float, str], labels: tuple[str, str]) -> str:
    """Lines over x beside a level that theory expects, each as `marks` says.

    Args:
        x: (T,).
        lines: Name -> (T,).
        level: The level, and what it is called.
        labels: Of the axes.
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = blank()
        for values, mark in zip(lines.values(), marks(lines).values(), strict=True):
            axes.plot(x, values, linewidth=1.2, color=mark.color, linestyle=mark.style)
        axes.axhline(level[0], color=INK, linestyle="--", linewidth=1)
        box = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1}
        axes.annotate(level[1], (1, level[0]), xycoords=("axes fraction", "data"), ha="right", va="center", bbox=box)
        axes.set(xlabel=labels[0], ylabel=labels[1])
        return drawn(figure)


def ratios(profiles: Mapping[str, Sequence[tuple[float, float, float]]], horizons: Sequence[int]) -> str:
    """Variance ratios over the horizon: W with the band of its pixels, the controls as lines.

    Args:
        profiles: Process -> 5 %, 50 % and 95 % quantile at each horizon; "W" is drawn strongest.
        horizons: q, in epochs.
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = blank()
        for name, quantiles in profiles.items():
            low, median, high = np.asarray(quantiles).T
            if name == "W":
                axes.fill_between(horizons, low, high, color=INK, alpha=0.12, linewidth=0)
            axes.plot(horizons, median, "o-", markersize=3, label=name.replace("_", " "), **_line(name))
        axes.axhline(1, color=INK, linestyle="--", linewidth=1)
        axes.set(xscale="log", xlabel="q, epochs", ylabel="VR(q)", ylim=(0, None))
        axes.set_xticks(list(horizons), [str(q) for q in horizons])
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize=7, ncols=2)
        return drawn(figure)


def growth(variances: Mapping[str, Numbers]) -> str:
    """Mean over pixels of (W_t − W_0)² against t: a line for Brownian motion.

    Args:
        variances: Process -> (T,).
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = blank()
        for name, variance in variances.items():
            axes.plot(variance, label=name.replace("_", " "), **_line(name))
        axes.set(xlabel="t, epochs from the first", ylabel="mean (W$_t$ − W$_0$)²", ylim=(0, None))
        axes.legend(frameon=False, fontsize=7)
        return drawn(figure)


def pixel(epochs: Numbers, level: Numbers, r: Numbers, *, band: float) -> str:
    """One pixel: its series above, the autocorrelation of its increments below.

    Args:
        epochs: (T,).
        level: (T,) W.
        r: (K + 1,) autocorrelation of dW at lags 0…K.
        band: Half the width of the band.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 1.4 * HEIGHT))
        top, bottom = figure.subplots(2, 1, height_ratios=(3, 2))
        figure.subplots_adjust(left=0.18, right=0.98, bottom=0.12, top=0.97, hspace=0.45)
        top.plot(epochs, level, color=ACCENT, linewidth=1)
        top.set(xlabel="epoch", ylabel="W$_t$")
        bottom.axhspan(-band, band, color=ACCENT, alpha=0.15, linewidth=0)
        bottom.axhline(0, color=INK, linewidth=0.8)
        bottom.vlines(np.arange(1, len(r)), 0, r[1:], color=INK, linewidth=1.5)
        most = max(0.3, float(np.abs(r[1:]).max(initial=0)) * 1.1)
        bottom.set(xlabel="lag, epochs", ylabel="ACF of dW", ylim=(-most, most))
        return drawn(figure)


def map_picture(values: Numbers, *, low: float, high: float, colors: str) -> Picture:
    """A map (H, W) in colors, NaN in white.

    Args:
        values: (H, W).
        low: Value of the first color.
        high: Value of the last one.
        colors: Name of a matplotlib color map that the page's style sheet knows as a gradient.
    """
    height, width = values.shape
    return Picture(
        picture_uri(_colored(values, low, high, colors), format=_format(values.size)),
        _said(low),
        _said(high),
        colors,
        width,
        height,
    )


def film(maps: Numbers, *, bound: float) -> Film:
    """Maps over epochs as one sheet of frames; 0 is white, -bound blue, bound red.

    Args:
        maps: (T, H, W); frames larger than 96 pixels are thinned, and so are more than 240 of them, evenly.
        bound: The largest value that has a color of its own.
    """
    thin = max(1, math.ceil(max(maps.shape[1:]) / FILM_SIDE))
    shown = np.unique(np.linspace(0, len(maps) - 1, min(FRAMES, len(maps))).round().astype(int))
    small = maps[shown, ::thin, ::thin]
    frames, height, width = small.shape
    columns = min(math.isqrt(frames - 1) + 1, SHEET_SIDE // width)
    rows = math.ceil(frames / columns)
    sheet = np.full((rows * columns, height, width), np.nan, dtype=np.float32)
    sheet[:frames] = small
    tiled = sheet.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, -1)
    uri = picture_uri(_colored(tiled, -bound, bound, "RdBu_r"), format=_format(height * width))
    return Film(uri, columns, rows, tuple(shown.tolist()), _said(-bound), _said(bound), width, height)


def _said(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")


def blank() -> tuple[Figure, Axes]:
    """An empty figure. Its margins are fixed: a layout that is solved for draws each figure twice."""
    figure = Figure(figsize=(WIDTH, HEIGHT))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.18, right=0.98, bottom=0.18, top=0.96)
    return figure, axes


def drawn(figure: Figure) -> str:
    """A figure in these colors as a data URI, for light pages and dark ones."""
    return figure_uri(figure, in_the_dark=IN_THE_DARK)


def _line(name: str) -> dict[str, Any]:
    return {"color": INK, "linewidth": 2.4, "zorder": 5} if name == "W" else {"color": COLORS[name], "linewidth": 1.2}


def _colored(values: Numbers, low: float, high: float, colors: str) -> NDArray[np.uint8]:
    """(H, W) -> (H, W, 3)."""
    span = high - low if high > low else 1.0
    unit = np.clip((values - low) / span, 0, 1)
    painted = colormaps[colors].with_extremes(bad="white")(np.ma.masked_invalid(unit), bytes=True)
    return np.asarray(painted[..., :3], dtype=np.uint8)


def _format(pixels: int) -> Format:
    return "webp_lossless" if pixels <= SMALL else "webp"
