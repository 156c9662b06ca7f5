"""The game itself: parity with the published training, and one step worked out by hand."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from atme.data import Pair
from atme.inference import load_published
from atme.inference.published import our_names
from atme.models import Networks, Pix2Pix
from atme.networks import PatchGAN, UNet
from atme.noise import DecisionMemory, Diffusion, Game, Identity, Injection, Sequence
from atme.training.state import State

GOLDEN = Path(__file__).parent / "golden" / "atme_dim8.npz"
SIDE = 32


def adam(weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(weights, lr=2e-4, betas=(0.5, 0.999))


def descent(weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Steps proportional to the gradient: unlike Adam's, they do not turn rounding into signs."""
    return torch.optim.SGD(weights, lr=1e-3)


def make_state(
    networks: Networks,
    *,
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] = adam,
    accumulate: int = 1,
) -> State:
    played = [*networks.generator.parameters(), *networks.scheme.parameters()]
    optimizers = {
        "generator": optimizer(played),
        "discriminator": optimizer(networks.discriminator.parameters()),
    }
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    return State(networks, optimizers, accelerator=accelerator, average=None, seed=0)  # type: ignore[arg-type]


def small(scheme: Callable[[Game], Injection] = Identity) -> Networks:
    torch.manual_seed(0)
    judge = PatchGAN(3, 3, layers=2, dim=4)
    game = Game(3, (SIDE, SIDE), 2, judge.verdict_shape, 4)
    return Networks(UNet(3, 3, dim=8, dim_mults=(1, 2), groups=4), judge, scheme(game))


def a_pair() -> Pair:
    rng = torch.Generator().manual_seed(1)
    source, target = (torch.rand(2, 3, SIDE, SIDE, generator=rng) * 2 - 1 for _ in range(2))
    return Pair(source, target, torch.tensor([0, 2]), torch.eye(2, 3).repeat(2, 1, 1), ("a", "b"))


def play(state: State, model: Pix2Pix, pair: Pair) -> dict[str, float]:
    with state.at(0):
        step = model.step(state, pair)
    state.finish_step()
    return {name: float(value) for name, value in step.losses.items()}


def sine_image(k: int) -> Tensor:
    """The parity runs' image(k), batch 2: their inputs are formulas."""
    b, c, i, j = (np.arange(n).reshape(s) for n, s in _axes(2, 3, 256, 256))
    values = np.sin(0.031 * (k + 1) * (c + 1) * i) * np.cos(0.017 * (b + 1) * (c + 2) * j + 0.5 * k)
    return torch.from_numpy(values.astype(np.float32))


def sine_decisions() -> Tensor:
    """The parity runs' dmap(0), batch 2."""
    b, _, i, j = (np.arange(n).reshape(s) for n, s in _axes(2, 1, 30, 30))
    return torch.from_numpy((0.5 + 0.5 * np.sin(0.3 * (b + 1) * i) * np.cos(0.2 * (b + 1) * j)).astype(np.float32))


def _axes(*sizes: int) -> list[tuple[int, tuple[int, ...]]]:
    return [(n, tuple(-1 if axis == at else 1 for axis in range(4))) for at, n in enumerate(sizes)]


def names(golden: Mapping[str, np.ndarray], before: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(before): golden[name] for name in golden if name.startswith(before)}


def by_name(networks: Networks) -> tuple[nn.Module, ...]:
    return networks.generator, networks.discriminator, networks.scheme


def by_letter(networks: Networks) -> dict[str, nn.Module]:
    return {"G": networks.generator, "D": networks.discriminator, "W": networks.scheme.network}  # type: ignore[dict-item]


def published_game() -> tuple[State, Networks]:
    judge = PatchGAN(3, 3, layers=3, dim=8)
    game = Game(2, (256, 256), 2, judge.verdict_shape, 8)
    networks = Networks(UNet(3, 3, dim=8), judge, DecisionMemory(game))
    with np.load(GOLDEN) as golden:
        for letter, network in by_letter(networks).items():
            weights = names(golden, f"initial/{letter}/")
            load_published(network, {name: torch.from_numpy(value) for name, value in weights.items()})
    networks.scheme.decisions.copy_(sine_decisions())
    return make_state(networks), networks


def test_three_steps_equal_those_of_the_published_code() -> None:
    """Losses, what the memory holds after each step, and the norm of every weight after the third."""
    state, networks = published_game()
    view = torch.eye(2, 3).repeat(2, 1, 1)
    pair = Pair(sine_image(1), sine_image(2), torch.arange(2), view, ("a", "b"))
    with np.load(GOLDEN) as golden:
        for step in range(3):
            losses = play(state, Pix2Pix(lambda_l1=100), pair)
            found = [losses["g_gan"], 100 * losses["g_l1"], losses["d_real"], losses["d_fake"]]
            expected = golden["train/losses_G_GAN_G_L1_D_real_D_fake"][step]
            np.testing.assert_allclose(found, expected, rtol=1e-3)
            pool = golden[f"train/pool_after_step_{step + 1}"]
            # Adam's first steps are signs, and rounding decides some of them: hence the wide tolerance
            np.testing.assert_allclose(networks.scheme.decisions, pool, atol=2e-2)
        for letter, network in by_letter(networks).items():
            weights = network.state_dict()
            norms = names(golden, f"final_norm/{letter}/")
            for published, ours in our_names(network, norms).items():
                norm = float(weights[ours].double().norm())
                moved = 3 * 2e-4 * weights[ours].numel() ** 0.5  # by three of Adam's steps, at most
                if float(norms[published]) > moved:
                    expected = pytest.approx(float(norms[published]), rel=1e-3)
                    assert norm == expected, f"{letter} {published}"
                else:  # a bias that began at 0: its few steps are signs, some of which rounding decides
                    assert norm <= moved, f"{letter} {published}"


@pytest.mark.parametrize("scheme", [Identity, lambda game: Sequence(game, schemes=[Identity, Identity])])
def test_identity_is_pix2pix_bit_for_bit(scheme: Callable[[Game], Injection]) -> None:
    """The published update, written out with nothing but torch, gives the same bits."""
    networks = small(scheme)
    generator, judge = copy.deepcopy(networks.generator), copy.deepcopy(networks.discriminator)
    g_optimizer, d_optimizer = adam(generator.parameters()), adam(judge.parameters())
    pair, state = a_pair(), make_state(networks)
    for _ in range(3):
        play(state, Pix2Pix(lambda_l1=100, d_loss_factor=0.5), pair)

        fake = generator(pair.source, torch.zeros(2))
        on_fake, on_real = judge(pair.source, fake.detach()), judge(pair.source, pair.target)
        d_optimizer.zero_grad()
        (0.5 * (nn.functional.softplus(-on_real).mean() + nn.functional.softplus(on_fake).mean())).backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        g_gan = nn.functional.softplus(-judge(pair.source, fake)).mean()
        (g_gan + 100 * (fake - pair.target).abs().mean()).backward()
        g_optimizer.step()
    for ours, plain in ((networks.generator, generator), (networks.discriminator, judge)):
        for (name, one), other in zip(ours.named_parameters(), plain.parameters(), strict=True):
            assert torch.equal(one, other), name


def test_noise_is_not_pix2pix() -> None:
    """The control of the test above: with a memory, the same steps end elsewhere."""
    ends = []
    for scheme in (Identity, DecisionMemory):
        networks = small(scheme)
        play(make_state(networks), Pix2Pix(), a_pair())
        ends.append(networks.generator.state_dict())
    assert not all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_the_log_reads_the_game_as_it_is() -> None:
    state = make_state(small(DecisionMemory))
    losses = play(state, Pix2Pix(), a_pair())
    assert losses["objective"] == pytest.approx(losses["d_real"] + losses["d_fake"], rel=1e-6)
    assert losses["d_loss"] == pytest.approx(losses["objective"], rel=1e-6)
    assert 1.2 < losses["objective"] < 1.8
    assert 0.6 < losses["entropy"] <= 0.6932
    assert -1 < losses["w_mean"] < 1


def test_the_memory_gets_what_the_generator_saw() -> None:
    networks, pair = small(DecisionMemory), a_pair()
    state = make_state(networks)
    with state.at(0):
        step = Pix2Pix().step(state, pair)
    assert torch.equal(networks.scheme.decisions[[0, 2]], step.verdicts.kept)
    assert not networks.scheme.decisions[1].any()


def test_the_discriminator_collects_nothing_from_the_generators_update() -> None:
    networks = small()
    state = make_state(networks)
    play(state, Pix2Pix(), a_pair())
    assert all(p.requires_grad and p.grad is None for p in networks.discriminator.parameters())


@pytest.mark.parametrize("adversarial", ["vanilla", "least_squares", "hinge", "wgan_gp"])
def test_each_game_moves_every_weight(adversarial: str) -> None:
    networks = small(DecisionMemory)
    networks.scheme.decisions.normal_()
    before = copy.deepcopy([p.detach() for n in by_name(networks) for p in n.parameters()])
    play(make_state(networks), Pix2Pix(adversarial=adversarial), a_pair())  # type: ignore[arg-type]
    after = [p.detach() for n in by_name(networks) for p in n.parameters()]
    still = [len(one) for one, other in zip(before, after, strict=True) if torch.equal(one, other)]
    # a critic's own offset cancels out of a difference of means
    assert still == ([1] if adversarial == "wgan_gp" else [])


def test_the_penalty_is_part_of_wgan_gp_alone() -> None:
    one, other = (
        play(make_state(small()), Pix2Pix(adversarial="wgan_gp", gradient_penalty=weight), a_pair())
        for weight in (0.0, 10.0)
    )
    assert other["d_loss"] > one["d_loss"]
    same = [play(make_state(small()), Pix2Pix(gradient_penalty=w), a_pair()) for w in (0.0, 10.0)]
    assert same[0] == same[1]


def test_r1_is_part_of_every_game_that_asks_for_it_in_the_updates_that_bear_it() -> None:
    def two_updates(**words: float) -> list[dict[str, float]]:
        state = make_state(small())
        return [play(state, Pix2Pix(r1_interval=2, **words), a_pair()) for _ in range(2)]  # type: ignore[arg-type]

    bare, held = two_updates(), two_updates(r1_gamma=10.0)
    assert "d_r1" not in bare[0]
    assert held[0]["d_r1"] > 0
    assert held[0]["d_loss"] == pytest.approx(bare[0]["d_loss"] + held[0]["d_r1"], rel=1e-6)
    assert held[1]["d_r1"] == 0


@pytest.mark.parametrize(("side", "d_loss_factor"), [("discriminator", 0.5), ("generator", 0.0)])
def test_accumulated_micro_batches_are_one_step(side: str, d_loss_factor: float) -> None:
    """Without norms over the batch, two micro-batches of one image weigh as much as one of both.

    The generator's terms of the first micro-batch see the discriminator before its update, so that the
    generator's side is compared with one that stays.
    """
    pair, model = a_pair(), Pix2Pix(d_loss_factor=d_loss_factor)
    halves = [
        replace(pair, source=pair.source[i, None], target=pair.target[i, None], index=pair.index[i, None])  # type: ignore[index]
        for i in range(2)
    ]
    whole, parts = small(), small()
    together = make_state(whole, optimizer=descent)
    play(together, model, pair)
    apart = make_state(parts, optimizer=descent, accumulate=2)
    for micro, half in enumerate(halves):
        with apart.at(micro):
            model.step(apart, replace(half, view=pair.view[:1], name=("a",)))
    ours, theirs = (getattr(networks, side) for networks in (whole, parts))
    for (name, one), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6, msg=name)


def test_refining_reads_the_verdict_on_the_first_answer() -> None:
    networks = small(lambda game: DecisionMemory(game, translate_with="refine"))
    pair = Pair(a_pair().source, None, None, a_pair().view, ("a", "b"))
    corrupted, fake = Pix2Pix().translate(networks, pair)
    with torch.no_grad():
        first = networks.scheme(pair)
        answer = networks.generator(first.image, first.level)
        second = networks.scheme(pair, networks.discriminator(pair.source, answer))
        expected = networks.generator(second.image, second.level)
    assert torch.equal(fake, expected)
    assert not torch.equal(corrupted.map, first.map)


def test_negative_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.lambda_l1: -1 is negative"):
        Pix2Pix(lambda_l1=-1)


class Operations(TorchDispatchMode):
    """Lists every operation on tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def operations(scheme: Callable[[Game], Injection]) -> list[str]:
    networks, pair = small(scheme), a_pair()
    calls: list[nn.Module] = []
    for module in (networks.generator, networks.discriminator):
        module.register_forward_hook(lambda module, *_: calls.append(module))
    with Operations() as counted:
        Pix2Pix().translate(networks, pair)
    assert calls == [networks.generator]
    return counted.seen


def test_diffusion_adds_no_work_to_a_translation() -> None:
    """Operation by operation, a translation is pix2pix's; with a decision memory, the control, it is not."""
    assert operations(Diffusion) == operations(Identity)
    assert len(operations(DecisionMemory)) > len(operations(Identity))
