"""What comes with the package beside its code: presets, recipes, and a trained model.

In a checkout they lie at its top, in ``options/`` and ``datasets/``, which stay the one source. The build maps both
into the wheel, as ``atme/shipped/options`` and ``atme/shipped/datasets`` (setup.cfg), so that an installed package
has them wherever it is used. Models lie here, in ``atme/shipped/models``, as ``save_pretrained`` writes them.
"""

from pathlib import Path
from typing import Literal

_HERE = Path(__file__).parent


def folder(name: Literal["options", "datasets", "models"]) -> Path:
    """The folder of presets, recipes or models: the wheel's own, or that of the checkout."""
    inside = _HERE / name
    return inside if inside.is_dir() else _HERE.parents[1] / name


def models() -> list[str]:
    """The names of the trained models."""
    return sorted(path.name for path in (_HERE / "models").iterdir() if path.is_dir())


def model(name: str) -> Path | None:
    """The folder of a trained model; None if there is none of this name."""
    return _HERE / "models" / name if name in models() else None


def is_model(folder: Path) -> bool:
    """Whether this is the folder of a trained model that came along."""
    return folder.parent == _HERE / "models"
