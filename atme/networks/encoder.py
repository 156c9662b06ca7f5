"""Networks that were trained on other pictures, as encoders: maps of an image at several strides, by timm.

Any convolutional network of timm (PyTorch Image Models, Apache-2.0) whose layers form a chain serves, by its name;
where its weights come from says encoder_weights.py. What they were trained with is kept: the colors' mean and spread,
TensorFlow's padding, and the statistics of batch norms, which are never estimated anew, under ``train()`` neither.

Stages beyond the last map that is wanted are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from atme import require
from atme.networks.encoder_layers import as_trained, first, joined, offset
from atme.networks.encoder_weights import load_weights
from atme.networks.kernels import left_out
from atme.networks.pretrained import wanted

DEFAULT = "tf_efficientnet_lite0"


class Encoder(nn.Module):
    """The maps that a network of timm makes of an image, at several strides.

    Gray images are read as RGB of three equal channels. Of images with other numbers of channels than 1 and 3, the
    first convolution reads channel i by the filter of color i mod 3, times 3 / channels, as timm does.

    Args:
        network: its name in timm, such as ``tf_efficientnet_lite0`` or ``resnet18``.
        in_channels: channels of the image that it reads.
        strides: of the maps that are wanted, rising: some of those that the network has.
        weights: as for `load_weights`; where none are wanted (networks/pretrained.py) they are drawn as timm does.

    Attributes:
        channels: of each map.
        strides: of each map, in pixels.
        starts: pixels from the image's first pixel to the middle of what a map's first value looks at, of each map.
        stages: ``stem``, and one stage a stride of the network, ``1``, ``2`` …, by these names.

    Raises:
        ValueError: if timm has no such network, if it is no chain of layers or has no map of such a stride or size, or
            if there are no such weights.
    """

    factor: Tensor
    shift: Tensor
    keeps_weights = True
    share_of_rate = 1.0

    def __init__(
        self,
        network: str = DEFAULT,
        *,
        in_channels: int = 3,
        strides: Sequence[int] = (2, 4, 8, 16, 32),
        weights: str = "wheel",
    ) -> None:
        super().__init__()
        for name, value in {"network": network, "weights": weights}.items():
            require.kind(name, value, of=str)
        require.whole("in_channels", in_channels, least=1)
        require.whole_numbers("strides", strides, least=1)
        model: Any = made(network)
        if wanted():
            load_weights(model, network, weights)
        config: Mapping[str, Any] = model.pretrained_cfg
        widen(model, in_channels, network=network, layer=config.get("first_conv"))
        info = {each["reduction"]: each for each in model.feature_info}
        for stride in strides:
            if stride not in info:
                some = ", ".join(map(str, info))
                raise ValueError(f"encoder: {network} has no map of stride {stride}; it has {some}")
        self.in_channels, self.strides = in_channels, tuple(sorted(strides))
        ends = [each["module"] for stride, each in info.items() if stride <= max(strides)]
        self.stages = nn.ModuleDict(staged(model, ends, network=network))
        self._kept = {str(1 + list(info).index(stride)) for stride in strides}
        self.channels = tuple(int(info[stride]["num_chs"]) for stride in self.strides)
        self.starts = tuple(self._starts(list(info)))
        read = 3 if in_channels == 1 else in_channels
        mean, std = (torch.tensor(config[key]).repeat(read)[:read] for key in ("mean", "std"))
        self.register_buffer("factor", (0.5 / std)[:, None, None], persistent=False)
        self.register_buffer("shift", ((0.5 - mean) / std)[:, None, None], persistent=False)
        self._as_it_is = bool((self.factor == 1).all() and (self.shift == 0).all())
        self._require_maps(network)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, in_channels, H, W) in [-1, 1] to maps (B, channels[i], ⌈H / strides[i]⌉, ⌈W / strides[i]⌉)."""
        require.tensor("image", image, ("B", self.in_channels, "H", "W"))
        return tuple(self._maps(image))

    def freeze(self, stages: Sequence[str]) -> None:
        """Keep the weights of some stages as they are.

        Raises:
            ValueError: for a name that is no stage's.
        """
        for name in stages:
            if name not in self.stages:
                raise ValueError(f"freeze: {name} is no stage; they are {', '.join(self.stages)}")
            self.stages[name].requires_grad_(False)

    def _maps(self, image: Tensor) -> Iterator[Tensor]:
        """Of an image, one after the other."""
        hidden = image.expand(-1, 3, -1, -1) if self.in_channels == 1 else image
        if not self._as_it_is:
            hidden = hidden * self.factor + self.shift
        for name, stage in self.stages.items():
            hidden = stage(hidden)
            if name in self._kept:
                yield hidden

    @torch.no_grad()
    def _require_maps(self, network: str) -> None:
        """Whether the layers, one after the other, make maps of an image's size, by their strides.

        Raises:
            ValueError: they do not.
        """
        side = 8 * self.strides[-1]  # some networks look at blocks of eight
        with left_out():
            for stride, found in zip(
                self.strides, self._maps(torch.zeros(1, self.in_channels, side, side)), strict=True
            ):
                if not isinstance(found, Tensor):
                    raise _no_chain(network)
                if found.shape[-2:] != (side // stride, side // stride):
                    raise ValueError(
                        f"encoder: the map of stride {stride} of {network} is {found.shape[-1]} pixels wide for an "
                        f"image of {side}; use one such as {DEFAULT} or resnet18, which continue it beyond its border"
                    )

    def _starts(self, strides: Sequence[int]) -> Iterator[float]:
        """By the first layer of each stage that strides and sees more than one pixel: others lie beside it."""
        start, before = 0.0, 1
        for level, stride in enumerate(strides, start=1):
            if str(level) not in self.stages:
                return
            names = ("stem", "1") if level == 1 else (str(level),)
            for layer in (
                layer for name in names for layer in self.stages[name].modules() if not list(layer.children())
            ):
                step = first(getattr(layer, "stride", None))
                if before < stride and step > 1 and first(getattr(layer, "kernel_size", None)) > 1:
                    start += before * offset(layer)
                    before *= step
            before = stride
            if stride in self.strides:
                yield start


def made(network: str) -> nn.Module:
    """A network of timm, its weights drawn.

    Raises:
        ValueError: if there is none of this name, or none that tells of its maps.
    """
    import timm

    if not timm.is_model(network):
        raise ValueError(f"encoder: timm {timm.__version__} has no {network}; its list_models() has all names")
    model: nn.Module = timm.create_model(network, pretrained=False)
    if not isinstance(getattr(model, "feature_info", None), list):
        raise _no_chain(network)
    return model


def staged(model: nn.Module, ends: Sequence[str], *, network: str) -> dict[str, nn.Module]:
    """The chain of a network's layers, cut where its maps are, up to the last one wanted.

    Args:
        model: as timm makes it: its children follow one another.
        ends: the layers, by their names, that maps come from.
        network: its name, for the error.

    Raises:
        ValueError: if a map comes from no layer of a chain.
    """
    parts: list[list[nn.Module]] = [[]]
    todo = list(ends)
    for name, layer in _chain(model, ends):
        parts[-1].append(as_trained(layer))
        if name == todo[0]:
            parts.append([])
            todo.pop(0)
        if not todo:
            cut = {"stem": parts[0][:-1], "1": parts[0][-1:]} | {str(i): part for i, part in enumerate(parts[1:-1], 2)}
            return {name: joined(part) for name, part in cut.items()}
    raise _no_chain(network)


def _chain(model: nn.Module, ends: Sequence[str]) -> Iterator[tuple[str, nn.Module]]:
    """The layers by their names: a network's children, or what follows one another in those of them that maps cut."""
    for name, child in model.named_children():
        if any(end.startswith(f"{name}.") for end in ends):
            yield from ((f"{name}.{each}", layer) for each, layer in child.named_children())
        else:
            yield name, child


def _no_chain(network: str) -> ValueError:
    return ValueError(
        f"encoder: {network} is no chain of layers with maps between them; use one such as {DEFAULT} or resnet18"
    )


def widen(model: nn.Module, channels: int, *, network: str, layer: Any) -> None:
    """Let the first convolution of a network for three colors read other channels, in place.

    Raises:
        ValueError: if it is not one convolution.
    """
    if channels in (1, 3):
        return
    found: Any = model.get_submodule(layer) if isinstance(layer, str) else None
    if not isinstance(found, nn.Conv2d) or found.in_channels != 3:
        raise ValueError(f"encoder: {network} reads gray and colors alone, and not {channels} channels; use {DEFAULT}")
    filters = found.weight.detach()[:, torch.arange(channels) % 3] * (3 / channels)  # (C', channels, k, k)
    found.weight, found.in_channels = nn.Parameter(filters), channels
