"""How many bytes of tensors are alive at once, at most, while a piece of code runs."""

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Live(TorchDispatchMode):
    """Counts what operations allocate until it is let go of; tensors that were there before do not count.

    Attributes:
        bytes: alive now.
        peak: the most that was alive at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for storage in _storages((args, kwargs)):
            self._see(storage, size=0)
        made = func(*args, **(kwargs or {}))
        for storage in _storages(made):
            self._see(storage, size=storage.nbytes())
        return made

    def _see(self, storage: torch.UntypedStorage, *, size: int) -> None:
        """Count a storage that is not known yet, until it is gone."""
        name = id(storage)
        if name in self._seen:
            return
        self._seen.add(name)
        self.bytes += size
        self.peak = max(self.peak, self.bytes)
        weakref.finalize(storage, self._drop, name, size)

    def _drop(self, name: int, size: int) -> None:
        self._seen.discard(name)
        self.bytes -= size


def _storages(tree: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
