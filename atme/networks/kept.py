"""What is made of weights that nothing learns, kept until they change."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class Kept:
    """The last of what was made of some weights. Copies and pickles begin without."""

    _last: tuple[tuple[object, ...], tuple[Tensor, ...]] | None = None

    def of(
        self, weights: Sequence[Tensor], make: Callable[[], tuple[Tensor, ...]], *others: object
    ) -> tuple[Tensor, ...]:
        """What `make` makes of weights, made anew where one of them, or something else, is not what it was.

        Args:
            weights: that it reads.
            make: to be called without gradients.
            others: whatever else it depends on.
        """
        tell = all(type(each) in (nn.Parameter, Tensor) and not each.is_inference() for each in weights)
        if torch.compiler.is_compiling() or not tell:  # others do not tell that they changed
            self._last = None
            return make()
        now = *((each.data_ptr(), each._version) for each in weights), *others
        last = self._last  # read once: other threads translate, too
        if last is not None and last[0] == now:
            return last[1]
        with torch.no_grad():
            made = make()
        # fake ones, of which costs are computed, are none
        self._last = (now, made) if all(type(each) is Tensor for each in made) else None
        return made

    def forget(self) -> None:
        """Whatever was made."""
        self._last = None

    def __getstate__(self) -> dict[str, object]:
        return {}
