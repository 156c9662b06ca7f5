"""A preset as a file: what rules decided, in YAML, with its reason beside each number."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import yaml

from atme.data import DataOptions
from atme.names import shown
from atme.planning.rule import Setting
from atme.training.options import TrainingOptions

SECTIONS = ("run", "data", "model", "generator", "discriminator", "noise", "initialization", "optimizers", "training")
"""In the order in which presets have them."""
_ORDER = [
    f"{name}.{each.name}" for name, of in (("data", DataOptions), ("training", TrainingOptions)) for each in fields(of)
]
_BESIDE, _WIDEST = 44, 118  # columns at which comments begin, and at which lines end

_Tree = dict[str, Any]


def written(settings: Mapping[str, Setting], *, heading: Sequence[str]) -> str:
    """The text of a preset.

    Args:
        settings: by their keys, such as ``data.crop_size``.
        heading: lines of the comment above it.
    """
    tree: _Tree = {section: {} for section in SECTIONS}
    for key, setting in sorted(settings.items(), key=lambda each: place_of(each[0])):
        *path, last = key.split(".")
        place = tree
        for name in path:
            place = place.setdefault(name, {})
        place[last] = setting
    comment = [f"# {line}".rstrip() for said in heading for line in textwrap.wrap(shown(said), _WIDEST - 2)]
    return "\n".join([*comment, "", *_lines({name: part for name, part in tree.items() if part}, 0)]) + "\n"


def place_of(key: str) -> tuple[int, int]:
    """Where a key stands in a preset: its section, and its place there."""
    return SECTIONS.index(key.partition(".")[0]), _ORDER.index(key) if key in _ORDER else 0


def _lines(tree: _Tree, indent: int) -> Iterator[str]:
    for key, value in tree.items():
        before = " " * indent
        if isinstance(value, Setting):
            yield from _line(f"{before}{key}: {_inline(value.value)}", value.comment, before)
        else:
            yield f"{before}{key}:"
            yield from _lines(value, indent + 2)


def _line(said: str, comment: str, before: str) -> Iterator[str]:
    """A key with its comment beside it, or above where they are too long together."""
    beside = f"{said:<{_BESIDE}}  # {comment}"
    if len(beside) <= _WIDEST:
        yield beside
        return
    yield from textwrap.wrap(comment, _WIDEST, initial_indent=f"{before}# ", subsequent_indent=f"{before}# ")
    yield said


def _inline(value: Any) -> str:
    """A value in one line; text and null are followed by an end of document, which is none of it."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False, allow_unicode=True)
    return text.removesuffix("...\n").strip()
