"""What a comparison found: the numbers that page, JSON and terminal show alike."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isclose
from typing import Any

from atme.reports.compare.curves import Chart
from atme.reports.compare.groups import Group, Setting
from atme.reports.compare.scores import Scores, Spread, lower_is_better, spread
from atme.reports.pictures import Example


@dataclass(frozen=True)
class Result:
    """One game.

    Attributes:
        group: Its runs.
        scored: The scores of each run.
        parameters: Network -> how many numbers are learned.
    """

    group: Group
    scored: tuple[Scores, ...]
    parameters: dict[str, int]

    @property
    def name(self) -> str:
        """Of the game."""
        return self.group.name

    def score(self, metric: str) -> Spread:
        """A metric over the seeds."""
        return Spread(tuple(one.metrics[metric] for one in self.scored))

    def settled(self, key: str) -> Spread | None:
        """A logged value in the last tenth of the training, over the seeds; None if it was not logged."""
        return spread([run.settled(key) for run in self.group.runs])

    def quantities(self) -> dict[str, Spread | None]:
        """What the training took, and where the game settled, over the seeds; None what was not logged."""
        runs = self.group.runs
        last = {key: [run.last[key] if run.last else None for run in runs] for key in ("epoch", "images", "seconds")}
        return {
            "steps": spread([run.step for run in runs]),
            **{key: spread(values) for key, values in last.items()},
            "images_per_second": spread([run.images_per_second for run in runs]),
            **{key: self.settled(key) for key in ("objective", "entropy")},
        }


@dataclass(frozen=True)
class Predictor:
    """A trivial predictor on the data of some runs.

    Attributes:
        name: In words; with the runs where it is not the same for all.
        scores: Metric -> mean over the pairs, of those metrics that it has.
    """

    name: str
    scores: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """All that a comparison shows.

    Attributes:
        split: That was scored.
        pairs: How many it has.
        view: What was scored of each picture, in words.
        direction: AtoB or BtoA.
        precision: Of the translations.
        metrics: Metric -> its unit, and which direction is better.
        results: The games.
        predictors: The trivial ones.
        settings: That differ.
        charts: Of what was logged.
        examples: Test pairs side by side.
        differences: What differs between the runs' test data, in words; nothing if the scores can be compared.
    """

    split: str
    pairs: int
    view: str
    direction: str
    precision: str
    metrics: dict[str, str]
    results: list[Result]
    predictors: list[Predictor]
    settings: list[Setting]
    charts: list[Chart]
    examples: list[Example]
    differences: list[str]

    def best(self, metric: str) -> list[str]:
        """Who has the best mean, predictors included: names of rows; nobody where scores cannot be compared."""
        if self.differences:
            return []
        means = {result.name: result.score(metric).mean for result in self.results}
        known = (each for each in self.predictors if metric in each.scores)
        means |= {predictor.name: predictor.scores[metric] for predictor in known}
        best = (min if lower_is_better(self.metrics[metric]) else max)(means.values())
        return [name for name, mean in means.items() if mean == best]

    def as_dict(self, *, words: Sequence[str], remarks: Sequence[str]) -> dict[str, Any]:
        """For JSON, together with what is said of it."""
        return {
            "words": list(words),
            "remarks": list(remarks),
            "comparable": not self.differences,
            "split": self.split,
            "pairs": self.pairs,
            "precision": self.precision,
            "metrics": {
                name: {"unit": unit, "better": "lower" if lower_is_better(unit) else "higher", "best": self.best(name)}
                for name, unit in self.metrics.items()
            },
            "games": [self._game(result) for result in self.results],
            "predictors": [asdict(predictor) for predictor in self.predictors],
            "settings": [self._setting(setting) for setting in self.settings],
            "examples": [
                {"name": example.name, "l1": {answer.run: answer.l1 for answer in example.answers}}
                for example in self.examples
            ],
            "curves": {
                chart.key: {
                    run: {"images": curve.images.tolist(), "values": curve.values.tolist()}
                    for run, curve in chart.curves.items()
                }
                for chart in self.charts
            },
        }

    def _game(self, result: Result) -> dict[str, Any]:
        return {
            "name": result.name,
            "runs": [
                {
                    "name": run.name,
                    "folder": str(run.folder),
                    "seed": run.seed,
                    "step": run.step,
                    "best": run.best and {"by": run.best[0], "step": run.best[1]},
                    "weights": scored.weights,
                    "evaluation_reused": scored.reused,
                    "scores": scored.metrics,
                }
                for run, scored in zip(result.group.runs, result.scored, strict=True)
            ],
            "scores": {metric: result.score(metric).as_dict() for metric in self.metrics},
            "parameters": result.parameters,
            **{name: value and value.as_dict() for name, value in result.quantities().items()},
            "settled": {chart.key: _mean(result.settled(chart.key)) for chart in self.charts},
        }

    def _setting(self, setting: Setting) -> dict[str, Any]:
        names = [result.name for result in self.results]
        values = dict(zip(names, setting.values, strict=True))
        return {"key": setting.key, "values": values, "changes_the_game": not setting.incidental}


def predictors(results: Sequence[Result]) -> list[Predictor]:
    """The trivial predictors: each once where it is the same for all runs, up to rounding."""
    found: list[tuple[str, dict[str, float], list[str]]] = []
    for run, scored in (both for r in results for both in zip(r.group.runs, r.scored, strict=True)):
        for name, values in scored.predictors.items():
            same = next((runs for other, known, runs in found if other == name and _alike(known, values)), None)
            if same is None:
                found.append((name, values, [run.name]))
            else:
                same.append(run.name)
    names = [name for name, _, _ in found]
    return [
        Predictor(name.replace("_", " ") + (f" ({', '.join(runs)})" if names.count(name) > 1 else ""), values)
        for name, values, runs in sorted(found, key=lambda each: names.index(each[0]))
    ]


def _alike(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return one.keys() == other.keys() and all(
        isclose(value, other[metric], rel_tol=1e-3, abs_tol=1e-3) for metric, value in one.items()
    )


def _mean(value: Spread | None) -> float | None:
    return None if value is None else value.mean
