"""One update of the weights, micro-batch by micro-batch."""

from collections.abc import Iterable, Iterator

from atme.data import Pair
from atme.data.device import Uncut
from atme.models import Step, TranslationModel
from atme.training.state import State


def played(
    model: TranslationModel,
    state: State,
    parts: Iterable[Pair | Uncut],
    *,
    weights: Iterable[float],
    channels_last: bool,
) -> Iterator[Step]:
    """Play a step's micro-batches, yielding what each did; the step is to be begun before, and finished after.

    Args:
        model: the game.
        state: of the training.
        parts: the micro-batches.
        weights: what the mean loss of each counts for.
        channels_last: how images lie in memory.
    """
    for micro, (pair, weight) in enumerate(zip(parts, weights, strict=True)):
        with state.at(micro, weight=weight):
            done = model.step(state, pair.to(state.accelerator.device, channels_last=channels_last))
        yield done
