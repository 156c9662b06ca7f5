"""Why diffuse what the discriminator reads? The Jensen-Shannon divergence of two lines, clean and diffused.

The toy example of Diffusion-GAN (Wang et al., ICLR 2023, arXiv 2206.02262), after Arjovsky and Bottou 2017:
real points x = (0, z), generated ones x_g = (θ, z), with z of any law. For θ ≠ 0 their supports do not meet,
so the divergence is log 2 whatever θ is, and its slope teaches a generator nothing. After t steps of a
forward chain it falls smoothly to 0 with θ.

    python analysis/toy_divergence.py --output runs/toy_divergence

The second coordinate has the same law on both sides and is independent of the first, so it cancels. Left are
two normal laws, N(0, v_t) and N(m_t, v_t), with m_t = √ᾱ_t θ and v_t = (1 − ᾱ_t) σ². With d = m_t/√v_t,

    JS = log 2 − E softplus(d u − d²/2),    D*(y) = sigmoid(m_t (m_t/2 − y)/v_t),    u ~ N(0, 1).

Mixed over t ~ p_π in 1…T there are two cases. A discriminator that is told t has the mean of the divergences;
one that is not told has the divergence of the mixed laws, which is less. (Where half of the points stay
clean, as in training, both are halved, and ½ log 2 is added at every θ ≠ 0: half of the slope is left.)

Accuracy: the trapezoidal rule, which converges exponentially here; the difference to half as many nodes is
reported with the numbers, and is below 1e-12 nats with the default σ and T.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jsonargparse import ArgumentParser
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from atme.noise.schedules import forward_chain

Array = NDArray[np.float64]
TIMES = (0, 50, 200, 500, 800)
"""The steps that are shown, as thousandths of T."""
AT = 2.0
"""θ of the panel that shows D* over y."""


@dataclass(frozen=True)
class Setting:
    """The chain, and how t is drawn.

    Args:
        T: length of the chain, with the linear schedule.
        sigma: standard deviation of the noise.
        explore: p_π: ``priority`` (∝ t) or ``uniform``.
        theta_max: largest distance of the lines; both signs of θ give the same.
        thetas: how many distances, from 0 on.
    """

    T: int = 1000
    sigma: float = 1.0
    explore: Literal["priority", "uniform"] = "priority"
    theta_max: float = 5.0
    thetas: int = 51


@dataclass(frozen=True)
class Curves:
    """Divergences in nats, and mean outputs of the optimal discriminator on real points."""

    theta: Array
    t: list[int]
    js: Array
    """(t, θ)."""
    d_on_real: Array
    """(t, θ)."""
    js_told: Array
    """(θ,): t is drawn from p_π, and the discriminator is told."""
    d_told: Array
    js_untold: Array
    """(θ,): it is not told."""
    d_untold: Array
    error: float
    """Largest difference of any of these to the same with half as many nodes."""


def nodes(low: float, high: float, step: float) -> Array:
    """An odd number of equidistant nodes, so that every second one spans the same range."""
    return np.linspace(low, high, 2 * math.ceil((high - low) / step / 2) + 1)


def integrate(values: Array, x: Array) -> tuple[Array, float]:
    """The integral over the last axis, and its difference to half as many nodes."""
    fine, coarse = (np.asarray(np.trapezoid(values[..., ::k], x[::k])) for k in (1, 2))
    return fine, float(np.abs(fine - coarse).max())


def two_normals(d: Array) -> tuple[Array, Array, float]:
    """JS of N(0, 1) and N(d, 1), the mean of D* under the first, and the error; d may be infinite."""
    u = nodes(-12.0, 12.0, 0.02)
    weight = np.exp(-u * u / 2) / math.sqrt(2 * math.pi)
    d = np.minimum(d, 40.0)[..., None]  # beyond, the two do not meet in float64
    log_ratio = d * u - d * d / 2  # log N(u; d, 1)/N(u; 0, 1)
    mean, js_error = integrate(weight * np.logaddexp(0, log_ratio), u)
    on_real, d_error = integrate(weight * expit(-log_ratio), u)
    return math.log(2) - mean, on_real, max(js_error, d_error)


def two_mixtures(theta: Array, setting: Setting) -> tuple[Array, Array, float]:
    """The same for Σ_t π_t N(0, v_t) and Σ_t π_t N(m_t, v_t), for (θ,) distances."""
    _, spreads, _ = laws(setting)
    reach = 9 * spreads.max()
    y = nodes(-reach, float(theta.max()) + reach, 0.4 * spreads[1])
    p = mixture(y, 0.0, setting)
    found = []
    for each in theta:
        g = mixture(y, float(each), setting)
        found.append([(_entropic(p, g) + _entropic(g, p)) / 2, p * _share(p, g)])
    (js, on_real), error = integrate(np.array(found).swapaxes(0, 1), y)  # (2, θ)
    return js, on_real, error


def mixture(y: Array, theta: float, setting: Setting) -> Array:
    """Density of the first coordinate at y, mixed over t ~ p_π, of points that start at θ."""
    kept, spreads, weights = laws(setting)
    density = np.zeros_like(y)
    for mean, spread, weight in zip(kept[1:] * theta, spreads[1:], weights, strict=True):
        near = slice(*np.searchsorted(y, [mean - 12 * spread, mean + 12 * spread]))
        density[near] += weight / spread * np.exp(-0.5 * ((y[near] - mean) / spread) ** 2)
    return density / math.sqrt(2 * math.pi)


def _share(p: Array, g: Array) -> Array:
    """p/(p + g), the optimal discriminator; 1/2 where neither has any weight."""
    return np.divide(p, p + g, out=np.full_like(p, 0.5), where=p + g > 0)


def _entropic(p: Array, g: Array) -> Array:
    """p log(p/m) with m = (p + g)/2."""
    return p * np.log(2 * _share(p, g), out=np.zeros_like(p), where=p > 0)


def expit(x: Array) -> Array:
    """The logistic function, which never overflows in this form."""
    return (1 + np.tanh(x / 2)) / 2


def laws(setting: Setting) -> tuple[Array, Array, Array]:
    """√ᾱ_t and √v_t for t = 0…T, and π_t for t = 1…T."""
    alpha_bar = forward_chain("linear", steps=setting.T).alpha_bar
    t = np.arange(1.0, setting.T + 1)
    weights = t if setting.explore == "priority" else np.ones_like(t)
    return np.sqrt(alpha_bar), np.sqrt(1 - alpha_bar) * setting.sigma, weights / weights.sum()


def compute(setting: Setting) -> Curves:
    """All curves over θ in [0, theta_max]."""
    kept, spreads, weights = laws(setting)
    theta = np.linspace(0.0, setting.theta_max, setting.thetas)
    with np.errstate(divide="ignore", invalid="ignore"):
        d = np.nan_to_num(np.outer(kept / spreads, theta), nan=0.0, posinf=np.inf)  # t = 0: 0 or infinite
    js, on_real, error = two_normals(d)
    js_untold, d_untold, untold_error = two_mixtures(theta, setting)
    shown = sorted({round(share * setting.T / 1000) for share in TIMES})
    return Curves(
        theta=theta,
        t=shown,
        js=js[shown],
        d_on_real=on_real[shown],
        js_told=weights @ js[1:],
        d_told=weights @ on_real[1:],
        js_untold=js_untold,
        d_untold=d_untold,
        error=max(error, untold_error),
    )


def draw(curves: Curves, setting: Setting) -> Figure:
    """Three panels: JS over θ, the optimal discriminator's mean output on real points, and its shape."""
    figure = Figure(figsize=(12.5, 4.0), layout="constrained")
    divergence, output, shape = figure.subplots(1, 3)
    both = np.concatenate([-curves.theta[:0:-1], curves.theta])
    for ax, rows, told, untold in (
        (divergence, curves.js, curves.js_told, curves.js_untold),
        (output, curves.d_on_real, curves.d_told, curves.d_untold),
    ):
        for t, row, color in zip(curves.t, rows, colors(len(curves.t)), strict=True):
            line = row if t else np.concatenate([row[1:2], row[1:]])  # it jumps at θ = 0
            ax.plot(both, mirrored(line), color=color, lw=1.3, label=f"t = {t}")
            ax.plot(0, row[0], "o", color=color, ms=5 if t == 0 else 0)
        ax.plot(both, mirrored(told), color="black", lw=2, label=r"$t \sim p_\pi$, D is told t")
        ax.plot(both, mirrored(untold), color="black", lw=2, ls=":", label=r"$t \sim p_\pi$, D is not told")
        ax.set_xlabel("θ, distance of the generated line")
    divergence.axhline(math.log(2), color="0.7", lw=0.8, zorder=0)
    divergence.set(title="Jensen-Shannon divergence (nats)", ylim=(-0.02, 0.76))
    divergence.text(0, math.log(2) + 0.01, "log 2", ha="center", color="0.4")
    output.set(title="optimal D: mean output on real points", ylim=(0.48, 1.04))
    draw_shape(shape, curves.t, setting)
    figure.legend(*divergence.get_legend_handles_labels(), loc="outside lower center", ncols=7, frameon=False)
    return figure


def draw_shape(ax: Axes, times: list[int], setting: Setting) -> None:
    """D*_t(y) at θ = 2; without diffusion it is defined on the two lines only."""
    kept, spreads, _ = laws(setting)
    y = np.linspace(-4, 6, 801)
    for t, color in zip(times, colors(len(times)), strict=True):
        if t == 0:
            ax.plot([0, AT], [1, 0], "o", color=color, zorder=3)
        else:
            m = kept[t] * AT
            ax.plot(y, expit(m * (m / 2 - y) / spreads[t] ** 2), color=color, lw=1.3)
    untold = _share(mixture(y, 0.0, setting), mixture(y, AT, setting))
    ax.plot(y, untold, color="black", lw=2, ls=":")
    ax.set(title=f"optimal D over the first coordinate, θ = {AT:g}", xlabel="y", ylim=(-0.04, 1.04))


def colors(count: int) -> list[tuple[float, float, float, float]]:
    """From dark to light, without the palest."""
    return [colormaps["plasma"](0.85 * i / max(1, count - 1)) for i in range(count)]


def mirrored(row: Array) -> Array:
    """A curve over θ ≥ 0 as one over both signs."""
    return np.concatenate([row[:0:-1], row])


def numbers(curves: Curves, setting: Setting) -> dict[str, Any]:
    """What the figure shows, rounded to nine digits."""
    plain = {
        name: np.round(value, 9).tolist() if isinstance(value, np.ndarray) else value
        for name, value in vars(curves).items()
    }
    return {"setting": asdict(setting), **plain}


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, compute, and write figure and numbers."""
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, required=True, help="folder for the figure and the numbers")
    parser.add_class_arguments(Setting)
    options = parser.parse_args(arguments)
    setting = Setting(**{name: options[name] for name in asdict(Setting())})
    options.output.mkdir(parents=True, exist_ok=True)
    curves = compute(setting)
    draw(curves, setting).savefig(options.output / "toy_divergence.png", dpi=150)
    (options.output / "toy_divergence.json").write_text(json.dumps(numbers(curves, setting), indent=1))
    print(f"error at most {curves.error:.1e} nats")


if __name__ == "__main__":
    main()
