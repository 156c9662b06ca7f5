"""What does the published analysis of dW conclude on processes whose law is known?

The published analysis (Solano-Carrillo et al., CVPRW 2023, and its notebook) reads W from 8-bit pictures,
one per epoch, and runs ADF, autocorrelation and Shapiro-Wilk on the increments of 25 pixels, five in each of
five images. Its recording: W ∈ [-1, 1] to 8 bits; each frame stretched to [-1, 1] between its extremes;
neighbors subtracted; each difference stretched likewise, to 8 bits, and stretched again. Here it reads the
controls of `atme.process` at several step sizes, beside tests on the floats of all pixels. What comes out:

- Steps below a gray level become ties: of a true Brownian motion Shapiro-Wilk then keeps no pixel.
- The stretching of the differences shifts all pixels of a frame together, by the extremes of that frame;
  where these are wild (Student-t steps) the shared shift outweighs the pixel's own step, and looks normal.
- ADF on increments rejects for every process, also for those that come back and are no Brownian motion.

    python analysis/published_protocol.py --output published_protocol/
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jsonargparse import auto_cli
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from atme.process import (
    CONTROLS,
    Finding,
    augmented_dickey_fuller,
    autocorrelation,
    shapiro_wilk,
    variance_ratio,
)

Array = NDArray[np.float64]

IMAGES, PIXELS_OF_EACH = 5, 5
GRAY_LEVEL = 2 / 255
SPREAD = 0.5  # W_0 differs between pixels by ±SPREAD, as on any map; without it the first frame is flat
STEPS = (0.001, 0.003, 0.01, 0.03, 0.1)

TRUTH = {
    "brownian": "normal steps, wanders",
    "autoregressive": "normal steps, comes back",
    "student_walk": "heavy-tailed steps, wanders",
    "white_noise": "normal steps, no memory",
    "bounded_brownian": "tanh of a Brownian motion",
}
EXAMPLES = (("brownian", 0.003), ("student_walk", 0.01))


@dataclass(frozen=True)
class Row:
    """One process at one step size: shares in [0, 1], None where no pixel could be tested.

    Attributes:
        process: Name of the control.
        step: Standard deviation of its shocks, in units of W.
        published_adf_rejected: Share of the 25 pixels, from pictures, whose unit root of dW is rejected.
        published_acf_inside: Share of their lags inside the 99 % bands.
        published_shapiro_kept: Share of the 25 pixels whose normality of dW is kept.
        shapiro_kept: Share of all pixels, from floats, whose normality of dW is kept.
        adf_level_kept: Share of all pixels, from floats, whose unit root of W is kept.
        ratio_kept: Share of all pixels, from floats, whose VR(10) = 1 is kept.
        ratio: VR(10), mean over all pixels.
    """

    process: str
    step: float
    published_adf_rejected: float | None
    published_acf_inside: float | None
    published_shapiro_kept: float | None
    shapiro_kept: float | None
    adf_level_kept: float | None
    ratio_kept: float | None
    ratio: float | None


def study(
    *,
    output: Path = Path("published_protocol"),
    steps: tuple[float, ...] = STEPS,
    epochs: int = 200,
    side: int = 64,
    seed: int = 0,
) -> list[Row]:
    """Compare the published protocol with tests on floats; print a table, write JSON and a figure.

    Args:
        output: Folder for published_protocol.json and published_protocol.png; made if absent.
        steps: Standard deviations of a shock, in units of W; one gray level is 0.0078.
        epochs: Length of every history, at least 21.
        side: Height and width of a picture, in pixels.
        seed: Seed of the processes and of the choice of pixels.
    """
    rng = np.random.default_rng(seed)
    rows = [compare(name, step, epochs=epochs, side=side, rng=rng) for name in CONTROLS for step in steps]
    Console().print(table(rows))
    output.mkdir(parents=True, exist_ok=True)
    settings = {
        "epochs": epochs,
        "side": side,
        "seed": seed,
        "images": IMAGES,
        "pixels_of_each": PIXELS_OF_EACH,
    }
    report = {**settings, "rows": [asdict(row) for row in rows]}
    (output / "published_protocol.json").write_text(json.dumps(report, indent=2) + "\n")
    draw(rows, epochs=epochs, side=side, rng=rng).savefig(output / "published_protocol.png", dpi=150)
    return rows


def compare(process: str, step: float, *, epochs: int, side: int, rng: np.random.Generator) -> Row:
    """Draw the images of one process, and test them as published and as floats."""
    images = [history(process, step, epochs=epochs, side=side, rng=rng) for _ in range(IMAGES)]
    some = [rng.choice(side * side, PIXELS_OF_EACH, replace=False) for _ in images]
    read = [read_from_pictures(image)[:, pixels] for image, pixels in zip(images, some, strict=True)]
    level, pictured = np.concatenate(images, axis=1), np.concatenate(read, axis=1)
    increments = np.diff(level, axis=0)
    outside = measured(autocorrelation, pictured, lambda finding: float(np.nanmean(finding.effect)))
    ratio = partial(variance_ratio, q=10)
    return Row(
        process,
        step,
        published_adf_rejected=rejected(augmented_dickey_fuller, pictured),
        published_acf_inside=complement(outside),
        published_shapiro_kept=complement(rejected(shapiro_wilk, pictured)),
        shapiro_kept=complement(rejected(shapiro_wilk, increments)),
        adf_level_kept=complement(rejected(augmented_dickey_fuller, level)),
        ratio_kept=complement(rejected(ratio, level)),
        ratio=measured(ratio, level, lambda finding: float(np.nanmean(finding.effect))),
    )


def history(process: str, step: float, *, epochs: int, side: int, rng: np.random.Generator) -> Array:
    """W of one image: a control on top of a map that stays: (epochs, side²)."""
    still = rng.uniform(-SPREAD, SPREAD, side * side)
    return np.asarray(still + CONTROLS[process](epochs, side * side, rng=rng, scale=step))


def read_from_pictures(level: Array) -> Array:
    """dW as the published analysis reads it: (T, N) -> (T - 1, N) in [-1, 1]."""
    stretched = stretch(eight_bits(level))
    return stretch(eight_bits(stretch(np.diff(stretched, axis=0))))


def eight_bits(frames: Array) -> Array:
    """Values in [-1, 1] through an 8-bit picture, clipped and cut off to whole gray levels 0…255."""
    return np.asarray(np.floor(np.clip((frames + 1) / 2 * 255, 0, 255)))


def stretch(frames: Array) -> Array:
    """Each frame (row) to [-1, 1] between its own extremes; a flat one is 0/0, NaN, as published."""
    low, high = frames.min(axis=1, keepdims=True), frames.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * (frames - low) / (high - low) - 1)


def rejected(test: Callable[[Array], Finding], series: Array) -> float | None:
    """Share of pixels whose null is rejected at 0.01, uncorrected, as published."""
    return measured(test, series, lambda finding: finding.share_rejected(alpha=0.01))


def measured(test: Callable[[Array], Finding], series: Array, read: Callable[[Finding], float]) -> float | None:
    """What is read off a finding; None where the test refuses, as if every pixel is flat after 8 bits."""
    try:
        return read(test(series))
    except ValueError:
        return None


def complement(share: float | None) -> float | None:
    """1 - share."""
    return None if share is None else 1 - share


def table(rows: list[Row]) -> Table:
    """The shares as a table for the terminal."""
    title = "α = 0.01; first three shares: 25 pixels, as published; the others: all pixels, floats"
    result = Table(title=title, box=SIMPLE, padding=0)
    result.add_column("process", no_wrap=True)
    for heading in ("step", "ADF dW\nreject", "ACF dW\ninside", "Shapiro\ndW kept"):
        result.add_column(heading, justify="right")
    for heading in ("Shapiro\ndW kept", "ADF W\nkept", "VR(10)\nkept", "VR(10)\nmean"):
        result.add_column(heading, justify="right")
    for row in rows:
        process, step, *shares = asdict(row).values()
        result.add_row(process, f"{step:g}", *("–" if share is None else f"{share:.2f}" for share in shares))
    return result


def draw(rows: list[Row], *, epochs: int, side: int, rng: np.random.Generator) -> Figure:
    """Shares against step size, one panel per process; below, what the pictures make of one pixel."""
    figure = Figure(figsize=(15, 7), layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(3, 2))
    top, bottom = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    panels = top.subplots(1, len(CONTROLS), sharey=True)
    for panel, process in zip(panels, CONTROLS, strict=True):
        draw_shares(panel, [row for row in rows if row.process == process])
    panels[0].set_ylabel("share of pixels that keep the null")
    top.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    axes = bottom.subplots(1, 2 * len(EXAMPLES))
    for i, (process, step) in enumerate(EXAMPLES):
        W = history(process, step, epochs=epochs, side=side, rng=rng)
        draw_increments(axes[2 * i], np.diff(W[:, 0]), f"{process}, step {step:g}: dW of one pixel, float")
        draw_increments(axes[2 * i + 1], read_from_pictures(W)[:, 0], "the same pixel, from pictures")
    return figure


def draw_shares(panel: Axes, rows: list[Row]) -> None:
    """Three lines over step size."""
    lines = (
        ("published_shapiro_kept", "Shapiro-Wilk on dW, published protocol", "o--", "#d55e00"),
        ("shapiro_kept", "Shapiro-Wilk on dW, floats", "s-", "#0072b2"),
        ("ratio_kept", "VR(10) = 1 on W, floats", "^:", "#009e73"),
    )
    steps = [row.step for row in rows]
    for name, label, style, color in lines:
        shares = [np.nan if asdict(row)[name] is None else asdict(row)[name] for row in rows]
        panel.plot(steps, shares, style, color=color, label=label, markerfacecolor="none", markersize=8)
    panel.axvline(GRAY_LEVEL, color="0.7", linewidth=1, zorder=0)
    panel.annotate("gray level", (GRAY_LEVEL, 0.5), rotation=90, color="0.5", fontsize=8, ha="right", va="center")
    panel.set(xscale="log", xlabel="step, units of W", ylim=(-0.04, 1.04))
    panel.set_title(f"{rows[0].process}\n{TRUTH[rows[0].process]}", fontsize=10)


def draw_increments(panel: Axes, increments: Array, title: str) -> None:
    """One series of increments over epochs."""
    panel.plot(increments, ".", markersize=3, color="0.2")
    panel.set(xlabel="epoch")
    panel.set_title(title, fontsize=9)


if __name__ == "__main__":
    auto_cli(study)
