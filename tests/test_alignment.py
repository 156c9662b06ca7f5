"""A shift that was planted is the shift that is found; aligned and unrelated halves have none."""

import cv2
import numpy as np
import pytest
from planted import EARTH, SHOWY

from atme.images import read_image
from atme.images.alignment import shift_of
from atme.prepare.check.faults import SMALLEST_SHIFT


def close(shift: tuple[float, float] | None, right: int, down: int) -> bool:
    """Within a pixel: some maps of earth lie a pixel beside their photograph."""
    return shift is not None and max(abs(shift[0] - right), abs(shift[1] - down)) <= 1.5


def is_small(shift: tuple[float, float] | None) -> bool:
    return shift is None or max(map(abs, shift)) < SMALLEST_SHIFT - 0.5


class TestShift:
    @pytest.mark.parametrize("right", [-20, -4, 0, 5])
    @pytest.mark.parametrize("down", [-13, 0, 4])
    def test_is_the_one_that_was_planted(self, right: int, down: int) -> None:
        a, b = np.split(read_image(SHOWY), 2, axis=1)
        inner, outer = slice(32, 224), (slice(32 + down, 224 + down), slice(32 + right, 224 + right))
        shift = shift_of(a[inner, inner], b[outer])
        assert close(shift, right, down)

    def test_most_shifts_are_found_and_no_aligned_pair_is_reported(self) -> None:
        rng = np.random.default_rng(0)
        seen = []
        for path in sorted(EARTH.rglob("*.jpg"))[::3]:
            a, b = np.split(read_image(path), 2, axis=1)
            assert is_small(shift_of(a, b))
            right, down = (
                int(size * sign) for size, sign in zip(rng.integers(4, 21, 2), rng.choice([-1, 1], 2), strict=True)
            )
            seen.append(close(shift_of(a, np.roll(b, (-down, -right), (0, 1))), right, down))
        assert np.mean(seen) > 0.85

    @pytest.mark.parametrize("down", [0.0, 0.25, 0.5])
    def test_is_told_to_a_part_of_a_pixel(self, down: float) -> None:
        a = np.split(read_image(SHOWY), 2, axis=1)[0]
        b = cv2.warpAffine(255 - a, np.float32([[1, 0, 6], [0, 1, down]]), (256, 256))
        assert np.allclose(shift_of(a, b), (-6, -down), atol=0.2)

    def test_a_part_that_is_off_is_no_shift_of_the_whole(self) -> None:
        """Tall houses lean in a photograph: their roofs lie beside the map's, the streets do not."""
        noise = np.random.default_rng(0).normal(0, 1, (256, 256, 1))
        a = np.uint8(127 + 50 * np.sign(cv2.GaussianBlur(noise, (0, 0), 4)))[..., None]  # edges all over
        leaning = np.roll(a, 10, axis=1)
        b = np.where(np.arange(256)[:, None, None] < 150, leaning, a)
        assert not close(shift_of(a, b), -10, 0)
        assert close(shift_of(a, leaning), -10, 0)

    def test_a_straight_edge_tells_no_shift_along_it(self) -> None:
        """A bridge over water: noise alone decides where along it the peak lies."""
        rng = np.random.default_rng(0)
        y, x = np.mgrid[:256, :256]
        bridge = np.uint8(np.where(abs(x - 0.4 * y - 80) < 5, 200, 60))[..., None].repeat(3, axis=2)
        for _ in range(20):
            noisy = np.clip(bridge + rng.normal(0, 4, bridge.shape), 0, 255).astype(np.uint8)
            assert is_small(shift_of(noisy, bridge))

    def test_what_lies_in_two_places_is_where_it_belongs(self) -> None:
        a = np.split(read_image(SHOWY), 2, axis=1)[0]
        double = cv2.addWeighted(a, 0.5, np.roll(a, 12, axis=1), 0.5, 0)
        assert not is_small(shift_of(a, np.roll(double, 12, axis=1)))
        assert is_small(shift_of(a, double))
        assert is_small(shift_of(a, np.roll(double, -12, axis=1)))

    def test_unrelated_halves_have_none(self) -> None:
        paths = sorted(EARTH.rglob("*.jpg"))[::6]
        a = [np.split(read_image(path), 2, axis=1)[0] for path in paths]
        b = [np.split(read_image(path), 2, axis=1)[1] for path in paths[3:] + paths[:3]]
        assert sum(not is_small(shift_of(x, y)) for x, y in zip(a, b, strict=True)) <= 1.5

    @pytest.mark.parametrize("shape", [(8, 8), (23, 300), (25, 31), (1500, 1200)])
    def test_any_size(self, shape: tuple[int, int]) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
        assert is_small(shift_of(noise, noise))
        assert is_small(shift_of(noise, 255 - noise[..., :1]))

    def test_gray_and_deep_halves(self) -> None:
        a, b = np.split(read_image(SHOWY), 2, axis=1)
        moved = np.roll(b, (6, -9), (0, 1)).astype(np.uint16) * 257
        assert close(shift_of(a[..., :1], moved), 9, -6)
