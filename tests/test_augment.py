"""The same view for both halves, drawn from the seed alone, and shown truly by its matrix."""

import random
from collections.abc import Callable
from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from atme.data.augment import Augmentation, TestView
from atme.data.views import Viewed, compose, move
from atme.images import to_tensor

MIRROR = cv2.BORDER_REFLECT_101
MOVING: dict[str, Callable[[], A.DualTransform]] = {
    "NoOp": lambda: A.NoOp(),
    "HorizontalFlip": lambda: A.HorizontalFlip(p=1),
    "VerticalFlip": lambda: A.VerticalFlip(p=1),
    "Transpose": lambda: A.Transpose(p=1),
    "D4": lambda: A.D4(p=1),
    "SquareSymmetry": lambda: A.SquareSymmetry(p=1),
    "RandomRotate90": lambda: A.RandomRotate90(p=1),
    "Crop": lambda: A.Crop(3, 5, 40, 33),
    "CenterCrop": lambda: A.CenterCrop(20, 31),
    "RandomCrop": lambda: A.RandomCrop(20, 31),
    "RandomCropFromBorders": lambda: A.RandomCropFromBorders(p=1),
    "Pad": lambda: A.Pad(7),
    "PadIfNeeded": lambda: A.PadIfNeeded(90, 90),
    "Rotate": lambda: A.Rotate(40, p=1),
    "SafeRotate": lambda: A.SafeRotate(40, p=1),
    "Affine": lambda: A.Affine((0.7, 1.4), (-0.1, 0.1), rotate=(-20, 20), shear=5, p=1),
    "Affine, all seen": lambda: A.Affine((0.7, 1.4), rotate=(-20, 20), fit_output=True, p=1),
}
MOVING |= {
    "Rotate, without border": lambda: A.Rotate(30, crop_border=True, p=1),
    "Rotate, mirrored": lambda: A.Rotate(30, border_mode=MIRROR, p=1),
    "SafeRotate, mirrored": lambda: A.SafeRotate(30, border_mode=cv2.BORDER_REFLECT, p=1),
    "Affine, mirrored": lambda: A.Affine((0.6, 0.8), shear=(-9, 9), border_mode=MIRROR, p=1),
    "Affine, repeated": lambda: A.Affine((0.6, 0.8), border_mode=cv2.BORDER_WRAP, p=1),
    "Affine, sides apart": lambda: A.Affine({"x": (0.8, 1.2), "y": (0.8, 1.2)}, translate_px=(-9, 9), p=1),
    "Pad, mirrored": lambda: A.Pad((3, 4, 5, 6), border_mode=MIRROR),
    "PadIfNeeded, anywhere": lambda: A.PadIfNeeded(90, 91, position="random"),
    "PadIfNeeded, mirrored": lambda: A.PadIfNeeded(90, 91, border_mode=MIRROR),
    "PadIfNeeded, multiples": lambda: A.PadIfNeeded(None, None, pad_height_divisor=32, pad_width_divisor=32),
    "Crop, padded": lambda: A.Crop(3, 5, 80, 70, pad_if_needed=True),
    "CenterCrop, padded": lambda: A.CenterCrop(61, 71, pad_if_needed=True, pad_position="random"),
    "RandomCrop, mirrored": lambda: A.RandomCrop(61, 50, pad_if_needed=True, border_mode=MIRROR),
    "Choice, mirrored": lambda: A.OneOf([A.Pad(4, border_mode=MIRROR), A.Rotate(9, border_mode=MIRROR, p=1)], p=1),
}
INTERPOLATING = tuple(
    name for name in MOVING if name.startswith(("Rotate", "SafeRotate")) or "Affine" in name or "Choice" in name
)


def smooth(height: int, width: int, channels: int = 3) -> np.ndarray:
    """A picture without sharp edges, so that interpolating it is harmless."""
    noise = np.random.default_rng(0).standard_normal((height, width, channels)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 5).reshape(height, width, channels)
    return np.uint8(255 * (blurred - blurred.min()) / np.ptp(blurred))


def rough(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, True)


def seed(*numbers: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(numbers)


def looked_up(picture: np.ndarray, view: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """What a view of this size sees of the whole picture, and where it sees anything of it."""
    grid = F.affine_grid(view[None], [1, 1, *size], align_corners=False)
    seen = F.grid_sample(to_tensor(picture)[None], grid, mode="bilinear", align_corners=False)[0]
    return seen, (grid[0].abs() < 0.95).all(dim=-1)


def difference(picture: np.ndarray, shown: np.ndarray, view: Tensor) -> float:
    """Mean difference, in gray values, between what is shown and what the view says is shown."""
    seen, inside = looked_up(picture, view, shown.shape[:2])
    assert inside.sum() > 100
    return float((seen - to_tensor(shown)).abs()[:, inside].mean() * 127.5)


class TestViews:
    @pytest.mark.parametrize("name", MOVING)
    @pytest.mark.parametrize("draw", range(8))
    def test_the_matrix_says_what_is_shown(self, name: str, draw: int) -> None:
        picture = smooth(48, 60) if name in INTERPOLATING else rough(48, 60)
        viewed = Augmentation(flip=True, transforms=[MOVING[name]()]).draw(picture, picture, seed=seed(draw), name="a")
        assert difference(picture, viewed.source, viewed.view) < (1 if name in INTERPOLATING else 1e-3)

    @pytest.mark.parametrize("name", MOVING)
    def test_half_a_pixel_off_is_seen(self, name: str) -> None:
        picture = smooth(48, 60) if name in INTERPOLATING else rough(48, 60)
        viewed = Augmentation(transforms=[MOVING[name]()]).draw(picture, picture, seed=seed(3), name="a")
        off = viewed.view.clone()
        off[:, 2] += torch.tensor([1 / 60, 1 / 48])  # half a pixel of [-1, 1]
        assert difference(picture, viewed.source, off) > 1

    @pytest.mark.parametrize("refused", [A.Resize(96, 120), A.RandomScale((1, 1), p=1)])
    def test_why_resizing_is_refused(self, refused: A.DualTransform) -> None:
        picture = smooth(48, 60)
        viewed = move(compose([refused]), picture, picture, name="a")
        assert difference(picture, viewed.source, viewed.view) > 1

    @settings(max_examples=60, deadline=None)
    @given(
        size=st.tuples(st.integers(16, 40), st.integers(16, 40)),
        crop=st.tuples(st.integers(11, 16), st.integers(11, 16)),
        number=st.integers(0, 2**40),
    )
    def test_crop_and_flip_for_all_sizes(self, size: tuple[int, int], crop: tuple[int, int], number: int) -> None:
        picture = rough(*size)
        viewed = Augmentation(crop_size=crop).draw(picture, picture, seed=seed(number), name="a")
        seen, _ = looked_up(picture, viewed.view, crop)
        assert viewed.source.shape == (*crop, 3)
        assert torch.allclose(seen, to_tensor(viewed.source), atol=1e-4)

    @pytest.mark.parametrize("channels", [(1, 3), (3, 4), (4, 1)])
    @pytest.mark.parametrize("dtypes", [(np.uint8, np.uint16), (np.uint16, np.uint8)])
    @pytest.mark.parametrize("name", MOVING)
    def test_halves_of_any_kind_move_alike(
        self, name: str, channels: tuple[int, int], dtypes: tuple[type, type]
    ) -> None:
        places = np.arange(48 * 60, dtype=np.uint16).reshape(48, 60, 1) // 12
        source, target = (np.repeat(places, c, axis=2).astype(d) for c, d in zip(channels, dtypes, strict=True))
        augment = Augmentation(crop_size=(19, 30), transforms=[MOVING[name]()])
        viewed = augment.draw(source, target, seed=seed(5), name="a")
        assert (viewed.source.dtype, viewed.target.dtype) == dtypes
        assert (viewed.source.shape, viewed.target.shape) == ((19, 30, channels[0]), (19, 30, channels[1]))
        assert np.abs(viewed.source[..., :1].astype(int) - viewed.target[..., :1]).max() <= 1

    @pytest.mark.parametrize("draw", range(4))
    def test_a_name_that_albumentations_warns_of(self, draw: int) -> None:
        with pytest.warns(UserWarning, match="ShiftScaleRotate is a special case of Affine"):
            transform = A.ShiftScaleRotate(border_mode=MIRROR, p=1)
        picture = smooth(48, 60)
        viewed = Augmentation(transforms=[transform]).draw(picture, picture, seed=seed(draw), name="a")
        assert difference(picture, viewed.source, viewed.view) < 1

    def test_the_whole_picture_is_the_identity(self) -> None:
        view = TestView().draw(rough(20, 30), rough(20, 30), seed=seed(0), name="a").view
        assert torch.equal(view, torch.eye(2, 3))
        assert view.dtype == torch.float32

    def test_the_center_as_worked_out(self) -> None:
        viewed = TestView(crop_size=(10, 20)).draw(rough(20, 30), rough(20, 30), seed=seed(0), name="a")
        assert np.array_equal(viewed.source, rough(20, 30)[5:15, 5:25])
        assert torch.allclose(viewed.view, torch.tensor([[2 / 3, 0, 0], [0, 1 / 2, 0]]))

    def test_a_mirrored_picture_as_worked_out(self) -> None:
        augment = Augmentation(flip=False, transforms=[A.HorizontalFlip(p=1)])
        viewed = augment.draw(rough(20, 30), rough(20, 30), seed=seed(0), name="a")
        assert np.array_equal(viewed.source, rough(20, 30)[:, ::-1])
        assert torch.equal(viewed.view, torch.tensor([[-1.0, 0, 0], [0, 1, 0]]))


class TestChance:
    @staticmethod
    def augment() -> Augmentation:
        return Augmentation(crop_size=16, transforms=[A.D4()], source_transforms=[A.ColorJitter(p=1)])

    def draw(self, *numbers: int) -> Viewed:
        return self.augment().draw(rough(24, 30), rough(24, 30), seed=seed(*numbers), name="a")

    def test_depends_on_the_seed_alone(self) -> None:
        augment = self.augment()
        for numbers in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (0, 1, 2)]:
            again = augment.draw(rough(24, 30), rough(24, 30), seed=seed(*numbers), name="a")
            first = self.draw(*numbers)
            assert np.array_equal(first.source, again.source)
            assert np.array_equal(first.target, again.target)
            assert torch.equal(first.view, again.view)

    def test_every_seed_draws_anew(self) -> None:
        views = {tuple(self.draw(i).view.flatten().tolist()) for i in range(60)}
        assert len(views) > 50

    def test_leaves_the_global_generators_alone(self) -> None:
        before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        self.draw(3)
        assert before == (
            random.getstate(),
            np.random.get_state()[1].tolist(),
            torch.get_rng_state().tolist(),
        )

    def test_flip_and_place_are_independent(self) -> None:
        augment = Augmentation(crop_size=16)
        assert abs(_correlation(lambda i: augment.draw(*[rough(48, 16)] * 2, seed=seed(i), name="a").view)) < 0.15

    def test_with_one_seed_for_each_transform_they_would_not_be(self) -> None:
        moves = compose([A.RandomCrop(16, 16), A.HorizontalFlip(p=0.5)])

        def view(number: int) -> Tensor:
            moves.set_random_seed(number)
            return move(moves, rough(48, 16), rough(48, 16), name="a").view

        assert abs(_correlation(view)) > 0.5

    def test_flips_half_of_the_time_and_reaches_all_places(self) -> None:
        augment = Augmentation(crop_size=4)
        views = [augment.draw(*[rough(6, 6)] * 2, seed=seed(i), name="a").view for i in range(400)]
        flips = sum(bool(view[0, 0] < 0) for view in views)
        assert 160 < flips < 240
        assert len({tuple(view[:, 2].tolist()) for view in views}) == 9

    def test_without_flip(self) -> None:
        augment = Augmentation(crop_size=4, flip=False)
        assert all(augment.draw(*[rough(6, 6)] * 2, seed=seed(i), name="a").view[0, 0] > 0 for i in range(50))

    def test_colors_of_the_source_only(self) -> None:
        picture = rough(24, 30)
        viewed = Augmentation(flip=False, source_transforms=[A.InvertImg(p=1)]).draw(
            picture, picture, seed=seed(0), name="a"
        )
        assert np.array_equal(viewed.source, 255 - picture)
        assert np.array_equal(viewed.target, picture)


class TestLoading:
    def test_enlarging_is_bicubic(self) -> None:
        picture = rough(20, 30)
        loaded = Augmentation(load_size=(40, 33)).sizes.load(picture)
        assert np.array_equal(loaded, cv2.resize(picture, (33, 40), interpolation=cv2.INTER_CUBIC))

    def test_shrinking_averages(self) -> None:
        picture = rough(20, 30)
        expected = picture.reshape(10, 2, 10, 3, 3).astype(float).mean(axis=(1, 3))
        assert np.abs(Augmentation(load_size=10).sizes.load(picture) - expected).max() <= 0.51

    @pytest.mark.parametrize("channels", [1, 3, 4])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_any_kind(self, channels: int, dtype: type) -> None:
        loaded = TestView(load_size=(12, 9)).sizes.load(rough(20, 30, channels, dtype))
        assert loaded.shape == (12, 9, channels)
        assert loaded.dtype == dtype

    def test_no_size_keeps_it(self) -> None:
        picture = rough(20, 30)
        assert TestView().sizes.load(picture) is picture
        assert TestView(load_size=(20, 30)).sizes.load(picture) is picture

    def test_does_not_change_the_view(self) -> None:
        picture = smooth(48, 60)
        augment = Augmentation(load_size=(96, 120), crop_size=(50, 60))
        loaded = augment.sizes.load(picture)
        viewed = augment.draw(loaded, loaded, seed=seed(2), name="a")
        assert difference(picture, viewed.source, viewed.view) < 1


class TestErrors:
    @pytest.mark.parametrize("make", [Augmentation, TestView])
    def test_a_crop_that_does_not_fit(self, make: Callable[..., Augmentation | TestView]) -> None:
        with pytest.raises(ValueError, match=r"a\.jpg: is loaded with 20×30 pixels, smaller .* 31×8 pix.*; choose"):
            make(crop_size=(8, 31)).check({(30, 20): "a.jpg"})
        with pytest.raises(ValueError, match=r"a\.jpg: is loaded with 8×8 pixels"):
            make(load_size=8, crop_size=16).check({(30, 20): "a.jpg"})
        make(load_size=32, crop_size=32).check({(30, 20): "a.jpg"})
        make().check({(1, 1): "a.jpg"})

    @pytest.mark.parametrize("make", [Augmentation, TestView])
    @pytest.mark.parametrize("size", [0, -3, (0, 4), (4, 0)])
    def test_no_size(self, make: Callable[..., Augmentation | TestView], size: int | tuple[int, int]) -> None:
        with pytest.raises(ValueError, match=r"load_size: .* no size"):
            make(load_size=size)
        with pytest.raises(ValueError, match=r"crop_size: .* no size"):
            make(crop_size=size)

    @pytest.mark.parametrize(
        "wrong", [A.Resize(8, 8), A.ElasticTransform(), A.RandomResizedCrop((8, 8)), A.InvertImg()]
    )
    def test_transforms_that_do_not_only_move(self, wrong: A.BasicTransform) -> None:
        name = type(wrong).__name__
        for transforms in ([A.D4(), wrong], [A.OneOf([A.NoOp(), A.Sequential([wrong])])]):
            with pytest.raises(ValueError, match=rf"transforms: {name} is none of those .*; remove"):
                Augmentation(transforms=transforms)

    def test_a_choice_of_transforms_is_fine(self) -> None:
        augment = Augmentation(transforms=[A.OneOf([A.VerticalFlip(), A.SomeOf([A.D4(), A.Transpose()], n=1)])])
        picture = rough(20, 20)
        viewed = augment.draw(picture, picture, seed=seed(1), name="a")
        assert difference(picture, viewed.source, viewed.view) < 1e-3

    def test_source_transforms_that_move(self) -> None:
        with pytest.raises(ValueError, match="source_transforms: D4 is none of those that change colors"):
            Augmentation(source_transforms=[A.D4()])

    @pytest.mark.parametrize(
        ("options", "channels"),
        [
            ({"transforms": [A.Crop(0, 0, 99, 99)]}, 3),
            ({"transforms": [A.Crop(0, 0, 4, 4)], "crop_size": 8}, 3),
            ({"source_transforms": [A.HueSaturationValue(p=1)]}, 4),
        ],
    )
    def test_a_transform_that_cannot_be_applied(self, options: dict[str, Any], channels: int) -> None:
        picture = rough(16, 16, channels)
        with pytest.raises(ValueError, match=r"tile: cannot be augmented \(.*\); change"):
            Augmentation(**options).draw(picture, picture, seed=seed(0), name="tile")

    def test_in_words(self) -> None:
        assert TestView().in_words == "whole"
        assert TestView(load_size=(20, 30), crop_size=8).in_words == (
            "resized to 30×20 pixels, center crop of 8×8 pixels"
        )
        assert Augmentation(crop_size=8).in_words == "random crop of 8×8 pixels"


def _correlation(view: Callable[[int], Tensor]) -> float:
    """Between whether a sample is mirrored and how far down it was cut out."""
    views = torch.stack([view(number) for number in range(300)])
    return float(torch.corrcoef(torch.stack([views[:, 0, 0], views[:, 1, 2]]))[0, 1])
