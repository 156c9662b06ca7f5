"""What ``--help`` shows: of a verb its words, of training one screen of the keys that people set.

Everything is read from the sources, so that help is there before torch could be imported.
"""

import inspect
import shutil
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from atme.cli.sources import constant, described, examples, fields

_LEFT = 26  # columns of names
_WIDEST = 110

_FORMS = """\
  a number       --training.batch_size 8        --initialization.gain 2e-2
  on or off      --data.flip false              --training.channels_last
  a list         --data.crop_size 256,256       --generator.init_args.dim_mults 1,2,4
  nothing        --training.average null
  a class        --noise atme.Diffusion         its own keys: --noise.help atme.Diffusion
  a key of it    --noise.init_args.align true   --optimizers.generator.init_args.betas 0.5,0.999
  in a preset    the same keys, indented in YAML: training: {batch_size: 8}"""

_KEYS: Mapping[str, Mapping[str, str]] = {
    "run": {
        "dir": "folder of all that the run writes",
        "seed": "of weights, order, augmentation, noise",
    },
    "data": {
        "root": "a folder of pairs, or a dataset's name",
        "direction": "or BtoA",
        "load_size": "size to resize to before the crop",
        "crop_size": "size of random crops; null: whole pictures",
        "flip": "mirror half of the samples",
        "test_size": "size to resize to for tests",
        "validation_split": "what training.evaluate_every looks at",
        "workers": "processes that read ahead",
        "cache": "ram or disk: decode each picture once",
    },
    "training.rate": {
        "epochs": "at the full rate",
        "decay_epochs": "while it falls",
    },
    "training": {
        "max_time": "such as 2h: as many updates as fit, planned once",
        "batch_size": "images per process",
        "precision": "auto: bf16 where the machine has it, else float32",
        "average": "decay of averaged weights, such as 0.999",
        "resume": "auto goes on with the run in run.dir",
        "device": "auto takes a GPU where there is one",
        "sample_every": "epochs between grids of samples",
        "checkpoint_every": "epochs between checkpoints",
        "keep": "checkpoints that stay on disk",
        "evaluate_every": "epochs between looks at the validation split; 0: none",
        "keep_best": "a score, such as ssim: its best checkpoint stays",
        "stop_after": "looks without a better score that end a run; 0: never",
    },
    "history": {
        "images": "images followed through the run, for atme analyze",
    },
}
"""What people set, in a few words each; the docstrings of the classes say more."""

_SOURCES = {
    "run": ("training/options.py", "RunOptions"),
    "data": ("data/options.py", "DataOptions"),
    "training.rate": ("training/rate.py", "Rate"),
    "training": ("training/options.py", "TrainingOptions"),
    "history": ("training/tracking.py", "HistoryOptions"),
}
_GAME = {
    "model": ("Pix2Pix", "DenoisingGAN"),
    "generator": ("UNet", "Pix2PixUNet", "Pix2PixResNet"),
    "discriminator": ("PatchGAN",),
    "noise": ("DecisionMemory", "Identity", "Diffusion", "Sequence"),
}
"""Classes that come along, the default one first."""


def asks_for_help(arguments: Iterable[str]) -> bool:
    return any(word in ("-h", "--help") for word in arguments)


def overview(command: str, verbs: Mapping[str, Callable[..., int]], *, about: str = "") -> str:
    """All verbs, a line each."""
    width = max(map(len, verbs))
    lines = "\n".join(f"  {name:<{width}}  {first_line(verb)}" for name, verb in verbs.items())
    return f"usage: {command} VERB …{about}\n\nverbs:\n{lines}\n\n{command} VERB --help tells more."


def page(function: Callable[..., int], *, command: str, spelled: Mapping[str, str]) -> str:
    """Help of a verb that is a function: its words with their defaults, and examples."""
    text = inspect.getdoc(function) or ""
    meanings, parameters = described(text), inspect.signature(function).parameters.values()
    words = [_positional(each) for each in parameters if _is_positional(each)]
    options = [each for each in parameters if not _is_positional(each)]
    parts = [usage(function, command=command), "", *_wrapped(text.split("\n\n")[0], indent=0), ""]
    for each, word in zip((each for each in parameters if _is_positional(each)), words, strict=True):
        parts += _entry(word.removesuffix(" …"), meanings.get(each.name, ""))
    if options:
        parts.append("")
    for each in options:
        parts += _entry(_option(each, spelled), meanings.get(each.name, ""), default=_default(each))
    return "\n".join([*parts, "", "examples:", *(f"  {line}" for line in examples(text))])


def usage(function: Callable[..., int], *, command: str) -> str:
    """The words of a verb in one line."""
    parameters = inspect.signature(function).parameters.values()
    words = [_positional(each) for each in parameters if _is_positional(each)]
    required = [
        f"--{each.name} {_form(each.annotation)}"
        for each in parameters
        if not _is_positional(each) and each.default is inspect.Parameter.empty
    ]
    return " ".join(["usage:", command, *words, *required, "[--option VALUE …]"])


def training_page(function: Callable[..., int], *, command: str) -> str:
    """One screen of what people set in a preset or beside it."""
    trains = command == "atme train"
    return "\n".join(
        [
            f"usage: {command} --config PRESET [--section.key VALUE …]",
            "",
            f"{first_line(function)}. A preset sets keys; those on the command line win.",
            "",
            *(f"  {line}" for line in examples(inspect.getdoc(function) or "")),
            "",
            _line("key", "default", "what people set most"),
            *(line for section in ("run", "data") for line in _section(section)),
            *(_line(f"--{part}", f"atme.{names[0]}", _others(names)) for part, names in _GAME.items()),
            _line("--optimizers.generator.init_args.lr", _learning_rate(), "and optimizers.discriminator"),
            *(line for section in ("training.rate", "training", "history") for line in _section(section)),
            *([_line("--processes auto", "1", "share a batch; 2: batch_size is each one's")] if trains else []),
            *([_line("--seeds 0,1,2", "", "a run each, RUN_0 …; --jobs 2: two at a time")] if trains else []),
            *([_line("DATA --hours 1", "", "in place of --config: by a plan for these pairs")] if trains else []),
            *([_line("--page evening.html", "", "a page of the run, written anew as it goes on")] if trains else []),
            "",
            _FORMS,
            "",
            f"{command} --help all shows every key, --print_config what a preset comes to.",
        ]
    )


def first_line(function: Callable[..., int]) -> str:
    return (function.__doc__ or "").splitlines()[0].rstrip(".")


def defaults_shown() -> dict[str, str]:
    """The keys on the screen of training, and the defaults that it shows."""
    shown = {f"{section}.{key}": fields(*_SOURCES[section])[key] for section, keys in _KEYS.items() for key in keys}
    return shown | {part: f"atme.{names[0]}" for part, names in _GAME.items()}


def _section(section: str) -> list[str]:
    known = fields(*_SOURCES[section])
    return [_line(f"--{section}.{key}", known[key], meaning) for key, meaning in _KEYS[section].items()]


def _line(key: str, default: str, meaning: str) -> str:
    return f"  {key:<30} {default:<20} {meaning}".rstrip()


def _others(names: Iterable[str]) -> str:
    others = [f"atme.{name}" for name in names][1:]
    return f"or {', '.join(others)}" if others else ""


def _learning_rate() -> str:
    return str(constant("training/options.py", "_ADAM")["init_args"]["lr"])


def _entry(name: str, meaning: str, *, default: str = "") -> list[str]:
    """One word with its meaning, the name on a line of its own where it is long."""
    said = meaning.replace("``", "") + default
    lines = _wrapped(said, indent=_LEFT)
    if len(name) + 4 > _LEFT:
        return [f"  {name}", *lines]
    return [f"  {name}".ljust(_LEFT) + lines[0].strip(), *lines[1:]] if lines else [f"  {name}"]


def _wrapped(text: str, *, indent: int) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), _columns(), initial_indent=" " * indent, subsequent_indent=" " * indent
    )


def _columns() -> int:
    return min(shutil.get_terminal_size((100, 24)).columns, _WIDEST)


def _is_positional(parameter: inspect.Parameter) -> bool:
    return parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and parameter.default is inspect.Parameter.empty


def _positional(parameter: inspect.Parameter) -> str:
    name = parameter.name.upper()
    return f"{name.removesuffix('S')} …" if get_origin(parameter.annotation) is list else name


def _option(parameter: inspect.Parameter, spelled: Mapping[str, str]) -> str:
    name = f"--{spelled.get(parameter.name, parameter.name)}"
    return name if parameter.annotation is bool else f"{name} {_form(parameter.annotation)}"


def _default(parameter: inspect.Parameter) -> str:
    if parameter.default in (inspect.Parameter.empty, None) or isinstance(parameter.default, bool):
        return ""
    return f" [{parameter.default}]"


def _form(annotation: Any) -> str:
    """What a value looks like."""
    if get_origin(annotation) in (Union, UnionType):
        return "|".join(_form(each) for each in get_args(annotation) if each is not NoneType)
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    if get_origin(annotation) in (tuple, list):
        return ",".join(_form(each) for each in get_args(annotation)) + (",…" if get_origin(annotation) is list else "")
    return {int: "N", float: "X", str: "NAME", Path: "PATH"}.get(annotation, "VALUE")
