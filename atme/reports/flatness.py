"""How flat are D's verdicts? Their entropy over epochs and over the map; log 2 where D cannot tell.

With p = σ(logit), H = −p log p − (1 − p) log(1 − p), in nats: the joint decision entropy of ATME.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOG_2 = float(np.log(2))
LOG_4 = float(np.log(4))

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Flatness:
    """Of one image's verdicts D_t.

    Attributes:
        entropy: (T,) mean over the map, nats in [0, log 2].
        spread: (T,) standard deviation over the map, logits.
        map: (h, w) mean over epochs of the entropy, nats.
    """

    entropy: Array
    spread: Array
    map: Array


def flatness(decisions: NDArray[Any]) -> Flatness:
    """Measure the flatness of verdicts.

    Args:
        decisions: (T, h, w) logits; cells that were not recorded are NaN, and so is what is read off them.
    """
    H = decision_entropy(decisions)
    return Flatness(H.mean(axis=(1, 2)), decisions.std(axis=(1, 2), dtype=np.float64), H.mean(axis=0))


def decision_entropy(logits: NDArray[Any]) -> Array:
    """Entropy of each decision, nats in [0, log 2], from logits of any shape."""
    size = np.abs(logits.astype(np.float64))
    small = np.exp(-size)
    return np.asarray(np.log1p(small) + size * small / (1 + small))
