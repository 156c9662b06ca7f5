"""DiffAugment: its formulas by hand, one draw for a pair, none from PyTorch's own generator, and gradients."""

from typing import Any

import pytest
import torch
from torch import Tensor

from atme.data import Pair
from atme.noise import DiffAugment, Diffusion, Game, Injection, Judged, Sequence
from atme.noise.augment import colored, cut_out, moved

GAME = Game(images=5, size=(40, 30), batch=2, verdict_shape=lambda h, w: (h // 8, w // 8), verdict_stride=8)
HALF = 0.5
"""The draw that leaves a color as it is."""


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def read(scheme: Injection, source: Tensor, *images: Tensor, seed: int = 0) -> tuple[Judged, ...]:
    return scheme.before_discriminator(source, *images, rng=torch.Generator().manual_seed(seed))


def draws(*values: float) -> Tensor:
    """The same draws for a batch of two."""
    return torch.tensor(values)[:, None].expand(-1, 2)


# The formulas


def test_brightness_is_added() -> None:
    image = noise(2, 3, 6, 5)
    torch.testing.assert_close(colored(image, draws(0.9, HALF, HALF)), image + 0.4)


def test_saturation_goes_away_from_each_pixels_mean_over_three_channels() -> None:
    image = noise(2, 3, 6, 5)
    gray = image.mean(dim=1, keepdim=True)
    torch.testing.assert_close(colored(image, draws(HALF, 0.0, HALF)), gray.expand(-1, 3, -1, -1))
    torch.testing.assert_close(colored(image, draws(HALF, 0.8, HALF)), gray + 1.6 * (image - gray))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_numbers_of_channels_have_no_saturation(channels: int) -> None:
    image = noise(2, channels, 6, 5)
    torch.testing.assert_close(colored(image, draws(HALF, 0.0, HALF)), image)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_contrast_goes_away_from_each_pictures_mean(channels: int) -> None:
    image = noise(2, channels, 6, 5)
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    torch.testing.assert_close(colored(image, draws(HALF, HALF, 0.25)), mean + 0.75 * (image - mean))


def shifted(image: Tensor, down: int, right: int) -> Tensor:
    """The picture moved by whole pixels, the slow way."""
    after = torch.zeros_like(image)
    height, width = image.shape[-2:]
    for y in range(height):
        for x in range(width):
            if 0 <= y - down < height and 0 <= x - right < width:
                after[..., y, x] = image[..., y - down, x - right]
    return after


def test_pictures_move_by_whole_pixels_up_to_an_eighth() -> None:
    """Every step of a side of 17, which are two, and of one of 25, three: no bit is changed on the way."""
    image = noise(1, 2, 17, 25)
    for i in range(5):
        for j in range(7):
            at = torch.tensor([[(i + 0.5) / 5], [(j + 0.5) / 7]])
            assert torch.equal(moved(image, at), shifted(image, i - 2, j - 3))
    ends = torch.tensor([[0.0, 0.999999], [0.0, 0.999999]])
    both = moved(image.expand(2, -1, -1, -1), ends)
    assert torch.equal(both, torch.cat([shifted(image, -2, -3), shifted(image, 2, 3)]))


def test_a_rectangle_of_a_fifth_is_cut_out() -> None:
    image = torch.ones(2, 3, 41, 30)
    after = cut_out(image, torch.tensor([[0.5, 0.0], [0.5, 0.0]]))
    assert (after[0] == 0).sum() == 3 * 8 * 6
    assert (after[0, :, 16:24, 12:18] == 0).all()
    assert (after[1] == 0).sum() == 3 * 4 * 3  # its middle lies in the corner
    assert (after[1, :, :4, :3] == 0).all()


# What the discriminator reads


@pytest.mark.parametrize("policy", [("color",), ("translation",), ("cutout",), ("color", "translation", "cutout")])
def test_a_pair_has_one_draw_and_real_and_fake_have_two(policy: Any) -> None:
    image = noise(4, 3, 40, 30)
    real, fake = read(DiffAugment(GAME, policy=policy), image, image, image)
    assert torch.equal(real.source, real.image)
    assert torch.equal(fake.source, fake.image)
    assert (real.image != fake.image).flatten(1).any(dim=1).all()
    assert (real.image != image).flatten(1).any(dim=1).all()
    assert real.level is real.on_features is None


def test_images_of_a_batch_have_their_own_draws() -> None:
    image = noise(1, 3, 40, 30).expand(6, -1, -1, -1)
    (judged,) = read(DiffAugment(GAME), image, image)
    assert len({float(each.sum()) for each in judged.image}) == 6


def test_what_one_kind_draws_does_not_depend_on_the_others() -> None:
    image = noise(2, 3, 40, 30)
    (both,) = read(DiffAugment(GAME, policy=("cutout", "translation")), image, image)
    (alone,) = read(DiffAugment(GAME, policy=("translation",)), image, image)
    left = both.image != 0
    assert torch.equal(both.image[left], alone.image[left])


def test_with_a_probability_others_keep_their_bits() -> None:
    image = noise(1, 3, 8, 8).expand(400, -1, -1, -1)
    (judged,) = read(DiffAugment(GAME, probability=0.3), image, image)
    kept = (judged.image == image).flatten(1).all(dim=1)
    assert torch.equal(kept, (judged.source == image).flatten(1).all(dim=1))
    assert float(kept.float().mean()) == pytest.approx(0.7, abs=0.1)
    (judged,) = read(DiffAugment(GAME, probability=0.0), image, image)
    assert torch.equal(judged.image, image)


def test_it_draws_from_the_generator_that_it_is_given_alone() -> None:
    image = noise(2, 3, 40, 30)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    (one,) = read(DiffAugment(GAME), image, image)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    (same,), (other,) = (read(DiffAugment(GAME), image, image, seed=seed) for seed in (0, 1))
    assert torch.equal(one.image, same.image)
    assert not torch.equal(one.image, other.image)


def test_gradients_pass_to_the_image() -> None:
    source, image = noise(2, 1, 8, 10).double(), noise(2, 3, 8, 10, seed=1).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda y: read(DiffAugment(GAME), source, y)[0].image, (image,))


def test_the_first_door_costs_nothing_and_there_is_no_state() -> None:
    pair = Pair(noise(2, 3, 8, 8), None, None, torch.eye(2, 3).repeat(2, 1, 1), ("a", "b"))
    scheme = DiffAugment(GAME)
    assert scheme(pair).image is pair.source
    assert not scheme.state_dict()


# Beside others


def test_in_a_sequence_each_image_is_judged_beside_its_own_source() -> None:
    image = noise(3, 3, 16, 16)
    quiet = Sequence(GAME, schemes=[DiffAugment, lambda game: Diffusion(game, t_min=50, clean=0, sigma=1e-6)])
    real, fake = read(quiet, image, image, image)
    share = torch.linalg.vecdot(real.image.flatten(1), real.source.flatten(1)) / real.source.flatten(1).square().sum(1)
    torch.testing.assert_close(real.image, real.source * share[:, None, None, None], atol=1e-4, rtol=1e-4)
    assert not torch.equal(real.source, fake.source)


def test_a_later_scheme_that_changes_sources_is_refused_and_an_earlier_one_is_not() -> None:
    def both(game: Game) -> Diffusion:
        return Diffusion(game, diffuse="both", clean=0)

    image = noise(3, 3, 16, 16)
    with pytest.raises(ValueError, match="put the first of them last"):
        read(Sequence(GAME, schemes=[DiffAugment, both]), image, image, image)
    real, fake = read(Sequence(GAME, schemes=[both, DiffAugment]), image, image, image)
    assert real.level is not None
    assert not torch.equal(real.source, fake.source)


@pytest.mark.parametrize(
    ("options", "culprit"),
    [
        ({"policy": ()}, r"noise\.policy: \(\) is no list of any"),
        ({"policy": "color"}, r"noise\.policy: 'color' is no list of any"),
        ({"policy": ("colour",)}, r"noise\.policy: 'colour' is unknown; choose from color"),
        ({"probability": 1.5}, r"noise\.probability: 1.5 "),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], culprit: str) -> None:
    with pytest.raises(ValueError, match=culprit):
        DiffAugment(GAME, **options)
