"""Pictures that look the same have close hashes, others do not; the search finds all close ones and only those."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import SHOWY, TRAIN, found, jpeg, redrawn, with_halves

from atme.images import read_image
from atme.prepare.check import similarity
from atme.prepare.check.repeated import HALVES_ALIKE
from atme.prepare.check.similarity import (
    TURNINGS,
    Likeness,
    Look,
    Looks,
    are_alike,
    first_alike,
    leaders_of,
    look_of,
)


class TestLook:
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
            assert bits_apart(before.hashes[0], after.hashes[0]) <= HALVES_ALIKE.bits
            assert are_alike(before, after, likeness=HALVES_ALIKE)

    def test_one_picture_in_two_colors_is_two_pictures(self, earth: Path) -> None:
        redrawn(SHOWY, lambda picture: picture[..., ::-1], to="train/x9999.png")(earth)
        a, b = (read_image(earth / "train" / name) for name in (SHOWY.name, "x9999.png"))
        assert bits_apart(look_of(a).hashes[0], look_of(b).hashes[0]) <= 16  # gray alone hardly tells them apart
        assert found(earth) == set()

    @pytest.mark.parametrize("place", range(len(TURNINGS)), ids=[turning.words for turning in TURNINGS])
    @pytest.mark.parametrize("shape", [(96, 96, 3), (64, 130, 1)])
    def test_the_hash_of_a_turned_picture_comes_for_free(self, place: int, shape: tuple[int, ...]) -> None:
        rng = np.random.default_rng(place)
        picture = cv2.GaussianBlur(rng.integers(0, 256, shape, np.uint8), (0, 0), 3).reshape(shape)
        straight, turned = look_of(picture), look_of(np.ascontiguousarray(TURNINGS[place](picture)))
        assert bits_apart(straight.hashes[place], turned.hashes[0]) <= 2  # values at the median fall to either side
        assert min(bits_apart(straight.hashes[n], turned.hashes[0]) for n in range(8) if n != place) > 10
        assert np.abs(TURNINGS[place](straight.thumbnail).astype(int) - turned.thumbnail).max() <= 1

    def test_the_turnings_are_all_eight(self) -> None:
        square = np.arange(9).reshape(3, 3)
        assert len({TURNINGS[place](square).tobytes() for place in range(8)}) == 8
        assert np.array_equal(TURNINGS[0](square), square)


def test_one_half_in_other_colors_is_another_pair(earth: Path) -> None:
    """One drawing, and the bag in pink and in blue: half of it is the same, all of it is not."""
    redrawn(SHOWY, with_halves(lambda a, b: (a, b[..., ::-1])), to="train/x9999.png")(earth)
    assert found(earth) == set()


@pytest.mark.parametrize(("contrast", "is_alike"), [(1, False), (10, True)])
def test_drawings_that_are_nearly_white_are_not_all_the_same(contrast: int, is_alike: bool) -> None:
    """Colors two levels apart are the same in a photograph, and not where all colors lie within five."""
    hashes = np.zeros(8, np.uint64)
    shade = (contrast * np.arange(64).reshape(8, 8, 1) // 12).repeat(3, axis=2)
    one, other = (Look(hashes, np.uint8(200 + shade + apart)) for apart in (0, 2))
    assert are_alike(one, other, likeness=HALVES_ALIKE) == is_alike
    assert are_alike(one, one, likeness=HALVES_ALIKE)


LIKENESS = Likeness(bits=15, levels=6.0)


def some_looks(count: int, *, seed: int, drift: float, halves: int = 2) -> Looks:
    """Looks of a film: each hash differs from the one before by a share of its bits, colors by a few levels."""
    rng = np.random.default_rng(seed)
    bits = np.cumsum(rng.random((count, 8, halves, 64)) < drift, axis=0) % 2
    hashes = np.packbits(bits.astype(np.uint8), axis=-1).view(np.uint64)[..., 0]
    colors = 120 + np.cumsum(
        rng.integers(-40, 41, (count, halves, 1, 1, 3)) * (rng.random((count, 1, 1, 1, 1)) < 0.2), 0
    )
    return Looks(hashes, np.broadcast_to(np.clip(colors, 0, 255), (count, halves, 8, 8, 3)).astype(np.uint8))


def alike(one: Looks, i: int, other: Looks, j: int, turning: int) -> bool:
    """By the definition, one pair at a time."""
    bits = sum(bits_apart(a, b) for a, b in zip(one.hashes[i, turning], other.hashes[j, 0], strict=True))
    turned = np.stack([TURNINGS[turning](half) for half in one.thumbnails[i]])
    levels = np.abs(turned.astype(int) - other.thumbnails[j]).mean(axis=(1, 2, 3))
    return bits <= LIKENESS.bits and bool((levels <= LIKENESS.levels).all())


class TestGroups:
    @given(
        count=st.integers(1, 40),
        others=st.integers(0, 40),
        turning=st.integers(0, 7),
        drift=st.sampled_from([0.0, 0.01, 0.05, 0.2]),
        seed=st.integers(0, 2**32 - 1),
    )
    @settings(max_examples=30, deadline=None)
    def test_the_first_alike_is_the_first_by_the_definition(
        self, count: int, others: int, turning: int, drift: float, seed: int
    ) -> None:
        film = some_looks(count + others, seed=seed, drift=drift)
        one, other = film[:count], film[count:]
        first = first_alike(one, other, likeness=LIKENESS, turning=turning)
        expected = [next((j for j in range(others) if alike(one, i, other, j, turning)), -1) for i in range(count)]
        assert first.tolist() == expected

    @given(count=st.integers(1, 60), drift=st.sampled_from([0.0, 0.01, 0.05, 0.2]), seed=st.integers(0, 2**32 - 1))
    @settings(max_examples=20, deadline=None)
    def test_each_group_is_led_by_one_that_all_its_members_are_like(self, count: int, drift: float, seed: int) -> None:
        looks = some_looks(count, seed=seed, drift=drift)
        groups = leaders_of(looks, likeness=LIKENESS)
        leading = [place for place, (leader, _) in enumerate(groups) if leader == place]
        for place, (leader, turning) in enumerate(groups):
            earlier = [(way, each) for way in range(8) for each in leading if each < place]
            expected = next(((each, way) for way, each in earlier if alike(looks, place, looks, each, way)), (place, 0))
            assert (leader, turning) == expected

    def test_groups_reach_over_blocks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looks = some_looks(100, seed=1, drift=0.02)
        whole = leaders_of(looks, likeness=LIKENESS)
        monkeypatch.setattr(similarity, "_BLOCK", 7)
        assert leaders_of(looks, likeness=LIKENESS) == whole
        assert 1 < len({leader for leader, _ in whole}) < 100

    def test_a_film_is_compared_with_its_leaders_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Work, not time: 2,000 frames that look the same need 8 comparisons each at most, not 2,000."""
        compared = []
        close = similarity._close
        monkeypatch.setattr(
            similarity,
            "_close",
            lambda some, others, *rest: compared.append(len(some) * len(others)) or close(some, others, *rest),
        )
        looks = some_looks(1, seed=0, drift=0.0)
        film = Looks(looks.hashes.repeat(2000, axis=0), looks.thumbnails.repeat(2000, axis=0))
        assert {leader for leader, _ in leaders_of(film, likeness=LIKENESS)} == {0}
        within_the_first_block = 8 * similarity._BLOCK**2
        assert sum(compared) <= within_the_first_block + 2 * 8 * 2000


def bits_apart(one: np.uint64, other: np.uint64) -> int:
    return int(np.bitwise_count(one ^ other))
