"""A shift that was planted is the shift that is found; aligned and unrelated halves have none."""

import cv2
import numpy as np
import pytest
from planted import EARTH, SHOWY

from atme.images import read_image
from atme.prepare.check.alignment import shift_of


def close(shift: tuple[int, int] | None, right: int, down: int) -> bool:
    """Within a pixel: some maps of earth lie a pixel beside their photograph."""
    return shift is not None and max(abs(shift[0] - right), abs(shift[1] - down)) <= 1


class TestShift:
    @pytest.mark.parametrize("right", [-20, -4, 0, 5])
    @pytest.mark.parametrize("down", [-13, 0, 4])
    def test_is_the_one_that_was_planted(self, right: int, down: int) -> None:
        a, b = np.split(read_image(SHOWY), 2, axis=1)
        inner, outer = slice(32, 224), (slice(32 + down, 224 + down), slice(32 + right, 224 + right))
        shift = shift_of(a[inner, inner], b[outer])
        assert shift is None if (right, down) == (0, 0) else close(shift, right, down)

    def test_most_shifts_are_found_and_no_aligned_pair_is_reported(self) -> None:
        rng = np.random.default_rng(0)
        seen = []
        for path in sorted(EARTH.rglob("*.jpg"))[::3]:
            a, b = np.split(read_image(path), 2, axis=1)
            assert shift_of(a, b) is None
            right, down = (
                int(size * sign) for size, sign in zip(rng.integers(4, 21, 2), rng.choice([-1, 1], 2), strict=True)
            )
            seen.append(close(shift_of(a, np.roll(b, (-down, -right), (0, 1))), right, down))
        assert np.mean(seen) > 0.75

    def test_two_pixels_are_forgiven_and_three_are_not(self) -> None:
        a = np.split(read_image(SHOWY), 2, axis=1)[0]
        assert shift_of(a, np.roll(255 - a, (2, -2), (0, 1))) is None
        assert shift_of(a, np.roll(255 - a, (2, -3), (0, 1))) == (3, -2)

    def test_what_lies_in_two_places_is_where_it_belongs(self) -> None:
        a = np.split(read_image(SHOWY), 2, axis=1)[0]
        double = cv2.addWeighted(a, 0.5, np.roll(a, 12, axis=1), 0.5, 0)
        assert shift_of(a, np.roll(double, 12, axis=1)) is not None
        assert shift_of(a, double) is None
        assert shift_of(a, np.roll(double, -12, axis=1)) is None

    def test_unrelated_halves_have_none(self) -> None:
        paths = sorted(EARTH.rglob("*.jpg"))[::6]
        a = [np.split(read_image(path), 2, axis=1)[0] for path in paths]
        b = [np.split(read_image(path), 2, axis=1)[1] for path in paths[3:] + paths[:3]]
        assert sum(shift_of(x, y) is not None for x, y in zip(a, b, strict=True)) <= 1

    @pytest.mark.parametrize("shape", [(8, 8), (23, 300), (25, 31), (1500, 1200)])
    def test_any_size(self, shape: tuple[int, int]) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        assert shift_of(noise, noise) is None
        assert shift_of(noise, 255 - noise[..., :1]) is None

    def test_gray_and_deep_halves(self) -> None:
        a, b = np.split(read_image(SHOWY), 2, axis=1)
        moved = np.roll(b, (6, -9), (0, 1)).astype(np.uint16) * 257
        assert shift_of(a[..., :1], moved) == (9, -6)
