"""The search for the best checkpoint: what is better, what is never the best, and when it is given up."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atme.training.search import Aim, Best, Search

DOWN, UP = Aim("l1", True, "val", "some"), Aim("psnr", False, "val", "some")
SCORES = st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=12)


def looks(aim: Aim, scores: list[float], *, least_gain: float = 0.0) -> Search:
    """A search with a look every tenth step."""
    search = Search(aim=aim)
    for number, score in enumerate(scores, 1):
        search = search.after(10 * number, score, least_gain=least_gain)
    return search


@given(SCORES)
def test_the_best_is_the_first_of_the_best_numbers(scores: list[float]) -> None:
    numbers = [(score, 10 * number) for number, score in enumerate(scores, 1) if not math.isnan(score)]
    lower, upper = looks(DOWN, scores).best, looks(UP, scores).best
    down = min((each for each in numbers if each[0] != math.inf), default=None)
    up = max((each for each in numbers if each[0] != -math.inf), key=lambda each: (each[0], -each[1]), default=None)
    assert lower == (down and Best(*down))
    assert upper == (up and Best(*up))


@given(SCORES, st.integers(0, 12))
def test_a_search_goes_on_from_what_was_saved(scores: list[float], saved_after: int) -> None:
    before = looks(UP, scores[:saved_after])
    search = Search.from_dict(json.loads(json.dumps(before.as_dict())))
    assert search == before
    for number, score in enumerate(scores[saved_after:], min(saved_after, len(scores)) + 1):
        search = search.after(10 * number, score)
    assert search == looks(UP, scores)


@pytest.mark.parametrize(
    ("scores", "least_gain", "without"),
    [
        ([0.5, 0.4, 0.3], 0.0, 0),
        ([0.5, 0.5, 0.5], 0.0, 2),  # as good is not better
        ([0.5, 0.49, 0.48], 0.05, 2),  # each a little better, together not by so much
        ([0.5, 0.48, 0.44], 0.05, 0),  # together they are
        ([0.5, math.nan, math.inf, 0.6], 0.0, 3),
        ([math.nan, math.inf], 0.0, 2),
    ],
)
def test_looks_without_a_better_score_are_counted(scores: list[float], least_gain: float, without: int) -> None:
    assert looks(DOWN, scores, least_gain=least_gain).without == without
    assert looks(UP, [-score for score in scores], least_gain=least_gain).without == without


def test_a_small_gain_is_no_gain_and_still_the_best() -> None:
    search = looks(DOWN, [0.5, 0.49], least_gain=0.05)
    assert (search.best, search.to_beat, search.without) == (Best(0.49, 20), 0.5, 1)


def test_without_an_aim_only_the_look_is_noted() -> None:
    assert Search().after(10, None) == Search(looked=10)


class TestTowards:
    there = staticmethod(lambda step: True)

    def test_the_same_goes_on(self) -> None:
        search = looks(DOWN, [0.5, 0.6])
        assert search.towards(DOWN, is_there=self.there) == (search, [])

    def test_without_an_aim_the_best_stays(self) -> None:
        search = looks(DOWN, [0.5, 0.6])
        assert search.towards(None, is_there=self.there) == (search, [])

    @pytest.mark.parametrize(
        ("aim", "said"),
        [
            (UP, "sought anew: by psnr of split val"),
            (Aim("l1", True, "test", "some"), "sought anew: by l1 of split test"),
            (Aim("l1", True, "val", "others"), "sought anew: by l1 of other pairs of split val"),
        ],
    )
    def test_another_aim_begins_anew(self, aim: Aim, said: str) -> None:
        found, told = looks(DOWN, [0.5, 0.6]).towards(aim, is_there=self.there)
        assert found == Search(20, aim)
        assert said in told[0]

    def test_a_best_that_is_gone_is_sought_anew(self) -> None:
        found, told = looks(DOWN, [0.5, 0.6]).towards(DOWN, is_there=lambda step: step != 10)
        assert found == Search(20, DOWN)
        assert "that of step 10 is not there any more" in told[0]
