"""Which weights translate."""

from atme.planning.rule import Chosen, Decision, Facts, Setting, rule


@rule(
    after=("length",),
    measured="0.995 in options/maps_quick.yaml (1,884 updates), 0.99 in the demos of earth (325); what none would "
    "come to was not measured.",
)
def average(_: Facts, chosen: Chosen) -> Decision:
    """Translations are made with an average of weights, over a small part of the run: it is calmer than the last."""
    steps = chosen["training.steps"]
    decay = 0.995 if steps >= 1000 else 0.99 if steps >= 200 else 0.95
    words = f"averaged over some {1 / (1 - decay):.0f} updates"
    return Decision({"training.average": Setting(decay, words)}, f"weights {words}")
