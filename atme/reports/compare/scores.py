"""The scores of each run of a comparison, and what a value is over the seeds of a game."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from atme.data import DataOptions, PairedImages
from atme.inference import Translator
from atme.inference.protocol import protocol
from atme.metrics import metric, unit_of
from atme.metrics.classes import DOTS, ONE_CLASS
from atme.reports.evaluate import file_name, score
from atme.run_folder import find_run, scores_folder


@dataclass(frozen=True)
class Spread:
    """One quantity over the seeds of a game.

    Attributes:
        values: One a run, in the order of the runs; those that are known.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return fmean(self.values)

    @property
    def sd(self) -> float | None:
        """Standard deviation over the seeds, with n − 1 below; one seed has none, nor has an infinite PSNR."""
        return stdev(self.values) if len(self.values) > 1 and all(map(isfinite, self.values)) else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"mean": self.mean, "sd": self.sd, "values": list(self.values)}


@dataclass(frozen=True)
class Scores:
    """The scores of one run, as `evaluation/SPLIT.json` holds them.

    Attributes:
        metrics: Metric -> mean over the pairs.
        predictors: Trivial predictor -> the same.
        units: Metric -> what it is, and which direction is better.
        features: Metric -> whose features were compared, for those that compare any.
        weights: "average" if the averaged weights were scored, "last" if not.
        reused: They were read from the run's folder.
        seed: Of the answers, where the model draws them; None where a picture has one.
    """

    metrics: dict[str, float]
    predictors: dict[str, dict[str, float]]
    units: dict[str, str]
    weights: str
    reused: bool
    seed: int | None = None
    features: dict[str, Any] = field(default_factory=dict)

    def of(self, metrics: Sequence[str]) -> "Scores":
        """These metrics alone."""
        return replace(
            self,
            metrics={name: self.metrics[name] for name in metrics},
            predictors={
                key: {name: each[name] for name in metrics if name in each} for key, each in self.predictors.items()
            },
            units={name: self.units[name] for name in metrics},
        )


def shared(scored: Sequence[Scores]) -> list[str]:
    """The metrics that all of these have, computed alike."""
    first, *others = scored
    return [
        name
        for name, unit in first.units.items()
        if all(one.units.get(name) == unit and one.features.get(name) == first.features.get(name) for one in others)
    ]


def spread(values: Sequence[float | None]) -> Spread | None:
    """Over those that are known; None if none is."""
    known = tuple(float(value) for value in values if value is not None)
    return Spread(known) if known else None


def lower_is_better(unit: str) -> bool:
    """Which direction a metric's unit says is better."""
    return "lower is better" in unit


def scores_of(run: Path, translator: Translator, data: DataOptions, test: PairedImages) -> Scores:
    """The scores of a run: those of its last evaluation if that is of the same weights and pairs, new ones if not.

    Args:
        run: Its folder, or that of one of its checkpoints, which is only read.
        translator: Of this run.
        data: Its data section.
        test: The pairs to score.

    Raises:
        ValueError: If its data cannot be read.
    """
    known = _known(run, translator, test)
    summary = known or score(translator, data, test, quiet=True).summary()
    units, networks = summary["protocol"]["units"], summary["protocol"].get("features", {})
    return Scores(
        metrics={name: summary[name] for name in units},
        predictors={
            key: {name: each[name] for name in units if name in each} for key, each in summary["baselines"].items()
        },
        units=units,
        features={name: networks.get(metric(name).network) for name in units if unit_of(name) is not None},
        weights=translator.source.weights,
        reused=known is not None,
        seed=summary["protocol"].get("seed"),
    )


def _known(run: Path, translator: Translator, test: PairedImages) -> dict[str, Any] | None:
    """An evaluation that `score` would repeat number by number; None where there is none."""
    path = scores_folder(find_run(run)) / f"{file_name(test.split)}.json"
    state = translator.source.folder / "state.json"
    wanted = protocol(translator, test)
    try:
        found = json.loads(path.read_text())
        newer = path.stat().st_mtime >= state.stat().st_mtime
        fits = newer and all(found["protocol"].get(key) == value for key, value in wanted.items())
        means = [found, *found["baselines"].values()]
        units = found["protocol"]["units"]
        fits &= bool(units) and all((unit_of(name) or unit) == unit for name, unit in units.items())  # or a user's own
        for each in (each for each in means if "psnr" in each):
            each["psnr"] = inf if each["psnr"] is None else each["psnr"]  # JSON knows no infinity
        few = [found["baselines"].get(predictor) for predictor in (ONE_CLASS, DOTS)]  # these have some scores alone
        numbers = [each[name] for each in means for name in units if name in each or each not in few]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, or a damaged one: it is made anew
        return None
    return found if fits and all(isinstance(number, int | float) for number in numbers) else None
