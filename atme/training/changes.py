"""What a run that goes on may set anew, and under which options its earlier steps were made.

``options.yaml`` is of the steps from the last start on. Where a run was made longer or shorter, or was branched
from another one, ``options_to_step_00000400.yaml`` beside it keeps the options of the steps up to that one.
"""

import re
from argparse import ArgumentError
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from atme import outside
from atme.run_folder import read_options
from atme.training.options import CLASSES, model_of, parser, played

MAY_CHANGE = (
    *("config", "run.dir", "data.workers", "data.cache"),
    *("training.rate.", "training.steps", "training.log_every", "training.sample_every", "training.checkpoint_every"),
    *("training.keep", "training.resume", "training.device", "training.deterministic"),
    *("training.precision", "training.channels_last"),
    *("training.evaluate_", "training.keep_best", "training.stop_after", "training.least_gain"),
    *("data.validation_split", "data.thin"),
)
"""Beginnings of the keys that a run that goes on may set anew."""

MAY_MOVE = "data.root"
"""May be another place, as long as it holds the same pairs."""

_OF_NO_STEP = ("config", "run.dir", "training.resume")
"""Keys that say where a run lies, and nothing of how a step is made."""

_EARLIER = re.compile(r"options_to_step_(\d{8})\.yaml")

Flat = Mapping[str, Any]
"""Options by dotted keys."""


def flatten(options: Mapping[str, Any], *, before: str = "") -> dict[str, Any]:
    """Nested options by dotted keys; the entries of a list of sections are numbered from 0."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            value = {str(i): each for i, each in enumerate(value)}
        inner = isinstance(value, dict) and value
        flat |= flatten(value, before=f"{before}{key}.") if inner else {f"{before}{key}": value}
    return flat


def resolved(folder: Path) -> dict[str, Any]:
    """The options of a run by dotted keys, with the defaults of keys that its version did not know.

    Raises:
        ValueError: if they are missing, damaged, or mean nothing to this version.
    """
    reader = parser()
    try:
        given = read_options(folder)
        outside.use({section: given.get(section) for section in CLASSES}, outside.beside(folder), only_missing=True)
        options = reader.parse_object(given)
        return flatten(yaml.safe_load(played(reader.dump(options), model_of(options))))
    except (ArgumentError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{folder / 'options.yaml'}: is not for this version of atme ({reason}); use the one that wrote it"
        ) from error


def differing(before: Flat, now: Flat, *, sections: Iterable[str] = ("",)) -> list[str]:
    """The keys of two sets of options whose values differ, of some sections, such as ``generator.``."""
    keys = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    return [key for key in keys if key.startswith(tuple(sections))]


def refuse_changes(run: Path, before: Flat, now: Flat) -> None:
    """Refuse to go on with options under which the finished steps would not have been the same.

    Raises:
        ValueError: naming the first of them.
    """
    changed = [key for key in differing(before, now) if not key.startswith((*MAY_CHANGE, MAY_MOVE))]
    changed = [key for key in changed if key != "training.start_from" or not _lies_in(before.get(key), now.get(key))]
    if changed:
        key = changed[0]
        more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
        raise ValueError(
            f"{key}{more}: the run in {run} was trained with {before.get(key)}, not {now.get(key)}; "
            "set it back, or choose another --run.dir"
        )


def earlier_options(folder: Path, *, step: int) -> dict[int, str]:
    """The options under which a run's steps up to this one were made: YAML, by the last step of each part."""
    if not step:
        return {}
    parts = {int(found[1]): path for path in folder.iterdir() if (found := _EARLIER.fullmatch(path.name))}
    texts = {last: path.read_text() for last, path in parts.items()}
    later = [last for last in sorted(texts) if last >= step]
    under_way = texts[later[0]] if later else (folder / "options.yaml").read_text()
    return {last: text for last, text in texts.items() if last < step} | {step: under_way}


def made_alike(one: str, other: str) -> bool:
    """Whether two texts of options, in YAML, make the same steps."""
    keys = differing(flatten(yaml.safe_load(one)), flatten(yaml.safe_load(other)))
    return all(key in _OF_NO_STEP for key in keys)


def write_options(folder: Path, text: str, *, earlier: Mapping[int, str]) -> None:
    """Write a run's options, and those of its earlier parts."""
    wanted = {f"options_to_step_{last:08d}.yaml": part for last, part in earlier.items()} | {"options.yaml": text}
    for path in folder.iterdir():
        if _EARLIER.fullmatch(path.name) and path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        write_option_file(folder / name, content)


def moved(folder: Path, text: str) -> str | None:
    """A run's options with its pairs where other options say that they lie; None where these say nothing new.

    Args:
        folder: of the run.
        text: the other options as YAML.
    """
    before, now = read_options(folder)["data"]["root"], yaml.safe_load(text)["data"]["root"]
    if Path(before).resolve() == Path(now).resolve():
        return None
    return with_value((folder / "options.yaml").read_text(), "data", "root", now)


def write_option_file(place: Path, text: str) -> None:
    """Write a file of options whole, or leave it as it was."""
    unfinished = place.with_name(f".{place.name}")
    unfinished.write_text(text)
    unfinished.replace(place)


def with_value(text: str, section: str, key: str, value: object) -> str:
    """A YAML text of options with one value set anew."""
    options = yaml.safe_load(text)
    options[section][key] = value
    return yaml.safe_dump(options, sort_keys=False)


def _lies_in(recorded: object, asked: object) -> bool:
    """Whether a recorded place of weights is the one that was asked for, or a checkpoint of that run."""
    if not isinstance(recorded, str) or not isinstance(asked, str):
        return False
    place = Path(recorded).resolve()
    return Path(asked).resolve() in (place, place.parent.parent)
