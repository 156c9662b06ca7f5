"""FID and KID from features (n, D) of the translations and of the targets.

FID (Heusel et al. 2017) is the Fréchet distance of two normal laws,

    |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁ Σ₂)^½.

With Σ = AᵀA, where the rows of A are (f − μ) / √(n − 1), the last trace is the sum of the singular values of
A₁ A₂ᵀ: an n × n matrix, where torchmetrics and torch-fidelity, to which this is equal, take the eigenvalues of a
D × D one. For 30 pictures that is a millisecond instead of a quarter of a minute, so it can be had without each group
of pictures in turn.

KID (Bińkowski et al. 2018) is the unbiased squared maximum mean discrepancy under k(f, g) = (f·g / D + 1)³. It is
usually averaged over random subsets of 1,000 pictures; here all pictures are one subset, which has the same mean
and varies less. Sums of k over pairs of groups are all that the jackknife needs, so no n × n matrix is kept.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]


def fid(translations: Features, targets: Features) -> float:
    """Fréchet distance of two sets.

    Args:
        translations: (n, D), n at least 2.
        targets: (m, D), m at least 2.
    """
    one, other = (_centered(each) for each in (translations, targets))
    difference = translations.mean(axis=0) - targets.mean(axis=0)
    if min(len(one), len(other)) > one.shape[1]:  # of many pictures: triangles (D, D) have the same products
        one, other = (np.asarray(np.linalg.qr(each, mode="r")) for each in (one, other))
    cross = np.linalg.svd(one @ other.T, compute_uv=False).sum()
    return max(0.0, float(difference @ difference + np.sum(one**2) + np.sum(other**2) - 2 * cross))


def _centered(features: Features) -> Features:
    """A (n, D): AᵀA is the covariance."""
    return np.asarray((features - features.mean(axis=0)) / np.sqrt(len(features) - 1))


@dataclass(frozen=True)
class KernelSums:
    """Sums of the kernel over pairs of groups, from which KID without any group follows."""

    sizes: NDArray[np.float64]
    """(G,) pictures of each group."""
    translations: NDArray[np.float64]
    """(G, G) sums over two translations that are not the same."""
    targets: NDArray[np.float64]
    """(G, G) the same of targets."""
    crossed: NDArray[np.float64]
    """(G, G) sums over a translation and a target."""

    @classmethod
    def of(cls, translations: Features, targets: Features, group: NDArray[np.intp]) -> Self:
        """Args:
        translations: (n, D).
        targets: (n, D).
        group: (n,) number of each pair's group.
        """
        count = int(group.max()) + 1
        ones, others = ([each[group == g] for g in range(count)] for each in (translations, targets))
        return cls(
            np.bincount(group).astype(float),
            np.array([[_sum(a, b, same=i == j) for j, b in enumerate(ones)] for i, a in enumerate(ones)]),
            np.array([[_sum(a, b, same=i == j) for j, b in enumerate(others)] for i, a in enumerate(others)]),
            np.array([[_sum(a, b) for b in others] for a in ones]),
        )

    def kid(self, *, without: int | None = None) -> float:
        """Of all groups, or of all but one."""
        kept = np.arange(len(self.sizes)) != (-1 if without is None else without)
        n = float(self.sizes[kept].sum())
        sums = (self.translations, self.targets, self.crossed)
        one, other, both = (float(each[kept][:, kept].sum()) for each in sums)
        return (one + other) / (n * (n - 1)) - 2 * both / n**2


def _sum(one: Features, other: Features, *, same: bool = False) -> float:
    """Σ k(f, g) over f of one set and g of another; without f = g where it is the same set."""
    kernel = (one @ other.T / one.shape[1] + 1) ** 3
    return float(kernel.sum() - (np.trace(kernel) if same else 0.0))
