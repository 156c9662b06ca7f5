"""The networks: generators, the discriminator, W, and their first weights."""

from atme.networks.encoder import Encoder
from atme.networks.initialize import initialize
from atme.networks.patchgan import PatchGAN
from atme.networks.pix2pix import Pix2PixResNet, Pix2PixUNet
from atme.networks.pretrained_unet import PretrainedUNet
from atme.networks.projected import ProjectedDiscriminator
from atme.networks.unet import UNet
from atme.networks.wnet import WNet

__all__ = [
    "Encoder",
    "PatchGAN",
    "Pix2PixResNet",
    "Pix2PixUNet",
    "PretrainedUNet",
    "ProjectedDiscriminator",
    "UNet",
    "WNet",
    "initialize",
]
