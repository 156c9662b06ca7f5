"""What comes with the package beside its code: presets and recipes.

In a checkout they lie at its top, in ``options/`` and ``datasets/``, which stay the one source. The build maps both
into the wheel, as ``atme/shipped/options`` and ``atme/shipped/datasets`` (setup.cfg), so that an installed package
has them wherever it is used.
"""

from pathlib import Path
from typing import Literal

_HERE = Path(__file__).parent


def folder(name: Literal["options", "datasets"]) -> Path:
    """The folder of presets or recipes: the wheel's own, or that of the checkout."""
    inside = _HERE / name
    return inside if inside.is_dir() else _HERE.parents[1] / name
