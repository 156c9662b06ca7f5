"""SWD: numbers worked out by hand, every projection against scipy, pyramids against kornia's own."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kornia.geometry.transform import build_laplacian_pyramid, pyrup
from scipy.stats import wasserstein_distance

from atme.metrics.intervals import groups
from atme.metrics.sliced import directions, distance, levels, per_picture, pieces, pyramid, swd, swd_without


def drawn(seed: int, shape: tuple[int, ...] = (1, 3, 32, 48)) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def cut(seed: int, count: int = 5, gain: float = 1.0) -> list:
    """Pieces of some pictures: of noise, and of noise that is smoother by the gain."""
    images = (drawn(seed + i) * gain + (1 - gain) * drawn(seed + i).mean() for i in range(count))
    cut_ = [pieces(image, count=16, rng=np.random.default_rng(i)) for i, image in enumerate(images)]
    return [np.stack(level) for level in zip(*cut_, strict=True)]


def test_a_distance_worked_out_by_hand() -> None:
    """Two pieces of -1 and +1 each, beside two checkered ones; both have mean 0 and deviation 1.

    In the direction of one pixel both sets are {-1, 1}. In that of the mean over 49 pixels, times 7, one is {-7, 7},
    the other {-1/7, 1/7}: a checkered piece has one more of a sign. So the distances are 0 and 48/7.
    """
    flat = np.ones((1, 7, 7), np.float32)
    checkered = np.where(np.indices((7, 7)).sum(axis=0) % 2 == 0, 1, -1).astype(np.float32)[None]
    one, other = np.stack([flat, -flat]), np.stack([checkered, -checkered])
    pixel, mean = np.eye(49, dtype=np.float32)[:1], np.full((1, 49), 1 / 7, np.float32)
    assert distance(one, other, pixel) == pytest.approx(0)
    assert distance(one, other, mean) == pytest.approx(1000 * 48 / 7)
    assert distance(one, other, np.concatenate([pixel, mean])) == pytest.approx(500 * 48 / 7)


def test_each_projection_is_a_wasserstein_distance() -> None:
    rng = np.random.default_rng(0)
    one, other = (
        rng.normal(size=(40, 3, 7, 7)).astype(np.float32) * scale + 2 for scale in (1, [[[[1]], [[2]], [[3]]]])
    )
    along = directions(3, seed=0)[:20]
    np.testing.assert_allclose(np.linalg.norm(along, axis=1), 1, rtol=1e-5)
    flat = [
        ((each - each.mean((0, 2, 3), keepdims=True)) / each.std((0, 2, 3), keepdims=True)).reshape(40, -1)
        for each in (one, np.asarray(other, np.float32))
    ]
    theirs = [wasserstein_distance(flat[0] @ theta, flat[1] @ theta) for theta in along]
    assert distance(one, np.asarray(other, np.float32), along) == pytest.approx(1000 * np.mean(theirs), rel=1e-4)


@pytest.mark.parametrize("size", [(64, 64), (32, 128), (16, 16)])
def test_a_pyramid_is_kornias_where_that_adds_no_border(size: tuple[int, int]) -> None:
    image = drawn(0, (1, 3, *size))
    found = pyramid(image)
    theirs = build_laplacian_pyramid(image, levels(*size))
    assert len(found) == len(theirs) == levels(*size)
    for one, other in zip(found, theirs, strict=True):
        torch.testing.assert_close(one, other)


@given(st.integers(16, 90), st.integers(16, 90))
def test_a_pyramid_gives_the_picture_back(height: int, width: int) -> None:
    image = drawn(0, (1, 1, height, width))
    *details, rest = pyramid(image)
    assert 16 <= min(rest.shape[-2:]) <= 31
    for level in reversed(details):
        rest = pyrup(rest) + level
    height, width = rest.shape[-2:]
    torch.testing.assert_close(rest, image[..., :height, :width])


def test_what_is_equal_has_no_distance_and_what_is_not_has_one() -> None:
    assert swd(cut(0), cut(0)) == [0, 0]
    assert min(swd(cut(0), cut(100))) > 0


def test_brightness_and_contrast_of_all_do_not_matter() -> None:
    """Each set is standardized, as in the paper: what is compared is the law of what varies."""
    paler = [level * 0.5 for level in cut(0)]
    assert max(swd(paler, cut(0))) < 0.01


def test_a_level_that_does_not_vary_has_a_distance() -> None:
    constant = [np.zeros_like(level) for level in cut(0)]
    assert np.isfinite(swd(constant, cut(0))).all()
    assert swd(constant, constant) == [0, 0]


def test_without_a_group_is_without_its_pictures() -> None:
    ones, others = cut(0, 6), cut(100, 6, gain=0.5)
    found = swd_without(ones, others, groups(6))
    some = directions(3, seed=0)[:64]
    by_hand = [
        distance(*(np.concatenate([*level[:2], *level[3:]]) for level in both), some)
        for both in zip(ones, others, strict=True)
    ]
    assert found[2] == pytest.approx(np.mean(by_hand))


def test_pieces_are_cut_at_the_same_places_of_two_pictures() -> None:
    image = drawn(0)
    one, other = (pieces(each, count=9, rng=np.random.default_rng(3)) for each in (image, -image))
    for a, b in zip(one, other, strict=True):
        assert a.shape == (9, 3, 7, 7)
        np.testing.assert_allclose(a, -b, atol=1e-6)
    again = pieces(image, count=9, rng=np.random.default_rng(4))
    assert not np.array_equal(one[0], again[0])


def test_what_is_kept_does_not_grow_with_the_pictures() -> None:
    assert per_picture(30) == 128
    assert all(per_picture(pairs) * pairs <= 16384 for pairs in (1, 200, 1000, 16384))
    assert per_picture(10**6) == 1
