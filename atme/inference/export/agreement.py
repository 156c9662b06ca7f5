"""Does an exported translation do what the translator does? And what does one with fewer bits lose?"""

from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from atme.data.tested import read_tested
from atme.inference.export.graph import Run, draw, smallest
from atme.inference.translator import Translator
from atme.metrics import scores
from atme.models import DenoisingGAN
from atme.run_folder import run_of

TOLERANCE = 1e-3
"""|a − b| may be so much, plus so much of |b|."""
PICTURES = 4
"""Pictures that a loss is measured on, at most."""


@dataclass(frozen=True)
class Loss:
    """What fewer bits lose against float32, means over pictures."""

    l1: float
    """In [-1, 1]."""
    psnr: float
    """dB."""
    pictures: int
    what: str
    """Which pictures these were."""


def checked_sizes(*, stride: int, smallest: int) -> list[tuple[int, int, int]]:
    """(batch, height, width) to check: multiples of the stride and others, square and not, odd multiples too."""
    a = -(-smallest // stride) * stride
    return [
        (1, a, a),
        (3, a, a + stride),
        (1, a + 1, a + 2 * stride - 1),
        (3, max(smallest, a - 1), a + stride + 1),
        (1, a + 2 * stride, max(smallest, a - stride // 2)),
    ]


def require_equal(run: Run, translator: Translator, *, least: int, name: str) -> float:
    """Compare on pictures of five sizes, in batches of 1 and 3.

    Args:
        run: what was exported.
        translator: what it was exported from.
        least: pixels that each side needs.
        name: of the file, for the error.

    Returns:
        The largest difference, of values in [-1, 1].

    Raises:
        ValueError: if they differ by more than `TOLERANCE`.
    """
    worst, rng = 0.0, torch.Generator().manual_seed(0)
    for batch, height, width in checked_sizes(stride=translator.knows.stride, smallest=least):
        image = torch.rand((batch, translator.knows.source_channels, height, width), generator=rng) * 2 - 1
        want = translator.tensor(image)
        have = run(image, *drawn(translator, image))
        if have.shape != want.shape or not torch.allclose(have, want, rtol=TOLERANCE, atol=TOLERANCE):
            off = f"by {(have - want).abs().max():.2g}" if have.shape == want.shape else f"in shape: {have.shape}"
            raise ValueError(
                f"{name}: what was exported differs from the run's translations {off} ({batch} pictures of "
                f"{width}×{height} pixels), so nothing was written; please report this with the run's options.yaml"
            )
        worst = max(worst, float((have - want).abs().max()))
    return worst


def drawn(translator: Translator, image: Tensor, *, seed: int = 0) -> tuple[Tensor, ...]:
    """What a translator would draw for a batch, as the inputs of a graph; nothing for most models."""
    if not isinstance(translator.model, DenoisingGAN):
        return ()
    stride = translator.knows.stride
    height, width = (-(-side // stride) * stride for side in image.shape[-2:])
    draws = draw(translator, size=(height, width), seed=seed)
    return draws.noises, draws.latents


@dataclass(frozen=True)
class Pictures:
    """What a loss is measured on."""

    sources: list[Tensor]
    """(1, C, H, W) each, in [-1, 1]."""
    what: str
    """Which ones these are."""


def measure_loss(run: Run, translator: Translator, *, pictures: Pictures) -> Loss:
    """Compare with the translator's float32.

    Raises:
        ValueError: if what was exported gives no numbers.
    """
    totals: dict[str, list[float]] = {"l1": [], "psnr": []}
    for image in pictures.sources:
        have = run(image, *drawn(translator, image))
        if not have.isfinite().all():
            raise ValueError(
                "precision: numbers outgrow what so few bits hold, so nothing was written; use --precision float32"
            )
        found = scores(have, translator.tensor(image))
        for key, values in totals.items():
            values += found[key]
    l1, psnr = (sum(values) / len(values) for values in totals.values())
    return Loss(l1, psnr, len(pictures.sources), pictures.what)


def pictures_of(translator: Translator, *, root: str | None = None) -> Pictures:
    """Those of the run's test split; without its data, made ones.

    Args:
        translator: of the run.
        root: where its data lies now, if not where it lay.

    Raises:
        ValueError: if ``root`` is given, and not the run's data.
    """
    least = smallest(translator)
    try:
        test = read_tested(run_of(translator.source.folder), root=root).open_test()
        sources = [test[i].source[None] for i in islice(range(len(test)), PICTURES)]
    except (ValueError, OSError):
        if root is not None:
            raise
        why = "as the run's data is not at hand (--data.root says where it is)"
        return Pictures(made_up(translator, least=least), f"made pictures, {why}")
    if any(each.shape[1] != translator.knows.source_channels or min(each.shape[-2:]) < least for each in sources):
        return Pictures(made_up(translator, least=least), "made pictures, as the test split's do not fit the model")
    return Pictures(sources, f"pictures of {test.root}, split {test.split}")


def made_up(translator: Translator, *, least: int) -> list[Tensor]:
    """Waves of several lengths, (1, C, H, W) in [-1, 1]."""
    side = max(least, 2 * translator.knows.stride, 64)
    y, x = torch.meshgrid(torch.arange(side) / 9, torch.arange(side) / 9, indexing="ij")
    channels = range(translator.knows.source_channels)
    return [
        torch.stack([(x * (i + 1) / 2 + c).sin() * (y + c * i).cos() for c in channels])[None] for i in range(PICTURES)
    ]
