"""What a plan, a curve and a status line say is so: of few updates, tiny pictures, one pair, and pairs all alike."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import smooth
from plans import LABELS, Told, facts
from test_status import made

from atme.images import write_image
from atme.planning.curve import FEWEST, study_of
from atme.planning.decide import decide
from atme.planning.fingerprint import Splits, take_fingerprint
from atme.planning.plan import Plan
from atme.planning.rule import Facts
from atme.planning.words import screen
from atme.status import account
from atme.training.options import TrainingOptions

UNDIVIDED = Splits(".", None, None, {".": 16})


def comment(known: Facts, key: str) -> str:
    return decide(known).chosen.settings[key].comment


def plan(known: Facts, *, more: Facts | None = None) -> Plan:
    decided = decide(known)
    return Plan(known, decided, decided, decide(more or known))


def test_targets_of_one_color_are_found_in_pictures(tmp_path: Path) -> None:
    """Of whatever color, since none is exact in floats; and two colors that differ by a step are not one."""
    for level, other in ((77, 77), (200, 200), (77, 78)):
        root = tmp_path / f"{level}_{other}"
        for half in "AB":
            (root / half).mkdir(parents=True)
        for number in range(6):
            write_image(root / "A" / f"{number}.png", smooth(np.random.default_rng(number), 32, 32))
            blank = np.full((32, 32, 3), level, np.uint8)
            blank[:16] = other
            write_image(root / "B" / f"{number}.png", blank)
        pairs = replace(take_fingerprint(str(root)), palettes=(None, None))
        said = decide(Facts(pairs, facts().machine, 3600.0, Told())).decisions["classes"].words
        assert ("nothing to learn" in said) == (level == other)


def test_one_pair_is_one() -> None:
    one, two = (decide(facts(pairs=count, upright=None)).decisions["game"].words for count in (1, 2))
    assert one.endswith("one pair is too few for a game")
    assert two.endswith("2 pairs are few for a game")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": (64, 64), "largest": (64, 64), "detail": ()}, "the whole picture"),
        ({"size": (40, 400), "largest": (40, 400), "detail": ()}, "a crop sees 10% of a picture"),
        ({}, "the whole picture"),
        ({"detail": ((144, 0.1),)}, "of 144×144 pixels: a crop sees 79% of a picture"),
        ({"size": (100, 120), "largest": (150, 130), "detail": ()}, "of pictures from 100 pixels on"),
    ],
)
def test_how_much_a_crop_sees(changes: dict[str, Any], said: str) -> None:
    assert said in comment(facts(**changes), "data.crop_size")


def test_pictures_that_have_no_ssim_are_not_scored_by_it() -> None:
    """Neither with classes nor without; a training would refuse to begin."""
    for side, ssim in ((9, False), (10, False), (11, True), (16, True)):
        for palette in (None, LABELS):
            tiny = {"size": (side, side), "largest": (side, side), "usual": side, "detail": ()}
            chosen = decide(facts(palettes=(None, palette), **tiny)).chosen
            scores = str(chosen.get("training.evaluate_scores", TrainingOptions.evaluate_scores)).split(",")
            assert ("ssim" in scores) == ssim
            assert ("iou" in scores) == (palette is not None)


def test_a_run_of_less_than_an_epoch_says_when_it_is_looked_at() -> None:
    """A grid is never promised after the end."""
    many, usual = facts(pairs=100_000, hours=0.5), facts(hours=0.5)
    assert comment(many, "training.sample_every") == "the only grid, at the end"
    assert "nothing is looked at or kept before its end" in decide(many).decisions["length"].words
    assert comment(usual, "training.sample_every").startswith("the first grid after")
    assert "before its end" not in decide(usual).decisions["length"].words


def test_what_is_the_same_with_more_is_not_told_as_other() -> None:
    """Where only the reason names another number, as of pairs that are still too few for a game."""
    four, few = facts(pairs=160, upright=None), facts(pairs=40, upright=None)
    told = " ".join(screen(plan(few, more=four))).partition("4 × pairs")[2]
    assert "too few for a game" not in told
    assert "are few for a game" not in told
    told = " ".join(screen(plan(few, more=facts(pairs=400)))).partition("4 × pairs")[2]
    assert "a game for the last" in told


def test_of_how_many_pairs_a_curve_can_be_had() -> None:
    """What is held out is said, and as many as are asked for do."""
    with pytest.raises(ValueError, match="16 or more, beside a fifth that is held out, here 3 of 16"):
        study_of(plan(facts(pairs=16, splits=UNDIVIDED, upright=None)))
    assert study_of(plan(facts(pairs=20, splits=UNDIVIDED, upright=None))).parts[0] == 2
    with pytest.raises(ValueError, match=r"16 or more$"):
        study_of(plan(facts(pairs=15, upright=None)))


def test_the_hours_that_a_curve_asks_for_do_when_the_machine_is_slower() -> None:
    """By a fifth, as it may be when it is measured again."""
    with pytest.raises(ValueError, match=r"give --hours [0-9.]+ or more") as refused:
        study_of(plan(facts(hours=0.1)))
    hours = float(str(refused.value).split("--hours ")[1].split()[0])
    slower = Told(float32=1.2, bf16=0.6)
    assert study_of(plan(facts(hours=hours, clock=slower))).updates >= FEWEST


def test_where_each_epoch_was_looked_at_no_more_looks_are_advised() -> None:
    """Too few looks for a trend: a longer run has more."""
    looks = [np.nan] * 39 + [0.2]
    for every, longer in ((1, True), (5, False)):
        options = {"training.evaluate_every": every, "training.steps": 400}
        first = account(made(val_l1=looks, options=options))[-1]
        assert ("larger training.steps" in first) == longer
        assert ("more often" in first) != longer
