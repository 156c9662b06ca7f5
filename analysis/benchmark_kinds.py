"""Where the time of an update goes: by phase, and by kind of operation, in numbers and as a picture."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from torch.profiler import ProfilerActivity, profile

mpl.use("Agg")
from matplotlib import pyplot as plt

KINDS = ("convolution", "attention", "norm and activation", "elementwise", "cast and layout", "optimizers", "rest")

# An operation within one of these is counted there, whatever it is.
_SCOPES = {
    "Optimizer.": "optimizers",
    "Attend": "attention",
    "scaled_dot_product": "attention",
    "NormScaleSiLU": "norm and activation",
    "NormAct": "norm and activation",
    "Strided": "convolution",
}
# Passes in C++ over maps and weights, whatever they are a part of; products of pixels are what they are a part of.
_OWN = {
    "convolution": ("convolved", "weights_slope"),
    "attention": ("keys", "queries_slope", "attended", "fully_attended", "exponentials", "centered", "softmax"),
    "norm and activation": ("moments", "activated", "slope_sums", "combined", "standardized"),
    "cast and layout": ("interleaved",),
    "elementwise": ("enlarged", "sums"),
}
_WORDS = {
    "convolution": ("convolution", "mkldnn_conv", "slow_conv", "atme::product"),
    "attention": ("bmm", "softmax"),
    "norm and activation": ("norm", "silu", "leaky_relu", "tanh", "relu", "gelu"),
    "optimizers": ("lerp",),
    "cast and layout": ("copy_", "_to_copy", "contiguous", "clone"),
    "elementwise": ("add", "mul", "sub", "div", "sum", "mean", "abs", "sqrt", "fill_", "zero_", "cat", "softplus"),
}


def by_kind(play: Any, *, updates: int) -> dict[str, float]:
    """Share of an update's processor time that each kind of operation takes, within profiled updates."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(updates):
            play()
    seconds: dict[str, float] = defaultdict(float)
    for event in seen.events():
        seconds[kind_of(event)] += event.self_cpu_time_total
    total = sum(seconds.values())
    return {kind: seconds[kind] / total for kind in KINDS}


def kind_of(event: Any) -> str:
    """By the operation's name, or by what it is a part of."""
    if event.name.startswith("atme::"):
        own = next((kind for kind, words in _OWN.items() if event.name[6:].startswith(words)), None)
        if own is not None:
            return own
    outer = event
    while outer is not None:
        for word, kind in _SCOPES.items():
            if word in outer.name:
                return kind
        outer = outer.cpu_parent
    name = event.name.lower()
    return next((kind for kind, words in _WORDS.items() if any(word in name for word in words)), "rest")


def draw(shares: Mapping[str, Mapping[str, float]], *, title: str, to: Path) -> None:
    """Bars that end at 1, one a contender, divided by what took the time.

    Args:
        shares: for each contender, seconds or shares by name.
        title: above it.
        to: PNG.
    """
    names = list(next(iter(shares.values())))
    figure, axis = plt.subplots(figsize=(8, 1 + 0.55 * len(shares)), layout="constrained")
    left = dict.fromkeys(shares, 0.0)
    for index, name in enumerate(names):
        widths = [each[name] / sum(each.values()) for each in shares.values()]
        bars = axis.barh(list(shares), widths, left=list(left.values()), label=name, color=f"C{index}", height=0.7)
        axis.bar_label(bars, [f"{w:.0%}" if w >= 0.04 else "" for w in widths], label_type="center", fontsize=8)
        left = {who: left[who] + width for who, width in zip(shares, widths, strict=True)}
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xticks([])
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    axis.set_title(title, fontsize=10, loc="left")
    figure.legend(loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    figure.savefig(to, dpi=130)
    plt.close(figure)
