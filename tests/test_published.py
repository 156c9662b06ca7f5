"""Published names: each of them finds its place, and what does not fit is named."""

from pathlib import Path

import numpy as np
import pytest
import torch
from denoising_diffusion_pytorch import Unet
from torch import Tensor, nn

from atme.inference.published import load_published, our_names
from atme.networks import PatchGAN, Pix2PixResNet, Pix2PixUNet, UNet, WNet

GOLDEN = Path(__file__).parent / "golden"


def published(file: str, prefix: str) -> dict[str, Tensor]:
    with np.load(GOLDEN / file) as arrays:
        names = [name for name in arrays.files if name.startswith(prefix)]
        return {name.removeprefix(prefix): torch.from_numpy(arrays[name]) for name in names}


CASES = {
    "G": (lambda: UNet(dim=8), "atme_dim8.npz", "initial/G/"),
    "D": (lambda: PatchGAN(dim=8), "atme_dim8.npz", "initial/D/"),
    "W": (WNet, "atme_dim8.npz", "initial/W/"),
    "unet_256": (lambda: Pix2PixUNet(ngf=4), "pix2pix_ngf4.npz", "unet_256/weights/"),
    "resnet_9blocks": (lambda: Pix2PixResNet(ngf=4), "pix2pix_ngf4.npz", "resnet_9blocks/weights/"),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, dict[str, Tensor]]:
    make, file, prefix = CASES[request.param]
    return make(), published(file, prefix)


def test_names_are_a_bijection_onto_our_state(case) -> None:
    network, weights = case
    names = our_names(network, weights)
    assert sorted(names.values()) == sorted(network.state_dict())


def test_every_value_arrives_in_its_order(case) -> None:
    network, weights = case
    load_published(network, weights)
    state = network.state_dict()
    for theirs, ours in our_names(network, weights).items():
        assert torch.equal(state[ours].flatten(), weights[theirs].flatten())


def test_the_prefix_of_parallel_training_is_left_out(case) -> None:
    network, weights = case
    load_published(network, {f"module.{name}": tensor for name, tensor in weights.items()})
    name, ours = next(iter(our_names(network, weights).items()))
    assert torch.equal(network.state_dict()[ours].flatten(), weights[name].flatten())


def test_what_does_not_fit_is_named_and_nothing_is_loaded(case) -> None:
    network, weights = case
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    missing, misshapen = next(iter(weights)), list(weights)[-1]
    wrong = {**weights, "surplus.weight": torch.zeros(1), misshapen: torch.zeros(5, 5)}
    del wrong[missing]
    with pytest.raises(ValueError, match="do not fit") as caught:
        load_published(network, wrong)
    message = str(caught.value)
    assert f"missing: {our_names(network, [missing])[missing]};" in message
    assert "surplus.weight" in message
    assert f"of another shape: {misshapen} (5, 5), not" in message
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_a_transposed_weight_of_the_same_size_is_refused() -> None:
    weights = published("atme_dim8.npz", "initial/G/")
    weights["init_conv.weight"] = weights["init_conv.weight"].transpose(0, 1)
    with pytest.raises(ValueError, match=r"init_conv.weight \(3, 8, 7, 7\), not \(8, 3, 7, 7\)"):
        load_published(UNet(dim=8), weights)


def test_a_network_of_other_options_is_refused_and_many_names_are_counted() -> None:
    with pytest.raises(ValueError, match=r"of another shape: .* and \d+ more; build it with the options"):
        load_published(UNet(dim=16), published("atme_dim8.npz", "initial/G/"))


@pytest.mark.parametrize("embedding", ["learned", "random"])
def test_frequencies_of_the_package_are_loaded(embedding: str) -> None:
    package = Unet(8, **{f"{'learned_sinusoidal_cond' if embedding == 'learned' else 'random_fourier_features'}": True})
    net = UNet(dim=8, embedding=embedding, head="ddpm")
    load_published(net, package.state_dict())
    assert torch.equal(net.embed.waves.frequencies, package.time_mlp[0].weights)


def test_statistics_that_old_instance_norms_saved_are_dropped() -> None:
    weights = published("atme_dim8.npz", "initial/D/")
    old = {"model.3.running_mean": torch.ones(16), "model.3.running_var": torch.ones(16)}
    network, plain = PatchGAN(dim=8), PatchGAN(dim=8)
    load_published(network, {**weights, **old})
    load_published(plain, weights)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), plain.parameters(), strict=True))


def test_statistics_of_batch_norm_are_needed_but_for_the_counter() -> None:
    weights = published("pix2pix_ngf4.npz", "unet_256/weights/")
    without = {name: tensor for name, tensor in weights.items() if "num_batches" not in name}
    load_published(Pix2PixUNet(ngf=4), without)
    for name in [name for name in without if "running_mean" in name]:
        del without[name]
    with pytest.raises(ValueError, match=r"missing: .*running_mean"):
        load_published(Pix2PixUNet(ngf=4), without)


def test_a_resnet_trained_without_dropout_is_loaded() -> None:
    """Without the dropout layer, what follows it in a block is one number lower."""
    weights = published("pix2pix_ngf4.npz", "resnet_9blocks/weights/")
    lower = {
        name.replace("conv_block.6.", "conv_block.5.").replace("conv_block.7.", "conv_block.6."): tensor
        for name, tensor in weights.items()
    }
    with_dropout, without = Pix2PixResNet(ngf=4), Pix2PixResNet(ngf=4)
    load_published(with_dropout, weights)
    load_published(without, lower)
    states = zip(with_dropout.state_dict().values(), without.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in states)


def test_another_resnet_and_a_shallower_unet_have_their_names() -> None:
    assert (
        "blocks.5.second.1.weight"
        in our_names(Pix2PixResNet(ngf=1, blocks=6), ["model.15.conv_block.7.weight"]).values()
    )
    assert our_names(Pix2PixResNet(ngf=1, blocks=6), ["model.23.bias"]) == {"model.23.bias": "last.bias"}
    innermost = "model." + "model.1." + 5 * "model.3." + "model.3.weight"
    assert our_names(Pix2PixUNet(ngf=1, num_downs=7), [innermost]) == {innermost: "up.6.1.weight"}


def test_pixel_discriminators_are_published_as_net() -> None:
    network = PatchGAN(layers=0, dim=4)
    names = our_names(network, ["net.0.weight", "net.2.weight", "net.5.weight"])
    assert list(names.values()) == ["features.0.weight", "features.2.weight", "verdict.weight"]


def test_a_network_that_nobody_published_is_refused() -> None:
    with pytest.raises(ValueError, match="Linear: there are no published weights"):
        load_published(nn.Linear(2, 2), {"weight": torch.zeros(2, 2)})
