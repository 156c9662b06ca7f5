"""What a plan may come to: by the runs that the docs tell of, as far as these pairs are like theirs.

Scores of different pairs cannot be compared; how much of the distance between the median color and the target was
closed can.
"""

from dataclasses import dataclass
from math import log

from atme.planning.fingerprint import Fingerprint
from atme.planning.rule import Chosen


@dataclass(frozen=True)
class Reference:
    """A run of the docs."""

    name: str
    pairs: int
    labels: bool
    """Whether its target is labels."""
    updates: int
    l1: float
    """Of pairs that it was not trained on, in [-1, 1]."""
    floor: float
    """The same of the median color of its training targets."""
    source: str
    """Where it is told of."""

    @property
    def share(self) -> float:
        """Of the median color's L1, what is left."""
        return self.l1 / self.floor


REFERENCES = (
    Reference("earth", 101, False, 325, 0.128, 0.195, "docs/which-noise.md, earth_regression_demo"),
    Reference("edges to photographs", 2000, False, 300, 0.341, 0.539, "docs/speed.md"),
    Reference("aerial photographs to Maps", 1096, False, 300, 0.0665, 0.0792, "docs/speed.md"),
    Reference("aerial photographs to Maps", 1096, True, 1884, 0.066, 0.0787, "options/maps_quick.yaml"),
    Reference("Maps to aerial photographs", 1096, False, 1728, 0.196, 0.245, "docs/plan.md"),
    Reference("edges to photographs", 2000, False, 1551, 0.211, 0.558, "docs/plan.md"),
    Reference("labels to photographs of streets", 845, False, 1553, 0.374, 0.420, "docs/plan.md"),
    Reference("sixteen pairs of earth", 16, False, 1500, 0.125, 0.199, "docs/plan.md"),
)
"""Runs of this project with their scores; floors at the size at which they were scored."""


def nearest(pairs: Fingerprint, chosen: Chosen) -> Reference:
    """The run that is most like this one: in the kind of its target, then in pairs and updates, by their ratio."""

    def apart(reference: Reference) -> tuple[bool, float]:
        of_pairs = abs(log(reference.pairs / pairs.pairs))
        of_updates = abs(log(reference.updates / chosen["training.steps"]))
        return reference.labels != (pairs.labels is not None), of_pairs + of_updates

    return min(REFERENCES, key=apart)


def expectation(pairs: Fingerprint, chosen: Chosen) -> str:
    """What a run may come to, in a sentence."""
    like = nearest(pairs, chosen)
    guess = like.share * pairs.floor
    return (
        f"L1 of about {guess:.3f} on pairs unseen, if these are as hard as {like.name} ({like.pairs:,} pairs, "
        f"{like.updates:,} updates: {like.l1:.3g}, {like.share:.0%} of its median color's {like.floor:.3f}; "
        f"{like.source}); the median color has {pairs.floor:.3f} here"
    )
