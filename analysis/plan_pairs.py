"""The pairs that a study of plans makes up: land in gray of 16 bits, and sixteen pairs of `earth`.

    python analysis/plan_pairs.py FOLDER

- `FOLDER/heights`: 3,000 pairs to train on and 200 to test, 64×64 pixels. A: the height of a made-up land, of a random
  field whose amplitudes fall as 1/f² (Gaussian, random phases); B: the same land lit from the northwest, 45° above the
  horizon (Lambert: the cosine between the light and the ground, at no less than 0).
- `FOLDER/sixteen`: sixteen pairs of `earth` to train on, evenly from the first on, and its 30 to test.
"""

import shutil
from pathlib import Path

import numpy as np
from jsonargparse import auto_cli
from PIL import Image

PAIRS = {"train": 3000, "test": 200}
SIZE, FEW = 64, 16
MOST = 2**16 - 1
STEEP = 3.0
"""Height of the land over its pixels: mean slopes of some 25°."""
EARTH = Path(__file__).parent.parent / "datasets" / "earth"


def make(folder: Path, *, seed: int = 0) -> None:
    """Make both sets.

    Args:
        folder: takes them; must not hold them yet.
        seed: of the land.
    """
    _heights(folder / "heights", np.random.default_rng(seed))
    _sixteen(folder / "sixteen")


def _heights(folder: Path, random: np.random.Generator) -> None:
    for split, count in PAIRS.items():
        for half in "AB":
            (folder / f"{split}{half}").mkdir(parents=True)
        for number in range(count):
            height = land(random)
            for half, values in {"A": 0.5 + height / 8, "B": lit(height)}.items():
                gray = np.round(values.clip(0, 1) * MOST).astype(np.uint16)
                Image.fromarray(gray).save(folder / f"{split}{half}" / f"{number:04d}.png")


def land(random: np.random.Generator) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Heights, of mean 0 and standard deviation 1; ``[64, 64]``, and as its edges meet, periodic."""
    frequency = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(random.standard_normal((SIZE, SIZE))) / frequency**2)
    return field / field.std()


def lit(
    height: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """The land from above, lit from the northwest; ``[64, 64]`` in [0, 1]."""
    down, right = np.gradient(height * STEEP)
    # the ground's normal is (-right, -down, 1), the light comes from (-1, -1, √2), x to the right and y downwards
    cosine = (right + down + np.sqrt(2)) / (2 * np.sqrt(1 + right**2 + down**2))
    return cosine.clip(0)


def _sixteen(folder: Path) -> None:
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True)
        paths = sorted((EARTH / split).iterdir())
        every = len(paths) // FEW if split == "train" else 1
        for path in paths[: FEW * every if split == "train" else None : every]:
            shutil.copy(path, folder / split)


if __name__ == "__main__":
    auto_cli(make, as_positional=True)
