"""Which half is which: the same answer for training, checks, pairing and translation."""

from pathlib import Path

import numpy as np
import pytest

from atme.data.halves import cut, half_width, halve, read_halves
from atme.images import write_image

WIDE = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def test_every_way_gives_the_same_halves(tmp_path: Path) -> None:
    write_image(tmp_path / "ab.png", WIDE)
    write_image(tmp_path / "a.png", WIDE[:, :4])
    write_image(tmp_path / "b.png", WIDE[:, 4:])
    ways = (
        halve(WIDE, name="x"),
        (cut(WIDE, half="left", name="x"), cut(WIDE, half="right", name="x")),
        read_halves((tmp_path / "ab.png",)),
        read_halves((tmp_path / "a.png", tmp_path / "b.png")),
    )
    for a, b in ways:
        assert np.array_equal(a, WIDE[:, :4])
        assert np.array_equal(b, WIDE[:, 4:])
    assert half_width(8, name="x") == 4
    assert cut(WIDE, half="none", name="x") is WIDE


def test_an_odd_width(tmp_path: Path) -> None:
    odd = np.ascontiguousarray(WIDE[:, 1:])
    write_image(tmp_path / "odd.png", odd)
    with pytest.raises(ValueError, match=r"odd\.png: its width of 7 pixels is odd, .*; move it away"):
        read_halves((tmp_path / "odd.png",))
    with pytest.raises(ValueError, match=r"^x: its width of 7 pixels is odd, .*; say --half none"):
        cut(odd, half="left", name="x")
    assert cut(odd, half="none", name="x") is odd


def test_other_sizes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", WIDE)
    write_image(tmp_path / "b.png", WIDE[1:])
    with pytest.raises(ValueError, match=r"a\.png: has 8×6 pixels and its partner .*b\.png 8×5; make both"):
        read_halves((tmp_path / "a.png", tmp_path / "b.png"))
