"""A folder of small pictures, translated as `atme translate` does it, beside its pictures one by one in one process.

Cut from the test split of `earth`, by the model that comes along, each read from a file and written to one. By the
clock on as many cores as PyTorch has threads (OMP_NUM_THREADS), since what goes at once is what is asked about.
"""

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from benchmark_timing import show, write

from atme import Translator
from atme.images import read_image, write_image
from atme.inference import jobs, plan, translate_files

TILES = Path(__file__).parents[1] / "datasets" / "earth" / "test"


def folder(
    *,
    quick: bool = False,
    output: Path | None = None,
    pictures: int = 200,
    sides: tuple[int, ...] = (64, 128, 256),
    bf16: bool = False,
    rounds: int = 3,
) -> None:
    """A folder of pictures, beside the same pictures one by one.

    Args:
        quick: few pictures, few rounds.
        output: folder for the figures; null for none.
        pictures: in the folder.
        sides: of the pictures, in pixels.
        bf16: whether they are translated in bfloat16.
        rounds: of which the medians are shown; a few pictures warm up.
    """
    pictures, sides, rounds = (6, sides[:1], 1) if quick else (pictures, sides, rounds)
    translator = Translator.from_run("earth", device="cpu", precision="bf16" if bf16 else "float32")
    rows, found = [], {}
    for side in sides:
        with TemporaryDirectory() as place:
            photos, maps = Path(place) / "photos", Path(place) / "maps"
            write_pictures(photos, count=pictures, side=side)
            maps.mkdir()
            alone, together = taken(translator, photos, maps, rounds=rounds)
        found[f"{side} px"] = {"one by one": alone / pictures, "as a folder": together / pictures}
        rows.append([f"{side} px", *(f"{1000 * each / pictures:.0f} ms" for each in (alone, together))])
        rows[-1].append(f"{alone / together:.2f}")
    show(f"a picture, of {pictures} in a folder", ["", "one by one", "as a folder", "as fast"], rows)
    write(output, "folder", {"pictures": pictures, "bf16": bf16, "rounds": rounds, "seconds": found})


def taken(translator: Translator, photos: Path, maps: Path, *, rounds: int) -> tuple[float, float]:
    """Seconds of both ways, medians; they take turns, every second time in the other order."""

    def alone() -> None:
        for path in sorted(photos.iterdir()):
            write_image(maps / path.name, translator.pixels(path))

    def together() -> None:
        planned = plan(translator, jobs(photos, maps), overwrite=True)
        assert not any(trouble for _, trouble in translate_files(translator, planned))

    for path in islice(sorted(photos.iterdir()), 3):
        translator.pixels(path)
    ways: tuple[Callable[[], None], ...] = (alone, together)
    seconds: dict[Callable[[], None], list[float]] = {way: [] for way in ways}
    for turn in range(rounds):
        for way in ways[:: -1 if turn % 2 else 1]:
            began = time.perf_counter()
            way()
            seconds[way].append(time.perf_counter() - began)
    return median(seconds[alone]), median(seconds[together])


def write_pictures(place: Path, *, count: int, side: int) -> None:
    """Photographs from places of the test tiles that a seed chooses; the photograph is a tile's left half."""
    place.mkdir()
    rng, tiles = np.random.default_rng(0), sorted(TILES.glob("*.jpg"))
    for i in range(count):
        pixels = read_image(tiles[i % len(tiles)])
        top, left = (int(rng.integers(0, room - side + 1)) for room in (pixels.shape[0], pixels.shape[1] // 2))
        write_image(place / f"{i:04d}.png", pixels[top : top + side, left : left + side])
