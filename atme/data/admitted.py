"""Which transforms of albumentations are admitted, by type: every one of these is tested to do what it must.

A pair's view (`views.py`) says where its pixels come from, and a memory of verdicts is moved by it. A transform that
moves pixels in another way than its key points, or moves one half alone, makes that untrue without any sign of it.
So a type is admitted because it was tried, never because of what it inherits from: ``A.Lambda`` is an ``A.NoOp``.
"""

from collections.abc import Sequence

import albumentations as A
import cv2

from atme import require
from atme.data.views import Transform

_CHOICES = (A.OneOf, A.OneOrOther, A.RandomOrder, A.Sequential, A.SomeOf)

MOVING: tuple[type, ...] = (A.NoOp, A.HorizontalFlip, A.VerticalFlip, A.Transpose, A.D4, A.SquareSymmetry)
MOVING += (A.RandomRotate90, A.Rotate, A.SafeRotate, A.Affine, A.ShiftScaleRotate, A.Pad, A.PadIfNeeded)
MOVING += (A.Crop, A.CenterCrop, A.RandomCrop, A.RandomCropFromBorders)
"""What may move both halves: each shows what its view says."""

COLORING: tuple[type, ...] = (A.AdditiveNoise, A.AdvancedBlur, A.AutoContrast, A.Blur, A.CLAHE, A.ChannelDropout)
COLORING += (A.ChannelShuffle, A.ColorJitter, A.Defocus, A.Equalize, A.FancyPCA, A.GaussNoise, A.GaussianBlur)
COLORING += (A.HEStain, A.HueSaturationValue, A.ISONoise, A.Illumination, A.ImageCompression, A.InvertImg)
COLORING += (A.MedianBlur, A.MultiplicativeNoise, A.PlanckianJitter, A.PlasmaBrightnessContrast, A.PlasmaShadow)
COLORING += (A.Posterize, A.RGBShift, A.RandomBrightnessContrast, A.RandomFog, A.RandomGamma, A.RandomGravel)
COLORING += (A.RandomRain, A.RandomShadow, A.RandomSnow, A.RandomSunFlare, A.RandomToneCurve, A.RingingOvershoot)
COLORING += (A.SaltAndPepper, A.Sharpen, A.ShotNoise, A.Solarize, A.Spatter, A.Superpixels, A.ToGray, A.ToSepia)
COLORING += (A.UnsharpMask,)
"""What may change the source: each leaves every pixel in its place.

Not among them are ``Emboss``, ``GlassBlur``, ``ZoomBlur`` and ``ChromaticAberration``, which move pixels; those that
make numbers of another kind of them (``Normalize``, ``ToFloat``, ``FromFloat``) or other channels (``ToRGB``); and
those that want more than a picture (``FDA``, ``HistogramMatching``, ``PixelDistributionAdaptation``, ``TextImage``)."""


def require_moves(transforms: Sequence[Transform]) -> None:
    """Whether all of them, also those within a choice such as ``A.OneOf``, move a picture as their views say.

    Raises:
        ValueError: naming the first that does not, and what may stand in its place.
    """
    for transform in _leaves(transforms, "transforms"):
        if type(transform) not in MOVING:
            raise ValueError(
                f"transforms: {_name(transform)} is none of those that turn, mirror, shift, zoom or crop as their "
                f"view says; remove it, or take one of {_names(MOVING)}"
            )


def require_colors(transforms: Sequence[Transform]) -> None:
    """Whether all of them, also those within a choice, leave the pixels in their places.

    ``A.MotionBlur`` and ``A.Downscale`` do under some settings, not under their defaults. A class of your own does if
    it says so itself, by ``moves_no_pixel = True`` in its body.

    Raises:
        ValueError: naming the first that does not, and what to do.
    """
    for transform in _leaves(transforms, "source_transforms"):
        if type(transform) is A.MotionBlur:
            if transform.allow_shifted or tuple(transform.direction_range) != (0, 0):
                still = "allow_shifted: false and direction_range: [0, 0]"
                raise ValueError(f"source_transforms: MotionBlur shifts the source; give it {still}")
        elif type(transform) is A.Downscale:
            if cv2.INTER_NEAREST in transform.interpolation_pair.values():
                centered = "interpolation_pair: {downscale: 3, upscale: 1}, which averages"
                raise ValueError(f"source_transforms: Downscale by nearest pixels shifts them; give it {centered}")
        elif type(transform) not in COLORING and not _vouched_for(transform):
            raise ValueError(
                f"source_transforms: {_name(transform)} is none of those that change colors and move no pixel; remove "
                "it, or take another, such as ColorJitter (a class of your own may say moves_no_pixel = True)"
            )


def _leaves(transforms: Sequence[Transform], where: str) -> list[Transform]:
    """All transforms, those within choices instead of the choices."""
    if not isinstance(transforms, list | tuple):
        raise ValueError(f"{where}: {require.shown(transforms)} is no list; give one of transforms of albumentations")
    leaves: list[Transform] = []
    for transform in transforms:
        within = type(transform) in _CHOICES
        leaves += _leaves(transform.transforms, where) if within else [transform]
    return leaves


def _vouched_for(transform: Transform) -> bool:
    """Whether the class itself, and not one that it inherits from, says that it moves nothing."""
    return isinstance(transform, A.ImageOnlyTransform) and bool(vars(type(transform)).get("moves_no_pixel"))


def _name(transform: object) -> str:
    return type(transform).__name__


def _names(types: tuple[type, ...]) -> str:
    return ", ".join(sorted(each.__name__ for each in types))
