"""atme: paired image-to-image translation with GANs that are stable by design.

The public names are imported on first use, so that ``import atme`` and ``atme --help`` never load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atme.data import Augmentation, Pair, PairedImages
    from atme.inference import Tiling, Translator, load_published
    from atme.models import DenoisingGAN, Pix2Pix, Regression
    from atme.networks import (
        PatchGAN,
        Pix2PixResNet,
        Pix2PixUNet,
        PretrainedUNet,
        ProjectedDiscriminator,
        UNet,
        WNet,
    )
    from atme.noise import Brownian, DecisionMemory, DiffAugment, Diffusion, FeatureDiffusion, Identity, Sequence
    from atme.ramp import Ramp

__version__ = "0.1.0"

_HOMES = {
    "Pair": "atme.data",
    "PairedImages": "atme.data",
    "Augmentation": "atme.data",
    "UNet": "atme.networks",
    "PretrainedUNet": "atme.networks",
    "PatchGAN": "atme.networks",
    "WNet": "atme.networks",
    "Pix2PixUNet": "atme.networks",
    "Pix2PixResNet": "atme.networks",
    "ProjectedDiscriminator": "atme.networks",
    "Identity": "atme.noise",
    "Brownian": "atme.noise",
    "DecisionMemory": "atme.noise",
    "DiffAugment": "atme.noise",
    "Diffusion": "atme.noise",
    "FeatureDiffusion": "atme.noise",
    "Sequence": "atme.noise",
    "Ramp": "atme.ramp",
    "Pix2Pix": "atme.models",
    "DenoisingGAN": "atme.models",
    "Tiling": "atme.inference",
    "Regression": "atme.models",
    "Translator": "atme.inference",
    "load_published": "atme.inference",
}

__all__ = [
    "Augmentation",
    "Brownian",
    "DecisionMemory",
    "DenoisingGAN",
    "DiffAugment",
    "Diffusion",
    "FeatureDiffusion",
    "Identity",
    "Pair",
    "PairedImages",
    "PatchGAN",
    "Pix2Pix",
    "Pix2PixResNet",
    "Pix2PixUNet",
    "PretrainedUNet",
    "ProjectedDiscriminator",
    "Ramp",
    "Regression",
    "Sequence",
    "Tiling",
    "Translator",
    "UNet",
    "WNet",
    "__version__",
    "load_published",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'atme' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
