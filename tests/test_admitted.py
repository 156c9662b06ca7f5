"""Which transforms are admitted: each shows what its view says, or moves no pixel; all others are refused."""

import inspect
import random
from collections.abc import Callable
from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytest

from atme.data.admitted import COLORING, MOVING
from atme.data.augment import Augmentation

RESIZES = "makes other numbers or channels of pixels, or wants more than a picture"
MOVES = "moves pixels"
REFUSED = {
    A.ChromaticAberration: MOVES,
    A.Downscale: MOVES,
    A.Emboss: MOVES,
    A.GlassBlur: MOVES,
    A.MotionBlur: MOVES,
    A.ZoomBlur: MOVES,
    A.FDA: RESIZES,
    A.FromFloat: RESIZES,
    A.HistogramMatching: RESIZES,
    A.Normalize: RESIZES,
    A.PixelDistributionAdaptation: RESIZES,
    A.TextImage: RESIZES,
    A.ToFloat: RESIZES,
    A.ToRGB: RESIZES,
}
# What these do at one place depends on the whole picture, so that a dot leaves traces elsewhere; but equal pixels
# become equal ones.
POINTWISE = (A.AutoContrast, A.ColorJitter, A.Equalize, A.HueSaturationValue, A.Posterize, A.RandomSnow, A.Solarize)
LOCAL_CONTRAST = (A.CLAHE,)  # by histograms of tiles around each pixel
ADDS_TO_COUNTS = (A.ShotNoise,)  # another picture draws other noise everywhere
CENTERED = {
    "MotionBlur": A.MotionBlur(blur_limit=15, allow_shifted=False, direction_range=(0, 0), p=1),
    "Downscale": A.Downscale(
        (0.25, 0.25), interpolation_pair={"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR}, p=1
    ),
}


def every_image_only() -> list[type]:
    """All classes of albumentations that call themselves changes of the image alone."""
    found = [each for _, each in inspect.getmembers(A, inspect.isclass) if issubclass(each, A.ImageOnlyTransform)]
    return [each for each in found if each is not A.ImageOnlyTransform]


def displacement(transform: A.ImageOnlyTransform) -> float:
    """How many pixels the trace of a soft dot lies from the dot: the median over draws, the most of all channels."""
    y, x = np.mgrid[:96, :96]
    dot = np.exp(-((y - 70) ** 2 + (x - 24) ** 2) / 12.5)
    noise = np.random.default_rng(0).standard_normal((96, 96, 3)).astype(np.float32)
    ground = cv2.GaussianBlur(noise, (0, 0), 4)
    plain = np.uint8(70 + 90 * (ground - ground.min()) / np.ptp(ground))
    worst = 0.0
    for channel in range(3):
        dotted = plain.astype(float)
        dotted[..., channel] += 40 * dot
        moves = []
        for number in range(12):
            trace = applied(transform, np.uint8(dotted.round()), number) - applied(transform, plain, number)
            trace = (trace - np.median(trace, axis=(0, 1))).sum(axis=2)[52:89, 6:43]
            trace[np.abs(trace) < 0.15 * np.abs(trace).max()] = 0
            total = trace.sum()
            if abs(total) > max(0.3 * np.abs(trace).sum(), 200):
                moves.append([(trace * (at[52:89, 6:43] - center)).sum() / total for at, center in ((y, 70), (x, 24))])
        worst = max(worst, np.median(np.abs(moves), axis=0).max()) if moves else worst
    return float(worst)


def applied(transform: A.ImageOnlyTransform, picture: np.ndarray, number: int) -> np.ndarray:
    transform.set_random_state(np.random.default_rng(number), random.Random(number))
    return transform(image=picture.copy())["image"].astype(float)


def test_every_class_was_judged() -> None:
    assert set(every_image_only()) == set(COLORING) | REFUSED.keys()
    assert not set(COLORING) & REFUSED.keys()


@pytest.mark.parametrize("kind", [c for c in COLORING if c not in POINTWISE + LOCAL_CONTRAST + ADDS_TO_COUNTS])
def test_what_is_admitted_moves_nothing(kind: type) -> None:
    assert displacement(kind(p=1)) < 0.2


@pytest.mark.parametrize("name", CENTERED)
def test_what_is_admitted_under_settings_moves_nothing(name: str) -> None:
    assert displacement(CENTERED[name]) < 0.3
    Augmentation(source_transforms=[CENTERED[name]])


@pytest.mark.parametrize("kind", [A.Downscale, A.Emboss, A.GlassBlur, A.MotionBlur, A.ZoomBlur])
def test_what_is_refused_moves_indeed(kind: type) -> None:
    assert displacement(kind(p=1)) > 0.4


@pytest.mark.parametrize("kind", POINTWISE)
def test_equal_pixels_stay_equal(kind: type) -> None:
    chance = np.random.default_rng(0)
    place, values = chance.integers(0, 8, (32, 32)), chance.integers(0, 256, (8, 3)).astype(np.uint8)
    for number in range(6):
        out = applied(kind(p=1), values[place], number)
        assert all(len(np.unique(out[place == value], axis=0)) == 1 for value in range(8))


class Rolls(A.HorizontalFlip):
    """Its key points flip, its pixels roll."""

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        return np.roll(img, 5, axis=1)


class Tint(A.ImageOnlyTransform):
    """Nobody knows what it does."""

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        return img // 2


class VouchedTint(Tint):
    """Its author knows."""

    moves_no_pixel = True


class Heir(VouchedTint):
    """Its author says nothing."""


class Chosen(A.Sequential):
    """A choice that albumentations does not know."""


def roll(image: np.ndarray, **_: Any) -> np.ndarray:
    return np.roll(image, 5, axis=1)


LIARS: list[Callable[[], Any]] = [
    lambda: A.Lambda(image=roll, p=1),
    lambda: Rolls(p=1),
    lambda: Chosen([A.HorizontalFlip()]),
    lambda: A.SelectiveChannelTransform([A.HorizontalFlip(p=1)], channels=[0]),
    lambda: A.Compose([A.HorizontalFlip(p=1)]),
    lambda: A.Perspective(p=1),
]
WRAPPERS: list[Callable[[Any], Any]] = [
    lambda each: each,
    lambda each: A.OneOf([A.NoOp(), each]),
    lambda each: A.Sequential([A.SomeOf([each, A.D4()], n=1)]),
    lambda each: A.OneOrOther(A.D4(), each),
    lambda each: A.RandomOrder([each]),
]


@pytest.mark.parametrize("wrapped", WRAPPERS)
@pytest.mark.parametrize("liar", LIARS)
def test_moves_that_no_view_describes_are_refused(liar: Callable[[], Any], wrapped: Callable[[Any], Any]) -> None:
    with pytest.raises(ValueError, match=r"transforms: \w+ is none of those that turn, .*; remove it, or take one of"):
        Augmentation(transforms=[wrapped(liar())])


def test_the_names_in_the_message_are_admitted() -> None:
    with pytest.raises(ValueError, match="take one of") as raised:
        Augmentation(transforms=[A.Lambda(p=1)])
    names = str(raised.value).split("take one of ")[1].split(", ")
    assert {getattr(A, name) for name in names} == set(MOVING)


@pytest.mark.parametrize(
    "wrong", [*[k for k in REFUSED if k is not A.TextImage], Tint, Heir, A.CoarseDropout, A.Lambda]
)
def test_colors_that_move_or_may_move_are_refused(wrong: type) -> None:
    keys = {"FDA": "fda_metadata", "HistogramMatching": "hm_metadata", "PixelDistributionAdaptation": "pda_metadata"}
    key = keys.get(wrong.__name__)
    transform = wrong(**({"metadata_key": key} if key else {}), p=1)
    for wrapped in (transform, A.OneOf([A.InvertImg(), transform])):
        with pytest.raises(ValueError, match=rf"source_transforms: {wrong.__name__} .*(remove|give it)"):
            Augmentation(source_transforms=[wrapped])


def test_a_class_of_ones_own_may_vouch_for_itself() -> None:
    augment = Augmentation(flip=False, source_transforms=[VouchedTint(p=1)])
    picture = np.full((8, 8, 3), 100, np.uint8)
    assert augment.draw(picture, picture, seed=np.random.SeedSequence(0), name="a").source.max() == 50


def test_a_source_of_another_kind_is_refused() -> None:
    picture = np.full((8, 8, 3), 100, np.uint8)
    augment = Augmentation(source_transforms=[A.ToGray(num_output_channels=1, p=1)])
    with pytest.raises(ValueError, match=r"tile: source_transforms turned it from \(8, 8, 3\) uint8 to \(8, 8\)"):
        augment.draw(picture, picture, seed=np.random.SeedSequence(0), name="tile")
