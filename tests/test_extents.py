"""How large pictures are after transforms: known before a run, and every remedy that is named leads further."""

import random
import re
from collections.abc import Callable
from pathlib import Path

import albumentations as A
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atme.data import Augmentation, DataOptions
from atme.data.extents import sizes_after, smallest
from atme.data.views import compose
from atme.images import write_image
from atme.models.build import check_size
from atme.networks import UNet

SIZE = (20, 30)
EXACT: dict[str, tuple[Callable[[], A.BasicTransform | A.BaseCompose], set[tuple[int, int]]]] = {
    "flip": (lambda: A.HorizontalFlip(p=1), {SIZE}),
    "turns": (lambda: A.D4(p=1), {SIZE, (30, 20)}),
    "maybe turned": (lambda: A.Transpose(p=0.5), {SIZE, (30, 20)}),
    "padded": (lambda: A.Pad(3), {(26, 36)}),
    "maybe padded": (lambda: A.PadIfNeeded(25, 25, p=0.5), {SIZE, (25, 30)}),
    "never padded": (lambda: A.PadIfNeeded(25, 25, p=0), {SIZE}),
    "cropped": (lambda: A.RandomCrop(8, 9), {(8, 9)}),
    "one of two": (lambda: A.OneOf([A.RandomCrop(8, 9), A.Pad(1)], p=1), {(8, 9), (22, 32)}),
    "perhaps one of two": (lambda: A.OneOf([A.RandomCrop(8, 9), A.Pad(1)], p=0.5), {(8, 9), (22, 32), SIZE}),
    "one after the other": (lambda: A.Sequential([A.Pad(1), A.Transpose(p=1)], p=1), {(22, 32), (32, 22)}),
}


@pytest.mark.parametrize("name", EXACT)
def test_sizes_as_worked_out(name: str) -> None:
    make, expected = EXACT[name]
    assert sizes_after([make()], SIZE, name="a") == expected


@pytest.mark.parametrize("name", EXACT)
def test_what_is_drawn_has_one_of_these_sizes(name: str) -> None:
    make, expected = EXACT[name]
    moves, drawn = compose([make()]), set()
    for number in range(40):
        moves.set_random_state(np.random.default_rng(number), random.Random(number))
        drawn.add(moves(image=np.zeros((*SIZE, 3), np.uint8))["image"].shape[:2])
    assert drawn <= expected


def test_sizes_by_chance_are_tried() -> None:
    heights = {h for h, _ in sizes_after([A.RandomCropFromBorders(crop_top=0.4, crop_bottom=0.4)], SIZE, name="a")}
    assert min(heights) < 14
    assert len(sizes_after([A.Affine(rotate=(-45, 45), fit_output=True, p=1)], SIZE, name="a")) > 3


def test_transforms_are_left_as_they_were() -> None:
    transform = A.D4(p=0.3)
    sizes_after([transform], SIZE, name="a")
    assert transform.p == 0.3


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1))
@settings(deadline=None)
def test_the_smallest_are_below_all_others_and_not_below_each_other(sizes: list[tuple[int, int]]) -> None:
    least = smallest(sizes)
    assert all(any(h <= height and w <= width for h, w in least) for height, width in sizes)
    assert not any(a != b and a[0] <= b[0] and a[1] <= b[1] for a in least for b in least)


class TestRemedies:
    """Pictures lower than the crop, as in a public report: each way out that the message names is tried."""

    @pytest.fixture
    def low(self, tmp_path: Path) -> Path:
        for number, (height, width) in enumerate([(50, 200), (70, 90), (64, 64)]):
            for side in "AB":
                (tmp_path / f"train{side}").mkdir(exist_ok=True)
                picture = np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)
                write_image(tmp_path / f"train{side}/{number}.png", picture)
        return tmp_path

    def refused(self, options: DataOptions) -> str:
        with pytest.raises(ValueError, match="smaller than the crop of 64×64") as raised:
            options.open_train(seed=0)
        return str(raised.value)

    def sizes(self, options: DataOptions) -> set[tuple[int, ...]]:
        train, fixed = options.open_train(seed=0), options.open_fixed()
        return {tuple(data[index].source.shape[1:]) for data in (train, fixed) for index in range(3)}

    def test_a_smaller_crop(self, low: Path) -> None:
        message = self.refused(DataOptions(root=str(low), crop_size=64))
        assert "0.png: is loaded with 200×50 pixels" in message
        crop = numbers(message, "a crop_size (height, width) of at most")
        assert crop == (50, 64)
        assert self.sizes(DataOptions(root=str(low), crop_size=crop)) == {crop}

    def test_a_larger_load_size(self, low: Path) -> None:
        load = numbers(self.refused(DataOptions(root=str(low), crop_size=64)), "a load_size of at least")
        assert load == (64, 200)
        assert self.sizes(DataOptions(root=str(low), crop_size=64, load_size=load)) == {(64, 64)}

    @pytest.mark.parametrize("size", [64, 80])
    def test_padding(self, low: Path, size: int) -> None:
        pad = A.PadIfNeeded(size, size)
        assert "albumentations.PadIfNeeded" in self.refused(DataOptions(root=str(low), crop_size=64))
        assert self.sizes(DataOptions(root=str(low), crop_size=64, transforms=[pad])) == {(64, 64)}

    def test_padding_that_is_not_enough(self, low: Path) -> None:
        message = self.refused(DataOptions(root=str(low), crop_size=64, transforms=[A.PadIfNeeded(60, 60)]))
        assert "0.png: can come out of the transforms with 200×60 pixels" in message
        crop = numbers(message, "a crop_size (height, width) of at most")
        options = DataOptions(root=str(low), crop_size=crop, transforms=[A.PadIfNeeded(60, 60)])
        assert self.sizes(options) == {crop} == {(60, 64)}

    @pytest.mark.parametrize("transforms", [[A.PadIfNeeded(64, 64, p=0.9)], [A.OneOf([A.NoOp(), A.Pad(9)])]])
    def test_padding_that_may_be_left_out(self, low: Path, transforms: list[A.BasicTransform]) -> None:
        assert "0.png" in self.refused(DataOptions(root=str(low), crop_size=64, transforms=transforms))

    def test_all_that_are_too_small_are_named_at_once(self, low: Path) -> None:
        for side in "AB":
            write_image(low / f"train{side}/3.png", np.zeros((90, 20, 3), np.uint8))
        message = self.refused(DataOptions(root=str(low), crop_size=64))
        assert "0.png: is loaded with 200×50" in message
        assert "3.png: is loaded with 20×90" in message
        crop = numbers(message, "a crop_size (height, width) of at most")
        load = numbers(message, "a load_size of at least")
        assert self.sizes(DataOptions(root=str(low), crop_size=crop)) == {crop} == {(50, 20)}
        assert self.sizes(DataOptions(root=str(low), crop_size=64, load_size=load)) == {(64, 64)}

    def test_turning_what_is_not_high_enough(self, low: Path) -> None:
        options = DataOptions(root=str(low), crop_size=(50, 64), transforms=[A.RandomRotate90()])
        with pytest.raises(ValueError, match=r"0\.png: can come out of the transforms with 50×200 pixels"):
            options.open_train(seed=0)

    def test_a_crop_among_the_transforms(self, low: Path) -> None:
        options = DataOptions(root=str(low), transforms=[A.Crop(0, 0, 60, 60)])
        with pytest.raises(ValueError, match=r"0\.png: cannot be augmented \(.*\); change the transforms"):
            options.open_train(seed=0)

    def test_the_center_of_a_test_picture(self, low: Path) -> None:
        options = DataOptions(root=str(low), crop_size=64, test_split="train", test_view="center")
        with pytest.raises(ValueError, match=r"test_size\) of at least .*, or data\.test_view whole") as raised:
            options.open_test()
        size = numbers(str(raised.value), "a load_size (test_size) of at least")
        larger = DataOptions(root=str(low), crop_size=64, test_split="train", test_view="center", test_size=size)
        assert larger.open_test()[0].source.shape == (3, 64, 64)
        whole = DataOptions(root=str(low), crop_size=64, test_split="train", test_view="whole")
        assert whole.open_test()[0].source.shape == (3, 50, 200)

    @pytest.mark.parametrize("size", [(100, 70), (8, 71), (257, 8)])
    def test_samples_that_a_generator_cannot_halve(self, size: tuple[int, int]) -> None:
        generator = UNet(3, 3, dim=8, dim_mults=(1, 1, 1, 1), groups=4)
        with pytest.raises(ValueError, match=re.escape(f"samples of {list(size)} pixels")) as raised:
            check_size(generator, *size)
        crop = numbers(str(raised.value), "set it to")
        assert all(new <= old for new, old in zip(crop, size, strict=True))
        check_size(generator, *crop)

    def test_samples_smaller_than_the_stride(self) -> None:
        generator = UNet(3, 3, dim=8, dim_mults=(1, 1, 1, 1), groups=4)
        with pytest.raises(ValueError, match=r"set data\.load_size to") as raised:
            check_size(generator, 100, 7)
        check_size(generator, *numbers(str(raised.value), "set data.load_size to"))


def numbers(message: str, before: str) -> tuple[int, int]:
    """The size that a message names after some words."""
    found = re.search(re.escape(before) + r" \[(\d+), (\d+)\]", message)
    assert found, message
    return int(found[1]), int(found[2])


def test_the_check_is_of_all_sizes() -> None:
    augment = Augmentation(crop_size=16, transforms=[A.D4()])
    with pytest.raises(ValueError, match="small"):
        augment.check({(99, 99): "large", (17, 15): "small"})
