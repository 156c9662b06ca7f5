"""What published weights tell of their networks: kind, widths, depths and norms, measured from names and shapes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Weights = Mapping[str, Tensor]
"""By their published names."""


@dataclass(frozen=True)
class Measurements:
    """Of a generator."""

    section: dict[str, Any]
    """``class_path`` and ``init_args``."""
    channels: tuple[int, int]
    """Of source and target."""


def is_atme(weights: Weights) -> bool:
    """Whether a generator is ATME's, the diffusion U-Net."""
    return "init_conv.weight" in weights


def measure_generator(weights: Weights, *, dropout: bool) -> Measurements:
    """The generator that weights belong to.

    Args:
        weights: of ATME's generator, or of one of pix2pix's.
        dropout: whether a U-Net of pix2pix has dropout, of which its weights tell nothing.

    Raises:
        ValueError: if it is of no kind that is known here.
    """
    if is_atme(weights):
        return _diffusion_unet(weights)
    if "model.model.0.weight" in weights:
        return _pix2pix_unet(weights, dropout=dropout)
    if "model.1.weight" in weights and any(".conv_block." in name for name in weights):
        return _pix2pix_resnet(weights)
    first = next(iter(weights))
    raise ValueError(f"holds no generator that is known here ({first}); give ATME's, or a U-Net or ResNet of pix2pix")


def measure_discriminator(weights: Weights) -> dict[str, Any]:
    """The section of a PatchGAN, or of a pixel discriminator."""
    convolutions = [weight for weight in weights.values() if weight.ndim == 4]
    if len(convolutions) < 3:
        raise ValueError("holds no discriminator that is known here; give a PatchGAN, or a pixel discriminator")
    layers = 0 if any(name.startswith("net.") for name in weights) else len(convolutions) - 2
    return {
        "class_path": "atme.PatchGAN",
        "init_args": {"layers": layers, "dim": convolutions[0].shape[0], "norm": _norm(weights)},
    }


def measure_widths(weights: Weights) -> list[int]:
    """The widths of ATME's W."""
    names = [f"model.{i}.proj.weight" for i in (1, 3, 5)]
    return [_shape(weights, name)[0] for name in names]


def _diffusion_unet(weights: Weights) -> Measurements:
    dim = _shape(weights, "final_res_block.block1.proj.weight")[0]
    levels = sorted({int(match[1]) for name in weights if (match := re.match(r"downs\.(\d+)\.", name))})
    ends = [_shape(weights, f"downs.{i}.3.1.weight", f"downs.{i}.3.weight")[0] for i in levels]
    waves = weights.get("time_mlp.0.weights")
    ddpm = "final_conv.weight" in weights
    options = {
        "dim": dim,
        "dim_mults": [end // dim for end in ends],
        "init_dim": _shape(weights, "init_conv.weight")[0],
        "embedding": "fixed" if waves is None else "learned",
        "time_dim_mult": _shape(weights, "time_mlp.1.weight")[0] // dim,
        "head": "ddpm" if ddpm else "atme",
    }
    options |= {} if waves is None else {"learned_sinusoidal_dim": 2 * waves.numel()}
    out = _shape(weights, "final_conv.weight" if ddpm else "final_conv.1.weight")[0]
    return Measurements({"class_path": "atme.UNet", "init_args": options}, (weights["init_conv.weight"].shape[1], out))


def _pix2pix_unet(weights: Weights, *, dropout: bool) -> Measurements:
    depth = 1 + max(len(re.findall(r"\d\.model\.", name)) for name in weights)
    options = {"num_downs": depth, "ngf": weights["model.model.0.weight"].shape[0], "norm": _norm(weights)}
    channels = weights["model.model.0.weight"].shape[1], _shape(weights, "model.model.3.weight")[1]
    return Measurements(
        {"class_path": "atme.Pix2PixUNet", "init_args": {**options, "dropout": dropout}},
        channels,
    )


def _pix2pix_resnet(weights: Weights) -> Measurements:
    blocks = {match[1] for name in weights if (match := re.match(r"model\.(\d+)\.conv_block\.", name))}
    options = {
        "blocks": len(blocks),
        "ngf": weights["model.1.weight"].shape[0],
        "norm": _norm(weights),
        "dropout": not any(".conv_block.5." in name for name in weights),
    }
    last = weights[max((name for name in weights if name.endswith(".weight")), key=_place)]
    channels = weights["model.1.weight"].shape[1], last.shape[0]
    return Measurements({"class_path": "atme.Pix2PixResNet", "init_args": options}, channels)


def _place(name: str) -> int:
    """In the published sequence of layers."""
    return int(name.split(".")[1])


def _norm(weights: Weights) -> str:
    """Batch norm has a scale; instance norm has none, though old ones have statistics, which were never read."""
    scaled = any(name.endswith(".weight") and weight.ndim == 1 for name, weight in weights.items())
    return "batch" if scaled else "instance"


def _shape(weights: Weights, *names: str) -> tuple[int, ...]:
    """The shape of the first of these weights that is there."""
    for name in names:
        if name in weights:
            return tuple(weights[name].shape)
    raise ValueError(f"lacks {names[-1]}; get the file anew, or give one of this kind")
