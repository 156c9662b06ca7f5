"""Scores in the loop: how good translations are of pairs that are not trained on, look after look.

A look translates the pairs of a validation split, or a sample of them that is the same at each look, as a translator
of the run would: in evaluation mode, with averaged weights where there are any, in the run's precision, rounded to the
bits of the targets. It draws nothing from the run's randomness and leaves the networks as they were, so that no bit of
the training depends on it. The main process looks, and the others wait for it, however long it takes.
"""

from collections.abc import Callable, Iterator, Sequence
from math import nan, prod

import torch
from torch import Tensor

from atme.data import Pair, PairedImages
from atme.images import to_array, to_tensor
from atme.metrics import OURS, Answer, metric
from atme.metrics import measure as measure_scores
from atme.models import Networks, TranslationModel
from atme.models.any_size import translate
from atme.training.options import TrainingOptions
from atme.training.search import Aim, Search
from atme.training.state import State
from atme.training.waiting import Waiting

Scores = dict[str, float]


class Validation:
    """When a run is looked at, on which pairs, and by which scores.

    Args:
        model: how a translation is made.
        pairs: of the validation split, under the view of tests.
        asked: what is scored, and how often.
        epoch: updates of the weights an epoch.
        metrics: names of scores that these pictures can have.
        bits: of each value of a target's file, to which translations are rounded.
        indices: of the pairs that are looked at.
        waiting: for what the main process finds.
    """

    def __init__(
        self,
        model: TranslationModel,
        pairs: PairedImages,
        asked: TrainingOptions,
        *,
        epoch: int,
        metrics: tuple[str, ...],
        bits: int,
        indices: Sequence[int],
        waiting: Waiting,
    ) -> None:
        self._model, self._pairs, self._bits, self._waiting = model, pairs, bits, waiting
        self._every, self._last = asked.evaluate_every * epoch, asked.steps
        self._stop_after, self._least_gain = asked.stop_after, asked.least_gain
        self.metrics = metrics
        """Names of what is scored."""
        self.indices = tuple(indices)
        """Of the pairs that are looked at, in their order."""
        self.aim = self._aim(asked.keep_best) if asked.keep_best else None
        """What the best checkpoint is sought by."""

    @property
    def in_words(self) -> str:
        """On what it looks, for the first lines of a run."""
        of_all = "" if len(self.indices) == len(self._pairs) else f" of the {len(self._pairs)}"
        noun = "pair" if not of_all and len(self.indices) == 1 else "pairs"
        return f"{len(self.indices)}{of_all} {noun} of split {self._pairs.split}"

    def try_smallest(self, state: State) -> None:
        """Translate the smallest picture, so that what cannot be looked at is known before the training.

        Raises:
            ValueError: naming the picture.
        """
        index = min(self.indices, key=lambda each: prod(self._pairs.shapes.sizes[each]))
        pair = self._pairs[index]
        try:
            with state.translating() as networks:
                self._translate(networks, pair, state.accelerator.device)
        except (ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"data.validation_split: {pair.name[0]} cannot be translated ({reason}); set data.test_size"
            ) from error

    def _aim(self, by: str) -> Aim:
        known = f"{len(self.indices)} of {self._pairs.fingerprint['names']}, {self._pairs.view_in_words}"
        return Aim(by, metric(by).lower_is_better, self._pairs.split, known)

    def owed(self, state: State) -> bool:
        """Whether a look is due after this many updates, and was not done."""
        due = state.step % self._every == 0 or state.step == self._last
        return state.step > 0 and due and state.search.looked < state.step

    def has_stopped(self, search: Search) -> bool:
        """Whether enough looks in a row found nothing better."""
        return 0 < self._stop_after <= search.without

    def look(self, state: State, *, given_up: Callable[[], bool]) -> Scores | None:
        """Score the networks as they are now, and note in the state what it means; every process must call it.

        Args:
            state: of the training.
            given_up: asked before each picture whether to leave off.

        Returns:
            Scores by name, NaN where a translation is not finite; None if the look was given up, of which nothing
            stays.

        Raises:
            ValueError: naming the pairs that cannot be read, translated or scored.
        """
        found = self._waiting.for_main(lambda: self._look(state, given_up))
        if isinstance(found, str):
            raise ValueError(found)
        if found is not None:
            score = None if self.aim is None else found[self.aim.metric]
            state.search = state.search.after(state.step, score, least_gain=self._least_gain)
        return found

    def _look(self, state: State, given_up: Callable[[], bool]) -> Scores | str | None:
        """What the main process finds: scores, what is wrong, or nothing."""
        try:
            with state.translating() as networks:
                answers = self._answers(networks, state.accelerator.device, given_up)
                found = measure_scores(
                    answers,
                    pairs=len(self.indices),
                    metrics=self.metrics,
                    with_intervals=False,
                    labels=self._pairs.kinds.target,
                )
        except _GivenUp:
            return None
        except _NotFinite:
            return dict.fromkeys(self.metrics, nan)
        except torch.OutOfMemoryError as error:
            reason = str(error).splitlines()[0]
            return f"data.validation_split: a picture is too large to translate here ({reason}); set data.test_size"
        except ValueError as error:
            return f"data.validation_split: {error}"
        absent = {name for name in found.left_out if metric(name).of_labels}  # no target has such a pixel, or any
        assert absent == found.left_out.keys(), found.left_out
        return {name: nan if name in absent else found.ours[name].value for name in self.metrics}

    def _answers(self, networks: Networks, device: torch.device, given_up: Callable[[], bool]) -> Iterator[Answer]:
        for index in self.indices:
            if given_up():
                raise _GivenUp
            pair = self._pairs[index]
            assert pair.target is not None
            fake = self._translate(networks, pair, device)
            if not bool(fake.isfinite().all()):
                raise _NotFinite
            yield Answer(pair.name[0], pair.target, {OURS: to_tensor(to_array(fake, bits=self._bits))})

    def _translate(self, networks: Networks, pair: Pair, device: torch.device) -> Tensor:
        """A pair's translation (C', H, W) in float32, of a source of which nothing is remembered."""
        unseen = Pair.collate([Pair(pair.source, None, None, pair.view, pair.name)]).to(device)
        _, fake = translate(self._model, networks, unseen)
        return fake[0].float()


class _GivenUp(Exception):
    """A look was left off."""


class _NotFinite(Exception):
    """A translation is not finite: the training diverged."""
