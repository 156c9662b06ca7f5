"""Processes of known law, to be tested beside W at the same length and number of pixels.

A test that W passes says something only if a wrong process fails it, and one that W fails only if Brownian
motion passes it. Every control is a function ``(epochs, pixels, *, rng, scale) -> (epochs, pixels)`` of
float64, pixels independent of each other, first value 0 unless the process is stationary.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Array = NDArray[np.float64]

SCALE = 0.1
PHI = 0.8
FREEDOM = 3


class Control(Protocol):
    """A process of known law."""

    def __call__(self, epochs: int, pixels: int, *, rng: np.random.Generator, scale: float = SCALE) -> Array:
        """Draw one series per pixel.

        Args:
            epochs: Length of each series.
            pixels: Number of independent series.
            rng: Source of randomness.
            scale: Standard deviation of a shock, in units of W.

        Returns:
            (epochs, pixels).
        """
        ...


def brownian(epochs: int, pixels: int, *, rng: np.random.Generator, scale: float = SCALE) -> Array:
    """Brownian motion at whole epochs: W_0 = 0, independent increments N(0, scale²). It is the null."""
    return _walk(scale * rng.standard_normal((epochs, pixels)))


def autoregressive(epochs: int, pixels: int, *, rng: np.random.Generator, scale: float = SCALE) -> Array:
    """Stationary AR(1): W_t = 0.8 W_{t-1} + N(0, scale²). Comes back; the increments alone hardly show it."""
    shocks = scale * rng.standard_normal((epochs, pixels))
    shocks[0] /= np.sqrt(1 - PHI**2)
    return np.asarray(lfilter([1.0], [1.0, -PHI], shocks, axis=0))


def student_walk(epochs: int, pixels: int, *, rng: np.random.Generator, scale: float = SCALE) -> Array:
    """Walk with Student-t(3) steps of standard deviation scale: uncorrelated, but not normal."""
    return _walk(scale / np.sqrt(FREEDOM / (FREEDOM - 2)) * rng.standard_t(FREEDOM, (epochs, pixels)))


def white_noise(epochs: int, pixels: int, *, rng: np.random.Generator, scale: float = SCALE) -> Array:
    """Independent values N(0, scale²): no memory at all, so every increment is undone by the next."""
    return scale * rng.standard_normal((epochs, pixels))


def bounded_brownian(epochs: int, pixels: int, *, rng: np.random.Generator, scale: float = SCALE) -> Array:
    """tanh of a Brownian motion, in (-1, 1) as W is: Brownian near 0, slow and compressed near the bounds."""
    return np.tanh(brownian(epochs, pixels, rng=rng, scale=scale))


CONTROLS: Mapping[str, Control] = {
    "brownian": brownian,
    "autoregressive": autoregressive,
    "student_walk": student_walk,
    "white_noise": white_noise,
    "bounded_brownian": bounded_brownian,
}


def _walk(steps: Array) -> Array:
    steps[:1] = 0
    return np.cumsum(steps, axis=0, out=steps)
