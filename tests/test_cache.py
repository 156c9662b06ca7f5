"""Kept pairs are the same bits, are decoded once, and are never served stale or half written."""

import os
import pickle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

import atme.data.cache
from atme.data.augment import Augmentation
from atme.data.batches import Batches, loader
from atme.data.pair import Pair
from atme.data.pairs import PairedImages
from atme.images import write_image

AUGMENT = Augmentation(load_size=(20, 23), crop_size=12)
Kept = Literal["ram", "disk"]


def half(number: int, channels: int, dtype: type = np.uint8) -> np.ndarray:
    rng, top = np.random.default_rng(number), np.iinfo(dtype).max
    return rng.integers(0, top, (16 + number, 21, channels), dtype, endpoint=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Pairs of different sizes, gray with RGBA, one of them of 16 bits."""
    for side, channels in (("A", 1), ("B", 4)):
        (tmp_path / f"pairs/train/{side}").mkdir(parents=True)
        for number in range(9):
            image = half(number, channels, np.uint16 if number == 4 else np.uint8)
            write_image(tmp_path / f"pairs/train/{side}/{number}.png", image)
    return tmp_path / "pairs"


def opened(root: Path, cache: Kept, **options: Any) -> PairedImages:
    return PairedImages(root, cache=cache, cache_dir=root.parent / "cache", **{"augment": AUGMENT} | options)


def same(a: Pair, b: Pair) -> bool:
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in ("source", "target", "view"))


@pytest.mark.parametrize("cache", ["ram", "disk"])
class TestBoth:
    @pytest.mark.parametrize("ahead", [1, 4, 64])
    def test_the_same_bits(self, root: Path, cache: Kept, ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(atme.data.cache, "_AHEAD", ahead)
        for options in ({}, {"augment": None}, {"direction": "BtoA"}):
            plain = PairedImages(root, **{"augment": AUGMENT} | options)
            kept = opened(root, cache, **options)
            assert all(same(plain[epoch, i], kept[epoch, i]) for epoch in range(2) for i in range(9))

    def test_files_are_read_once(self, root: Path, cache: Kept) -> None:
        kept = opened(root, cache)
        first = [kept[1, index] for index in range(9)]
        for path in root.rglob("*.png"):
            path.unlink()
        assert all(same(first[index], kept[1, index]) for index in range(9))

    def test_a_damaged_file_is_found_at_once(self, root: Path, cache: Kept) -> None:
        path = root / "train/B/7.png"
        content = bytearray(path.read_bytes())
        content[60:90] = bytes(30)  # the header and the end are sound
        path.write_bytes(content)
        PairedImages(root)
        with pytest.raises(ValueError, match=r"7\.png: damaged"):
            opened(root, cache)
        assert not list(root.parent.glob("cache/*"))

    def test_with_workers(self, root: Path, cache: Kept) -> None:
        kept, batches = opened(root, cache), Batches(9, batch_size=2, epochs=1)
        for a, b in zip(loader(kept, batches), loader(kept, batches, workers=2), strict=True):
            assert same(a, b)

    def test_in_another_process(self, root: Path, cache: Kept) -> None:
        kept = opened(root, cache)
        sent = pickle.dumps(kept)
        assert same(pickle.loads(sent)[3], kept[3])
        if cache == "disk":
            assert len(sent) < 16_000  # not the pixels

    def test_nobody_can_change_it(self, root: Path, cache: Kept) -> None:
        decoded = opened(root, cache)._load(0)
        with pytest.raises(ValueError, match="read-only"):
            decoded[0][:] = 0


class TestRam:
    def test_too_little_memory(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(atme.data.cache, "free_memory", lambda: 1000)
        with pytest.raises(ValueError, match=r"cache: ram takes 0\.0 MiB of memory, and .* free; use disk"):
            opened(root, "ram")
        assert same(opened(root, "disk")[0], opened(root, "disk")[0])


class TestDisk:
    def count(self, root: Path) -> int:
        return len(list(root.parent.glob("cache/*.pixels")))

    def test_the_file_is_used_again(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = opened(root, "disk")[5]
        monkeypatch.setattr(PairedImages, "_read", None)
        assert same(opened(root, "disk")[5], first)
        assert self.count(root) == 1

    def test_half_of_it_is_made_anew(self, root: Path) -> None:
        first = opened(root, "disk")[5]
        next(root.parent.glob("cache/*.json")).unlink()
        assert same(opened(root, "disk")[5], first)

    def test_a_changed_picture_is_decoded_anew(self, root: Path) -> None:
        before = opened(root, "disk")[5].source
        path = root / "train/A/5.png"
        size, times = path.stat().st_size, path.stat()
        write_image(path, 255 - half(5, 1))
        os.truncate(path, max(size, path.stat().st_size))  # junk behind the end: any size will do
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
        after = opened(root, "disk")[5].source
        assert not torch.equal(before, after)
        assert torch.equal(after, PairedImages(root, augment=AUGMENT)[5].source)
        assert self.count(root) == 2

    def test_another_size_is_another_file(self, root: Path) -> None:
        opened(root, "disk")
        opened(root, "disk", augment=Augmentation(load_size=14))
        opened(root, "disk", augment=Augmentation(load_size=(20, 23)))
        assert self.count(root) == 2

    def test_too_little_room_is_known_before(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(atme.data.cache, "free_room", lambda folder: 1000)
        monkeypatch.setattr(atme.data.cache, "_write", None)
        with pytest.raises(ValueError, match=r"cache: disk takes 0\.0 MiB in .*cache, and .* free there; choose"):
            opened(root, "disk")
        assert not (root.parent / "cache").exists()

    def test_a_file_that_is_there_needs_no_room(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = opened(root, "disk")[5]
        monkeypatch.setattr(atme.data.cache, "free_room", lambda folder: 0)
        assert same(opened(root, "disk")[5], first)

    def test_what_is_asked_for_is_enough(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[int] = []
        monkeypatch.setattr(atme.data.cache, "_require_room", lambda folder, size: asked.append(size))
        opened(root, "disk")
        assert sum(path.stat().st_size for path in root.parent.glob("cache/*.pixels")) <= asked[0]

    def test_nothing_is_left_when_the_disk_is_full(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(atme.data.cache, "_places", full)
        with pytest.raises(OSError, match="No space left"):
            opened(root, "disk")
        assert os.listdir(root.parent / "cache") == []

    def test_without_a_folder(self, root: Path) -> None:
        with pytest.raises(ValueError, match=r"cache_dir: cache disk needs a folder; give one"):
            PairedImages(root, cache="disk")
