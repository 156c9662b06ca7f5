"""Masks of 0 and 1, classes and 12 bits in 16 are named for what they are, and nothing else is."""

import numpy as np
import pytest

from atme.images.levels import levels_of, together, unscaled

RNG = np.random.default_rng(0)


def drawn(values: int | list[int], dtype: type = np.uint8, channels: int = 1) -> np.ndarray:
    return RNG.choice(values, (40, 40, channels)).astype(dtype)


ODD = {
    "a mask of 0 and 1": (drawn([0, 1]), "uses 2 of 256 values, 0 and 1: multiply by 255"),
    "three channels of it": (drawn([0, 1], channels=3), "uses 2 of 256 values, 0 and 1: multiply by 255"),
    "in 16 bits": (drawn([0, 1], np.uint16), "uses 2 of 65,536 values, 0 and 1: multiply by 65535"),
    "classes": (drawn(19), "uses 19 of 256 values, 0 to 18: multiply by 14"),
    "12 bits in 16": (drawn(4096, np.uint16, 3), "uses 12 of 16 bits: multiply by 16"),
    "8 bits in 16": (drawn(256, np.uint16), "uses 8 of 16 bits: multiply by 256"),
}
PLAIN = {
    "a mask of 0 and 255": drawn([0, 255]),
    "classes and an ignored one": drawn([0, 1, 2, 255]),
    "a dark photograph": drawn(60),
    "8 bits": drawn(256, channels=3),
    "16 bits": drawn(65536, np.uint16),
    "black": drawn([0]),
    "one class": drawn([3]),
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_named(what: str) -> None:
    picture, words = ODD[what]
    assert unscaled(levels_of(picture)) == words


@pytest.mark.parametrize("what", PLAIN)
def test_what_is_not(what: str) -> None:
    assert unscaled(levels_of(PLAIN[what])) is None


@pytest.mark.parametrize("what", ODD)
def test_the_remedy_works(what: str) -> None:
    picture, words = ODD[what]
    factor = int(words.rpartition(" ")[2])
    multiplied = picture.astype(np.int64) * factor
    assert multiplied.max() <= np.iinfo(picture.dtype).max
    assert unscaled(levels_of(multiplied.astype(picture.dtype))) is None


def test_alpha_does_not_count() -> None:
    mask = np.concatenate([drawn([0, 1], channels=3), drawn(256)], axis=2)
    assert unscaled(levels_of(mask)) == "uses 2 of 256 values, 0 and 1: multiply by 255"


def test_pictures_together() -> None:
    """Each may hold one class only; a single bright one shows that the others are dark by nature."""
    classes = [levels_of(np.full((4, 4, 1), value, np.uint8)) for value in range(3)]
    assert unscaled(together(classes)) == "uses 3 of 256 values, 0 to 2: multiply by 127"
    assert unscaled(together([*classes, levels_of(drawn(256))])) is None
