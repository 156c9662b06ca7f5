"""Whether sources are numbers of classes."""

from atme.planning.labelled import classes_of, holds_ids
from atme.planning.rule import Chosen, Decision, Facts, Setting, rule


@rule(
    measured="Street scenes in nine colors → photograph, 300 updates of a regression, one seed: L1 0.3321 read as "
    "pictures, 0.3333 as a channel for each class. Numbers of classes read as pictures were not measured.",
)
def source(facts: Facts, _: Chosen) -> Decision:
    """A source that holds numbers of classes looks black, and seven is no brighter than three: each class gets a
    channel of its own. Label pictures in colors are read as the pictures that they are."""
    palette = facts.pairs.palettes[0]
    if palette is None or not holds_ids(palette):
        return Decision({}, "read as pictures")
    classes = classes_of(palette)
    settings = {
        "data.source_kind": Setting("labels", f"numbers of {len(classes)} classes"),
        "data.source_labels": Setting(classes, "by their numbers"),
        "data.one_hot": Setting(True, "a channel for each class"),
    }
    return Decision(settings, f"labels of {len(classes)} classes, a channel for each")
