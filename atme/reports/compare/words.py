"""What a comparison says in words, what its numbers cannot say, and what stands in the way of comparing."""

from collections.abc import Iterator, Sequence

from atme.metrics import metric as about
from atme.metrics import unit_of
from atme.reports.compare.data import by_value
from atme.reports.compare.result import Comparison, Result
from atme.reports.compare.run import Run
from atme.reports.compare.scores import lower_is_better


def title(metric: str) -> str:
    """What a metric is called on the page."""
    return about(metric).title if unit_of(metric) is not None else metric


def of_one_class(metric: str) -> bool:
    """Whether a metric is about one class of labels: these have a table of their own."""
    return unit_of(metric) is not None and about(metric).of_labels == "one"


def words(comparison: Comparison) -> list[str]:
    """What was compared, who came out best and by how much, and what the numbers cannot say: paragraphs."""
    said = [" ".join(part(comparison)) for part in (_compared, _verdicts, _cannot_say)]
    return [paragraph for paragraph in said if paragraph]


def warnings(comparison: Comparison) -> list[str]:
    """What a reader must know before comparing: one line each."""
    return [*_other_data(comparison), *_unequal(comparison), *_of_runs(comparison)]


def decimals(values: Sequence[float]) -> int:
    """Decimal places for a column: four figures or so."""
    most = max((abs(value) for value in values), default=0.0)
    return 4 if most < 2 else 2 if most < 1000 else 0


def _compared(comparison: Comparison) -> Iterator[str]:
    results = comparison.results
    runs = sum(len(result.group.runs) for result in results)
    how = f"{comparison.direction}, view: {comparison.view}, {comparison.precision}, means over images"
    scored = f"scored on split {comparison.split}"
    scored += "." if comparison.differences else f", {_count(comparison.pairs, 'pair')} ({how})."
    yield f"{_count(len(results), 'game')} in {_count(runs, 'run')}, {scored}"
    yield "Runs that differ in their seed alone are one game: " + "; ".join(map(_seeds, results)) + "."
    yield "Where a game has several seeds, its numbers are mean ± standard deviation over them."


def _seeds(result: Result) -> str:
    seeds = [str(seed) for seed in result.group.seeds]
    return f"“{result.name}” ({'seed ' if len(seeds) == 1 else f'{len(seeds)} seeds: '}{', '.join(seeds)})"


def _verdicts(comparison: Comparison) -> Iterator[str]:
    if comparison.differences:
        yield "The runs were tested on different pictures, so their scores say nothing of which is better."
        return
    if len(comparison.results) > 1:
        yield from (_verdict(comparison, metric) for metric in comparison.metrics if not of_one_class(metric))
    if len(comparison.results) > 1 and any(len(result.group.runs) == 1 for result in comparison.results):
        yield "Whether other seeds would keep the order of games with one seed is not known."
    yield from _beaten(comparison)


def _verdict(comparison: Comparison, metric: str) -> str:
    """The best game beside the second one, and the gap beside the spread over seeds."""
    down = lower_is_better(comparison.metrics[metric])
    ranking = sorted(comparison.results, key=lambda r: r.score(metric).mean, reverse=not down)
    first, second = (result.score(metric) for result in ranking[:2])
    gap = abs(first.mean - second.mean)
    places = decimals([first.mean, second.mean])
    said = f"{title(metric)}: “{ranking[0].name}” before “{ranking[1].name}” by {gap:.{places}f}"
    largest = max(first.sd or 0.0, second.sd or 0.0)
    if first.sd is None or second.sd is None or not largest:
        return f"{said}."
    if gap <= largest:
        return f"{said}, no more than the spread over seeds ({largest:.{places}f}), so it does not tell them apart."
    return f"{said}, {gap / largest:.1f} times the spread over seeds ({largest:.{places}f})."


def _beaten(comparison: Comparison) -> Iterator[str]:
    """The games that a trivial predictor is better than, or as good as."""
    for metric, unit in ((name, unit) for name, unit in comparison.metrics.items() if not of_one_class(name)):
        sign = -1 if lower_is_better(unit) else 1
        for predictor in (each for each in comparison.predictors if metric in each.scores):
            bar = sign * predictor.scores[metric]
            beaten = [r.name for r in comparison.results if sign * r.score(metric).mean <= bar]
            if beaten:
                yield f"By {title(metric)} {_listed(beaten)} {'is' if len(beaten) == 1 else 'are'} no better than " + (
                    f"the {predictor.name}."
                )


def _cannot_say(comparison: Comparison) -> Iterator[str]:
    yield "What the numbers cannot say."
    alone = [result.name for result in comparison.results if len(result.group.runs) == 1]
    if alone:
        yield (
            f"Of {_listed(alone)} there is one seed only, so no spread is shown: "
            "how much of a difference is chance is then not known."
        )
    if len(alone) < len(comparison.results):
        yield "A standard deviation over two or three seeds is itself uncertain by a factor of two and more."
    drawn = [r.name for r in comparison.results if any(one.seed is not None for one in r.scored)]
    if drawn:
        yield f"{_listed(drawn)} could give other answers: one is scored and shown to each picture, drawn with seed 0."
    yield (
        "L1, PSNR and SSIM compare pixel by pixel: a blurred translation may beat a sharp one that is a pixel off. "
        "Times hold for the machine, and for what else ran on it."
    )


def _other_data(comparison: Comparison) -> Iterator[str]:
    if comparison.differences:
        yield (
            f"The runs were tested on different data ({'; '.join(comparison.differences)}): their scores cannot be "
            "compared, none is marked as best, and no pictures are shown side by side."
        )


def _unequal(comparison: Comparison) -> Iterator[str]:
    """What was not the same, though it may matter as much as the settings."""
    scored = [(run, one) for r in comparison.results for run, one in zip(r.group.runs, r.scored, strict=True)]
    images = {run.name: f"{run.last['images']:,.0f} images" for run, _ in scored if run.last}
    if len(set(images.values())) > 1:
        yield f"Trained unequally long: {by_value(images)}."
    weights = {run.name: {"average": "averaged", "last": "the last ones"}[one.weights] for run, one in scored}
    if len(set(weights.values())) > 1:
        yield f"Scored with different weights: {by_value(weights)}."


def _of_runs(comparison: Comparison) -> Iterator[str]:
    groups = [result.group for result in comparison.results]
    for run in (run for group in groups for run in group.runs):
        unit, reached, asked = _length(run)
        if not run.log:
            yield f"{run.name}: its log.jsonl holds no line up to step {run.step}; time and curves are left out."
        elif reached < asked:
            yield f"{run.name}: its last checkpoint is of {unit} {reached:,} of {asked:,}."
        if run.options.get("model.init_args.adversarial", "vanilla") != "vanilla":
            yield f"{run.name}: its game is not the vanilla one; log 4 and log 2 are not where it settles."
    twins = [setting for setting in comparison.settings if not setting.incidental]
    if len(groups) > 1 and not twins:
        yield f"{_listed([g.name for g in groups])} have the same settings and the same seed: repeats, not seeds."


def _listed(names: Sequence[str]) -> str:
    quoted = [f"“{name}”" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _length(run: Run) -> tuple[str, int, int]:
    """In which unit a run's length was said, how far it came, and how far it was to come."""
    if isinstance(steps := run.options.get("training.steps"), int):
        return "step", run.step, steps
    epochs = [run.options.get(f"training.rate.{part}") for part in ("epochs", "decay_epochs")]
    asked = sum(each for each in epochs if isinstance(each, int))
    return "epoch", int(run.last["epoch"]) if run.last else asked, asked
