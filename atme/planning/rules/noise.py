"""What is corrupted and remembered."""

from atme.planning.rule import Chosen, Decision, Facts, Setting, rule
from atme.planning.rules.game import GAME, IDENTITY

FEW = 500
"""Pairs from which on a game of labels is not augmented; one of pictures always is."""


@rule(
    after=("game",),
    measured="earth, 325 updates, three seeds: L1 0.135 ± 0.003 with ATME's noise, 0.135 ± 0.004 without, 0.1312 ± "
    "0.0005 with Diffusion-GAN's, 0.1283 ± 0.0008 without any game. Maps, 150 pairs, ten minutes of one core, three "
    "seeds: mean IoU 0.510 ± 0.005 with DiffAugment, 0.504 ± 0.002 with Diffusion-GAN's, 0.501 ± 0.002 without, "
    "0.496 ± 0.002 with ATME's, L1 0.061, 0.066, 0.066, 0.070 (docs/which-noise.md). Photographs of labels, 845 pairs, "
    "and of maps, 1,096, a game for 60 %, one seed each: L1 0.395 without and 0.378 with DiffAugment, SWD 46 and 57; "
    "0.213 and 0.196, 40 and 51. Maps, 1,096 pairs, a game for 30 %, one seed: mean IoU 0.553 without, 0.534 with, L1 "
    "0.065 and 0.062 (docs/plan.md). From a common regression, labels to photographs, three seeds: L1 0.396 without, "
    "0.389 with ATME's, 0.376 with Diffusion-GAN's, 0.375 with DiffAugment, SWD 57, 88, 97, 73; edges 0.213, 0.211, "
    "0.210, 0.203, SWD 33 to 36 (docs/which-noise.md).",
)
def noise(facts: Facts, chosen: Chosen) -> Decision:
    """No noise where there is no game, which takes none. A discriminator learns pairs by heart, and few the sooner: it
    sees them moved, in other colors and with a part left out, translations and targets alike (DiffAugment)."""
    pairs, game = facts.pairs.pairs, chosen["model.class_path"] == GAME
    augmented = game and (pairs < FEW or not facts.pairs.labels)
    reason = f"{pairs:,} pairs would be learned by heart by a discriminator"
    settings = {
        "noise.class_path": Setting("atme.DiffAugment" if augmented else IDENTITY, reason if augmented else "no noise"),
        "initialization.scheme": Setting("default", "as PyTorch draws them, which learns sooner than N(0, 0.02²)"),
    }
    words = "DiffAugment: a discriminator learns pairs by heart" if augmented else "no noise"
    return Decision(settings, f"{words}; weights as PyTorch draws them")
