"""Sample grids: what the generator reads and answers, for the same few pairs all along a run."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from atme.data import Pair, PairedImages
from atme.data.layout import WHOLE
from atme.images import grid, write_image
from atme.models import Networks, TranslationModel
from atme.models.any_size import translate
from atme.training.state import State

ROWS = 3
"""Pairs shown of each split."""

COLUMNS = ("x", "W", "x·(1+W)", "ŷ", "y")


class Samples:
    """The pairs that a run shows: the first of training, with what is remembered of them, and of the test.

    Args:
        model: how a translation is made.
        train: training pairs; shown under the view of epoch 0.
        test: test pairs.
    """

    def __init__(self, model: TranslationModel, *, train: PairedImages, test: PairedImages) -> None:
        self._model, self._shown = model, train.shown
        self._splits = tuple("whole" if each.split == WHOLE else each.split for each in (train, test))
        self._pairs = [train[index] for index in _spread(len(train))]
        self._pairs += [_unseen(test[index]) for index in _spread(len(test))]

    def try_smallest(self, state: State) -> None:
        """Draw the smallest test picture, so that what no grid can show is known before the training.

        Raises:
            ValueError: naming the picture.
        """
        unseen = [pair for pair in self._pairs if pair.index is None]
        smallest = min(unseen, key=lambda pair: pair.source[0].numel())
        try:
            with state.translating() as networks:
                self._row(networks, smallest, state.accelerator.device)
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"data.test_split: {smallest.name[0]} cannot be translated ({reason}); set data.test_size, or "
                "--training.sample_every 0 for no sample grids"
            ) from error

    def draw(self, state: State) -> np.ndarray:
        """The grid (H, W, 3) uint8, made without touching the run's randomness."""
        device = state.accelerator.device
        with state.translating() as networks:
            rows = [self._row(networks, pair, device) for pair in self._pairs]
        titles = [f"{self._splits[pair.index is None]} {pair.name[0]}" for pair in self._pairs]
        rows = _alike(rows)
        shown = [i for i in range(len(COLUMNS)) if any(row[i] is not None for row in rows)]
        return grid(
            [[row[i] for i in shown] for row in rows],
            columns=[COLUMNS[i] for i in shown],
            row_titles=titles,
        )

    def _row(self, networks: Networks, pair: Pair, device: torch.device) -> list[Tensor | None]:
        assert pair.target is not None
        corrupted, fake = translate(self._model, networks, Pair.collate([pair]).to(device))
        noisy = None if corrupted.map is None else corrupted.image
        pictures = (pair.source[None], corrupted.map, noisy, fake, pair.target[None])
        x, w, read, made, y = (None if picture is None else picture[0].float().cpu() for picture in pictures)
        return [None if x is None else self._shown(x), w, None if read is None else self._shown(read), made, y]


def write(picture: np.ndarray, run: Path, *, epoch: int) -> None:
    """Write a grid to ``samples/epoch_0001.png`` of a run."""
    folder = run / "samples"
    folder.mkdir(exist_ok=True)
    write_image(folder / f"epoch_{epoch:04d}.png", picture)


def cut(run: Path, *, epochs: int) -> None:
    """Remove the grids of epochs after the first ones: of a process that was killed after its last checkpoint."""
    for path in (run / "samples").glob("epoch_*.png"):
        number = path.stem.removeprefix("epoch_")
        if number.isdigit() and int(number) > epochs:
            path.unlink()


def _alike(rows: list[list[Tensor | None]]) -> list[list[Tensor | None]]:
    """Training crops, pixel by pixel, nearly as large as whole test pictures, by a whole factor."""
    largest = max(row[0].shape[-1] for row in rows if row[0] is not None)
    return [
        [None if cell is None else _enlarge(cell, factor=max(largest // cell.shape[-1], 1)) for cell in row]
        for row in rows
    ]


def _enlarge(image: Tensor, *, factor: int) -> Tensor:
    return image.repeat_interleave(factor, dim=1).repeat_interleave(factor, dim=2)


def _spread(count: int) -> list[int]:
    """A few indices, from first to last."""
    return sorted({int(index) for index in np.linspace(0, count - 1, min(ROWS, count))})


def _unseen(pair: Pair) -> Pair:
    """The same pair as one of which nothing is remembered."""
    return Pair(pair.source, pair.target, None, pair.view, pair.name)
