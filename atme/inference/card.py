"""A model's card: what it is made of, how good it is and what it cannot do, filled from its run.

Nothing is written that is not known: without an evaluation of just these weights, the card says that there is none.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from atme.data.recipes import find_recipe
from atme.data.sizes import in_words
from atme.images.labels import Labels
from atme.inference.loading import Loaded
from atme.metrics import UNITS
from atme.models.build import SECTIONS
from atme.models.knowledge import KINDS, Knowledge
from atme.names import shown
from atme.networks.pretrained import origins
from atme.outside import FOLDER, kept
from atme.run_folder import Trained, find_run, read_options, read_state, scores_folder

CARD, PICTURE = "README.md", "samples.png"

_HOME = "https://arxiv.org/abs/2304.09024"


@dataclass(frozen=True)
class Scores:
    """A table."""

    columns: list[str]
    """This model, and trivial predictors."""
    rows: dict[str, list[str]]
    """For each metric a number a column, in words."""


def card(loaded: Loaded, knows: Knowledge, *, name: str, license: str, picture: bool) -> str:
    """The card, in Markdown with a model hub's front matter.

    Args:
        loaded: the model.
        knows: what it knows of pictures.
        name: of the model, as it is loaded by.
        license: a hub's word for it, such as ``mit``; ``unknown`` if none was chosen.
        picture: whether `PICTURE` lies beside the card.
    """
    run = find_run(loaded.source.folder)
    options = read_options(run.folder)
    summary = _evaluated(run, loaded)
    environment = Environment(
        loader=PackageLoader("atme.inference"), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    return environment.get_template("card.md").render(
        front=_front(license),
        name=shown(name),
        quoted=_quoted(name),
        code=FOLDER if kept(run.folder) else None,
        home=_HOME,
        picture=PICTURE if picture else None,
        sources=_pictures(knows.kinds.source, knows.source_channels),
        targets=_pictures(knows.kinds.target, knows.target_channels),
        scale=knows.scale_in_words,
        bits=knows.target_bits,
        learned="its authors' pairs" if _published(loaded) else f"{loaded.measured.images:,} pairs of one dataset",
        trained=f"samples of {in_words((loaded.measured.height, loaded.measured.width))}",
        data=_data(loaded, knows, options),
        settings=_settings(loaded, options),
        scores=None if summary is None else _scores(summary),
        pairs=None if summary is None else summary["protocol"]["pairs"],
        split=None if summary is None else summary["protocol"]["split"],
        units={} if summary is None else _units(summary),
        licensed=_licensed(license),
    )


def amended(text: str, *, name: str | None, license: str) -> str:
    """The card of a folder that was handed on, under another name or license.

    All else stays: the run that it was filled from is not there to fill another one from.

    Args:
        text: of the card.
        name: of the model from now on; None: as it is.
        license: as for `card`; ``unknown``: as it is.
    """
    if license != "unknown":
        from huggingface_hub import ModelCard

        given = ModelCard(text, ignore_metadata_errors=True)
        data: Any = given.data
        was, data.license = data.license or "unknown", license
        text = str(given).replace(_licensed(was), _licensed(license))
    if name is not None:
        front, fence, body = text.partition("\n---\n")
        text = front + fence + re.sub(r"(?m)^# .*$", lambda _: f"# {shown(name)}", body, count=1)
        text = re.sub(r'from_pretrained\(".*"(?=[,)])', lambda _: f"from_pretrained({_quoted(name)}", text)
    return text


def _pictures(labels: Labels | None, channels: int) -> str:
    return f"{KINDS.get(channels, '')} pictures".strip() if labels is None else "labels"


def _of(labels: Labels | None, channels: int, bits: int, *, one_hot: bool = False) -> str:
    """What a half is: channels and bits, or classes with their colors or ids."""
    if labels is None:
        return f"{channels} channels of {bits} bits"
    values = labels.colors if labels.ids is None else labels.ids
    classes = ", ".join(
        f"{name} {list(v) if isinstance(v, tuple) else v}" for name, v in zip(labels.names, values, strict=True)
    )
    ignored = f"; not learned: {', '.join(labels.ignored)}" if labels.ignored else ""
    return _cell(f"labels: {classes}{ignored}{'; one channel a class' if one_hot else ''}")


def _quoted(name: str) -> str:
    """A name as Python has it, in text that any file takes."""
    return json.dumps(name, ensure_ascii=not name.isprintable())


def _published(loaded: Loaded) -> bool:
    """Whether the weights were imported: how many pairs and updates there were is not known then."""
    return bool(read_state(loaded.source.folder).get("published"))


def _front(license: str) -> str:
    from huggingface_hub import ModelCardData

    about = ModelCardData(
        library_name="atme", license=license, pipeline_tag="image-to-image", tags=["atme", "pix2pix", "gan"]
    )
    return f"---\n{about.to_yaml()}\n---"


def _data(loaded: Loaded, knows: Knowledge, options: Mapping[str, Any]) -> dict[str, str]:
    """What it was trained on, by the name of the dataset alone: where it lay is nobody's business."""
    measured = loaded.measured
    root = (options.get("data") or {}).get("root")
    about = {} if root is None else _dataset(str(root))
    half = "" if knows.layout == "two_folders" else f" (of A\\|B pictures, the {knows.source_half} half is the source)"
    return about | {
        "training pairs": "as its authors say" if _published(loaded) else f"{measured.images:,}",
        "direction": f"{knows.direction}{half}",
        "sources": _of(knows.kinds.source, measured.source_channels, measured.source_bits, one_hot=knows.kinds.one_hot),
        "targets": _of(knows.kinds.target, measured.target_channels, measured.target_bits),
        "training samples": in_words((measured.height, measured.width)),
        "colors under alpha 0": "cleared" if knows.clear_transparent else "as they are",
    }


def _dataset(root: str) -> dict[str, str]:
    named = {"dataset": _cell(Path(root).name or root)}
    try:
        recipe = find_recipe(root)
    except ValueError:  # a folder of somebody's
        return named
    return named | {"it shows": _cell(recipe.title), "its license": _cell(recipe.license)}


def _settings(loaded: Loaded, options: Mapping[str, Any]) -> dict[str, str]:
    chosen = {name: _in_words(loaded.options[name]) for name in SECTIONS if name in loaded.options}
    training, rate = (options.get("training") or {}), ((options.get("training") or {}).get("rate") or {})
    optimizer = ((options.get("optimizers") or {}).get("generator") or {}).get("init_args") or {}
    known = {
        "epochs": None if "epochs" not in rate or training.get("steps") else _epochs(rate),
        "learning rate": optimizer.get("lr"),
        "precision": training.get("precision"),
        "average of weights": training.get("average"),
        "seed": (options.get("run") or {}).get("seed"),
    }
    return (
        chosen
        | {
            "updates": "as its authors say" if _published(loaded) else f"{loaded.source.step:,}",
            "images per update": str(loaded.measured.batch),
        }
        | {"weights": "averages over the training" if loaded.source.weights == "average" else "of the last update"}
        | {f"{role}: began with": _cell(place) for role, place in origins(loaded.networks).items()}
        | {name: _cell(value) for name, value in known.items() if value is not None}
    )


def _epochs(rate: Mapping[str, Any]) -> str:
    return f"{rate['epochs']} + {rate.get('decay_epochs', 0)} of decay"


def _in_words(section: Any) -> str:
    """A class with its options, or keys with values, in one cell of a table."""
    if not isinstance(section, Mapping):
        return _cell(section)
    keys = dict(section)
    path = keys.pop("class_path", "")
    inner = keys.pop("init_args", None) or keys
    said = ", ".join(f"{key}: {json.dumps(value)}" for key, value in inner.items())
    return _cell(f"{path} ({said})" if path and said else path or said)


def _cell(value: object) -> str:
    return shown(" ".join(str(value).split())).replace("|", "\\|")


def _evaluated(run: Trained, loaded: Loaded) -> dict[str, Any] | None:
    """The scores on the test split, if they are those of these weights."""
    try:
        summary: dict[str, Any] = json.loads((scores_folder(run) / "test.json").read_text("utf-8"))
        protocol = summary["protocol"]
        of_these = (protocol["step"], protocol["weights"]) == (loaded.source.step, loaded.source.weights)
        return summary if of_these and {"pairs", "split"} <= protocol.keys() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _scores(summary: Mapping[str, Any]) -> Scores:
    baselines: Mapping[str, Mapping[str, Any]] = summary.get("baselines") or {}
    intervals = summary.get("intervals")
    rows = {}
    for metric in (name for name in _units(summary) if name in summary):
        ends = intervals.get(metric) if isinstance(intervals, Mapping) else None
        ours = f"{_number(summary[metric])}{_interval(ends)}"
        rows[metric] = [ours, *(_number(each.get(metric)) for each in baselines.values())]
    return Scores(["this model", *(name.replace("_", " ") for name in baselines)], rows)


def _units(summary: Mapping[str, Any]) -> Mapping[str, str]:
    """What each score of an evaluation is, one of the user's own too; old ones say less."""
    units = summary["protocol"].get("units")
    return units if isinstance(units, Mapping) else UNITS


def _interval(ends: Any) -> str:
    """Behind a score, where it would lie on other pictures; nothing where that is not known."""
    if not isinstance(ends, list) or len(ends) != 2 or not all(isinstance(end, int | float) for end in ends):
        return ""
    return f" [{ends[0]:.4g}, {ends[1]:.4g}]"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4g}"


def _licensed(license: str) -> str:
    if license == "unknown":
        return "Nobody has said yet under which license these weights may be used: ask who handed them on."
    return f"Licensed under {license}; the license of the data may say more."
