"""What runs logged, as curves over the images that they saw: every run in one chart a quantity."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.ticker import EngFormatter
from numpy.typing import NDArray

from atme.metrics import METRICS, WITHOUT_WEIGHTS
from atme.reports import figures
from atme.reports.compare.groups import Group
from atme.reports.compare.run import LINE, Run, is_number
from atme.reports.figures import Mark
from atme.reports.flatness import LOG_2, LOG_4
from atme.training.search import KEY

LEVELS = {"objective": (LOG_4, "log 4"), "entropy": (LOG_2, "log 2")}
"""What theory expects at equilibrium, and what it is called."""

MEANING = {
    **{f"{KEY}{name}": f"{METRICS[name].title} of the validation split" for name in WITHOUT_WEIGHTS},
    "objective": "sum of D's two cross-entropies, nats",
    "entropy": "mean entropy of D's decisions, nats",
    "d_real": "D's cross-entropy on targets, nats",
    "d_fake": "D's cross-entropy on translations, nats",
    "d_loss": "the term that D is trained on",
    "g_gan": "the adversarial term that G is trained on",
    "g_l1": "mean |translation − target| in training",
    "g_palette": "cross-entropy of a translation's colors with the classes, in training",
    "g_spread": "spread of values within a translation",
    "g_ends": "share of a translation's values that are black or white",
    "w_mean": "mean of the noise W",
    "w_std": "spread of W within an image",
    "d_r1": "penalty on the gradient of D, in the updates that bear it",
    "diffusion.T": "length of the diffusion chain, steps",
    "diffusion.r_d": "mean sign of D on real images",
    "diffusion.p": "how far T has gone from its least to its most",
    "diffusion.clean_share": "share of clean images among those that D reads",
}
"""Known quantities, in the order in which they are shown; others follow."""

LEFT_OUT = (*LINE, "steps", "data_seconds", "lr", "threads", "processes")
FACTS = "pairs."  # before what is the same in each line
POINTS = 300  # of a curve, at most


@dataclass(frozen=True)
class Curve:
    """One logged quantity of one run.

    Attributes:
        images: (n,) images seen.
        values: (n,).
        best: Images seen and value of the best checkpoint, if it was sought by this quantity.
    """

    images: NDArray[np.float64]
    values: NDArray[np.float64]
    best: tuple[float, float] | None = None


@dataclass(frozen=True)
class Chart:
    """One logged quantity of all runs that have it.

    Attributes:
        key: As in the log.
        meaning: In words; empty where it is not known.
        curves: Name of a run -> its curve.
    """

    key: str
    meaning: str
    curves: dict[str, Curve]


def marks(groups: Sequence[Group]) -> dict[str, Mark]:
    """How the curves of each game look."""
    return figures.marks([group.name for group in groups])


def charts(runs: Sequence[Run]) -> list[Chart]:
    """All that was logged by any of the runs."""
    keys = dict.fromkeys(key for run in runs for line in run.log for key, value in line.items() if is_number(value))
    known = [key for key in MEANING if key in keys]
    other = sorted(key for key in keys if not (key in MEANING or key in LEFT_OUT or key.startswith(FACTS)))
    made = []
    for key in known + other:
        curves = {run.name: _curve(run, key) for run in runs if any(is_number(line.get(key)) for line in run.log)}
        ring = "; ring: the best checkpoint" if any(curve.best for curve in curves.values()) else ""
        made.append(Chart(key, MEANING.get(key, "") + ring, curves))
    return made


def draw(chart: Chart, groups: Sequence[Group]) -> str:
    """A chart as a data URI: games by color and dashes, several seeds as thinner lines."""
    looks = marks(groups)
    with matplotlib.rc_context(figures.STYLE | {"font.size": 10}):
        figure, axes = figures.blank()
        figure.set_size_inches(4.2, 2.6)
        figure.set_layout_engine("constrained")  # labels of any length have room
        for group in groups:
            for run in group.runs:
                if run.name in chart.curves:
                    curve, mark = chart.curves[run.name], looks[group.name]
                    width = 1.6 if len(group.runs) == 1 else 0.9
                    dot = "o" if len(curve.images) == 1 else ""
                    axes.plot(
                        curve.images, curve.values, color=mark.color, lw=width, ls=mark.style, marker=dot, markersize=4
                    )
                    if curve.best:
                        axes.plot(*curve.best, color=mark.color, marker="o", markersize=9, fillstyle="none")
        if chart.key in LEVELS:
            level, said = LEVELS[chart.key]
            axes.margins(y=0.12)  # room for the label, above all curves or not
            axes.axhline(level, color=figures.INK, linewidth=0.8)
            box = {"facecolor": figures.PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1}
            axes.annotate(said, (1, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", bbox=box)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set(xlabel="images seen", xlim=(0, None))
        return figures.drawn(figure)


def _curve(run: Run, key: str) -> Curve:
    """At most `POINTS` points: means over as many lines of the log each as it takes."""
    lines = [line for line in run.log if is_number(line.get(key))]
    images = np.array([line["images"] for line in lines], dtype=np.float64)
    values = np.array([line[key] for line in lines], dtype=np.float64)
    parts = min(POINTS, len(lines))
    return Curve(
        np.array([part[-1] for part in np.array_split(images, parts)]),
        np.array([part.mean() for part in np.array_split(values, parts)]),
        next(((line["images"], line[key]) for line in lines if run.best == (key, line["step"])), None),
    )
