"""Whether targets are labels."""

from atme.planning.rule import Chosen, Decision, Facts, Setting, rule

RARE = 0.01
"""Share of the pixels below which a color of noisy pictures is no class."""


@rule(
    after=("view",),
    measured="Maps, 1,518 updates: mean IoU of five colors 0.505, where all ground has 0.152 "
    "(options/maps_quick.yaml); not measured without the palette loss.",
)
def classes(facts: Facts, chosen: Chosen) -> Decision:
    """Where a target is made of few colors, each pixel is of one of them: read as labels, it can have a loss on
    colors, for which thin and rare things are worth their pixels, and scores of classes."""
    palette = facts.pairs.labels
    if palette is None:
        return Decision({}, "the target is of many colors: L1 alone measures it")
    kept = [at for at, share in enumerate(palette.shares) if palette.exact or share >= RARE]
    named = {palette.names[at]: palette.values[at] for at in kept}
    values = {name: value[0] if len(value) == 1 else list(value) for name, value in named.items()}
    shares = ", ".join(f"{palette.names[at]} {palette.shares[at]:.0%}" for at in kept)
    settings = {
        "data.target_kind": Setting(
            "labels", f"{len(kept)} classes; of all pixels {palette.explained:.1%} are near one"
        ),
        "data.target_labels": Setting(values, shares),
    }
    if chosen["data.load_size"] and len(palette.values[0]) == 3:
        settings["data.label_resizing"] = Setting("area", "the nearest pixel of a thin line is often none")
    left = len(palette.values) - len(kept)
    rare = f"; {left} rarer than {RARE:.0%} are taken for the nearest" if left else ""
    return Decision(settings, f"labels of {len(kept)} classes ({shares}){rare}")
