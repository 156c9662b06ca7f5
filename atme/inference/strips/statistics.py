"""What a layer must know of a whole map before it can compute a pixel, gathered strip by strip.

Of a normalization these are mean and variance of each channel. Two sets of n and m pixels, with means a and b and
sums of squared deviations A and B, have together (Chan, Golub and LeVeque 1983)

    mean a + (b − a) m / (n + m),   sum of squares A + B + (b − a)² n m / (n + m).

Of linear attention it is T = Σ_n e^{k_n} y_nᵀ / Σ_n e^{k_n}. Both sums are kept relative to the greatest k seen so
far, c: when a strip brings a greater one, c', what was summed is multiplied by e^{c − c'} (Milakov and Gimelshein 2018,
arXiv 1805.02867).
"""

import torch
from torch import Tensor


class Moments:
    """Mean and variance of each channel, in float64.

    Attributes:
        mean: (1, C).
        variance: (1, C), of all pixels: divided by their number.
    """

    def __init__(self) -> None:
        self._pixels = 0
        self.mean = self._squares = torch.zeros(())

    def see(self, top: int, strip: Tensor) -> None:
        """A strip (1, C, h, W)."""
        mean = strip.mean((2, 3), dtype=torch.float32)  # (1, C)
        squares = (strip - mean[:, :, None, None]).square_().sum((2, 3), dtype=torch.float32).double()
        n, m, gap = self._pixels, strip[0, 0].numel(), mean.double() - self.mean
        self.mean = self.mean + gap * (m / (n + m))
        self._squares = self._squares + squares + gap.square() * (n * m / (n + m))
        self._pixels = n + m

    @property
    def variance(self) -> Tensor:
        return self._squares / self._pixels


class Context:
    """Σ_n e^{k_n} y_nᵀ / Σ_n e^{k_n} over the pixels n of a map, for each feature of k.

    Attributes:
        pixels: how many there were.
    """

    def __init__(self) -> None:
        self.pixels = 0
        self._highest = self._total = self._sum = torch.zeros(())

    def see(self, k: Tensor, y: Tensor) -> None:
        """Keys (1, N, F) and normalized pixels (1, N, C) of a strip."""
        k = k.float()
        highest = k.amax(1)  # (1, F)
        if self.pixels:
            highest = torch.maximum(highest, self._highest)
        e = (k - highest[:, None]).exp_()  # (1, N, F)
        fade = (self._highest - highest).exp() if self.pixels else torch.zeros_like(highest)  # (1, F)
        self._total = self._total * fade + e.sum(1)  # (1, F)
        self._sum = self._sum * fade[:, :, None] + e.transpose(1, 2) @ y.float()  # (1, F, C)
        self._highest, self.pixels = highest, self.pixels + k.shape[1]

    @property
    def mean(self) -> Tensor:
        """(1, F, C)."""
        return self._sum / self._total[:, :, None]
