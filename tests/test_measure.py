"""Scores of a split in a stream: each is best for the target itself; what means nothing is left out, and named."""

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from skimage.color import deltaE_cie76, rgb2lab
from test_feature_scores import Features
from torch import Tensor
from torchmetrics.image import MultiScaleStructuralSimilarityIndexMeasure

from atme.metrics import (
    METRICS,
    OURS,
    UNITS,
    WITHOUT_WEIGHTS,
    Answer,
    Network,
    chosen,
    intervals,
    measure,
    scores,
    sliced,
)


def picture(seed: int, channels: int = 3, height: int = 48, width: int = 40) -> Tensor:
    """Smooth noise (C, H, W) in [-1, 1]."""
    small = torch.rand(1, channels, 6, 5, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(small, (height, width), mode="bilinear")[0]


def network() -> Network:
    return Network(lambda images: Features()(images.expand(-1, 3, -1, -1)), {"file": "seeded"})


def difference(one: Tensor, other: Tensor) -> Tensor:
    """Stands in for LPIPS and DISTS."""
    return (one.expand(-1, 3, -1, -1) - other.expand(-1, 3, -1, -1)).square().mean(dim=(1, 2, 3))


NETWORKS = {
    "inception": network(),
    "lpips": Network(difference, {"file": "seeded"}),
    "dists": Network(difference, {"file": "seeded"}),
}


def answers(count: int = 6, **kind: int) -> Iterator[Answer]:
    for seed in range(count):
        target = picture(seed, **kind)
        noisy = (target + picture(seed + 100, **kind)).clamp(-1, 1)
        yield Answer(str(seed), target, {OURS: noisy, "itself": target, "darker": (target - 0.7).clamp(-1, 1)})


def test_every_score_of_the_target_against_itself_is_its_best() -> None:
    found = measure(answers(12, height=200, width=180), pairs=12, metrics=tuple(METRICS), networks=NETWORKS)
    assert found.left_out == {}
    assert set(found.ours) == set(METRICS)
    for name, metric in METRICS.items():
        itself = found.scores["itself"][name].value
        for other in (OURS, "darker"):
            worse = found.scores[other][name].value
            assert itself < worse if metric.lower_is_better else itself > worse, name
    best = {
        "l1": 0,
        "psnr": float("inf"),
        "ssim": 1,
        "ms_ssim": 1,
        "delta_e": 0,
        "fid": 0,
        "swd": 0,
        "lpips": 0,
        "dists": 0,
    }
    for name, value in best.items():
        assert found.scores["itself"][name].value == pytest.approx(value, abs=1e-6), name


def test_means_are_over_pictures_and_lie_in_their_intervals() -> None:
    found = measure(answers(), pairs=6, metrics=("l1", "ssim"))
    for name, score in found.ours.items():
        alone = [float(scores(a.predictions[OURS][None], a.target[None])[name][0]) for a in answers()]
        assert score.each == pytest.approx(alone)
        assert score.value == pytest.approx(sum(alone) / 6)
        assert score.interval is not None
        assert score.interval[0] < score.value < score.interval[1]
    assert found.scores["itself"]["l1"].interval == (0, 0)
    assert measure(answers(), pairs=6, metrics=("psnr",)).scores["itself"]["psnr"].interval is None


def test_sets_have_intervals_too() -> None:
    found = measure(answers(), pairs=6, metrics=("fid", "kid", "swd"), networks=NETWORKS).ours
    for score in found.values():
        assert score.each is None
        assert score.interval is not None
        assert score.interval[0] <= score.value <= score.interval[1]
    levels = found["swd"].levels or ()
    assert sum(levels) / 2 == pytest.approx(found["swd"].value)


SOME = ("l1", "ssim", "fid", "kid", "swd")


def test_without_intervals_scores_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is computed for them."""
    full = measure(answers(), pairs=6, metrics=SOME, networks=NETWORKS)
    assert all(score.interval for score in full.ours.values())
    for module, name in ((intervals, "of_mean"), (intervals, "jackknifed"), (sliced, "swd_without")):
        monkeypatch.setattr(module, name, lambda value, without=(), **_: None if not len(without) else 1 / 0)
    bare = measure(answers(), pairs=6, metrics=SOME, networks=NETWORKS, with_intervals=False)
    for predictor, scored in full.scores.items():
        for name, score in scored.items():
            assert bare.scores[predictor][name] == replace(score, interval=None)


def test_the_same_seed_gives_the_same_scores() -> None:
    one, again, other = (measure(answers(), pairs=6, metrics=("swd", "l1"), seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert one.ours["swd"].value != other.ours["swd"].value
    assert one.ours["l1"].value == other.ours["l1"].value


def test_color_difference_is_that_of_scikit_image() -> None:
    one, other = picture(0), picture(1)
    labs = [rgb2lab(((each + 1) / 2).permute(1, 2, 0).double().numpy()) for each in (one, other)]
    expected = deltaE_cie76(*labs).mean()
    assert scores(one[None], other[None], names=("delta_e",))["delta_e"][0] == pytest.approx(expected, rel=1e-3)


def test_ms_ssim_is_that_of_torchmetrics_in_float64() -> None:
    for one, other in (
        (picture(0, height=180, width=200), picture(1, height=180, width=200)),
        (torch.full((3, 180, 200), 0.5), torch.full((3, 180, 200), -0.2)),
    ):
        theirs = MultiScaleStructuralSimilarityIndexMeasure(data_range=1.0)
        expected = theirs(*(((each[None] + 1) / 2).double() for each in (one, other)))
        found = scores(one[None], other[None], names=("ms_ssim",))["ms_ssim"][0]
        assert found == pytest.approx(float(expected), abs=5e-5)


# What is left out, and said.


def test_gray_is_repeated_and_alpha_has_no_scores_of_colors() -> None:
    gray = measure(answers(channels=1), pairs=6, metrics=tuple(METRICS), networks=NETWORKS)
    assert set(METRICS) - set(gray.ours) == {"ms_ssim"}
    thrice = (
        Answer(a.name, a.target.expand(3, -1, -1), {n: p.expand(3, -1, -1) for n, p in a.predictions.items()})
        for a in answers(channels=1)
    )
    colored = measure(thrice, pairs=6, metrics=tuple(METRICS), networks=NETWORKS)
    for name in ("lpips", "dists", "delta_e", "fid", "kid"):
        assert gray.ours[name].value == pytest.approx(colored.ours[name].value), name
    alpha = measure(answers(channels=4), pairs=6, metrics=tuple(METRICS), networks=NETWORKS)
    assert set(alpha.ours) == {"l1", "psnr", "ssim", "swd"}
    assert alpha.left_out["fid"] == "0 has 4 channels; it reads RGB, and gray as RGB"


def test_small_pictures_have_fewer_scores() -> None:
    found = measure(answers(height=10, width=40), pairs=6, metrics=WITHOUT_WEIGHTS)
    assert set(found.ours) == {"l1", "psnr", "delta_e"}
    assert found.left_out == {
        "ssim": "0 has 10×40 pixels; it needs 11 each way",
        "ms_ssim": "0 has 10×40 pixels; it needs 176 each way",
        "swd": "0 has 10×40 pixels; it needs 16 each way",
    }


def test_what_the_smallest_size_is() -> None:
    """As the message says, each can be had of such a picture."""
    for name in ("ssim", "ms_ssim"):
        side = METRICS[name].smallest
        assert scores(picture(0, 3, side, side)[None], picture(1, 3, side, side)[None], names=(name,))[name]
        with pytest.raises(ValueError, match=f"needs {side} each way"):
            scores(picture(0, 3, side - 1, side)[None], picture(1, 3, side - 1, side)[None], names=(name,))


def test_one_small_picture_among_many_takes_the_score_from_all() -> None:
    """A mean over the others would not be the split's."""

    def mixed() -> Iterator[Answer]:
        yield from answers(3)
        yield Answer("tiny", picture(9, 3, 10, 40), {OURS: picture(8, 3, 10, 40), "itself": picture(9, 3, 10, 40)})

    found = measure(mixed(), pairs=4, metrics=("l1", "ssim"))
    assert list(found.ours) == ["l1"]
    assert "tiny has 10×40 pixels" in found.left_out["ssim"]
    assert "darker" not in found.scores


def test_pictures_of_other_numbers_of_levels_have_no_swd() -> None:
    def mixed() -> Iterator[Answer]:
        yield from answers(2)
        yield Answer("large", picture(9, 3, 80, 90), {OURS: picture(8, 3, 80, 90)})

    found = measure(mixed(), pairs=3, metrics=("l1", "swd"))
    assert list(found.ours) == ["l1"]
    assert "0 and large" in found.left_out["swd"]


def test_one_pair_is_no_set() -> None:
    found = measure(answers(1), pairs=1, metrics=("l1", "fid", "kid", "swd"), networks=NETWORKS)
    assert list(found.ours) == ["l1"]
    assert found.ours["l1"].interval is None
    assert found.left_out == dict.fromkeys(("fid", "kid", "swd"), "one pair is no set")


def test_without_weights_the_others_are_had() -> None:
    found = measure(answers(), pairs=6, metrics=("l1", "fid", "lpips"))
    assert list(found.ours) == ["l1"]
    assert found.left_out == {"fid": "no weights of inception", "lpips": "no weights of lpips"}


def test_a_score_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean ms_ssim"):
        chosen(["ms-ssm"])
    with pytest.raises(ValueError, match="use some of l1, psnr"):
        chosen([])
    assert chosen(["swd", "l1", "swd"]) == ("l1", "swd")


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a: translation .* and target differ in shape"):
        measure([Answer("a", picture(0), {OURS: picture(0, 3, 40, 40)})], pairs=1)
    with pytest.raises(ValueError, match=r"translation of a holds values from .* give them in \[-1, 1\]"):
        measure([Answer("a", picture(0), {OURS: picture(0) * 3})], pairs=1)


# The stream.


def test_no_picture_is_held() -> None:
    """While the tenth is scored, those before it are gone."""
    alive: list[weakref.ref] = []

    def watched() -> Iterator[Answer]:
        for seed in range(10):
            one, target = picture(seed), picture(seed + 50)
            alive.extend([weakref.ref(one), weakref.ref(target)])
            yield Answer(str(seed), target, {OURS: one})
            del one, target
        gc.collect()
        assert sum(ref() is not None for ref in alive) <= 2

    measure(watched(), pairs=10, metrics=tuple(METRICS), networks=NETWORKS)


def test_each_metric_says_which_way_is_better() -> None:
    for unit in UNITS.values():
        assert ("lower is better" in unit) != ("higher is better" in unit)
