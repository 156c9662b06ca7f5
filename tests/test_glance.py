"""A glance at pairs before a training: what is planted in them is seen, and what is not planted is not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import EARTH

from atme.data import PairedImages, find_root
from atme.images import Pixels, read_image, write_image
from atme.metrics import median_color
from atme.training import glance as glances
from atme.training.glance import Glance, glance

Change = Callable[[int, Pixels, Pixels], tuple[Pixels, Pixels]]
COUNT = 16


@pytest.fixture(scope="module")
def tiles() -> list[tuple[Pixels, Pixels]]:
    """Some pairs of earth."""
    paths = sorted((find_root("earth") / "train").glob("*.jpg"))[:: 101 // COUNT][:COUNT]
    return [(both[:, :256], both[:, 256:]) for both in map(read_image, paths)]


@pytest.fixture
def seen(tmp_path: Path, tiles: list[tuple[Pixels, Pixels]]) -> Callable[..., Glance]:
    """What is seen of them, changed."""

    def look(change: Change = lambda number, a, b: (a, b), *, count: int = COUNT) -> Glance:
        (tmp_path / "train").mkdir()
        for number, (a, b) in enumerate(tiles[:count]):
            write_image(tmp_path / "train" / f"{number:02d}.png", np.concatenate(change(number, a, b), axis=1))
        found = glance(PairedImages(tmp_path))
        assert found is not None
        return found

    return look


def test_sound_pairs(seen: Callable[..., Glance]) -> None:
    found = seen()
    assert (found.looked, found.sources, found.targets) == (COUNT, COUNT, COUNT)
    assert found.turned == 0
    assert found.shift < 1
    assert 0.15 < found.one_color < 0.3
    assert found.spread > 0.15


def test_one_color_for_pairs_that_are_not_trained_on(earth: Path) -> None:
    """The training targets' color, for targets of another split, which may be of other colors."""
    train, test = PairedImages(earth, split="train"), PairedImages(earth, split="test")
    alone, beside = glance(train), glance(train, unseen=test)
    assert alone is not None
    assert beside is not None
    assert alone.one_color_unseen is None
    assert "pairs.one_color_unseen" not in alone.as_readings()
    assert beside.one_color == alone.one_color
    targets = [pair.target.clamp(-1, 1) for index in range(len(train)) if (pair := train[index]).target is not None]
    middle = median_color(iter(targets), levels=256)
    others = [pair.target for index in range(len(test)) if (pair := test[index]).target is not None]
    expected = float(np.mean([float((target - middle).abs().mean()) for target in others]))
    assert beside.one_color_unseen == pytest.approx(expected, rel=0.05)  # a glance is at some of them
    same = glance(train, unseen=train)
    assert same is not None
    assert same.one_color_unseen == same.one_color


def test_swapped_halves(seen: Callable[..., Glance]) -> None:
    assert seen(lambda number, a, b: (b, a) if number % 4 == 1 else (a, b)).turned == pytest.approx(0.25)


def test_shifted_targets(seen: Callable[..., Glance]) -> None:
    assert 19 < seen(lambda number, a, b: (a, np.roll(b, (12, 16), (0, 1)))).shift < 21


def test_targets_that_tell_nothing(seen: Callable[..., Glance]) -> None:
    found = seen(lambda number, a, b: (a, np.full_like(b, 90)))
    assert (found.sources, found.targets, found.spread) == (COUNT, 1, 0)
    assert found.one_color < 1e-6


def test_one_pair_again_and_again(seen: Callable[..., Glance], tiles: list[tuple[Pixels, Pixels]]) -> None:
    found = seen(lambda number, a, b: tiles[0])
    assert (found.looked, found.sources, found.targets) == (COUNT, 1, 1)


def test_halves_of_one_kind_have_no_direction(seen: Callable[..., Glance]) -> None:
    """A picture and its neighbor: which of both is brighter is chance, and no pair is turned."""
    rng = np.random.default_rng(0)
    assert seen(lambda number, a, b: (a, np.uint8(np.clip(a + rng.normal(0, 20, 3), 0, 255)))).turned == 0


def test_a_few_pairs_tell_of_no_direction(seen: Callable[..., Glance]) -> None:
    assert seen(lambda number, a, b: (b, a) if number % 2 else (a, b), count=4).turned == 0


def test_of_large_pictures_fewer_are_looked_at(monkeypatch: pytest.MonkeyPatch, seen: Callable[..., Glance]) -> None:
    monkeypatch.setattr(glances, "PIXELS", 6 * 256 * 256)
    assert seen().looked == 6


def test_a_file_that_cannot_be_read_is_left_to_the_training(tmp_path: Path, tiles: list[tuple[Pixels, Pixels]]) -> None:
    (tmp_path / "train").mkdir()
    for number, pair in enumerate(tiles[:4]):
        write_image(tmp_path / "train" / f"{number}.png", np.concatenate(pair, axis=1))
    pairs = PairedImages(tmp_path)
    whole = (tmp_path / "train" / "2.png").read_bytes()
    (tmp_path / "train" / "2.png").write_bytes(whole[: len(whole) // 2])
    found = glance(pairs)
    assert found is not None
    assert found.looked == 3
    for path in (tmp_path / "train").iterdir():
        path.write_bytes(whole[:100])
    assert glance(pairs) is None


def test_readings_of_a_translation() -> None:
    image = torch.tensor([[[[-1.0, 1.0], [0.999, 0.5]]]])
    assert float(glances.ends(image)) == 0.75
    assert float(glances.spread(image)) == pytest.approx(float(np.std([-1, 1, 0.999, 0.5])))
    assert float(glances.spread(torch.zeros(1, 3, 1, 1))) == 0


def test_it_draws_nothing() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    glance(PairedImages(EARTH, split="test"))
    assert torch.equal(before, torch.get_rng_state())
