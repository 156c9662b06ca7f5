"""What is corrupted and remembered."""

from atme.planning.rule import Chosen, Decision, Facts, Setting, rule


@rule(
    measured="earth, 325 updates, three seeds: L1 0.135 ± 0.003 with ATME's noise, 0.135 ± 0.004 without, 0.1312 ± "
    "0.0005 with Diffusion-GAN's, 0.1283 ± 0.0008 without any game. Maps, 150 pairs, ten minutes of one core, three "
    "seeds: mean IoU 0.510 ± 0.005 with DiffAugment, 0.504 ± 0.002 with Diffusion-GAN's, 0.501 ± 0.002 without, "
    "0.496 ± 0.002 with ATME's, L1 0.061, 0.066, 0.066, 0.070 (docs/which-noise.md). From how many pairs on it no "
    "longer helps: not measured.",
)
def noise(_: Facts, __: Chosen) -> Decision:
    """No noise: in short runs none was better than the distance alone, and a distance alone takes none. Where pairs are
    few and there is a game, DiffAugment is worth a try by hand."""
    settings = {
        "noise.class_path": Setting("atme.Identity", "no noise"),
        "initialization.scheme": Setting("default", "as PyTorch draws them, which learns sooner than N(0, 0.02²)"),
    }
    return Decision(settings, "no noise; weights as PyTorch draws them")
