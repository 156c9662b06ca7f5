"""Translation models: which losses, and in which order the networks are updated."""

from atme.models.denoising_gan import DenoisingGAN
from atme.models.pix2pix import Pix2Pix
from atme.models.regression import Regression
from atme.models.roles import Networks
from atme.models.translation import Arena, Step, TranslationModel

__all__ = ["Arena", "DenoisingGAN", "Networks", "Pix2Pix", "Regression", "Step", "TranslationModel"]
