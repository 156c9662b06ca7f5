"""Which checkpoint is the run's best."""

from atme.planning.rule import NOT_MEASURED, Chosen, Decision, Facts, Setting, rule


@rule(after=("view", "length", "game", "classes"), measured=NOT_MEASURED)
def best(facts: Facts, chosen: Chosen) -> Decision:
    """The best by the validation split, where there is one and a score that says so: L1 without a game, the classes'
    IoU of labels. A game is worse in L1 than what it began with, by nature, so there the last one counts."""
    if not chosen.get("training.evaluate_every"):
        return Decision({}, "the last checkpoint counts: no pairs to choose by")
    labels = facts.pairs.labels is not None
    settings = {}
    if labels:
        usual = chosen.get("training.evaluate_scores", "l1,psnr,ssim")
        settings["training.evaluate_scores"] = Setting(f"{usual},accuracy,iou", "and those of classes")
    if facts.pairs.splits.validation is None:
        return Decision(settings, "the last checkpoint counts: the test split shall choose nothing")
    regression = chosen["model.class_path"] == "atme.Regression"
    if not labels and not regression:
        return Decision(settings, "the last checkpoint counts: no score here tells whether a game got better")
    by = "iou" if labels else "l1"
    settings["training.keep_best"] = Setting(by, "checkpoints/best is the best of split val by it")
    return Decision(settings, f"the best checkpoint by {by} of {facts.pairs.splits.validation} is kept")
