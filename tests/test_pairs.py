"""Pairs from folders: the same bits from every layout, a function of (seed, epoch, index); and batches."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import albumentations as A
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from atme.data.augment import Augmentation, TestView
from atme.data.pair import Pair
from atme.data.pairs import PairedImages
from atme.images import read_image, to_tensor, write_image

Halves = tuple[np.ndarray, np.ndarray]


def halves(number: int, channels: tuple[int, int] = (3, 3), dtype: type = np.uint8) -> Halves:
    """Noise, different for every number."""
    rng, top = np.random.default_rng(number), np.iinfo(dtype).max
    return tuple(rng.integers(0, top, (24, 30, c), dtype, endpoint=True) for c in channels)  # type: ignore[return-value]


def side_by_side(root: Path, name: str, both: Halves) -> None:
    (root / "train").mkdir(parents=True, exist_ok=True)
    write_image(root / f"train/{name}.png", np.concatenate(both, axis=1))


def two_folders(pattern: str) -> Callable[[Path, str, Halves], None]:
    def write(root: Path, name: str, both: Halves) -> None:
        for side, half in zip("AB", both, strict=True):
            path = root / pattern.format(side=side, name=name)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, half)

    return write


LAYOUTS = {
    "A|B": side_by_side,
    "split/A": two_folders("train/{side}/{name}.png"),
    "A/split": two_folders("{side}/train/{name}.tif"),
    "splitA": two_folders("train{side}/{name}_{side}.png"),
}


def folder(root: Path, layout: str = "A|B", count: int = 5, **kind: Any) -> Path:
    for number in range(count):
        LAYOUTS[layout](root, str(number), halves(number, **kind))
    return root


def same(a: Pair, b: Pair) -> bool:
    tensors = all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("source", "target", "index", "view"))
    return tensors and a.name == b.name


class TestReading:
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_whole_pictures(self, tmp_path: Path, layout: str) -> None:
        pairs = PairedImages(folder(tmp_path, layout))
        assert pairs.names == ("0", "1", "2", "3", "4")
        assert len(pairs) == 5
        for index, pair in enumerate(pairs):
            a, b = halves(index)
            assert torch.equal(pair.source, to_tensor(a))
            assert pair.target is not None
            assert torch.equal(pair.target, to_tensor(b))
            assert pair.index is not None
            assert pair.index.item() == index
            assert torch.equal(pair.view, torch.eye(2, 3))
            assert pair.name == (str(index),)
            assert len(pair) == 1

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_every_layout_gives_the_same_bits(self, tmp_path: Path, layout: str) -> None:
        """Also under names whose order differs as numbers and as text."""
        augment = Augmentation(load_size=(28, 33), crop_size=16, transforms=[A.D4()])
        one, other = (
            PairedImages(folder(tmp_path / name, name, count=12), augment=augment, seed=4) for name in ("A|B", layout)
        )
        assert one.names == other.names
        assert all(same(one[epoch, i], other[epoch, i]) for epoch in range(2) for i in range(12))

    def test_the_other_direction(self, tmp_path: Path) -> None:
        folder(tmp_path, "splitA", channels=(1, 4))
        there, back = (PairedImages(tmp_path, direction=way) for way in ("AtoB", "BtoA"))
        assert (there.source_channels, there.target_channels) == (1, 4)
        assert (back.source_channels, back.target_channels) == (4, 1)
        assert torch.equal(there[2].source, back[2].target)
        assert torch.equal(there[2].target, back[2].source)

    @pytest.mark.parametrize("channels", [(1, 3), (4, 4), (3, 1)])
    @pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 16)])
    def test_channels_and_bits(self, tmp_path: Path, channels: tuple[int, int], dtype: type, bits: int) -> None:
        folder(tmp_path, "split/A", channels=channels, dtype=dtype)
        pairs = PairedImages(tmp_path, augment=Augmentation(load_size=32, crop_size=16))
        assert (pairs.source_channels, pairs.target_channels) == channels
        assert (pairs.source_bits, pairs.target_bits) == (bits, bits)
        assert pairs[0].source.shape == (channels[0], 16, 16)
        assert pairs[0].source.abs().max() <= 1
        assert pairs[0].target is not None
        assert pairs[0].target.shape == (channels[1], 16, 16)

    def test_the_bundled_pairs(self) -> None:
        train, test = (PairedImages("earth", split=split) for split in ("train", "test"))
        assert (len(train), len(test)) == (101, 30)
        a_and_b = to_tensor(read_image(train.root / "train" / f"{train.names[7]}.jpg"))
        assert torch.equal(a_and_b[..., :256], train[7].source)
        assert train[7].target is not None
        assert torch.equal(a_and_b[..., 256:], train[7].target)

    def test_what_protocols_tell(self, tmp_path: Path) -> None:
        pairs = PairedImages(folder(tmp_path), augment=TestView(crop_size=8), direction="BtoA")
        assert (pairs.split, pairs.direction) == ("train", "BtoA")
        assert pairs.view_in_words == "center crop of 8×8 pixels"
        assert str(pairs.layout) == f"side_by_side in {tmp_path / 'train'}"


class TestViews:
    AUGMENT = Augmentation(load_size=(28, 33), crop_size=16)

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return folder(tmp_path)

    def test_a_function_of_seed_epoch_and_index(self, root: Path) -> None:
        first, again = (PairedImages(root, augment=self.AUGMENT, seed=7) for _ in range(2))
        keys = [(epoch, index) for epoch in range(3) for index in range(5)]
        drawn = {key: first[key] for key in keys}
        assert all(same(drawn[key], again[key]) for key in reversed(keys))
        assert all(same(first[index], first[0, index]) for index in range(5))
        assert same(pickle.loads(pickle.dumps(first))[2, 3], drawn[2, 3])

    def test_every_part_of_the_key_counts(self, root: Path) -> None:
        def view(seed: int, epoch: int, index: int) -> tuple[float, ...]:
            return tuple(PairedImages(root, augment=self.AUGMENT, seed=seed)[epoch, index].view.flatten().tolist())

        keys = [(seed, epoch, index) for seed in range(3) for epoch in range(3) for index in range(3)]
        assert len({view(*key) for key in keys}) > 22

    def test_both_halves_under_one_view_which_the_matrix_tells(self, tmp_path: Path) -> None:
        a, _ = halves(0)
        side_by_side(tmp_path, "a", (a, 255 - a))
        pairs = PairedImages(tmp_path, augment=Augmentation(crop_size=(16, 11)))
        for epoch in range(10):
            pair = pairs[epoch, 0]
            assert pair.target is not None
            assert torch.equal(pair.source, -pair.target)
            grid = F.affine_grid(pair.view[None], [1, 3, 16, 11], align_corners=False)
            seen = F.grid_sample(to_tensor(a)[None], grid, align_corners=False)[0]
            assert torch.allclose(seen, pair.source, atol=1e-4)


class TestBatches:
    @pytest.fixture
    def samples(self, tmp_path: Path) -> list[Pair]:
        pairs = PairedImages(folder(tmp_path, "splitA", channels=(1, 3)), augment=Augmentation(crop_size=8))
        return [pairs[index] for index in (3, 1, 4)]

    def test_collate(self, samples: list[Pair]) -> None:
        batch = Pair.collate(samples)
        assert len(batch) == 3
        assert batch.source.shape == (3, 1, 8, 8)
        assert batch.target is not None
        assert batch.target.shape == (3, 3, 8, 8)
        assert batch.index is not None
        assert batch.index.tolist() == [3, 1, 4]
        assert batch.index.dtype == torch.int64
        assert batch.view.shape == (3, 2, 3)
        assert batch.name == ("3", "1", "4")
        assert torch.equal(batch.source[1], samples[1].source)

    def test_collate_without_target_and_index(self) -> None:
        sample = Pair(torch.zeros(3, 4, 4), None, None, torch.eye(2, 3), ("a",))
        batch = Pair.collate([sample, sample])
        assert batch.target is None
        assert batch.index is None

    def test_samples_of_different_size(self, samples: list[Pair]) -> None:
        other = Pair(torch.zeros(1, 8, 9), torch.zeros(3, 8, 9), torch.tensor(0), torch.eye(2, 3), ("other",))
        with pytest.raises(ValueError, match=r"other: has shape \(1, 8, 9\), but 3 \(1, 8, 8\); set"):
            Pair.collate([*samples, other])

    def test_to(self, samples: list[Pair]) -> None:
        batch = Pair.collate(samples)
        assert same(batch, batch.to("cpu"))
        last = batch.to("cpu", channels_last=True)
        assert same(batch, last)
        assert last.target is not None
        assert last.target.is_contiguous(memory_format=torch.channels_last)
        assert batch.to("meta").source.device.type == "meta"
        nothing = Pair(batch.source, None, None, batch.view, batch.name).to("meta")
        assert nothing.target is None
        assert nothing.index is None


class TestErrors:
    def test_a_crop_that_does_not_fit_is_found_before_reading(self, tmp_path: Path) -> None:
        folder(tmp_path)
        write_image(tmp_path / "train/small.png", np.zeros((12, 60, 3), np.uint8))
        with pytest.raises(ValueError, match=r"small\.png: is loaded with 30×12 pixels, smaller .*; choose"):
            PairedImages(tmp_path, augment=Augmentation(crop_size=16))
        PairedImages(tmp_path, augment=Augmentation(load_size=20, crop_size=16))

    @pytest.mark.parametrize("name", ["0.png", "4.png"])
    def test_a_file_that_is_no_image(self, tmp_path: Path, name: str) -> None:
        (folder(tmp_path) / "train" / name).write_bytes(b"no image")
        with pytest.raises(ValueError, match=rf"{name}: not an image"):
            PairedImages(tmp_path)

    def test_no_such_data(self) -> None:
        with pytest.raises(ValueError, match=r"nowhere: neither a folder nor a known dataset; .*: .*earth"):
            PairedImages("nowhere")

    def test_a_missing_split(self) -> None:
        with pytest.raises(ValueError, match=r"no split 'val' in layout auto; there are: test, train"):
            PairedImages("earth", split="val")

    def test_a_negative_seed(self) -> None:
        with pytest.raises(ValueError, match=r"seed: -1 is no whole number from 0 on; give one"):
            PairedImages("earth", seed=-1)

    @pytest.mark.parametrize("index", [-1, 5, 2**40])
    def test_an_index_outside(self, tmp_path: Path, index: int) -> None:
        pairs = PairedImages(folder(tmp_path))
        for key in (index, (1, index)):
            with pytest.raises(IndexError):
                pairs[key]
