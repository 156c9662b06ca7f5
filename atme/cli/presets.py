"""Whether a preset says what the parser of options can take: it passes over keys that stand where none belongs."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

from atme.complaints import nearest
from atme.yaml_files import YamlFile

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


def check_preset(file: YamlFile, parser: "ArgumentParser") -> None:
    """Refuse keys that a parser does not know, and values where a section belongs.

    Raises:
        ValueError: naming file, line, key, and the key that was probably meant.
    """
    actions = actions_of(parser)
    sections = {key.rpartition(".")[0] for key in actions}
    sections |= {section.rpartition(".")[0] for section in sections}
    _check_section(file, file.values, "", actions, sections - {""})


def _check_section(
    file: YamlFile, values: Mapping[str, Any], before: str, actions: Mapping[str, Any], sections: set[str]
) -> None:
    for name, value in values.items():
        key = f"{before}{name}"
        if key in sections and isinstance(value, dict):
            _check_section(file, value, f"{key}.", actions, sections)
        elif key in sections and key not in actions:
            raise ValueError(f"{file.at(key)}: {key}: {_no_section(value, key, actions)}")
        elif key not in actions:
            near = nearest(key, actions if before else [*sections, *actions])
            said = f"did you mean {near}?" if near else "atme train --help all shows those there are"
            raise ValueError(f"{file.at(key)}: {key}: no such key; {said}")
        elif value is None and not _may_be_nothing(actions[key]):
            raise ValueError(f"{file.at(key)}: {key}: holds nothing; give a value, or remove the line")


def nulls(key: str, value: Any) -> Iterator[str]:
    """The keys of a class, below a key, that are null where the class needs a value: the parser lets them pass."""
    for number, each in enumerate(value if isinstance(value, list) else ()):
        yield from nulls(f"{key}.{number}", each)
    path, arguments = getattr(value, "class_path", None), getattr(value, "init_args", None)
    if path is None or arguments is None:
        return
    parameters = inspect.signature(_imported(path)).parameters
    for name, given in vars(arguments).items():
        if given is None and name in parameters and not _takes_nothing(parameters[name]):
            yield f"{key}.init_args.{name}"
        yield from nulls(f"{key}.init_args.{name}", given)


def _imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _takes_nothing(parameter: inspect.Parameter) -> bool:
    hint = parameter.annotation
    return parameter.default is None or hint in (parameter.empty, Any) or NoneType in get_args(hint)


def _no_section(value: object, key: str, actions: Iterable[str]) -> str:
    if isinstance(value, str) and re.match(r"\w+:\S", value):
        return f"write a space behind the colon of {value}"
    below = next(each for each in actions if each.startswith(f"{key}."))
    return f"is a section; write its keys below it, such as {below.removeprefix(f'{key}.')}"


def actions_of(parser: "ArgumentParser") -> dict[str, Any]:
    """Key -> the parser's action that reads it; not those of whole sections."""
    return {
        action.dest: action
        for action in parser._actions
        if (hint_of(action) is not None and not action.dest.endswith(".help"))
        or action.dest == "config"
        or action.nargs == "+"
    }


def hint_of(action: Any) -> Any:
    """The type of a key, which the parser keeps to itself."""
    return getattr(action, "_typehint", None)


def _may_be_nothing(action: Any) -> bool:
    hint = hint_of(action)
    return hint is None or hint is Any or NoneType in get_args(hint) or action.default is None
