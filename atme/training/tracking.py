"""Follows a few training images through a run: what the game says of them, epoch after epoch.

Two recordings (see `atme.history`):

- *training*: D_t as the training step wrote it and W_t as it read it, under that visit's crop and flip. Where these
  are drawn anew at each visit, the series of a pixel mixes places.
- *fixed*: after each epoch the tracked images are translated once more, whole or by their center, in evaluation
  mode. D_t is the verdict on that translation and W_t = W(D_{t−1}), the noise that the verdict of the epoch before
  makes of the same view. The pass reads nothing from the memory and leaves nothing there, so that it
  changes no bit of the run, and of networks that stand still it is constant.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor

from atme.data import Pair, PairedImages
from atme.history import Kind, Numbers, Writer
from atme.models import Networks, Step, TranslationModel
from atme.models.moves import judge
from atme.noise import Judged
from atme.training.state import State

# Views and orders of samples draw from streams 0 and 1 of the seed (atme/data).
_TRACKED = 2

Visit = tuple[int, Numbers, Numbers]
"""Which tracked image, its (h, w) logits, its (H, W) map."""


@dataclass(frozen=True)
class HistoryOptions:
    """Which images are followed through the run, for studies of W over the epochs.

    Args:
        images: how many training images, drawn by the seed, or their names; 0 records nothing.
        training: record what the training steps wrote and read.
        fixed: record the images under one fixed view after each epoch.
        precision: of W on disk; float16 halves the history's size and rounds its steps.
    """

    images: int | list[str] = 0
    training: bool = True
    fixed: bool = True
    precision: Literal["float32", "float16"] = "float32"

    def draw(self, train: PairedImages, *, seed: int) -> tuple[int, ...]:
        """The indices of the tracked images, in their order.

        Raises:
            ValueError: for an unknown name, or more images than there are.
        """
        if isinstance(self.images, int):
            if not 0 <= self.images <= len(train):
                raise ValueError(f"history.images: {self.images} of {len(train)} training images; ask for fewer")
            chance = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_TRACKED,)))
            return tuple(sorted(chance.choice(len(train), self.images, replace=False).tolist()))
        unknown = [name for name in self.images if name not in train.names]
        if unknown:
            raise ValueError(
                f"history.images: no training image is named {unknown[0]}; names are like {train.names[0]}"
            )
        return tuple(train.names.index(name) for name in self.images)


class Tracker:
    """Records the tracked images of a run; every process has one, and the main process's one writes.

    Args:
        run: the run's folder.
        options: what is recorded.
        tracked: indices of the images.
        pairs: training images under the fixed view.
        model: how a translation is made.
        state: the run's.
    """

    def __init__(
        self,
        run: Path,
        options: HistoryOptions,
        *,
        tracked: tuple[int, ...],
        pairs: PairedImages,
        model: TranslationModel,
        state: State,
    ) -> None:
        self._state, self._model = state, model
        self._slots = {index: slot for slot, index in enumerate(tracked)}
        self._visits: list[Visit] = []
        kinds: list[Kind] = [kind for kind in ("training", "fixed") if getattr(options, kind)]
        names = tuple(pairs.names[index] for index in tracked)
        main = state.accelerator.is_main_process
        self._writers = {kind: Writer(run, kind, images=names, precision=options.precision) for kind in kinds if main}
        self._pairs = [pairs[index] for index in tracked]
        fixed = self._writers.get("fixed")
        if fixed and (state.step == 0 or not fixed.started):
            fixed.write_before(self._look(None)[0])

    def visit(self, done: Step) -> None:
        """Take in what a training step wrote and read."""
        if done.verdicts is None:  # while the discriminator rests, nothing is written
            return
        assert done.corrupted.map is not None
        for row, index in enumerate(done.verdicts.index.tolist()):
            if index in self._slots:
                decision, w = done.verdicts.kept[row, 0], done.corrupted.map[row, 0]
                self._visits.append((self._slots[index], _numbers(decision), _numbers(w)))

    def flush(self, epoch: int, *, ended: bool) -> None:
        """Write what is known of an epoch, counted from 1; every process must call it."""
        visits: list[Visit] = gather_object(self._visits)
        self._visits = []
        if "training" in self._writers and visits:
            self._writers["training"].write(epoch, *_rows(visits, count=len(self._slots)))
        if "fixed" in self._writers and ended:
            writer = self._writers["fixed"]
            writer.write(epoch, *self._look(writer.decisions(epoch - 1)))

    def _look(self, before: Numbers | None) -> tuple[Numbers, Numbers]:
        """The tracked images under the fixed view: (K, h, w) logits, and (K, H, W) W of the logits before."""
        with self._state.translating(averaged=False) as networks:
            seen = [
                self._look_at(networks, pair, None if before is None else before[slot])
                for slot, pair in enumerate(self._pairs)
            ]
        return np.stack([decision for decision, _ in seen]), np.stack([w for _, w in seen])

    def _look_at(self, networks: Networks, pair: Pair, before: Numbers | None) -> tuple[Numbers, Numbers]:
        device = self._state.accelerator.device
        unseen = Pair.collate([Pair(pair.source, None, None, pair.view, pair.name)]).to(device)
        _, fake = self._model.translate(networks, unseen)
        decision = judge(networks.discriminator, Judged(unseen.source, fake))[0]  # (1, 1, h, w), the map that is kept
        then = decision if before is None else torch.from_numpy(before)[None, None].to(device)
        known = Pair.collate([Pair(pair.source, None, pair.index, pair.view, pair.name)]).to(device)
        w = networks.scheme(known, then).map  # (1, 1, H, W), of the verdict, or of the image where it has no influence
        return _numbers(decision[0, 0]), _numbers(w[0, 0])


def _rows(visits: Iterable[Visit], *, count: int) -> tuple[Numbers, Numbers]:
    """The visits of an epoch in the order of the tracked images, NaN where one was not visited."""
    visits = list(visits)
    _, first, other = visits[0]
    decisions, maps = (np.full((count, *each.shape), np.nan, np.float32) for each in (first, other))
    for slot, decision, w in visits:
        decisions[slot], maps[slot] = decision, w
    return decisions, maps


def _numbers(image: Tensor) -> Numbers:
    return image.detach().float().cpu().numpy()
