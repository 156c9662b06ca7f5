"""The data of a run as it is tested: found again where it lies now, without what only training needs.

Of the data section nothing is read here that could name code (transforms), so that a stranger's run can be scored.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from atme.data.options import DataOptions, read_data_options
from atme.data.recipes import recipe_paths
from atme.run_folder import read_options, run_of

TESTED = frozenset(
    {"root", "layout", "direction", "train_split", "test_split", "load_size", "crop_size", "test_view", "test_size"}
) | {"source_interpolation", "target_interpolation", "clear_transparent", "source_kind", "target_kind", "source_labels"}
TESTED |= {"labels", "target_labels", "ignore", "thin", "one_hot", "label_resizing"}
"""Keys of the data section that decide how pictures are read and tested; all others are of training alone."""


def read_tested(run: Path, *, root: str | None = None) -> DataOptions:
    """The data section of a run, as far as it matters to tests.

    Args:
        run: the folder of a run or of one of its checkpoints, or one that ``save_pretrained`` wrote.
        root: where the data lies now, if not where it lay.

    Raises:
        ValueError: if it cannot be read, or the data is not there.
    """
    folder = run_of(run)
    options = read_options(folder)
    section = tested(options)
    recorded = section.pop("root", None)
    if root is None and recorded is None:
        raise ValueError(f"{folder}: holds no data; say where it is with --data.root")
    where = root if root is not None else find_again(str(recorded), run=folder, options=options)
    return read_data_options(None, **section, root=where)


def tested(options: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a run's data section that matter to tests, in the order of `DataOptions`."""
    section = options.get("data") or {}
    return {field.name: section[field.name] for field in fields(DataOptions) if field.name in TESTED & section.keys()}


def find_again(root: str, *, run: Path, options: Mapping[str, Any]) -> str:
    """Where a dataset lies that a run named when it was trained.

    A relative root is sought below the folder from which the run was started, as far as the run's own place tells,
    then below the working directory, and then in the run's folder. The names of recipes stay as they are.

    Args:
        root: of ``options``.
        run: the run's folder.
        options: of the run.

    Raises:
        ValueError: if it is in none of these places.
    """
    for above in (_started_in(run, options), Path(), run):
        if above is not None and (above / root).is_dir():
            return root if above.resolve() == Path().resolve() else str(above / root)
    if root in recipe_paths():
        return root
    raise ValueError(f"{root}: the data of {run} is not there; say where it is with --data.root")


def _started_in(run: Path, options: Mapping[str, Any]) -> Path | None:
    """The working directory of the training: runs/demo, now in /home/me/runs/demo, was started in /home/me."""
    given, place = Path(str((options.get("run") or {}).get("dir") or "/")), run.resolve()
    count = len(given.parts)
    is_below = not given.is_absolute() and ".." not in given.parts and place.parts[-count:] == given.parts
    return Path(*place.parts[:-count]) if is_below and count else None
