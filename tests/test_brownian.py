"""The noise that is a Brownian motion by construction: its law, its address, and that the game moves it not."""

import numpy as np
import pytest
import torch

from atme.data import Pair
from atme.noise import Brownian, Game, Verdicts
from atme.process import suite

GAME = Game(images=4, size=(32, 48), batch=2, verdict_shape=lambda h, w: (h // 4, w // 4), verdict_stride=4)


def a_pair(*index: int) -> Pair:
    image = torch.rand(len(index), 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    view = torch.eye(2, 3).repeat(len(index), 1, 1)
    return Pair(image, -image, torch.tensor(index), view, ("a",) * len(index))


def verdicts(*index: int, value: float = 0.0) -> Verdicts:
    logits = torch.full((len(index), 1, 8, 12), value)
    return Verdicts((logits,), (logits,), torch.tensor(index), torch.eye(2, 3).repeat(len(index), 1, 1))


def test_its_paths_pass_every_test_of_the_process() -> None:
    """Steps are normal, white, and as large as asked for; the level wanders, its variance a line in time."""
    path = Brownian(GAME, step=0.02).path(0, 500).reshape(500, -1)
    assert np.diff(path, axis=0).std() == pytest.approx(0.02, rel=0.02)
    found = suite(path)
    shares = found.shares(correction="holm")
    for name, finding in found.findings.items():
        if finding.pvalue is not None:
            assert shares[name] == (1.0 if finding.brownian == "rejected" else 0.0), name


def test_longer_paths_begin_with_shorter_ones() -> None:
    scheme = Brownian(GAME)
    assert np.array_equal(scheme.path(2, 50)[:20], scheme.path(2, 20))
    assert not np.array_equal(scheme.path(2, 20), scheme.path(3, 20))
    assert not np.array_equal(scheme.path(2, 20), Brownian(GAME, seed=1).path(2, 20))


def test_each_visit_reads_the_next_point_of_its_image() -> None:
    scheme = Brownian(GAME)
    for visit in range(3):
        w = scheme(a_pair(1, 3)).map
        for row, image in enumerate((1, 3)):
            point = torch.from_numpy(scheme.path(image, visit + 1)[-1])[None, None]
            expected = torch.nn.functional.interpolate(point, size=(32, 48), mode="bilinear")[0]
            assert torch.equal(w[row], expected)
        scheme.remember(verdicts(1, 3))
    assert scheme.visits.tolist() == [0, 3, 0, 3]


def test_verdicts_have_no_influence() -> None:
    one, other = Brownian(GAME), Brownian(GAME)
    one.remember(verdicts(1, value=-5.0))
    other.remember(verdicts(1, value=5.0))
    assert torch.equal(one(a_pair(1)).map, other(a_pair(1)).map)


def test_it_goes_on_from_its_state() -> None:
    one, other = Brownian(GAME), Brownian(GAME)
    one.remember(verdicts(0, 2))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(a_pair(0, 1)).map, other(a_pair(0, 1)).map)


def test_unseen_images_are_left_alone() -> None:
    pair = a_pair(0)
    unseen = Pair(pair.source, None, None, pair.view, pair.name)
    assert Brownian(GAME)(unseen).image is unseen.source


def test_bounded_it_stays_inside() -> None:
    assert np.abs(Brownian(GAME, step=0.5, bounded=True).path(0, 300)).max() <= 1
    assert np.abs(Brownian(GAME, step=0.5).path(0, 300)).max() > 1


def test_a_step_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"noise\.step"):
        Brownian(GAME, step=0)


def test_looking_back_is_no_visit() -> None:
    """Given a verdict, W is that of the last visit: what a recording after an epoch wants to know."""
    scheme = Brownian(GAME)
    assert torch.equal(scheme(a_pair(2), torch.zeros(1, 1, 8, 12)).map, torch.zeros(1, 1, 32, 48))
    for _ in range(3):
        read = scheme(a_pair(2)).map
        scheme.remember(verdicts(2))
        assert torch.equal(scheme(a_pair(2), torch.randn(1, 1, 8, 12)).map, read)
