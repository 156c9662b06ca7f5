"""Pairs of images: found in folders, read, augmented, and put in an order.

The public names are imported on first use, so that what only fetches or lists data does not load torch.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atme.data.augment import Augmentation, TestView
    from atme.data.batches import Batches, loader
    from atme.data.device import DeviceAugmentation
    from atme.data.options import DataOptions
    from atme.data.pair import Pair
    from atme.data.pairs import PairedImages
    from atme.data.recipes import Recipe, find_root

# Albumentations asks the network for a newer version of itself when it is imported, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

_HOMES = {
    "Augmentation": "atme.data.augment",
    "TestView": "atme.data.augment",
    "Batches": "atme.data.batches",
    "loader": "atme.data.batches",
    "DataOptions": "atme.data.options",
    "DeviceAugmentation": "atme.data.device",
    "Pair": "atme.data.pair",
    "PairedImages": "atme.data.pairs",
    "Recipe": "atme.data.recipes",
    "find_root": "atme.data.recipes",
}

__all__ = [
    "Augmentation",
    "Batches",
    "DataOptions",
    "DeviceAugmentation",
    "Pair",
    "PairedImages",
    "Recipe",
    "TestView",
    "find_root",
    "loader",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'atme.data' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
