"""The two official zips become counted pairs: the photograph averaged, the labels in their own colors."""

import re
import struct
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from pngs import chunk

from atme.cli import main
from atme.data import PairedImages
from atme.images import read_image
from atme.prepare.cityscapes import COUNTS, make_pairs
from atme.prepare.manifest import missing_files, read_manifest

CLASSES = np.array([[128, 64, 128], [70, 70, 70], [0, 0, 142], [220, 20, 60]], np.uint8)
SCENES = {
    "train": ["aachen_000000_000019", "aachen_000001_000019", "bochum_000000_000313"],
    "val": ["lindau_000000_000019"],
}
SMALL = {"train": 3, "val": 1}


def png(picture: np.ndarray) -> bytes:
    return cv2.imencode(".png", picture[..., [2, 1, 0, *range(3, picture.shape[2])]])[1].tobytes()


def photograph(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (512, 1024, 3), np.uint8)


def labels(seed: int) -> np.ndarray:
    """As in the zips: RGBA, blocks of class colors."""
    blocks = np.random.default_rng(seed).integers(0, len(CLASSES), (32, 64))
    colors = np.roll(CLASSES[blocks].repeat(16, axis=0).repeat(16, axis=1), (1, 1), axis=(0, 1))
    return np.dstack([colors, np.full(colors.shape[:2], 255, np.uint8)])


@pytest.fixture
def zips(tmp_path: Path) -> tuple[Path, Path]:
    return write_zips(tmp_path, {})


def write_zips(folder: Path, changes: dict[str, bytes | None]) -> tuple[Path, Path]:
    """The inner layout of the real zips; `changes` adds, replaces or drops (None) files."""
    files: dict[str, bytes | None] = {"leftImg8bit/README": b"read me", "gtFine/license.txt": b"license"}
    scenes = [
        *((split, name) for split in SCENES for name in SCENES[split]),
        ("test", "berlin_000000_000019"),
    ]
    for seed, (split, name) in enumerate(scenes):
        city = name.split("_")[0]
        files[f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"] = png(photograph(seed))
        files[f"gtFine/{split}/{city}/{name}_gtFine_color.png"] = png(labels(seed))
        files[f"gtFine/{split}/{city}/{name}_gtFine_labelIds.png"] = b"not read"
    files |= changes
    paths = folder / "leftImg8bit_trainvaltest.zip", folder / "gtFine_trainvaltest.zip"
    for path in paths:
        with zipfile.ZipFile(path, "w") as file:
            for name, content in files.items():
                if name.split("/")[0] == path.name.split("_")[0] and content is not None:
                    file.writestr(name, content)
    return paths


def make(zips: tuple[Path, Path], out: Path, counts: dict[str, int] = SMALL) -> None:
    make_pairs(*zips, out, workers=2, counts=counts)


def test_pairs_are_counted_named_and_sized(zips: tuple[Path, Path], tmp_path: Path) -> None:
    make(zips, tmp_path / "out")
    found = {split: sorted(p.stem for p in (tmp_path / "out" / split).iterdir()) for split in SMALL}
    assert found == SCENES
    assert read_image(tmp_path / "out/val/lindau_000000_000019.png").shape == (256, 512, 3)
    assert {split: len(PairedImages(tmp_path / "out", split=split)) for split in SMALL} == SMALL


def test_the_halves_are_the_right_ones(zips: tuple[Path, Path], tmp_path: Path) -> None:
    make(zips, tmp_path / "out")
    names = [name for split in SCENES for name in SCENES[split]]
    for seed, name in enumerate(names):
        (path,) = (tmp_path / "out").rglob(f"{name}.png")
        a, b = np.split(read_image(path).astype(int), 2, axis=1)
        mean = photograph(seed).reshape(256, 2, 256, 4, 3).mean(axis=(1, 3))
        assert np.abs(a - mean).max() <= 1
        colors = labels(seed)[..., :3]
        assert (b == colors[1::2, 2::4]).all()  # the middle one of the pixels that each stands for
        assert {tuple(color) for color in b.reshape(-1, 3)} == {tuple(color) for color in CLASSES}


def test_averaging_the_labels_would_invent_classes() -> None:
    small = cv2.resize(labels(0)[..., :3], (250, 250), interpolation=cv2.INTER_AREA)
    assert len({tuple(color) for color in small.reshape(-1, 3)}) > len(CLASSES)


def test_a_manifest_says_that_it_is_whole(zips: tuple[Path, Path], tmp_path: Path) -> None:
    make(zips, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None
    assert manifest.splits == SMALL
    assert len(manifest.files) == 4
    assert not missing_files(tmp_path / "out", manifest)


def claiming(side: int) -> bytes:
    """A picture in whose header stands another size."""
    whole = png(photograph(0))
    return whole[:8] + chunk(b"IHDR", struct.pack(">II", side, side) + whole[24:29]) + whole[33:]


A = "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"
B = "gtFine/val/lindau/lindau_000000_000019_gtFine_color.png"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({A: None}, "aachen_000000_000019_gtFine_color.png: has no partner"),
        ({B: None}, "lindau_000000_000019_leftImg8bit.png: has no partner"),
        ({A: b"no picture"}, "leftImg8bit_trainvaltest.zip: .*aachen_000000_000019_leftImg8bit.png: not an image"),
        ({A: claiming(60_000)}, "aachen_000000_000019_leftImg8bit.png: claims 60,000×60,000 pixels"),
        ({B: png(labels(3))[:-20]}, "lindau_000000_000019_gtFine_color.png: truncated"),
        (
            {A.replace("_000019", "_000020"): png(photograph(9))},
            "aachen_000000_000020_leftImg8bit.png: has no partner",
        ),
    ],
)
def test_one_bad_picture_and_nothing_appears(changes: dict, words: str, tmp_path: Path) -> None:
    zips = write_zips(tmp_path, changes)
    with pytest.raises(ValueError, match=words):
        make(zips, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in zips}


def test_the_real_numbers_are_asked_for(zips: tuple[Path, Path], tmp_path: Path) -> None:
    assert COUNTS == {"train": 2975, "val": 500}
    with pytest.raises(
        ValueError, match=re.escape("hold {'train': 3, 'val': 1} pairs, not {'train': 2975, 'val': 500}")
    ):
        make_pairs(*zips, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_other_zips_are_named(zips: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape("hold {} pairs")):
        make(zips[::-1], tmp_path / "out")
    zips[1].write_bytes(zips[1].read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"gtFine_trainvaltest.zip: cannot be opened as a zip"):
        make(zips, tmp_path / "out")
    with pytest.raises(ValueError, match=r"absent.zip: cannot be opened"):
        make((tmp_path / "absent.zip", zips[1]), tmp_path / "out")


def test_damaged_bytes_are_seen(zips: tuple[Path, Path], tmp_path: Path) -> None:
    content = bytearray(zips[0].read_bytes())
    content[len(content) // 2] ^= 0xFF
    zips[0].write_bytes(content)
    with pytest.raises(ValueError, match="is broken"):
        make(zips, tmp_path / "out")


def test_the_command_names_a_zip_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "cityscapes", "left.zip", "right.zip", "out"]) == 2
    assert "left.zip: cannot be opened" in capsys.readouterr().err
