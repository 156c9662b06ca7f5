"""The protocol of noise schemes: identity changes nothing, and a sequence composes."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from atme.data import Pair
from atme.noise import Corrupted, DecisionMemory, Game, Identity, Injection, Judged, Sequence, Verdicts

GAME = Game(images=5, size=(32, 48), batch=2, verdict_shape=lambda h, w: (h // 8 - 2, w // 8 - 2), verdict_stride=8)


def a_pair(rng: torch.Generator) -> Pair:
    image = torch.rand(2, 3, 32, 48, generator=rng) * 2 - 1
    return Pair(image, -image, torch.tensor([1, 4]), torch.eye(2, 3).repeat(2, 1, 1), ("a", "b"))


class Scale(Injection):
    """x → x·(1 + w): a map of one value."""

    def __init__(self, game: Game, *, w: float) -> None:
        super().__init__()
        self.w = w

    def before_generator(self, pair: Pair, *, verdict: Tensor | None = None) -> Corrupted:
        w = torch.full_like(pair.source[:, :1], self.w)
        return Corrupted(pair.source * (1 + w), torch.full((len(pair),), self.w), w)


class Shift(Injection):
    """Adds a number to what is judged, and gives it a level."""

    def __init__(self, game: Game) -> None:
        super().__init__()
        self.heard: list[Verdicts] = []

    def before_discriminator(self, source: Tensor, *images: Tensor, rng: torch.Generator) -> tuple[Judged, ...]:
        return tuple(Judged(source, image + 1, torch.ones(len(image))) for image in images)

    def remember(self, verdicts: Verdicts) -> None:
        self.heard.append(verdicts)

    def readings(self) -> dict[str, float]:
        return {"shift.heard": len(self.heard)}


def test_identity_changes_no_bit_at_any_door() -> None:
    rng = torch.Generator().manual_seed(0)
    pair, scheme = a_pair(rng), Identity(GAME)
    corrupted = scheme(pair)
    assert corrupted.image is pair.source
    assert corrupted.map is None
    assert torch.equal(corrupted.level, torch.zeros(2))
    assert pair.target is not None
    (judged,) = scheme.before_discriminator(pair.source, pair.target, rng=rng)
    assert (judged.source, judged.image, judged.level) == (pair.source, pair.target, None)
    assert not list(scheme.parameters())
    assert not scheme.state_dict()


def test_a_sequence_composes_maps_and_levels() -> None:
    pair = a_pair(torch.Generator().manual_seed(0))
    both = Sequence(GAME, schemes=[lambda game: Scale(game, w=0.5), lambda game: Scale(game, w=-0.2)])
    corrupted = both(pair)
    torch.testing.assert_close(corrupted.image, pair.source * 1.5 * 0.8)
    torch.testing.assert_close(corrupted.map, torch.full_like(pair.source[:, :1], 1.5 * 0.8 - 1))
    torch.testing.assert_close(corrupted.level, torch.full((2,), 0.3))


def test_each_scheme_of_a_sequence_works_at_its_own_door() -> None:
    rng = torch.Generator().manual_seed(0)
    pair = a_pair(rng)
    both = Sequence(GAME, schemes=[DecisionMemory, Shift])
    alone = both.schemes[0]
    assert torch.equal(both(pair).image, alone(pair).image)
    judged = both.before_discriminator(pair.source, pair.source, rng=rng)[0]
    assert judged.level is not None
    torch.testing.assert_close(judged.image, pair.source + 1)
    verdicts = Verdicts((torch.zeros(2, 1, 2, 4),), (torch.ones(2, 1, 2, 4),), torch.tensor([1, 4]), pair.view)
    both.remember(verdicts)
    assert both.readings() == {"shift.heard": 1}
    assert float(alone.decisions[4].mean()) == 1.0  # type: ignore[union-attr, index]


def test_identity_in_a_sequence_changes_nothing() -> None:
    pair = a_pair(torch.Generator().manual_seed(0))
    memory = Sequence(GAME, schemes=[DecisionMemory])
    around = Sequence(GAME, schemes=[Identity, DecisionMemory, Identity])
    around.schemes[1].load_state_dict(memory.schemes[0].state_dict())
    assert torch.equal(memory(pair).image, around(pair).image)
    assert torch.equal(memory(pair).level, around(pair).level)


def test_the_passes_of_a_sequence_are_the_most_that_one_asks_for() -> None:
    def refine(game: Game) -> Injection:
        return DecisionMemory(game, translate_with="refine")

    assert Sequence(GAME, schemes=[Identity]).passes == 1
    assert Sequence(GAME, schemes=[Identity, refine]).passes == 2


def test_what_cannot_be_composed_is_refused() -> None:
    pair = a_pair(torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="name at least one scheme"):
        Sequence(GAME, schemes=[])
    with pytest.raises(ValueError, match="keep one of them"):
        Sequence(GAME, schemes=[Shift, Shift]).before_discriminator(pair.source, pair.source, rng=torch.Generator())


def test_pairs_are_not_changed() -> None:
    pair = a_pair(torch.Generator().manual_seed(0))
    copy = replace(pair, source=pair.source.clone())
    DecisionMemory(GAME)(pair)
    assert torch.equal(pair.source, copy.source)
