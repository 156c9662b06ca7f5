"""What is corrupted and remembered."""

from atme.planning.rule import Chosen, Decision, Facts, Setting, rule

FEW = range(150, 500)
"""Pairs of which a discriminator, if there is one, learns too many by heart."""


@rule(
    measured="earth, 325 updates, three seeds: L1 0.135 ± 0.003 with ATME's noise, 0.135 ± 0.004 without, 0.1312 ± "
    "0.0005 with Diffusion-GAN's, 0.1283 ± 0.0008 without any game. Maps, 150 pairs, ten minutes of one core, three "
    "seeds: mean IoU 0.510 ± 0.005 with DiffAugment, 0.504 ± 0.002 with Diffusion-GAN's, 0.501 ± 0.002 without, "
    "0.496 ± 0.002 with ATME's, L1 0.061, 0.066, 0.066, 0.070 (docs/which-noise.md). From how many pairs on it no "
    "longer helps: not measured.",
)
def noise(facts: Facts, _: Chosen) -> Decision:
    """No noise; where pairs are few, what a discriminator sees is augmented, real and generated alike, so that it
    learns fewer of them by heart."""
    few = facts.pairs.pairs in FEW
    made, words = ("atme.DiffAugment", "a discriminator sees augmented pairs") if few else ("atme.Identity", "no noise")
    settings = {
        "noise": Setting({"class_path": made}, words),
        "initialization.scheme": Setting("default", "as PyTorch draws them, which learns sooner than N(0, 0.02²)"),
    }
    return Decision(settings, f"{words}; weights as PyTorch draws them")
