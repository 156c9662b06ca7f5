"""Which pairs are for what."""

from atme.data.layout import WHOLE
from atme.planning.rule import NOT_MEASURED, Chosen, Decision, Facts, Setting, rule


@rule(measured=NOT_MEASURED)
def splits(facts: Facts, _: Chosen) -> Decision:
    """Scores are of pairs that were not trained on: a split val, else test, which then chooses nothing. Where there is
    neither, the grids show training pairs, and nothing can be said of others."""
    pairs = facts.pairs
    known = pairs.splits
    looked = known.validation or known.test
    settings = {
        "data.root": Setting(pairs.root, "as given; sought from the folder that training is started in"),
        "data.direction": Setting(pairs.direction, "A is translated to B" if pairs.direction == "AtoB" else "B to A"),
        "data.train_split": Setting(known.train, f"{pairs.pairs:,} pairs"),
        "data.test_split": Setting(known.test or looked or known.train, "of which the sample grids show some"),
    }
    if pairs.layout != "auto":
        settings["data.layout"] = Setting(pairs.layout, "as given")
    if looked is None:
        which = "all pairs" if known.train == WHOLE else f"all of {known.train}"
        words = f"{which}; none is held out, so no score tells how good it is on others"
        return Decision(settings, words)
    settings["data.validation_split"] = Setting(looked, f"{known.counts[looked]:,} pairs that are not trained on")
    chooses = "" if known.validation else ", which is the test split, so that nothing is chosen by it"
    return Decision(settings, f"trains on {known.train}, looks at {looked}{chooses}")
