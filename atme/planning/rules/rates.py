"""Optimizers and their rates."""

from math import sqrt

from atme.planning.rule import Chosen, Decision, Facts, Setting, rule

RATE, CRITIC, FULL = 1e-3, 5e-4, 7
"""Rates of generator and discriminator; samples of an update from which on they are these."""


@rule(
    after=("game", "batch"),
    measured="AdamW at 1e-3, batches of 7, 8 and 16 (docs/speed.md, options/maps_quick.yaml). Maps: Adam at 5e-4 for "
    "the discriminator kept an objective of 0.89, at 8e-4 it won (0.49); on 150 pairs 2e-4 0.79, 8e-4 0.31 "
    "(docs/which-noise.md). Smaller batches: not measured.",
)
def rates(_: Facts, chosen: Chosen) -> Decision:
    """A high rate that falls to nothing by the end; less of it, by a square root, where updates see less than seven."""
    share = min(1.0, sqrt(chosen["training.batch_size"] / FULL))
    rate = float(f"{RATE * share:.2g}")
    made = {"class_path": "torch.optim.AdamW", "init_args": {"lr": rate, "betas": [0.5, 0.99]}}
    settings = {"optimizers.generator": Setting(made, "falls to nothing by the end")}
    if "discriminator" in chosen.settings:
        critic = {"class_path": "torch.optim.Adam", "init_args": {"lr": float(f"{CRITIC * share:.2g}"),
                                                                 "betas": [0.5, 0.99]}}  # fmt: skip
        settings["optimizers.discriminator"] = Setting(critic, "slower than the generator, or it wins")
    return Decision(settings, f"AdamW at {rate:g}, falling to nothing")
