"""What of a run's folder is code: the names of classes in its options, which Python imports and calls.

``options.yaml`` names networks, noise and model by ``class_path``; a name such as ``os.system`` would be imported and
called with whatever ``init_args`` say. A stranger's folder may name what is of this package alone.
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from atme.models.build import SECTIONS
from atme.outputs import some
from atme.outside import DOTTED, strings

ROOMS = ("atme.models.", "atme.networks.", "atme.noise.")
"""Where the classes are defined that a translator may be built of."""


def require_ours(options: Mapping[str, Any], folder: Path) -> None:
    """Refuse options that name code which is not of this package, before any of it is imported.

    Args:
        options: the sections of a preset, as plain values.
        folder: theirs, for the error.

    Raises:
        ValueError: naming what is not ours.
    """
    named = {text for name in SECTIONS for text in strings(options.get(name)) if DOTTED.fullmatch(text)}
    strange = sorted(text for text in named if not _is_ours(text))
    if strange:
        raise ValueError(
            f"{folder}: its options name {some(strange)}, code that is not of atme; "
            "read that code, and then allow it with --trust (trust=True in Python)"
        )


def _is_ours(path: str) -> bool:
    """Whether a dotted path is that of a class of the rooms; nothing outside of this package is imported to tell."""
    module, _, name = path.rpartition(".")
    if module != "atme" and not f"{module}.".startswith(ROOMS):
        return False
    try:
        inside = import_module(module)
    except ImportError:  # as atme.networks.unet.torch, through which the parser would find torch
        return False
    found = getattr(inside, name, None)
    return found is None or (isinstance(found, type) and found.__module__.startswith(ROOMS))
