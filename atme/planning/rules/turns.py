"""How samples are turned and mirrored."""

from atme.planning.rule import Chosen, Decision, Facts, Setting, rule

TURNED, MIRRORED = 0.8, 0.85
"""How often a classifier may tell turned, or mirrored, pairs from those as they came."""


@rule(
    measured="The classifier is right of turned Maps in 70 %, of mirrored ones in 72 %, and all eight turns are Maps' "
    "best preset; of earth in 87 and 96 % (its relief is lit from one side), of edges in 93 and 76 %, of labelled "
    "street scenes in 93 and 56 %. The thresholds lie between; what turns bring in scores was not measured.",
)
def turns(facts: Facts, _: Chosen) -> Decision:
    """Turned and mirrored samples are more pairs for nothing, but only where they could have been there: a small
    classifier is asked on held-out pairs whether it can tell them from those as they came."""
    told = facts.pairs.upright
    if told is None:
        settings = {
            "data.flip": Setting(True, "as pix2pix; too few pairs to tell whether they have a left and a right")
        }
        return Decision(settings, "mirrored, as pix2pix does: too few pairs to tell what is upright")
    turned, mirrored = f"{told.turned:.0%}", f"{told.mirrored:.0%}"
    if told.turned < TURNED and told.mirrored < MIRRORED:
        settings = {
            "data.flip": Setting(False, "among the eight already"),
            "data.transforms": Setting(
                [{"class_path": "albumentations.D4", "init_args": {"p": 1.0}}],
                f"all eight turns: turned pairs are told from upright ones in {turned} of the cases, chance is 50%",
            ),
        }
        return Decision(settings, f"all eight turns and mirrorings: told in {turned} and {mirrored} (chance: 50%)")
    if told.mirrored < MIRRORED:
        settings = {"data.flip": Setting(True, f"mirrored pairs are told from others in {mirrored} of the cases")}
        return Decision(settings, f"mirrored, not turned: turned pairs are told in {turned}, mirrored in {mirrored}")
    settings = {"data.flip": Setting(False, f"mirrored pairs are told from others in {mirrored} of the cases")}
    return Decision(settings, f"neither turned nor mirrored: told in {turned} and {mirrored} (chance: 50%)")
