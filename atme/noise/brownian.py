"""A noise whose W is a Brownian motion by construction: the control experiment beside ATME's memory.

The generator reads x·(1 + W_t) as in ATME, but W_t is drawn, and no verdict has any influence on it:

    W_t = σ B_t[n],    B_0 = 0,    B_t − B_{t−1} ~ N(0, 1) in each cell, independent of all others,

with t the number of visits to image n so far. Cells are as many as the discriminator has verdicts, and are enlarged
bilinearly to the image, so that W is as smooth as ATME's. A path is a function of (seed, image, epoch) alone: any point
of it can be asked for at any time, and nothing but the number of visits has to be remembered.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from atme import require
from atme.data import Pair
from atme.noise.injection import Corrupted, Game, Injection, Verdicts, require_known


class Brownian(Injection):
    """Multiplicative noise that is a Brownian motion over the epochs.

    Args:
        game: number of training images, and the geometry of the verdicts.
        step: σ, the standard deviation of W's step from epoch to epoch; after 200 epochs W's own is 14 σ.
        bounded: W = tanh(σ B) instead, which stays in (-1, 1) as ATME's W does.
        seed: of the paths.

    Raises:
        ValueError: for a step that is not positive.
    """

    visits: Tensor
    of_each_image = ("visits",)

    def __init__(self, game: Game, *, step: float = 0.01, bounded: bool = False, seed: int = 0) -> None:
        super().__init__()
        require.kind("game", game, of=Game)
        require.number("noise.step", step, above=0)
        require.whole("noise.seed", seed)
        self.game, self.step, self.bounded, self.seed = game, step, bounded, seed
        self.register_buffer("visits", torch.zeros(game.images, dtype=torch.int64))

    def before_generator(self, pair: Pair, *, verdict: Tensor | None = None) -> Corrupted:
        """x → x·(1 + W_t); images outside the training set are left alone.

        With a ``verdict`` no visit is meant, but a look back: W_t is that of the last visit, whatever the verdict.
        """
        require_known(pair, self.game)
        if pair.index is None:
            return super().before_generator(pair)
        visit = 1 if verdict is None else 0
        paths = [self._at(image, int(self.visits[image]) + visit) for image in pair.index.tolist()]
        cells = torch.from_numpy(np.stack(paths))[:, None].to(pair.source)  # (B, 1, h, w)
        w = F.interpolate(cells, size=pair.source.shape[-2:], mode="bilinear", align_corners=False)  # (B, 1, H, W)
        return Corrupted(pair.source * (1 + w), w.mean(dim=(1, 2, 3)), w)

    @torch.no_grad()
    def remember(self, verdicts: Verdicts) -> None:
        """Count the visits; the verdicts themselves are forgotten."""
        self.visits[verdicts.index] += 1

    def _at(self, image: int, epoch: int) -> np.ndarray:
        """W of one image at an epoch, (h, w) float32; 0 before the first."""
        if not epoch:
            return np.zeros(self.game.verdict_shape(*self.game.size), np.float32)
        point: np.ndarray = self.path(image, epoch)[-1]
        return point

    def path(self, image: int, epochs: int) -> np.ndarray:
        """W of one image at the epochs 1 … ``epochs``: (epochs, h, w) float32; longer paths begin with shorter ones."""
        require.whole("image", image, most=self.game.images - 1)
        require.whole("epochs", epochs, least=1)
        shape = self.game.verdict_shape(*self.game.size)
        chance = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(image,)))
        motion = self.step * chance.standard_normal((epochs, *shape)).cumsum(axis=0)
        return (np.tanh(motion) if self.bounded else motion).astype(np.float32)
