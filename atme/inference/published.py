"""Weights released with the papers, read into our networks.

Published checkpoints name their parameters after the published code's attributes. Here is what each of those names is
called here, for ATME's G (the U-Net of `denoising-diffusion-pytorch` too), D and W, and for the generators of
pix2pix. Values are never changed; some are laid out anew (a 1×1 convolution after space to depth is a 2×2
convolution of stride 2, a 1×1 convolution over pixels is a matrix).
"""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from atme.networks import PatchGAN, Pix2PixResNet, Pix2PixUNet, UNet, WNet
from atme.outputs import some

Rules = list[tuple[str, str]]
"""Pairs of a regular expression and what replaces it, applied in their order."""

UNET: Rules = [
    (r"^init_conv\.", "stem."),
    (r"^time_mlp\.0\.weights$", "embed.waves.frequencies"),
    (r"^time_mlp\.1\.", "embed.widen."),
    (r"^time_mlp\.3\.", "embed.mix."),
    (r"^(down|up)s\.(\d+)\.0\.", r"\1.\2.first."),
    (r"^(down|up)s\.(\d+)\.1\.", r"\1.\2.second."),
    (r"^(down|up)s\.(\d+)\.2\.", r"\1.\2.attention."),
    (r"^(down|up)s\.(\d+)\.3\.(1\.)?", r"\1.\2.resize."),
    (r"^mid_block1\.", "middle_first."),
    (r"^mid_attn\.", "middle_attention."),
    (r"^mid_block2\.", "middle_second."),
    (r"^final_res_block\.", "join."),
    (r"^final_conv\.", "head."),
    (r"\.block1\.proj\.", ".first.conv."),
    (r"\.block1\.norm\.", ".first.norm."),
    (r"\.block2\.proj\.", ".second.conv."),
    (r"\.block2\.norm\.", ".second.norm."),
    (r"\.mlp\.1\.", ".listen."),
    (r"\.res_conv\.", ".shortcut."),
    (r"\.fn\.norm\.g$", ".norm.scale"),
    (r"\.fn\.fn\.to_qkv\.", ".qkv."),
    (r"\.fn\.fn\.to_out\.1\.g$", ".out_norm.scale"),
    (r"\.fn\.fn\.to_out\.(0\.)?", ".out."),
]

WNET: Rules = [
    (r"^model\.1\.proj\.", "blocks.0.conv."),
    (r"^model\.3\.proj\.", "blocks.1.conv."),
    (r"^model\.5\.proj\.", "blocks.2.conv."),
    (r"^model\.1\.norm\.", "blocks.0.norm."),
    (r"^model\.3\.norm\.", "blocks.1.norm."),
    (r"^model\.5\.norm\.", "blocks.2.norm."),
    (r"^model\.6\.", "last."),
]

RELAID = re.compile(r"\.(out\.weight|scale|resize\.weight)$")
"""Our parameters that hold the published values in the same order in another shape."""

STATISTICS = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")
"""What old instance norms saved and never read; what batch norms of today need, but for the counter."""


def load_published(network: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Load weights under their published names into one of our networks, in place.

    Args:
        network: a UNet, PatchGAN, WNet, Pix2PixUNet or Pix2PixResNet, built with the options that the weights
            were trained with.
        state_dict: published name to tensor, as `torch.load` returns it; a leading `module.` is left out.

    Raises:
        ValueError: if a weight is missing, unexpected or of another shape; it names them. Or if there are no
            published weights for such a network.
    """
    names = our_names(network, state_dict)
    ours = network.state_dict()
    weights = {
        name: laid_out(state_dict[published], ours.get(name), name)
        for published, name in names.items()
        if name in ours or not STATISTICS.search(name)
    }
    require_fit(network, weights, published={ours: theirs for theirs, ours in names.items()})
    network.load_state_dict({**ours, **weights})


def our_names(network: nn.Module, published: Iterable[str]) -> dict[str, str]:
    """Published names of parameters to ours; a name that no rule knows stays.

    Raises:
        ValueError: if there are no published weights for such a network.
    """
    published = list(published)
    wrapped = all(name.startswith("module.") for name in published)
    plain = {name: name.removeprefix("module.") if wrapped else name for name in published}
    rules = rules_for(network, plain.values())
    return {name: renamed(short, rules) for name, short in plain.items()}


def renamed(name: str, rules: Rules) -> str:
    """A name after all rules."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def rules_for(network: nn.Module, published: Iterable[str]) -> Rules:
    """How the published names of this network change."""
    match network:
        case UNet():
            return UNET
        case WNet():
            return WNET
        case PatchGAN():
            return [(rf"^(model|net)\.{len(network.features)}\.", "verdict."), (r"^(model|net)\.", "features.")]
        case Pix2PixUNet():
            return pix2pix_unet_rules(len(network.down))
        case Pix2PixResNet():
            dropout = not any(".conv_block.5." in name for name in published)
            return pix2pix_resnet_rules(len(network.blocks), dropout=dropout)
    known = "UNet, PatchGAN, WNet, Pix2PixUNet or Pix2PixResNet"
    raise ValueError(f"{type(network).__name__}: there are no published weights for it; use a {known}")


def pix2pix_unet_rules(num_downs: int) -> Rules:
    """Each level is published as a module inside that of the level above."""
    rules: Rules = [(r"^model\.model\.0\.", "down.0.0."), (r"^model\.model\.3\.", "up.0.1.")]
    inside = r"^model\.model\.1\.model\."
    for depth in range(1, num_downs):
        innermost = depth == num_downs - 1
        convolution, norm = (3, 4) if innermost else (5, 6)
        rules += [
            (rf"{inside}1\.", f"down.{depth}.1."),
            (rf"{inside}{convolution}\.(?!model)", f"up.{depth}.1."),
            (rf"{inside}{norm}\.", f"up.{depth}.2."),
        ]
        rules += [] if innermost else [(rf"{inside}2\.", f"down.{depth}.2.")]
        inside += r"3\.model\."
    return rules


def pix2pix_resnet_rules(blocks: int, *, dropout: bool) -> Rules:
    """One published sequence of all layers; a dropout layer moves the second convolution of a block."""
    second = 6 if dropout else 5
    end = 10 + blocks
    layers = {1: "stem.0", 2: "stem.1", 4: "down.0.0", 5: "down.0.1", 7: "down.1.0", 8: "down.1.1"}
    layers |= {end: "up.0.0", end + 1: "up.0.1", end + 3: "up.1.0", end + 4: "up.1.1", end + 7: "last"}
    inside = {1: "first.0", 2: "first.1", second: "second.0", second + 1: "second.1"}
    rules: Rules = []
    for block in range(blocks):
        rules += [
            (rf"^model\.{10 + block}\.conv_block\.{i}\.", f"blocks.{block}.{name}.") for i, name in inside.items()
        ]
    return rules + [(rf"^model\.{i}\.", f"{name}.") for i, name in layers.items()]


def laid_out(values: Tensor, ours: Tensor | None, name: str) -> Tensor:
    """The published values in the shape of our parameter, where the two are known to differ in shape alone."""
    if ours is None or not RELAID.search(name) or values.numel() != ours.numel():
        return values
    return values.reshape(ours.shape)


def require_fit(network: nn.Module, weights: Mapping[str, Tensor], *, published: Mapping[str, str]) -> None:
    """Raise ValueError if a weight is missing, unexpected or of another shape."""
    ours = network.state_dict()
    counters = {name for name in ours if name.endswith("num_batches_tracked")}
    misshapen = [
        f"{published[name]} {tuple(weights[name].shape)}, not {tuple(ours[name].shape)}"
        for name in ours.keys() & weights.keys()
        if weights[name].numel() != ours[name].numel() or weights[name].shape != ours[name].shape
    ]
    problems = {
        "missing": sorted(ours.keys() - weights.keys() - counters),
        "unexpected": sorted(published[name] for name in weights.keys() - ours.keys()),
        "of another shape": sorted(misshapen),
    }
    if any(problems.values()):
        found = "; ".join(f"{kind}: {some(names, most=5)}" for kind, names in problems.items() if names)
        raise ValueError(
            f"published weights do not fit this {type(network).__name__}: {found};"
            " build it with the options that they were trained with"
        )
