"""Test images of one or several runs side by side: source, translations, target, and how far each is from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from atme.data import PairedImages
from atme.images import Pixels, to_array, to_tensor
from atme.inference import Translator
from atme.reports import figures
from atme.reports.embedded import picture_uri
from atme.reports.figures import Picture

SIDE = 320  # pixels of a picture on the page, at most
COLORS = "magma"


@dataclass(frozen=True)
class Answer:
    """One translation beside its target.

    Attributes:
        run: Whose.
        uri: The translation.
        difference: Map of |translation − target|, mean over channels; its scale is the same for all answers.
        l1: Mean of |translation − target| over pixels and channels of the whole picture, values in [-1, 1].
    """

    run: str
    uri: str
    difference: Picture
    l1: float


@dataclass(frozen=True)
class Example:
    """One test pair and what the runs make of it.

    Attributes:
        name: The pair's.
        source: The picture that was translated.
        target: The true picture.
        answers: One a game.
        width: Pixels of the target.
        height: Pixels of the target.
    """

    name: str
    source: str
    target: str
    answers: list[Answer]
    width: int
    height: int


def chosen(pairs: int, images: int) -> list[int]:
    """Indices of so many pairs, from the first to the last, as evenly as can be."""
    return sorted({int(index) for index in np.linspace(0, pairs - 1, min(images, pairs))})


def translations(translator: Translator, test: PairedImages, indices: Sequence[int]) -> list[Pixels]:
    """What a run makes of some test pairs, rounded as they are scored: (H, W, C)."""
    bits = translator.knows.target_bits
    return [to_array(translator.tensor(test[i].source[None])[0], bits=bits) for i in indices]


def examples(test: PairedImages, indices: Sequence[int], answers: Mapping[str, Sequence[Pixels]]) -> list[Example]:
    """Draw test pairs and their translations.

    Args:
        test: The pairs.
        indices: Which of them.
        answers: Run -> its translations of these.
    """
    pairs = [test[index] for index in indices]
    targets = [_known(pair.target) for pair in pairs]
    maps = {run: [_difference(*both) for both in zip(made, targets, strict=True)] for run, made in answers.items()}
    top = _top([each for made in maps.values() for each in made])
    drawn = []
    for i, (pair, target) in enumerate(zip(pairs, targets, strict=True)):
        row = [
            Answer(run, _uri(made[i]), _map(maps[run][i], top=top), float(maps[run][i].mean()))
            for run, made in answers.items()
        ]
        height, width = target.shape[-2:]
        drawn.append(
            Example(pair.name[0], _uri(to_array(test.shown(pair.source))), _uri(to_array(target)), row, width, height)
        )
    return drawn


def _known(target: Tensor | None) -> Tensor:
    assert target is not None
    return target


def _difference(translation: Pixels, target: Tensor) -> NDArray[np.float64]:
    """|ŷ − y| (H, W): mean over channels."""
    difference = (to_tensor(translation).double() - target.double()).abs()
    return np.asarray(difference.mean(dim=0).numpy())


def _top(maps: Sequence[NDArray[np.float64]]) -> float:
    """Value of the last color: nearly the largest difference of all, so that a few pixels do not darken the rest."""
    return max([0.01, *(float(np.quantile(each, 0.995)) for each in maps)])


def _map(difference: NDArray[np.float64], *, top: float) -> Picture:
    step = -(-max(difference.shape) // SIDE)
    height, width = (side // step for side in difference.shape)
    areas = difference[: height * step, : width * step].reshape(height, step, width, step)
    return figures.map_picture(areas.mean(axis=(1, 3)), low=0.0, high=top, colors=COLORS)


def _uri(pixels: Pixels) -> str:
    """A picture of any depth and number of channels, no larger than the page shows it."""
    eight = pixels if pixels.dtype == np.uint8 else to_array(to_tensor(pixels))
    image = Image.fromarray(eight[:, :, 0] if eight.shape[2] == 1 else eight)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    lossless = image.mode == "RGBA" or max(image.size) <= 64
    return picture_uri(np.asarray(image), format="png" if lossless else "jpeg")
