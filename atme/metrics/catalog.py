"""The scores there are: what each means, which way is better, what it is computed on, and what pictures it refuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from atme.complaints import nearest

Kind = Literal["inception", "lpips", "dists"]
"""Of networks whose features are compared: each needs a file of weights."""


@dataclass(frozen=True)
class Metric:
    """One score."""

    title: str
    """As it is written in tables."""
    unit: str
    """What it is, and which direction is better."""
    reads: tuple[int, int]
    """The values of black and white that it is computed on."""
    smallest: int = 1
    """Pixels that either side of a picture must have."""
    of_sets: bool = False
    """Whether it compares two sets of pictures; if not, a translation with its target."""
    colors: bool = False
    """Whether it reads colors: gray is repeated, and pictures with alpha have no such score."""
    network: Kind | None = None
    """Whose features it compares."""
    of_labels: Literal["all", "one"] | None = None
    """Whether it is about the classes of labels (see `classes.py`): of all of them, or of one."""

    @property
    def lower_is_better(self) -> bool:
        return "lower is better" in self.unit

    def refuses(self, channels: int, height: int, width: int) -> str | None:
        """Why it cannot be had of pictures of this kind; None if it can."""
        if self.colors and channels not in (1, 3):
            return f"has {channels} channels; it reads RGB, and gray as RGB"
        if min(height, width) < self.smallest:
            return f"has {height}×{width} pixels; it needs {self.smallest} each way"
        return None


METRICS = {
    "l1": Metric("L1", "mean absolute difference of values in [-1, 1]; lower is better", (-1, 1)),
    "psnr": Metric("PSNR, dB", "decibels; higher is better", (-1, 1)),
    "ssim": Metric(
        "SSIM", "structural similarity of values in [0, 1], at most 1; higher is better", (0, 1), smallest=11
    ),
    "ms_ssim": Metric(
        "MS-SSIM", "structural similarity over five scales, at most 1; higher is better", (0, 1), smallest=176
    ),
    "lpips": Metric(
        "LPIPS",
        "distance of AlexNet's features, weighted as people judge; lower is better",
        (-1, 1),
        smallest=31,
        colors=True,
        network="lpips",
    ),
    "dists": Metric(
        "DISTS",
        "dissimilarity of structure and texture in VGG-16's features; lower is better",
        (0, 1),
        smallest=16,
        colors=True,
        network="dists",
    ),
    "delta_e": Metric(
        "ΔE", "difference of colors, CIE 1976, of which 2.3 is just seen; lower is better", (0, 1), colors=True
    ),
    "fid": Metric(
        "FID",
        "Fréchet distance between sets of Inception features; lower is better",
        (0, 255),
        of_sets=True,
        colors=True,
        network="inception",
    ),
    "kid": Metric(
        "KID",
        "kernel distance between sets of Inception features, unbiased; lower is better",
        (0, 255),
        of_sets=True,
        colors=True,
        network="inception",
    ),
    "swd": Metric(
        "SWD",
        "sliced Wasserstein distance of Laplacian pyramids, × 1,000; lower is better",
        (-1, 1),
        smallest=16,
        of_sets=True,
    ),
}

UNITS = {name: metric.unit for name, metric in METRICS.items()}

DATA_RANGE = {name: list(metric.reads) for name, metric in METRICS.items()}
"""For each metric the values of black and white that it is computed on."""

WITHOUT_WEIGHTS = tuple(name for name, metric in METRICS.items() if metric.network is None)
"""Scores that need no file of weights."""


_HIGHER = "higher is better"
_OF_ALL = {
    "accuracy": ("accuracy", f"share of pixels that are of their class; {_HIGHER}"),
    "iou": ("mean IoU", f"intersection over union, mean over classes, pooled over pictures; {_HIGHER}"),
}
_OF_ONE = {
    "iou": ("IoU of {}", f"intersection over union, pooled over pictures; {_HIGHER}"),
    "precision": ("precision of {}", f"share of translated pixels of the class that are near a true one; {_HIGHER}"),
    "recall": ("recall of {}", f"share of true pixels of the class that are near a translated one; {_HIGHER}"),
    "f1": ("F1 of {}", f"harmonic mean of precision and recall within some pixels; {_HIGHER}"),
}


def known(name: str) -> bool:
    """Whether a score is called so."""
    kind, _, of = name.partition("_")
    return name in METRICS or name in _OF_ALL or (kind in _OF_ONE and bool(of))


def metric(name: str) -> Metric:
    """What a score is: one of `METRICS`, or one of classes, such as ``iou`` and ``recall_road``.

    Raises:
        KeyError: none is called so.
    """
    if name in METRICS:
        return METRICS[name]
    if name in _OF_ALL:
        return Metric(*_OF_ALL[name], reads=(-1, 1), of_sets=True, of_labels="all")
    kind, _, of = name.partition("_")
    title, unit = _OF_ONE[kind]
    return Metric(title.format(of), unit, (-1, 1), of_sets=True, of_labels="one")


def unit_of(name: str) -> str | None:
    """What a score is and which direction is better; None for one that is not known here."""
    return metric(name).unit if known(name) else None


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """These scores, each once, in the order of `METRICS`; those of classes last.

    Raises:
        ValueError: if one is none, or there is none.
    """
    for name in names:
        if not known(name):
            near = nearest(name.lower().replace("-", "_"), [*METRICS, *_OF_ALL])
            said = f"did you mean {near}?" if near else f"use some of {', '.join([*METRICS, *_OF_ALL])}"
            raise ValueError(f"scores: {name!r} is none; {said}")
    if not names:
        raise ValueError(f"scores: none is named; use some of {', '.join(METRICS)}")
    return tuple(name for name in METRICS if name in names) + tuple(
        name for name in dict.fromkeys(names) if name not in METRICS
    )
