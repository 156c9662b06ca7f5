"""A score of a user's own: a class by its whole name, such as ``my_scores.Edges``, where one is or on the path.

It says what `Metric` asks of a comparison of single pictures, as attributes of the same names, and is called with a
translation and its target.
"""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atme import outside
from atme.metrics.catalog import DATA_RANGE, METRICS, UNITS, Metric
from atme.metrics.scores import PAIRWISE, as_rgb

SAID = ("title", "unit", "reads", "smallest", "colors")
"""What a class may say of itself; others of its attributes are its own."""


def take_in(names: list[str]) -> None:
    """Make scores by these names known; those without a dot are ours, and left alone.

    Args:
        names: of scores.

    Raises:
        ValueError: if a class is not there, or no score.
    """
    for name in (name for name in names if outside.DOTTED.fullmatch(name) and name not in METRICS):
        given = _found(name)
        said = {key: getattr(given, key) for key in SAID if hasattr(given, key)}
        if not callable(given) or not {"title", "unit", "reads"} <= said.keys():
            raise ValueError(
                f"scores: {name} is no score; give it title, unit (with higher or lower is better), reads, and "
                "__call__(translation, target), as docs/extend.md shows"
            )
        if not str(said["unit"]).endswith(("higher is better", "lower is better")):
            raise ValueError(f"scores: {name} has the unit {said['unit']!r}; let it end with higher or lower is better")
        METRICS[name] = metric = Metric(**said)
        UNITS[name], DATA_RANGE[name] = metric.unit, list(metric.reads)
        PAIRWISE[name] = _checked(name, given, colors=metric.colors)


def _found(name: str) -> Any:
    """The score that a name says: a class is made one of."""
    outside.use(name, [Path()])
    module, _, attribute = name.rpartition(".")
    try:
        given = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"scores: {name} is not there ({error}); put it beside where you are, or on the path"
        ) from error
    try:
        return given() if inspect.isclass(given) else given
    except Exception as error:  # a user's class may raise anything
        reason = " ".join(str(error).split())
        raise ValueError(
            f"scores: {name} cannot be made ({type(error).__name__}: {reason}); let it take no arguments"
        ) from error


def _checked(name: str, given: Any, *, colors: bool) -> Any:
    """The same score, whose answers must be a number for each picture; one that reads colors takes gray as RGB."""

    def compute(translation: Tensor, target: Tensor) -> Tensor:
        made = given(*map(as_rgb, (translation, target))) if colors else given(translation, target)
        if not isinstance(made, Tensor) or made.shape != (len(target),) or not torch.isfinite(made).all():
            what = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
            raise ValueError(f"scores: {name} makes {what} of {len(target)} pictures; let it make finite numbers (B,)")
        return made

    return compute
