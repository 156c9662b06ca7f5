"""A class that takes the place of the usual one begins with its own defaults.

A preset or a word may name another class for a section. What was written for the former one is kept where the new one
takes it too; the parser does the same with what nobody wrote, the former one's defaults, and that would be wrong.
"""

from argparse import ArgumentError
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace


class OptionsParser(ArgumentParser):
    """A parser of sections that name classes, for each of which one is usual."""

    def parse_object(self, obj: Namespace | dict[str, Any], *args: Any, **kwargs: Any) -> Namespace:
        """What a mapping of options asks for: see jsonargparse."""
        self.begin_with([obj if isinstance(obj, dict) else obj.as_dict()], [])
        parsed: Namespace = super().parse_object(obj, *args, **kwargs)
        return parsed

    def begin_with(self, presets: Sequence[Mapping[str, Any]], words: Sequence[str]) -> None:
        """Let sections begin with the defaults of the classes that they will have: those that are named last."""
        usual = [action.dest for action in self._actions if isinstance(action.default, Mapping | Namespace)]
        named = [(key, _below(preset, key)) for preset in presets for key in usual]
        for key, given in [*named, *_options(words)]:
            path = _class_of(given)
            if key in usual and path is not None:
                self._begin_with(key, path)

    def _begin_with(self, key: str, path: str) -> None:
        try:
            self.set_defaults({key: {"class_path": path, "init_args": {}}})
        except (ArgumentError, AttributeError, ImportError, TypeError, ValueError):
            return  # no such class: said where it is read, with its file and line


def _below(section: Any, key: str) -> Any:
    for name in key.split("."):
        section = section.get(name) if isinstance(section, Mapping) else None
    return section


def _options(words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Section -> what the command line gives for it, or for its class alone."""
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        option, is_one_word, value = word.partition("=")
        if option.startswith("--"):
            yield option[2:].removesuffix(".class_path"), value if is_one_word else following


def _class_of(given: Any) -> str | None:
    """The class that a section names: by its path alone, or with arguments, as a mapping or as text."""
    if isinstance(given, str) and given.lstrip().startswith("{"):
        try:
            given = yaml.safe_load(given)
        except yaml.YAMLError:
            return None
    if isinstance(given, Mapping | Namespace):
        given = given.get("class_path")
    return given if isinstance(given, str) and given else None
