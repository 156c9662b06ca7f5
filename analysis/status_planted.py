"""What is planted in runs of status_study.py: classes that play badly, and pairs that are wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from atme.data import find_root
from atme.images import read_image, write_image
from atme.images.pixels import Pixels

SIDE, OFF = 256, 20

CODE = '''\
"""What is planted: a discriminator that sees nothing, and an ATME whose W begins at its ends."""

import torch
from torch import Tensor

from atme import DecisionMemory, PatchGAN


class Blind(PatchGAN):
    """Reads zeros in place of every image."""

    def forward(self, source: Tensor, image: Tensor, level: Tensor | None = None) -> Tensor:
        return super().forward(torch.zeros_like(source), torch.zeros_like(image), level)


class Loud(DecisionMemory):
    """W's last layer has no small weights."""

    def before_generator(self, pair, *, verdict=None):
        with torch.no_grad():
            self.network.last.weight.normal_(0, 3, generator=torch.Generator().manual_seed(0))
            self.network.last.bias.fill_(1.5)
        return super().before_generator(pair, verdict=verdict)
'''
"""Of planted.py, beside the presets."""

Change = Callable[[int, Pixels, Pixels], tuple[Pixels, Pixels]]
"""(number, source, target) → the pair that is written in their place."""


def _made(change: Change, *, most: int | None = None) -> Callable[[Path], None]:
    """A maker of a folder like earth, with each training pair changed."""

    def make(root: Path) -> None:
        for split in ("train", "test"):
            (root / split).mkdir(parents=True)
            for number, path in enumerate(sorted((find_root("earth") / split).glob("*.jpg"))):
                if split == "train" and most is not None and number >= most:
                    break
                both = read_image(path)
                halves = both[:, :SIDE], both[:, SIDE:]
                halves = change(number, *halves) if split == "train" else halves
                write_image(root / split / f"{path.stem}.png", np.concatenate(halves, axis=1))

    return make


def _moved(image: Pixels, right: int, down: int) -> Pixels:
    """Moved, with what leaves on one side entering on the other."""
    return np.roll(image, (down, right), axis=(0, 1))


def _first(number: int, a: Pixels, b: Pixels) -> tuple[Pixels, Pixels]:
    """The first pair, whatever is asked for."""
    both = read_image(sorted((find_root("earth") / "train").glob("*.jpg"))[40])
    return both[:, :SIDE], both[:, SIDE:]


def _scattered(number: int, a: Pixels, b: Pixels) -> tuple[Pixels, Pixels]:
    angle = 2.4 * number
    return a, _moved(b, round(OFF * np.cos(angle)), round(OFF * np.sin(angle)))


DATA: dict[str, Callable[[Path], None]] = {
    "healthy": _made(lambda number, a, b: (a, b)),
    "few": _made(lambda number, a, b: (a, b), most=4),
    "repeated": _made(_first),
    "swapped": _made(lambda number, a, b: (b, a) if number % 2 else (a, b)),
    "shifted": _made(lambda number, a, b: (a, _moved(b, OFF, 0))),
    "scattered": _made(_scattered),
    "blank": _made(lambda number, a, b: (a, np.full_like(b, 90))),
    "one_target": _made(lambda number, a, b: (a, _first(0, a, b)[1])),
}
