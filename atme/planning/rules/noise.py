"""What is corrupted and remembered."""

from atme.planning.rule import Chosen, Decision, Facts, Setting, rule


@rule(
    measured="earth, 325 updates, three seeds: L1 0.135 ± 0.003 with ATME's noise, 0.135 ± 0.004 without, 0.1312 ± "
    "0.0005 with Diffusion-GAN's, 0.1283 ± 0.0008 without any game (docs/which-noise.md). Long runs: not measured.",
)
def noise(_: Facts, __: Chosen) -> Decision:
    """No noise: in short runs none was better than the distance alone, and none is needed before there is a game."""
    settings = {
        "noise": Setting({"class_path": "atme.Identity"}, "no noise"),
        "initialization.scheme": Setting("default", "as PyTorch draws them, which learns sooner than N(0, 0.02²)"),
    }
    return Decision(settings, "no noise; weights as PyTorch draws them")
