"""Pictures that look the same have close hashes, others do not; the search finds all close ones and only those."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import SHOWY, TRAIN, found, jpeg, redrawn

from atme.images import read_image
from atme.prepare.check.similarity import BITS_APART, LEVELS_APART, close_codes, look_of


def apart(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.unpackbits(one ^ other).sum())


class TestLook:
    @given(seed=st.integers(0, 2**32 - 1), size=st.tuples(st.integers(32, 90), st.integers(32, 90)))
    @settings(max_examples=25, deadline=None)
    def test_the_mirrored_hash_is_the_hash_of_the_mirrored_picture(self, seed: int, size: tuple[int, int]) -> None:
        picture = cv2.GaussianBlur(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8), (0, 0), 3)
        straight, other = look_of(picture), look_of(np.ascontiguousarray(picture[:, ::-1]))
        assert apart(straight.mirrored, other.hash) <= 2  # values at the median may fall to either side
        assert apart(straight.hash, other.mirrored) <= 2

    @pytest.mark.parametrize(
        "change",
        [
            lambda p: jpeg(p, 30),
            lambda p: cv2.resize(p, (128, 128), interpolation=cv2.INTER_AREA),
            lambda p: p.astype(np.uint16) * 257,
            lambda p: cv2.GaussianBlur(p, (0, 0), 1),
        ],
        ids=["quality 30", "half the size", "16 bits", "blurred"],
    )
    def test_stays_what_it_is(self, change: Callable[[np.ndarray], np.ndarray]) -> None:
        for path in TRAIN:
            a = np.ascontiguousarray(np.split(read_image(path), 2, axis=1)[0])
            before, after = look_of(a), look_of(change(a))
            assert apart(before.hash, after.hash) <= BITS_APART // 2
            assert np.abs(before.thumbnail.astype(int) - after.thumbnail).mean() <= LEVELS_APART

    def test_one_picture_in_two_colors_is_two_pictures(self, earth: Path) -> None:
        redrawn(SHOWY, lambda picture: picture[..., ::-1], to="train/x9999.png")(earth)
        a, b = (read_image(earth / "train" / name) for name in (SHOWY.name, "x9999.png"))
        assert apart(look_of(a).hash, look_of(b).hash) <= 16  # gray alone hardly tells them apart
        assert found(earth) == set()

    @given(rows=st.integers(1, 60), others=st.integers(1, 60), seed=st.integers(0, 2**32 - 1))
    @settings(max_examples=30, deadline=None)
    def test_finds_all_close_codes_and_only_those(self, rows: int, others: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        codes = rng.integers(0, 256, (rows, 16), dtype=np.uint8)
        near = codes[rng.integers(0, rows, others)]
        flips = rng.random((others, 128)) < rng.uniform(0, 0.2, (others, 1))
        near ^= np.packbits(flips, axis=1)
        brute = {(i, j) for i in range(rows) for j in range(others) if apart(codes[i], near[j]) <= BITS_APART}
        assert close_codes(codes, near) == sorted(brute)
