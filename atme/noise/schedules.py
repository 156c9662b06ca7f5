"""Forward chains: Gaussian noise added in T steps, in closed form, on tensors of any shape.

Ho et al. 2020, arXiv 2006.11239, with the noise scaled by σ as in Diffusion-GAN, arXiv 2206.02262, §3:

    y_t = √(1 − β_t) y_{t−1} + √β_t σ ε,        ᾱ_t = Π_{s ≤ t} (1 − β_s),    ᾱ_0 = 1     (one step)
    y_t = √ᾱ_t y_0 + √(1 − ᾱ_t) σ ε                                                       (all at once)
    q(y_{t−1} | y_t, y_0) = N(c_t y_0 + k_t y_t, v_t σ²)                                  (one step back)
    c_t = √ᾱ_{t−1} β_t / (1 − ᾱ_t),   k_t = √(1 − β_t) (1 − ᾱ_{t−1}) / (1 − ᾱ_t),
    v_t = β_t (1 − ᾱ_{t−1}) / (1 − ᾱ_t)

β: how much one step adds; t runs from 0 (clean) to T. The schedules differ in β only. Everything is computed
in float64 and cast once, to the tensor's type, since √(1 − ᾱ_t) loses half its digits in float32. The tables are
NumPy's: they are constants, that belong to no device and no mode of PyTorch.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from atme import require

Table = NDArray[np.float64]

Schedule = Literal["linear", "quadratic", "sigmoid", "constant", "cosine", "jsd", "vp"]


def linear(steps: int, first: float = 1e-4, last: float = 0.02) -> Table:
    """β on a straight line from first to last (Ho et al. 2020): (T,)."""
    return np.linspace(first, last, steps)


def quadratic(steps: int, first: float = 1e-4, last: float = 0.02) -> Table:
    """√β on a straight line: (T,)."""
    return np.square(linear(steps, math.sqrt(first), math.sqrt(last)))


def sigmoid(steps: int, first: float = 1e-4, last: float = 0.02) -> Table:
    """β between first and last on the logistic curve from −6 to 6: (T,)."""
    beta: Table = first + (last - first) * expit(linear(steps, -6.0, 6.0))
    return beta


def constant(steps: int, first: float = 0.02, last: float = 0.02) -> Table:
    """The same β at every step: (T,).

    Raises:
        ValueError: if the two ends differ.
    """
    if first != last:
        raise ValueError(f"betas {[first, last]}: a constant schedule has one value; give it twice")
    return linear(steps, first, last)


def cosine(steps: int) -> Table:
    """ᾱ_t = f(t/T)/f(0) with f(u) = cos²(π/2 (u + 0.008)/1.008), and β ≤ 0.999: (T,).

    Nichol and Dhariwal 2021, arXiv 2102.09672, eq. 17.
    """
    f = np.square(np.cos((linear(steps + 1, 0.0, 1.0) + 0.008) / 1.008 * (math.pi / 2)))
    return np.minimum(1 - f[1:] / f[:-1], 0.999)


def jsd(steps: int) -> Table:
    """β_t = 1/(T − t + 1), so that ᾱ falls on a straight line from 1 to 0: (T,).

    Sohl-Dickstein et al. 2015, arXiv 1503.03585, §2.4.1.
    """
    return 1 / linear(steps, float(steps), 1.0)


def vp(steps: int, first: float = 0.1, last: float = 20.0) -> Table:
    """The variance-preserving diffusion of Song et al. 2021, cut into a few large steps: (T,).

    Xiao et al. 2022 (DDGAN), arXiv 2112.07804, appendix B:
    ᾱ(u) = exp(−½ u² (last − first) − u first) at u_i = (i/T)(1 − 1e-3) + 1e-3, β_i = 1 − ᾱ(u_i)/ᾱ(u_{i−1}).
    Here first and last are the rates at u = 0 and 1, not values of β.
    """
    u = linear(steps + 1, 1e-3, 1.0)
    log_alpha_bar = -0.5 * np.square(u) * (last - first) - u * first
    return -np.expm1(np.diff(log_alpha_bar))


_WITH_ENDS: dict[str, Callable[..., Table]] = {
    "linear": linear,
    "quadratic": quadratic,
    "sigmoid": sigmoid,
    "constant": constant,
    "vp": vp,
}
_WITHOUT_ENDS: dict[str, Callable[[int], Table]] = {"cosine": cosine, "jsd": jsd}


@dataclass(frozen=True, eq=False)
class Chain:
    """A forward chain of T steps; times are (B,) int64, one for each element of the batch."""

    beta: Table
    """(T,) float64 in (0, 1]: the share of variance that each step replaces; ``beta[0]`` is β_1."""
    sigma: float = 1.0
    """Standard deviation of the noise that a long chain ends in, in the unit of y."""

    @property
    def steps(self) -> int:
        """T."""
        return len(self.beta)

    @cached_property
    def alpha_bar(self) -> Table:
        """(T + 1,) float64: ᾱ_0 = 1, ᾱ_1, … ᾱ_T: the share of y_0's variance that is left."""
        return np.concatenate([[1.0], np.cumprod(1 - self.beta)])

    @cached_property
    def posterior(self) -> tuple[Table, Table, Table]:
        """c, k and v of q(y_{t−1} | y_t, y_0), each (T,) float64; their first entry belongs to t = 1."""
        before, after = self.alpha_bar[:-1], self.alpha_bar[1:]
        c = np.sqrt(before) * self.beta / (1 - after)
        k = np.sqrt(1 - self.beta) * (1 - before) / (1 - after)
        return c, k, self.beta * (1 - before) / (1 - after)

    def thinned(self, times: tuple[int, ...]) -> "Chain":
        """The same chain, seen at some of its times alone: its step i arrives at ``times[i − 1]``.

        Args:
            times: some of 1…T, rising; all of them give the chain itself.
        """
        if times == tuple(range(1, self.steps + 1)):
            return self
        at = self.alpha_bar[[0, *times]]
        return Chain(1 - at[1:] / at[:-1], self.sigma)

    def sample(self, y0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Draw from q(y_t | y_0); gradients reach y_0, and where t = 0 its very bits come back.

        Args:
            y0: (B, ...) clean, of any shape and unit.
            t: (B,) int64 in 0…T.
            noise: like y0, standard normal.

        Raises:
            IndexError: if a time lies outside 0…T.
        """
        kept = _at(np.sqrt(self.alpha_bar), t, y0)  # (B, 1, ...)
        added = _at(np.sqrt(1 - self.alpha_bar) * self.sigma, t, y0)
        return torch.where(_column(t == 0, y0), y0, kept * y0 + added * noise)  # (B, ...)

    def step(self, y: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Draw from q(y_t | y_{t−1}): one step forward, arriving at t in 1…T.

        Args:
            y: (B, ...) at time t − 1.
            t: (B,) int64 in 1…T.
            noise: like y, standard normal.

        Raises:
            IndexError: if a time lies outside 1…T.
        """
        kept = _at(np.sqrt(1 - self.beta), t - 1, y)
        return kept * y + _at(np.sqrt(self.beta) * self.sigma, t - 1, y) * noise  # (B, ...)

    def reverse(self, y0: Tensor, yt: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Draw from q(y_{t−1} | y_t, y_0): one step backward, leaving t in 1…T; no noise is left at t = 1.

        Args:
            y0: (B, ...) clean, or what a network takes for it.
            yt: like y0, at time t.
            t: (B,) int64 in 1…T.
            noise: like y0, standard normal.

        Raises:
            IndexError: if a time lies outside 1…T.
        """
        c, k, v = self.posterior
        mean = _at(c, t - 1, y0) * y0 + _at(k, t - 1, y0) * yt
        return mean + _at(np.sqrt(v) * self.sigma, t - 1, y0) * noise  # (B, ...)


def forward_chain(
    schedule: Schedule, *, steps: int, sigma: float = 1.0, betas: tuple[float, float] | None = None
) -> Chain:
    """The chain of a named schedule.

    Args:
        schedule: ``linear``, ``quadratic``, ``sigmoid``, ``constant``, ``cosine``, ``jsd`` or ``vp``.
        steps: T, at least 1; the schedule is laid out anew for each T.
        sigma: standard deviation of the noise, in the unit of y.
        betas: first and last β (``vp``: rates); None leaves the schedule's published values.

    Raises:
        ValueError: if the schedule is unknown or has no ends to choose, or if a number is out of its range.
    """
    require.choice("schedule", schedule, Schedule)
    require.whole("steps", steps, least=1)
    require.number("sigma", sigma, above=0)
    if betas is not None:
        require.numbers("betas", betas, count=2)
    return _chain(schedule, steps, sigma, None if betas is None else (betas[0], betas[1]))


@lru_cache(maxsize=64)
def _chain(schedule: Schedule, steps: int, sigma: float, betas: tuple[float, float] | None) -> Chain:
    if betas is not None and min(betas) <= 0:
        raise ValueError(f"betas {list(betas)}: noise can only be added; choose both above 0")
    beta = _betas(schedule, steps, betas)
    if beta.max() > 1:
        raise ValueError(f"betas {betas}: the {schedule} chain replaces more than all; choose both up to 1")
    return Chain(beta, sigma)


def _betas(schedule: str, steps: int, ends: tuple[float, float] | None) -> Table:
    if schedule in _WITHOUT_ENDS:
        if ends is not None:
            raise ValueError(f"betas {list(ends)}: {schedule} has no ends to choose; leave betas out")
        return _WITHOUT_ENDS[schedule](steps)
    return _WITH_ENDS[schedule](steps, *(ends or ()))


def _at(table: Table, t: Tensor, like: Tensor) -> Tensor:
    """The table's entries at t, in the type and on the device of a (B, ...) tensor: (B, 1, ...)."""
    entries = torch.from_numpy(table).to(like.dtype).to(like.device).index_select(0, t)
    return _column(entries, like)


def _column(values: Tensor, like: Tensor) -> Tensor:
    """(B,) as (B, 1, ...), to stand beside a (B, ...) tensor."""
    return values.reshape(-1, *[1] * (like.ndim - 1))
