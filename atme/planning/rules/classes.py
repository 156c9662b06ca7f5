"""Whether targets are labels."""

from atme.planning.labelled import classes_of, holds_ids
from atme.planning.rule import Chosen, Decision, Facts, Setting, rule

RARE = 0.01
"""Share of the pixels below which a color of noisy pictures is no class."""
ROUNDED = 1e-4
"""L1 of the median color up to which targets are all alike: a tenth of a step of 8 bits, more than rounding makes."""
_MANY = "the target is of many colors: L1 alone measures it"


@rule(
    after=("view",),
    measured="Maps, 1,884 updates: mean IoU of five colors 0.557, where all ground has 0.152 "
    "(options/maps_quick.yaml); not measured without the palette loss.",
)
def classes(facts: Facts, chosen: Chosen) -> Decision:
    """Where a target is made of few colors, each pixel is of one of them: read as labels, it can have a loss on
    colors, for which thin and rare things are worth their pixels, and scores of classes."""
    palette = facts.pairs.labels
    if palette is None:
        one = facts.pairs.floor < ROUNDED
        return Decision({}, "every target is of one and the same color: nothing to learn" if one else _MANY)
    values = classes_of(palette, least=0.0 if palette.exact else RARE)
    known = zip(palette.names, palette.shares, strict=True)
    shares = ", ".join(f"{name} {share:.0%}" for name, share in known if name in values)
    settings = {
        "data.target_kind": Setting(
            "labels", f"{len(values)} classes; of all pixels {palette.explained:.1%} are near one"
        ),
        "data.target_labels": Setting(values, shares),
    }
    if chosen["data.load_size"] and not holds_ids(palette):
        settings["data.label_resizing"] = Setting("area", "the nearest pixel of a thin line is often none")
    left = len(palette.values) - len(values)
    rare = f"; {left} rarer than {RARE:.0%} are taken for the nearest" if left else ""
    return Decision(settings, f"labels of {len(values)} classes ({shares}){rare}")
