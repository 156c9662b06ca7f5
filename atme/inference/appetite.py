"""How much memory a translation takes, found without translating.

The game is played with fake tensors, which have shapes and no values, at two sizes, and what would be alive at once is
counted: it is a constant and so much a pixel. What a process grows by is more than its tensors, by what the library of
convolutions takes beside them and by pieces of memory that no tensor fits into. Measured on this package's generators
at 0.3 to 1 million pixels, it was 1.07 to 1.29 times the tensors in float32 and 1.4 times in bfloat16.
"""

from dataclasses import dataclass

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from atme.data import Pair
from atme.inference.live import Live
from atme.models import Networks, TranslationModel
from atme.models.any_size import translate
from atme.networks.kernels import left_out

GROWTH = {False: 1.2, True: 1.4}
"""What a process grows by in multiples of its tensors, in float32 and in bfloat16."""
_SMALL, _LARGE = 256, 512


@dataclass(frozen=True)
class Appetite:
    """Bytes that a translation adds to the process at its peak, by the size of the picture."""

    fixed: float
    """Whatever the size."""
    each: float
    """For each pixel."""
    growth: float
    """What a process grows by, in multiples of its tensors."""

    def of(self, height: int, width: int) -> float:
        """For a picture of this size."""
        return self.growth * (self.fixed + self.each * height * width)


def appetite(model: TranslationModel, networks: Networks, *, channels: int, bf16: bool = False) -> Appetite:
    """Of a game that translates one picture.

    Args:
        model: the game.
        networks: in evaluation mode.
        channels: of the picture.
        bf16: whether it is translated in bfloat16.
    """
    small, large = (
        tensors(model, networks, channels=channels, size=(side, side), bf16=bf16) for side in (_SMALL, _LARGE)
    )
    each = (large - small) / (_LARGE**2 - _SMALL**2)
    return Appetite(max(0.0, small - each * _SMALL**2), each, GROWTH[bf16])


def tensors(
    model: TranslationModel, networks: Networks, *, channels: int, size: tuple[int, int], bf16: bool = False
) -> int:
    """Bytes of tensors that are alive at once, at most, while a picture (height, width) is translated whole."""
    device = next(networks.generator.parameters()).device
    with left_out(), torch.inference_mode(), FakeTensorMode(allow_non_fake_inputs=True), Live() as live:
        view = torch.eye(2, 3, device=device)[None]
        pair = Pair(torch.zeros(1, channels, *size, device=device), None, None, view, ("",))
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            translate(model, networks, pair, rng=torch.Generator().manual_seed(0))
    peak: int = live.peak
    return peak
