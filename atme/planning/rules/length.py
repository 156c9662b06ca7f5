"""How many updates there are."""

from math import ceil

from atme.planning.rule import Chosen, Decision, Facts, Setting, rule
from atme.training.duration import in_words

EPOCHS, LEAST = 200, 1500
"""Times that each pair is seen, at most; but so many updates, if there is time for them."""
LOOKS = 12
"""Looks at the validation split, sample grids and checkpoints over a run, about."""
SCORED = 50
"""Pairs of the validation split at each look, at most."""
START, CHECKPOINT = 5.0, 0.5
"""Seconds: to start the command and load its libraries; to write a checkpoint."""


@rule(
    after=("rates", "noise"),
    measured="The time of an update is measured on this machine, each time, by updates of throw-away copies, as "
    "training.max_time does. 200 epochs are pix2pix's own number; 1,500 updates those of Maps' first presets; where "
    "more stop helping was not measured.",
)
def length(facts: Facts, chosen: Chosen) -> Decision:
    """As many updates as the time allows, as measured, start, first reading and looks included; and no more than make
    each pair be seen 200 times, beyond which few pairs are learned by heart."""
    looked = {"evaluate_every": 1, "evaluate_images": SCORED} if chosen.get("data.validation_split") else {}
    preset = chosen.preset
    preset["training"] = preset["training"] | looked | {"sample_every": 1}
    speed = facts.clock.whole(preset, processes=facts.processes(chosen["training.batch_size"]))
    epoch = ceil(facts.pairs.pairs / chosen["training.batch_size"])
    once = START + speed.ready + (speed.read * facts.pairs.pairs if chosen["data.cache"] == "ram" else 0.0)
    look = speed.look + speed.grid + CHECKPOINT
    looks = max(1, min(LOOKS, int(0.15 * facts.seconds / look)))
    updates = int((facts.seconds - once - (looks + 1) * look) / speed.update)
    said = facts.said.get("training.steps")
    if updates < 10 and said is None:
        least = ceil((once + 2 * look + 100 * speed.update) / 60)
        raise ValueError(
            f"--hours: {facts.seconds / 3600:g} is too little: an update takes {speed.update:.2g} s, and the start "
            f"{once:.0f} s; give {least / 60:.2g} or more"
        )
    most = max(EPOCHS * epoch, LEAST)
    steps = min(updates, most) if said is None else said
    seconds = once + (looks + 1) * look + steps * speed.update
    enough = "each pair is seen 200 times" if most == EPOCHS * epoch else "enough for a first set of so few pairs"
    why = "" if steps == updates else f"fewer than there is time for: {enough}" if said is None else "as many as said"
    comment = f"of {speed.update:.2g} s each, as measured here; about {in_words(seconds)} in all"
    decay = "linear" if "discriminator" in chosen.settings else "cosine"  # which would leave a late game little
    settings = {
        "training.steps": Setting(steps, f"{comment}; {why}" if why else comment),
        "training.rate": Setting(
            {"epochs": 0, "decay_epochs": max(1, round(steps / epoch)), "decay": decay},
            f"its shape over the run; an epoch is {epoch} updates",
        ),
        "training.evaluate_every": Setting(0, "nothing to look at"),
    }
    every = max(1, round(steps / epoch / looks))
    first = min(every * epoch, steps)
    grids = "the only grid, at the end" if first == steps else f"the first grid after {in_words(first * speed.update)}"
    settings["training.sample_every"] = Setting(every, grids)
    settings["training.checkpoint_every"] = Setting(every, "as often")
    settings["training.log_every"] = Setting(max(1, steps // 100), "a hundred lines")
    if looked:
        settings["training.evaluate_every"] = Setting(every, f"epochs; a look takes {speed.look:.1f} s")
        settings["training.evaluate_images"] = Setting(SCORED, "pairs, the same at each look, at most")
    spare = f", {why}" if why else ""
    once_only = "" if first < steps else "; no more than an epoch, so that nothing is looked at or kept before its end"
    words = f"{steps:,} updates of {speed.update:.2g} s, about {in_words(seconds)}{spare}{once_only}"
    return Decision(settings, words)
