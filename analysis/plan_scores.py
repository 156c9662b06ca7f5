"""Scores of runs that were trained at other sizes, beside one another: translated as by `atme translate`, then shrunk.

    python analysis/plan_scores.py RUN DATA --output scores.json --split test --direction AtoB [--size 128]
        [--colors '{ground: [236, 230, 222], street: [255, 255, 255]}' --thin '[street]' --scores '[l1, iou]']

Each source is translated at its own size by the run's own rules, rounded to the target's bits, and compared with its
target, both shrunk by area until the shorter side has `size` pixels. `atme evaluate` scores a run at the size that it
was trained at, which no run of another size can be compared with. `colors` are classes, for scores of classes.
Output: JSON, with the median color of the training targets beside.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from jsonargparse import auto_cli
from torch import Tensor

from atme import Translator
from atme.data.halves import read_halves
from atme.data.layout import find_layout
from atme.data.scan import list_pairs
from atme.data.sizes import resize
from atme.images import to_tensor
from atme.images.labels import Labels
from atme.metrics import OURS, Answer, measure, median_color
from atme.planning.pictures import spread

MEDIAN = "median color"
TARGETS = 300
"""Of training, at most, of which the median color is taken."""


def score(
    run: Path,
    data: Path,
    *,
    output: Path,
    split: str = "test",
    train_split: str = "train",
    direction: Literal["AtoB", "BtoA"] = "AtoB",
    size: int | None = None,
    colors: Mapping[str, Sequence[int]] | None = None,
    thin: Sequence[str] = (),
    scores: Sequence[str] = ("l1", "psnr", "ssim", "swd"),
) -> None:
    """Score a run.

    Args:
        run: its folder.
        data: a folder of pairs.
        output: the file of scores.
        split: that is scored.
        train_split: of which the median color is.
        direction: which half is the source.
        size: of the shorter side, at which pictures are compared; None for their own.
        colors: of classes, RGB of 8 bits, by their names.
        thin: classes that are scored within two pixels as well.
        scores: names, as of `atme evaluate`.
    """
    translator = Translator.from_run(run, device="cpu", trust=True)
    known = list(pairs(data, split=train_split, direction=direction))
    trained = (tensor(target, size) for _, _, target in (known[at]() for at in spread(len(known), TARGETS)))
    median = median_color(trained, levels=2**translator.knows.target_bits)
    scored = list(pairs(data, split=split, direction=direction))

    def answers() -> Iterator[Answer]:
        for read in scored:
            name, source, target = read()
            truth = tensor(target, size)
            yield Answer(name, truth, {OURS: tensor(translator.pixels(source), size), MEDIAN: median.expand_as(truth)})

    found = measure(
        answers(), pairs=len(scored), metrics=scores, labels=Labels.of(colors, thin=thin) if colors else None
    )
    told = {who: {name: each.value for name, each in of.items()} for who, of in found.scores.items()}
    output.write_text(json.dumps({**told[OURS], MEDIAN: told[MEDIAN], "left out": found.left_out}, indent=1))


def pairs(data: Path, *, split: str, direction: str) -> Iterator[Any]:
    """What reads each pair of a split: its name, source and target."""
    files = list_pairs(find_layout(data, split=split))
    for name, paths in zip(files.names, files.paths, strict=True):

        def read(name: str = name, paths: tuple[Path, ...] = paths) -> Any:
            a, b = read_halves(paths)
            return (name, a, b) if direction == "AtoB" else (name, b, a)

        yield read


def tensor(picture: Any, size: int | None) -> Tensor:
    """Pixels (H, W, C) as a tensor (C, H', W') in [-1, 1], whose shorter side has at most so many pixels."""
    high, wide = picture.shape[:2]
    short = min(high, wide)
    if size is not None and short > size:
        picture = resize(picture, (round(high * size / short), round(wide * size / short)))
    return to_tensor(picture)


if __name__ == "__main__":
    auto_cli(score, as_positional=True)
