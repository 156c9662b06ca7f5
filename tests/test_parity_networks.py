"""The networks against values that the published code of ATME and pix2pix computed (tests/golden)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from atme.inference.published import load_published
from atme.networks import PatchGAN, Pix2PixResNet, Pix2PixUNet, UNet, WNet

GOLDEN = Path(__file__).parent / "golden"
SIZE = 256


def weights(file: str, prefix: str) -> dict[str, Tensor]:
    """Weights under their published names."""
    with np.load(GOLDEN / file) as arrays:
        return {
            name.removeprefix(prefix): torch.from_numpy(arrays[name])
            for name in arrays.files
            if name.startswith(prefix)
        }


def values(file: str, name: str) -> Tensor:
    with np.load(GOLDEN / file) as arrays:
        return torch.from_numpy(arrays[name])


def image(k: int, *, batch: int) -> Tensor:
    """sin(0.031 (k+1)(c+1) i) · cos(0.017 (b+1)(c+2) j + 0.5 k), (batch, 3, 256, 256)."""
    b, c, i, j = np.ogrid[:batch, :3, :SIZE, :SIZE]
    wave = np.sin(0.031 * (k + 1) * (c + 1) * i) * np.cos(0.017 * (b + 1) * (c + 2) * j + 0.5 * k)
    return torch.from_numpy(wave.astype(np.float32))


def decision_map(k: int) -> Tensor:
    """0.5 + 0.5 · sin(0.3 (k+b+1) i) · cos(0.2 (b+1) j), (2, 1, 30, 30) logits."""
    b, _, i, j = np.ogrid[:2, :1, :30, :30]
    wave = 0.5 + 0.5 * np.sin(0.3 * (k + b + 1) * i) * np.cos(0.2 * (b + 1) * j)
    return torch.from_numpy(wave.astype(np.float32))


def generate(net: nn.Module) -> Tensor:
    w = values("atme_dim8.npz", "forward/W")
    return net(image(1, batch=2) * (1 + w), w.mean(dim=(1, 2, 3)))


Call = Callable[[nn.Module], Tensor]
CASES: dict[str, tuple[nn.Module, str, str, str, Call]] = {
    "W": (WNet(), "atme_dim8.npz", "initial/W/", "forward/W", lambda w: w(decision_map(0), size=(SIZE, SIZE))),
    "G": (UNet(dim=8), "atme_dim8.npz", "initial/G/", "forward/G", generate),
    "D": (
        PatchGAN(dim=8),
        "atme_dim8.npz",
        "initial/D/",
        "forward/D",
        lambda d: d(image(1, batch=2), image(2, batch=2)),
    ),
    **{
        name: (net, "pix2pix_ngf4.npz", f"{name}/weights/", f"{name}/forward", lambda g: g(image(3, batch=1), None))
        for name, net in {"unet_256": Pix2PixUNet(ngf=4), "resnet_9blocks": Pix2PixResNet(ngf=4)}.items()
    },
}


def close(ours: Tensor, published: Tensor) -> bool:
    return torch.allclose(ours, published, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_forward_is_the_published_one_and_a_perturbed_weight_is_noticed(name: str) -> None:
    net, file, prefix, result, call = CASES[name]
    load_published(net, weights(file, prefix))
    net.eval()
    with torch.no_grad():
        assert close(call(net), values(file, result))
        layer = next(layer for layer in net.modules() if isinstance(layer, nn.Conv2d))
        layer.weight[0] *= -1
        assert not close(call(net), values(file, result))
