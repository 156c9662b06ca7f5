"""One pair is measured whatever its files hold; one bad file never ends the check."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from planted import check

from atme.data.scan import Entry
from atme.images import write_image
from atme.prepare.check.inspect import inspect


def gray(tmp_path: Path, height: int, width: int, kind: type = np.uint8) -> Path:
    path = tmp_path / "x.png"
    write_image(path, np.random.default_rng(0).integers(0, 256, (height, width, 1)).astype(kind))
    return path


@pytest.mark.parametrize("height", [1, 2, 3, 7, 33, 3000])
@pytest.mark.parametrize("width", [2, 4, 6, 60, 3000])
def test_any_size(tmp_path: Path, height: int, width: int) -> None:
    found = inspect(Entry("train", "x", (gray(tmp_path, height, width),)))
    assert found.error is None
    assert found.halves is not None
    assert found.halves[0].size == (height, width // 2)


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.tif", "x.webp", "x.bmp"])
@given(seed=st.integers(0, 2**32 - 1))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, name: str, seed: int) -> None:
    """Bits flipped, bytes cut out, or junk: what cannot be read is said, and nothing is raised."""
    rng = np.random.default_rng(seed)
    path = tmp_path_factory.mktemp("bytes") / name
    write_image(path, rng.integers(0, 256, (16, 32, 3), np.uint8))
    content = bytearray(path.read_bytes())
    for place in rng.integers(0, len(content), rng.integers(1, 20)):
        content[place] = rng.integers(0, 256)
    path.write_bytes(bytes(content[: rng.integers(0, len(content) + 1)] if seed % 2 else content))
    found = inspect(Entry("train", "x", (path,)))
    assert (found.error is None) != (found.halves is None)
    assert found.error is None or str(path) not in found.error


def test_bad_files_do_not_end_the_check(earth: Path) -> None:
    bad = {
        "claims 65,500 by 65,500 pixels.jpg": bytes.fromhex(
            "ffd8ffe000104a46494600010100000100010000ffdb004300" + "01" * 64 + "ffc0000b08ffdcffdc01011100ffd9"
        ),
        "garbage exif.jpg": b"\xff\xd8\xff\xe1\x00\x10Exif\0\0II*\0\xff\xff\xff\xff\xff\xd9",
        "nothing.png": b"",
        "no image.tif": b"II*\0\xff\xff\xff\xff",
    }
    for name, content in bad.items():
        (earth / "train" / name).write_bytes(content)
    (earth / "train" / "to nowhere.png").symlink_to("nowhere.png")
    pages = [Image.fromarray(np.full((16, 32), gray, np.uint8)) for gray in (0, 100, 200)]
    pages[0].save(earth / "train" / "three pages.tif", save_all=True, append_images=pages[1:])
    faults = {fault.entry.name: fault for fault in check(earth).faults}
    assert set(faults) == {Path(name).stem for name in bad} | {"to nowhere", "three pages"}
    assert {fault.kind for fault in faults.values()} == {"unreadable"}
    assert "3 pages" in faults["three pages"].detail
