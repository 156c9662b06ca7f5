"""Which losses there are."""

from atme.planning.rule import Chosen, Decision, Facts, Setting, rule
from atme.planning.rules.precision import seconds_of

FEWEST_PAIRS, FEWEST_UPDATES = 150, 1000
"""Without which there is no game."""
OF_PICTURES, OF_LABELS = (0.4, 40.0), (0.7, 30.0)
"""Share of the training before the game and weight of L1 beside it, by what the target is."""
PALETTE, ALONE, WIDTH = 1.0, 0.1, 32
"""Weight of the palette loss beside a game, and without one; the first width of the discriminator."""
GAME, REGRESSION, IDENTITY = "atme.Pix2Pix", "atme.Regression", "atme.Identity"


@rule(
    after=("precision",),
    measured="earth, 101 pairs, 325 updates, three seeds: L1 0.1283 ± 0.0008 without a game, 0.1312 ± 0.0005 to "
    "0.135 ± 0.004 with one (docs/which-noise.md). Maps, 1,096 pairs, 1,587 updates, a game for the last 35 %: mean "
    "IoU 0.525; for the last 40 % of 1,518, with a wider and faster discriminator, 0.505 (docs/evening.md). On 150 "
    "pairs of it, from a start of 1,111 updates: IoU 0.486 without a game, 0.501 and 0.510 with one, L1 0.056, 0.066 "
    "and 0.061 (docs/which-noise.md). One change each of 1,570 updates: palette loss 2 (twice), 1, 4: 0.524 and "
    "0.529, 0.529, 0.523, park 0.43, 0.45, 0.44; L1 × 40, × 10: 0.528, 0.514, park 0.45, 0.42; a game for the last "
    "20 %, 50 %: 0.528, 0.519, park 0.45, 0.42 (docs/evening.md). Photographs, some 2,000 updates, one seed each, a "
    "game for the last 35 % with L1 × 60, for the last 60 % with L1 × 40, and that with DiffAugment: of labels L1 "
    "0.379, 0.395, 0.378, SWD 106, 46, 57; of maps 0.206, 0.213, 0.196, SWD 50, 40, 51; of edges 0.214, not run, "
    "0.213, SWD 50, not run, 35 (docs/plan.md). Where the one becomes the other was not measured.",
)
def game(facts: Facts, chosen: Chosen) -> Decision:
    """The distance to the target first, since it tells what is where; then a game, which draws lines where the distance
    alone is in doubt: for the last third where a target is of few colors, for more where it is a picture, of which its
    source says less. With few pairs or little time the game takes more than it gives, and is left out."""
    few, model = _few(facts, chosen), facts.said.get("model.class_path")
    noisy = facts.said.get("noise.class_path", IDENTITY) != IDENTITY
    if model == REGRESSION or (few and model is None and not noisy):
        return _alone(facts, few)
    crop = chosen["data.crop_size"]
    layers = 3 if crop >= 96 else 2 if crop >= 32 else 1
    critic = {"class_path": "atme.PatchGAN", "init_args": {"layers": layers, "dim": WIDTH, "norm": "instance"}}
    judge = {"discriminator": Setting(critic, f"judges patches, of crops of {crop} pixels")}
    if model not in (None, GAME):
        return Decision({"model.class_path": Setting(model, "as said")} | judge, f"{model}, as said")
    start, weight = OF_LABELS if facts.pairs.labels else OF_PICTURES
    settings = {
        "model.class_path": Setting(GAME, "a distance, and a game"),
        "model.init_args.start": Setting(start, "until then the distance alone finds what is where"),
        "model.init_args.lambda_l1": Setting(weight, "weight of the distance beside the game"),
        "model.init_args.d_loss_factor": Setting(0.5, "as pix2pix: slows the discriminator"),
    }
    if facts.pairs.labels:
        settings["model.init_args.palette"] = Setting(PALETTE, "beside L1, for thin and rare classes")
    though = f", as said, though {few} {_are_few(few)}" if few else ""
    return Decision(settings | judge, f"distance first (L1 × {weight:g}), a game for the last {1 - start:.0%}{though}")


def _few(facts: Facts, chosen: Chosen) -> str:
    """What there is too little of for a game; empty: there is enough."""
    pairs = facts.pairs.pairs
    if pairs < FEWEST_PAIRS:
        return f"{pairs} pairs" if pairs > 1 else "one pair"
    updates = facts.seconds / seconds_of(facts, chosen, precision=chosen["training.precision"])
    return f"about {updates:,.0f} updates" if updates < FEWEST_UPDATES else ""


def _are_few(few: str) -> str:
    return f"{'are few' if few.endswith('s') else 'is too few'} for a game"


def _alone(facts: Facts, few: str) -> Decision:
    reason = f"{few}: a game would take more than it gives" if few else "as said"
    settings = {"model.class_path": Setting(REGRESSION, reason)}
    if facts.pairs.labels:
        settings["model.init_args.palette"] = Setting(ALONE, "a tenth of L1, for thin and rare classes")
    return Decision(settings, f"the distance to the target alone{f': {few} {_are_few(few)}' if few else ', as said'}")
