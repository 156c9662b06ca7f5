"""Would more pairs help? Short trainings on parts of the pairs, and a curve through what they come to.

Parts are nested, an eighth within a quarter within a half, and there are two such chains, so that the scatter of
runs is known. All runs have as many updates, as many samples in each, and the same pairs to be scored by, which none
is trained on. Through their scores goes a power law with a floor,

    L1(n) = a + b n^(−c),    a, b ≥ 0,

(Hestness et al. 2017, arXiv 1712.00409), by its likelihood on a grid of a and c, whatever the scatter may be: as
few runs do not decide its three numbers, what is told are intervals over all curves that go with them.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from atme.data.layout import find_layout
from atme.data.recipes import find_root
from atme.data.scan import list_pairs
from atme.planning.pictures import spread
from atme.planning.plan import Plan
from atme.planning.speed import Read, read_preset
from atme.run_folder import read_log
from atme.training import train

PARTS, CHAINS = (8, 4, 2), 2
"""What the pairs are divided by, the smallest part first; chains of parts."""
SCORED, HELD_OUT = 100, 0.2
"""Pairs that runs are scored by, at most; share of the pairs that is held out for it where there is no split for it."""
SHARE = 0.5
"""Of the hours of a plan, for all runs together."""
FEWEST = 60
"""Updates of a run, at least."""
START = 3.0
"""Seconds that a run takes beside its updates, about."""
LIKELY = (0.05, 0.95)
"""The ends of intervals."""
SPARE = 1.25
"""Times as many hours as are too few, for a remedy: measured once more, an update may take longer."""
_SCATTER = 0.005  # share of a score under which two runs are never believed to differ
_EXPONENTS, _FLOORS = np.linspace(0.05, 1.0, 39), np.linspace(0.0, 1.0, 41)

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Range:
    """A number that is not known for certain."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """What runs on parts of the pairs came to, and what it means."""

    scores: Mapping[int, tuple[float, ...]]
    """L1 in [-1, 1] on held-out pairs, by the number of training pairs."""
    pairs: int
    """All that there are to train on."""
    at_all: Range
    """The score with all pairs."""
    at_twice: Range
    """The score with twice as many."""
    gain: Range
    """From twice as many, as a share of the score with all."""


@dataclass(frozen=True)
class Study:
    """What will be trained."""

    updates: int
    """Of each run."""
    seconds: float
    """Of all runs together, about."""
    parts: tuple[int, ...]
    """Pairs of each part, the smallest first."""
    scored: int
    """Pairs that are held out for scores."""


def study_of(plan: Plan) -> Study:
    """What runs there will be, and what they cost.

    Raises:
        ValueError: too few pairs to divide, or too little time.
    """
    pairs, chosen = plan.facts.pairs, plan.decided.chosen
    known = pairs.splits
    held = known.validation or known.test
    out = min(SCORED, known.counts[held] if held else max(1, round(HELD_OUT * pairs.pairs)))
    left = pairs.pairs - (0 if held else out)
    parts = tuple(left // each for each in PARTS)
    if parts[0] < 2:
        beside = "" if held else f", beside a fifth that is held out, here {out} of {pairs.pairs}"
        raise ValueError(
            f"--learning-curve: an eighth of {left} pairs is not enough to train on; it takes {2 * PARTS[0]} or more"
            f"{beside}"
        )
    runs = CHAINS * len(PARTS)
    each = plan.facts.clock.few(_sections(plan))
    updates = int((SHARE * plan.facts.seconds / runs - START) / each)
    if updates < FEWEST:
        hours = SPARE * runs * (FEWEST * each + START) / SHARE / 3600
        raise ValueError(
            f"--learning-curve: {runs} runs in half of {plan.facts.seconds / 3600:g} hours would have "
            f"{max(updates, 0)} updates each, which tell nothing; give --hours {np.ceil(100 * hours) / 100:g} or more"
        )
    updates = min(updates, chosen["training.steps"])
    return Study(updates, runs * (START + updates * each), parts, out)


def learn_curve(
    plan: Plan, study: Study, *, parts: Sequence[int] | None = None, read: Read = read_preset
) -> Iterator[tuple[int, float]]:
    """Train on each part of each chain: pairs and score, as they come.

    Args:
        plan: whose preset is trained, by its distance alone.
        study: what is trained.
        parts: numbers of pairs in place of the study's.
        read: makes options of a preset's sections.

    Raises:
        KeyboardInterrupt: if a run was interrupted.
    """
    pairs = plan.facts.pairs
    files = list_pairs(find_layout(find_root(pairs.root), split=pairs.splits.train, layout=pairs.layout))
    held = pairs.splits.validation or pairs.splits.test
    order = np.random.default_rng(0).permutation(len(files.paths)).tolist()
    if held:
        others = list_pairs(find_layout(find_root(pairs.root), split=held, layout=pairs.layout))
        scored = [others.paths[at] for at in spread(len(others.paths), study.scored)]
    else:
        scored, order = [files.paths[at] for at in order[: study.scored]], order[study.scored :]
    with TemporaryDirectory() as folder:
        for chain in range(CHAINS):
            drawn = np.random.default_rng(chain).permutation(order).tolist()
            for count in parts or study.parts:
                place = Path(folder) / f"{chain}_{count}"
                _link([files.paths[at] for at in drawn[:count]], place, "train")
                _link(scored, place, "val")
                yield count, _trained(plan, place, updates=study.updates, most=study.parts[0], seed=chain, read=read)
                shutil.rmtree(place)


def curve_of(scores: Mapping[int, Sequence[float]], *, pairs: int) -> Curve:
    """The curve through scores.

    Args:
        scores: L1 by the number of training pairs; two of some number, at least.
        pairs: all that there are.
    """
    counts = np.array([count for count, each in scores.items() for _ in each], float)
    found = np.array([score for each in scores.values() for score in each], float)
    scatter = _scatter(scores)
    floors = _FLOORS[:, None] * found.min()  # (F, 1)
    shapes = (counts / pairs) ** -_EXPONENTS[:, None]  # (E, N)
    above = found - floors  # (F, N)
    slopes = np.maximum(above @ shapes.T / np.square(shapes).sum(axis=1), 0.0)  # (F, E)
    missed = above[:, None] - slopes[..., None] * shapes  # (F, E, N)
    squares = np.square(missed).sum(axis=2) + len(found) * (_SCATTER * found.mean()) ** 2
    weights = (squares / squares.min()) ** (1 - len(found) / 2)  # over all that the scatter may be
    at_all = floors + slopes
    at_twice = floors + slopes * 2**-_EXPONENTS
    return Curve(
        {count: tuple(each) for count, each in scores.items()},
        pairs,
        at_all=_range(at_all, weights, scatter=scatter),
        at_twice=_range(at_twice, weights, scatter=scatter),
        gain=_range(1 - at_twice / at_all, weights, scatter=0.0),
    )


def _scatter(scores: Mapping[int, Sequence[float]]) -> float:
    """The standard deviation of a run's score, from those on as many pairs."""
    apart = np.concatenate([np.asarray(each) - np.mean(each) for each in scores.values()])
    free = max(1, len(apart) - len(scores))
    middle = float(np.mean([np.mean(each) for each in scores.values()]))
    return max(float(np.sqrt(np.square(apart).sum() / free)), _SCATTER * middle)


def _range(values: Float, weights: Float, *, scatter: float) -> Range:
    """The median and the ends of what is likely, of values that a run scatters about."""
    offsets = scatter * norm.ppf((np.arange(9) + 0.5) / 9)
    each = (values.reshape(-1, 1) + offsets).reshape(-1)
    if scatter:  # of a score, which is never below 0
        each = np.maximum(each, 0.0)
    shares = np.repeat(weights.reshape(-1), len(offsets))
    order = np.argsort(each)
    below = np.cumsum(shares[order]) / shares.sum()
    low, middle, high = (float(each[order][np.searchsorted(below, at)]) for at in (LIKELY[0], 0.5, LIKELY[1]))
    return Range(middle, low, high)


def _sections(plan: Plan) -> dict[str, Any]:
    """The plan's preset with its distance alone, whose L1 says what more pairs bring."""
    sections = plan.decided.chosen.preset
    palette = sections["model"].get("init_args", {}).get("palette", 0.0)
    lambda_l1 = sections["model"].get("init_args", {}).get("lambda_l1", 1.0)
    sections["model"] = {"class_path": "atme.Regression", "init_args": {"palette": palette / lambda_l1}}
    sections["noise"] = {"class_path": "atme.Identity"}
    sections.pop("discriminator", None)
    sections["optimizers"].pop("discriminator", None)
    return sections


def _trained(plan: Plan, place: Path, *, updates: int, most: int, seed: int, read: Read) -> float:
    """The L1 of a run on a part."""
    sections = _sections(plan)
    names = {"root": str(place), "layout": "auto", "train_split": "train", "validation_split": "val"}
    sections["data"] |= names | {"test_split": "val"}
    training = sections["training"]
    batch = min(training["batch_size"], most)
    training |= {"steps": updates, "batch_size": batch, "log_every": updates, "sample_every": 0, "keep_best": None}
    training |= {"evaluate_every": 10**6, "evaluate_images": None, "evaluate_scores": "l1", "checkpoint_every": 10**6}
    sections["run"] = {"dir": str(place / "run"), "seed": seed}
    with redirect_stderr(StringIO()):  # what six runs say of themselves
        options, text = read(sections)
        outcome = train(options, text=text)
    if outcome.signal is not None:
        raise KeyboardInterrupt(outcome.signal)
    return float(read_log(outcome.run)[-1]["val_l1"])


def _link(paths: Sequence[tuple[Path, ...]], place: Path, split: str) -> None:
    """Pairs as a split of a folder of their own: links to them, or copies where there are no links."""
    for files in paths:
        for half, path in zip(("",) if len(files) == 1 else ("A", "B"), files, strict=True):
            folder = place / f"{split}{half}"
            folder.mkdir(parents=True, exist_ok=True)
            try:
                (folder / path.name).symlink_to(path.resolve())
            except OSError:
                shutil.copyfile(path, folder / path.name)
