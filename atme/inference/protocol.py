"""The protocol of scores: all that they depend on, written down beside them, so that others can repeat them."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from atme.data import PairedImages
from atme.images.labels import Labels
from atme.inference.translator import Translator
from atme.metrics import Kind, Measured, Network, metric
from atme.metrics.classes import in_words
from atme.metrics.intervals import CONFIDENCE, GROUPS, RESAMPLES
from atme.metrics.sliced import DIRECTIONS, SIDE, per_picture

LIBRARIES = ("torch", "torchvision", "torchmetrics", "torch-fidelity", "kornia", "scipy", "numpy")


def protocol(translator: Translator, test: PairedImages, *, radius: int = 2) -> dict[str, Any]:
    """All that the scores of a translator on these pairs depend on, beside its weights.

    Args:
        translator: of a run.
        test: the pairs.
        radius: pixels within which thin classes are scored.
    """
    labels = test.kinds.target
    return {
        "data": str(test.root.resolve()),
        "split": test.split,
        "pairs": len(test),
        "direction": test.direction,
        "view": test.view_in_words,
        "transparent_colors": "cleared" if test.clear_transparent else "as they are",
        "rounded_to_bits": translator.knows.target_bits,
        "mean_over": "images",
        "step": translator.source.step,
        "weights": translator.source.weights,
        "precision": translator.precision,
        "as_trained": translator.as_trained,
        "seed": None if translator.one_answer else 0,
        "noise": translator.options["noise"],
        **({} if test.kinds.is_plain else {"labels": test.kinds.as_dict()}),
        **({"radius": radius} if labels is not None and labels.thin else {}),
        **({} if translator.calls is None else {"calls": translator.calls}),
    }


def pinned(
    measured: Measured, test: PairedImages, networks: Mapping[Kind, Network], *, seed: int, radius: int = 2
) -> dict[str, Any]:
    """All that the scores of these translations depend on: what each is and how it is computed.

    Args:
        measured: the scores.
        test: the pairs that were scored.
        networks: whose features were compared.
        seed: of the bootstrap, and of what SWD draws.
        radius: pixels within which thin classes are scored.
    """
    labels = test.kinds.target
    names = tuple(measured.ours)
    return {
        "size": _size(measured),
        "resizer": _resizer(test),
        "units": {name: metric(name).unit for name in names},
        "data_range": {name: list(metric(name).reads) for name in names},
        "computed": _computed(names, pairs=len(measured.names)) | _of_labels(labels, names, radius=radius),
        "features": {kind: dict(network.about) for kind, network in networks.items() if kind in _used(names)},
        "seed_of_scores": seed,
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _size(measured: Measured) -> str:
    """Height and width of the pictures that were scored, in pixels."""
    smallest, largest = min(measured.sizes), max(measured.sizes)
    said = [f"{height}×{width}" for height, width in (smallest, largest)]
    return said[0] if smallest == largest else " to ".join(said)


def _resizer(test: PairedImages) -> dict[str, str]:
    """How source and target were resized to be tested."""
    sizes = test.augment.sizes
    words = {"nearest": "nearest, by OpenCV"}
    smooth = "areas where it shrinks, else bicubic, by OpenCV"
    both = zip(sizes.interpolation, test.kinds.both, strict=True)
    in_labels = {"nearest": "nearest pixel, by OpenCV", "area": "areas where it shrinks, then the nearest color"}
    said = [words.get(how, smooth) if labels is None else in_labels[test.kinds.resizing] for how, labels in both]
    return dict(zip(("source", "target"), said if sizes.load_size else ["none", "none"], strict=True))


def _of_labels(labels: Labels | None, names: Sequence[str], *, radius: int) -> dict[str, str]:
    """How scores of classes are computed, where there are any."""
    if labels is None or not any(metric(name).of_labels for name in names):
        return {}
    return in_words(labels, radius=radius)


def _used(names: Sequence[str]) -> set[Kind]:
    """Networks whose features these scores compare."""
    return {network for name in names if (network := metric(name).network) is not None}


def _computed(names: Sequence[str], *, pairs: int) -> dict[str, str]:
    """How each score is computed, as far as its unit does not say; and the intervals."""
    words = {
        "ssim": "Gaussian window of 11 pixels, σ 1.5, reflected border; float64",
        "ms_ssim": "as SSIM; powers of Wang et al. 2003, negative terms as 0; float32",
        "delta_e": "mean over pixels; L*a*b* of sRGB under D65",
        "fid": f"all {pairs} pictures; unbiased covariance",
        "kid": f"all {pairs} pictures as one subset; kernel (f·g / D + 1)³",
        "swd": f"{per_picture(pairs)} pieces of {SIDE}×{SIDE} pixels a level and picture, {DIRECTIONS} directions",
    }
    share = f"{CONFIDENCE:.0%}".replace("%", " %")
    over = f"of means: BCa bootstrap over pictures, {RESAMPLES:,} resamples"
    return {name: words[name] for name in names if name in words} | {
        "intervals": f"{share}; {over}; of sets: jackknife over at most {GROUPS} groups of pairs"
    }
