"""What is cut on the device: drawn from the seed alone, warped as its view says, the same alone and in any batch."""

import pickle
import re
from pathlib import Path
from typing import Any

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.augmentation import RandomHorizontalFlip
from kornia.geometry.conversions import normalize_homography

from atme.data import Batches, DataOptions, DeviceAugmentation, PairedImages, loader
from atme.data.device import Uncut
from atme.data.pair import Pair, square
from atme.images import centered, to_tensor, write_image
from atme.noise.memory import move

SCALED = {"crop_scale": (0.3, 0.9), "crop_ratio": (0.8, 1.25)}


def smooth(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((height, width, channels)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 5).reshape(height, width, channels)
    return (np.iinfo(dtype).max * (blurred - blurred.min()) / np.ptp(blurred)).astype(dtype)


def rough(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (height, width, channels), dtype, True)


def drawn(augment: DeviceAugmentation, picture: np.ndarray, number: int, *, target: np.ndarray | None = None) -> Pair:
    target = picture if target is None else target
    return augment.draw(picture, target, seed=np.random.SeedSequence(number), name="a").alone()


def looked_up(picture: np.ndarray, pair: Pair, how: str = "bilinear") -> torch.Tensor:
    """What the view sees of the whole picture: (C, h, w)."""
    grid = F.affine_grid(pair.view[None], [1, 1, *pair.source.shape[1:]], align_corners=False)
    whole = to_tensor(picture)[None]
    return F.grid_sample(whole, grid, mode=how, padding_mode="border", align_corners=False)[0]


class TestViews:
    @settings(max_examples=60, deadline=None)
    @given(
        size=st.tuples(st.integers(16, 40), st.integers(16, 40)),
        crop=st.tuples(st.integers(3, 16), st.integers(3, 16)),
        number=st.integers(0, 2**40),
    )
    def test_a_plain_crop_is_made_of_pixels(self, size: tuple[int, int], crop: tuple[int, int], number: int) -> None:
        picture = rough(*size)
        pair = drawn(DeviceAugmentation(crop_size=crop), picture, number)
        x, y = (round(((pair.view[i, 2] - pair.view[i, i].abs() + 1) / 2 * size[1 - i]).item()) for i in (0, 1))
        cut = picture[y : y + crop[0], x : x + crop[1]]
        expected = to_tensor(cut[:, ::-1] if pair.view[0, 0] < 0 else cut)
        assert torch.allclose(pair.source, expected, atol=1e-4)

    @pytest.mark.parametrize("number", range(12))
    def test_the_matrix_says_what_is_shown(self, number: int) -> None:
        picture = smooth(48, 60)
        pair = drawn(DeviceAugmentation(crop_size=(24, 30), **SCALED), picture, number)
        assert (looked_up(picture, pair) - pair.source).abs().mean() * 127.5 < 1.5

    @pytest.mark.parametrize("number", range(4))
    def test_half_a_pixel_off_is_seen(self, number: int) -> None:
        picture = rough(48, 60)
        augment = DeviceAugmentation(crop_size=(48, 60), crop_scale=(0.5, 0.5), interpolation=("bilinear", "nearest"))
        pair = drawn(augment, picture, number)
        assert (looked_up(picture, pair) - pair.source).abs().max() < 1e-3  # enlarged: nothing is blurred
        assert (looked_up(picture, pair, "nearest") - pair.target).abs().gt(1e-4).float().mean() < 1e-3
        pair.view[:, 2] += torch.tensor([1 / 60, 1 / 48])
        assert (looked_up(picture, pair) - pair.source).abs().mean() > 0.1

    @pytest.mark.parametrize("number", range(6))
    def test_with_transforms_in_the_workers(self, number: int) -> None:
        picture = smooth(48, 48)
        augment = DeviceAugmentation(crop_size=24, transforms=[A.D4(), A.Pad(5)], **SCALED)
        pair = drawn(augment, picture, number)
        grid = F.affine_grid(pair.view[None], [1, 1, 24, 24], align_corners=False)[0]
        inside = (grid.abs() < 0.8).all(dim=-1)
        assert (looked_up(picture, pair) - pair.source).abs()[:, inside].mean() * 127.5 < 1.5

    @pytest.mark.parametrize("number", range(8))
    def test_as_kornia_counts(self, number: int) -> None:
        """Explicit parameters for kornia's own transforms, and its homography in normalized coordinates, inverted."""
        augment, picture = DeviceAugmentation(crop_size=(24, 30), crop_scale=(0.3, 0.9)), smooth(48, 60)
        view = drawn(augment, picture, number).view.double()
        left, top = ((view[i, 2] - view[i, i].abs() + 1) / 2 * (60, 48)[i] - 0.5 for i in (0, 1))
        wide, high = (view[i, i].abs() * (60, 48)[i] for i in (0, 1))
        box = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]]).double()
        src = torch.tensor([left, top]) + box * torch.tensor([wide, high])
        dst = box * torch.tensor([30.0, 24.0]) - 0.5
        matrix = homography(src, dst)
        if view[0, 0] < 0:
            flip = RandomHorizontalFlip(p=1.0)
            flip(torch.zeros(1, 1, 24, 30))
            matrix = flip.transform_matrix.double() @ matrix
        normalized = normalize_homography(matrix, (48, 60), (24, 30), align_corners=False)
        assert torch.allclose(torch.linalg.inv(normalized)[0, :2], view, atol=2e-6)

    def test_smaller_pictures_keep_their_means(self) -> None:
        """Stripes finer than the sample's pixels are blurred into gray, not turned into broader stripes."""
        picture = np.repeat(np.arange(96)[None, :, None] % 2 * 255, 96, axis=0).astype(np.uint8)
        augment = DeviceAugmentation(crop_size=32, crop_scale=(0.8, 1.0), interpolation=("bilinear", "nearest"))
        for number in range(6):
            pair = drawn(augment, picture, number)
            assert pair.source.std() < 0.1
            assert set(pair.target.unique().tolist()) <= {-1.0, 1.0}


def homography(src: torch.Tensor, dst: torch.Tensor) -> torch.Tensor:
    scale = (dst[2] - dst[0]) / (src[2] - src[0])
    matrix = torch.diag(torch.cat([scale, torch.ones(1)])).double()
    matrix[:2, 2] = dst[0] - scale * src[0]
    return matrix[None]


class TestChance:
    augment = DeviceAugmentation(crop_size=(12, 18), crop_scale=(0.25, 0.8), crop_ratio=(0.5, 2.0))

    def views(self, count: int, augment: DeviceAugmentation | None = None) -> torch.Tensor:
        picture = rough(48, 60)
        seeds = (np.random.SeedSequence(number) for number in range(count))
        return torch.stack([(augment or self.augment).draw(picture, picture, seed=s, name="a").view for s in seeds])

    def test_shares_and_shapes_are_those_asked_for(self) -> None:
        views = self.views(300)
        wide, high = views[:, 0, 0].abs() * 60, views[:, 1, 1] * 48
        area, ratio = wide * high / (48 * 60), wide / high / (18 / 12)
        fitted = ((wide - 60).abs() < 1e-3) | ((high - 48).abs() < 1e-3)  # these were shrunk until they fit
        assert area.max() < 0.8001
        assert area[~fitted].min() > 0.2499
        assert 0.4999 < ratio.min() < 0.6
        assert 1.7 < ratio.max() < 2.001
        assert fitted.sum() < 150

    def test_nothing_outside_is_seen(self) -> None:
        views = self.views(300)
        for axis in (0, 1):
            assert (views[:, axis, axis].abs() + views[:, axis, 2].abs()).max() < 1 + 1e-6

    def test_flips_half_of_the_time_anywhere(self) -> None:
        views = self.views(400)
        flips = (views[:, 0, 0] < 0).float()
        assert 160 < flips.sum() < 240
        assert abs(torch.corrcoef(torch.stack([flips, views[:, 1, 2]]))[0, 1]) < 0.15
        assert (self.views(50, DeviceAugmentation(crop_size=8, flip=False))[:, 0, 0] > 0).all()

    def test_plain_crops_reach_all_places(self) -> None:
        picture = rough(6, 6)
        augment = DeviceAugmentation(crop_size=4, flip=False)
        assert len({tuple(drawn(augment, picture, n).view[:, 2].tolist()) for n in range(300)}) == 9

    def test_the_crop_does_not_follow_from_the_transforms(self) -> None:
        augment = DeviceAugmentation(crop_size=12, flip=False, transforms=[A.VerticalFlip(p=0.5)])
        views = self.views(300, augment)
        up = (views[:, 1, 1] < 0).float()
        place = views[:, 1, 2] * torch.where(up > 0, -1, 1)
        assert abs(torch.corrcoef(torch.stack([up, place]))[0, 1]) < 0.15


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Gray sources of 16 bits, targets in a few colors."""
    colors = np.random.default_rng(5).integers(0, 255, (4, 3), np.uint8)
    for side in "AB":
        (tmp_path / f"train{side}").mkdir()
    for number in range(9):
        write_image(tmp_path / f"trainA/{number}.png", smooth(40, 50, 1, np.uint16) - number)
        write_image(tmp_path / f"trainB/{number}.png", colors[np.random.default_rng(number).integers(0, 4, (40, 50))])
    return tmp_path


def opened(root: Path, **options: Any) -> PairedImages:
    settings: dict[str, Any] = {"augment_on": "device", "load_size": (36, 44), "crop_size": (24, 32)}
    return DataOptions(root=str(root), **settings | options).open_train(seed=3)


def same(a: Pair, b: Pair) -> bool:
    return a.name == b.name and all(torch.equal(getattr(a, n), getattr(b, n)) for n in ("source", "target", "view"))


class TestBatches:
    @pytest.mark.parametrize("options", [{}, SCALED, {"source_interpolation": "bicubic"}, {"crop_size": None}])
    def test_a_batch_is_what_its_samples_are(self, root: Path, options: dict[str, Any]) -> None:
        train = opened(root, **options)
        for batch in loader(train, Batches(9, batch_size=4, epochs=2)):
            pair = batch.to("cpu")
            for row, index in enumerate(pair.index.tolist()):
                epoch = 0 if torch.equal(pair.view[row], train[0, index].view) else 1
                alone = train[epoch, index]
                assert torch.equal(pair.source[row], alone.source)
                assert torch.equal(pair.target[row], alone.target)
                assert torch.equal(pair.view[row], alone.view)

    def test_two_processes_make_the_samples_of_one(self, root: Path) -> None:
        train = opened(root, **SCALED)
        seen = {}
        for rank in (0, 1):
            for batch in loader(train, Batches(9, batch_size=2, epochs=1, rank=rank, world=2)):
                pair = batch.to("cpu")
                seen |= {i: pair.source[row] for row, i in enumerate(pair.index.tolist())}
        assert seen.keys() == set(range(9))
        assert all(torch.equal(source, train[0, index].source) for index, source in seen.items())

    def test_going_on_is_exact(self, root: Path) -> None:
        train = opened(root, **SCALED)
        whole = [b.to("cpu") for b in loader(train, Batches(9, batch_size=3, epochs=2))]
        rest = [b.to("cpu") for b in loader(opened(root, **SCALED), Batches(9, batch_size=3, epochs=2, start_step=4))]
        assert len(rest) == 2
        assert all(same(a, b) for a, b in zip(whole[4:], rest, strict=True))

    def test_with_workers_and_a_cache(self, root: Path) -> None:
        plain, kept = opened(root, **SCALED), opened(root, cache="ram", **SCALED)
        batches = Batches(9, batch_size=3, epochs=1)
        for a, b in zip(loader(plain, batches), loader(kept, batches, workers=1), strict=True):
            assert isinstance(b, Uncut)
            assert same(a.to("cpu"), b.to("cpu"))

    def test_global_generators_are_left_alone(self, root: Path) -> None:
        before = torch.get_rng_state(), np.random.get_state()[1].tolist()
        opened(root, **SCALED)[1, 2]
        assert torch.equal(before[0], torch.get_rng_state())
        assert before[1] == np.random.get_state()[1].tolist()

    def test_memory_format(self, root: Path) -> None:
        batch = next(iter(loader(opened(root), Batches(9, batch_size=4, epochs=1))))
        assert len(batch) == 3
        assert batch.to("cpu", channels_last=True).target.is_contiguous(memory_format=torch.channels_last)
        assert batch.to("cpu").target.is_contiguous()

    def test_what_travels_is_small(self, root: Path) -> None:
        uncut = opened(root).draw(0, 0)
        assert isinstance(uncut, Uncut)
        assert uncut.target.dtype == torch.uint8
        assert len(pickle.dumps(uncut)) < 2.5 * (uncut.source.nbytes + uncut.target.nbytes)


class TestHalves:
    def test_labels_stay_labels(self, root: Path) -> None:
        whole = DataOptions(root=str(root), flip=False).open_train(seed=0)
        colors = torch.cat([whole[i].target.flatten(1) for i in range(9)], dim=1).unique(dim=1)
        train = opened(root, target_interpolation="nearest", **SCALED)
        pixels = torch.cat([train[e, i].target.flatten(1) for e in (0, 1) for i in range(9)], dim=1).unique(dim=1)
        assert colors.shape == pixels.shape == (3, 4)
        assert torch.equal(colors, pixels)
        mixed = opened(root, **SCALED)[0].target.flatten(1).unique(dim=1)
        assert mixed.shape[1] > 100

    @pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
    def test_each_half_has_its_own(self, root: Path, direction: str) -> None:
        options = {"direction": direction, "flip": False, "load_size": (52, 61)}
        name = "target_interpolation" if direction == "AtoB" else "source_interpolation"
        data = DataOptions(root=str(root), test_split="train", test_size=(52, 61), **options, **{name: "nearest"})
        for opened_as in (data.open_train(seed=0), data.open_test(), data.open_fixed()):
            pair = opened_as[0]
            labels, photo = (pair.target, pair.source) if direction == "AtoB" else (pair.source, pair.target)
            assert labels.flatten(1).unique(dim=1).shape[1] == 4
            assert photo.unique().numel() > 1000

    def test_nearest_is_not_off_by_a_part_of_a_pixel(self, root: Path) -> None:
        data = DataOptions(root=str(root), load_size=(80, 100), flip=False, target_interpolation="nearest")
        small = DataOptions(root=str(root), flip=False).open_train(seed=0)[0].target
        assert torch.equal(data.open_train(seed=0)[0].target, small.repeat_interleave(2, 1).repeat_interleave(2, 2))

    def test_the_disk_keeps_them_apart(self, root: Path, tmp_path: Path) -> None:
        kept = {"cache": "disk", "cache_dir": tmp_path / "kept"}
        options = [{}, {"target_interpolation": "nearest"}, {"source_interpolation": "nearest"}]
        for each in options:
            assert same(opened(root, **each, **kept)[2], opened(root, **each)[2])
        assert len(list((tmp_path / "kept").glob("*.pixels"))) == 3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_become_the_same_floats(dtype: type) -> None:
    picture = rough(40, 50, 3, dtype)
    assert torch.equal(centered(torch.from_numpy(picture)).permute(2, 0, 1), to_tensor(picture))


def test_a_memory_follows_crops_of_changing_size() -> None:
    """A map of verdicts, moved from the view it was made in into another one, is the other view of the same thing."""
    augment, picture, stride = DeviceAugmentation(crop_size=64, crop_scale=(0.4, 0.9)), smooth(128, 128, 1), 4
    pairs = [drawn(augment, picture, number) for number in range(12)]
    maps = [F.avg_pool2d(pair.source[None], stride) for pair in pairs]
    for then, now in zip(range(11), range(1, 12), strict=True):
        views = {"then": pairs[then].view[None], "now": pairs[now].view[None]}
        moved = move(maps[then], **views, size=(64, 64), stride=stride)
        seen = move(torch.ones_like(maps[then]), **views, size=(64, 64), stride=stride) > 0.999
        if seen.sum() < 20:
            continue
        off = (moved - maps[now])[seen].abs().mean()
        assert off < 0.08  # the map of 16×16 cells is interpolated
        assert off < 0.3 * (maps[then] - maps[now])[seen].abs().mean()


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"crop_scale": (0.5, 1.0), "crop_size": None}, "crop_scale: needs a crop_size"),
            ({"crop_scale": (0.0, 1.0)}, "crop_scale: .* no shares of an area; give two from 0 to 1"),
            ({"crop_scale": (0.9, 0.5)}, "crop_scale: .* no shares"),
            ({"crop_scale": (0.5, 1.5)}, "crop_scale: .* no shares"),
            ({"crop_scale": (0.5, float("nan"))}, "crop_scale: .* are not 2 numbers"),
            ({"crop_scale": (0.5, 1.0), "crop_ratio": (0.0, 1.0)}, "crop_ratio: .* give two above 0"),
            ({"crop_scale": (0.5, 1.0), "crop_ratio": (2.0, 1.0)}, "crop_ratio: .* give two above 0"),
            ({"crop_scale": (0.5, 1.0), "crop_ratio": (1.0, float("inf"))}, "crop_ratio: .* are not 2 numbers"),
            ({"crop_ratio": (0.8, 1.25)}, "data.crop_ratio: is read with data.crop_scale only"),
            ({"crop_size": 64}, "8.png: is loaded with 44×36 pixels, smaller than the crop of 64×64 pixels; choose"),
            ({"transforms": [A.Lambda(p=1)]}, "transforms: Lambda is none of those"),
        ],
    )
    def test_options_that_do_not_fit(self, root: Path, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            opened(root, **options)

    @pytest.mark.parametrize("options", [{"crop_scale": (0.5, 1.0)}, {"crop_ratio": (0.8, 1.25)}])
    def test_options_without_the_device(self, options: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"is read with data\.augment_on device only; set that"):
            DataOptions(crop_size=8, **options)

    def test_pictures_of_several_sizes(self, root: Path) -> None:
        for side, channels in (("A", 1), ("B", 3)):
            write_image(root / f"train{side}/9.png", rough(30, 33, channels))
        with pytest.raises(ValueError, match=r"50×40.*33×30|33×30.*50×40") as raised:
            opened(root, load_size=None)
        assert re.search("; set load_size, .*, or augment_on workers", str(raised.value))
        assert len(opened(root)) == 10
        assert opened(root, load_size=None, augment_on="workers")[9].source.shape == (1, 24, 32)

    def test_transforms_that_turn_what_is_not_square(self, root: Path) -> None:
        with pytest.raises(ValueError, match=r"comes to .* remove transforms that change it"):
            opened(root, transforms=[A.D4()])
        assert opened(root, load_size=40, transforms=[A.D4()])[0].source.shape == (1, 24, 32)

    def test_an_unknown_interpolation(self) -> None:
        with pytest.raises(ValueError, match="interpolation: 'cubic' is unknown; choose from bilinear, bicubic"):
            DeviceAugmentation(interpolation=("bilinear", "cubic"))  # type: ignore[arg-type]

    def test_in_words(self) -> None:
        assert DeviceAugmentation(load_size=9, crop_size=8).in_words == (
            "resized to 9×9 pixels, random crop of 8×8 pixels"
        )
        words = DeviceAugmentation(crop_size=8, crop_scale=(0.5, 1.0)).in_words
        assert words == "random 50% to 100% of the area as 8×8 pixels"


def test_matrices_in_homogeneous_coordinates() -> None:
    view = torch.arange(6.0).reshape(1, 2, 3)
    assert torch.equal(square(view)[0], torch.tensor([[0.0, 1, 2], [3, 4, 5], [0, 0, 1]]))
