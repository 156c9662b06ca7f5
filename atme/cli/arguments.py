"""From words of the command line to the arguments of a function."""

import inspect
import re
from argparse import ArgumentError
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from atme import outside
from atme.cli.exits import DONE
from atme.cli.help import asks_for_help, page, usage
from atme.cli.presets import actions_of, check_preset, hint_of, nulls
from atme.complaints import nearest, of_parser
from atme.shipped.presets import find_preset
from atme.yaml_files import YamlFile, read_yaml

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

_Verb = TypeVar("_Verb")

_ON_OFF = ("true", "false", "yes", "no")
_NEGATIVE = re.compile(r"-(\d|\.\d)\S*")
_NUMBER = r"\s*-?[\d.]+(?:e-?\d+)?\s*"
_LIST = re.compile(rf"\(?({_NUMBER}(?:[,x×]{_NUMBER})+),?\)?")


def call(
    function: Callable[..., int],
    arguments: Sequence[str],
    *,
    prog: str,
    spelled: Mapping[str, str] | None = None,
) -> int:
    """Call a function with what the command line says of its parameters; ``--help`` shows them instead.

    Args:
        function: its signature and docstring are the command's: parameters without a default are words in their
            order, keyword-only ones are options, and a bool is a flag. A section "Examples" ends its help.
        arguments: the words.
        prog: the command, such as "atme translate".
        spelled: parameter -> its option, where that is called otherwise, such as "root" -> "data.root".
    """
    spelled = spelled or {}
    if asks_for_help(arguments):
        print(page(function, command=prog, spelled=spelled))
        return DONE
    parser = function_parser(function, spelled=spelled)
    try:
        chosen = parser.instantiate(parse(parser, _as_text(arguments), usage=usage(function, command=prog)))
    except ValueError as error:
        raise ValueError(_as_named(str(error))) from error
    options = {name: name if name in chosen else spelled[name] for name in _parameters(function)}
    return function(**{name: _as_named(chosen[option]) for name, option in options.items()})


def function_parser(function: Callable[..., int], *, spelled: Mapping[str, str]) -> "ArgumentParser":
    """The parser of a function's parameters."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False, allow_abbrev=False, add_help=False)
    parameters = _parameters(function)
    several = [name for name, each in parameters.items() if get_origin(each.annotation) is list and _required(each)]
    for name in several:
        (kind,) = get_args(parameters[name].annotation)
        parser.add_argument(name, nargs="+", type=kind)
    parser.add_function_arguments(function, as_positional=True, skip={*several, *spelled})
    for name, option in spelled.items():
        below = option.partition(".")[0] in parameters  # --weights.lpips beside --weights: no section of its own
        kind, default = parameters[name].annotation, parameters[name].default
        parser.add_argument(f"--{option}", type=kind, default=default, dest=name if below else option)
    return parser


_UNNAMED = {0xDC00 + byte: 0x10FF00 + byte for byte in range(0x80, 0x100)}
"""Bytes of names that are no UTF-8, as Python writes them -> letters for private use, which the parser lets through."""


def _as_text(words: Sequence[str]) -> list[str]:
    return [word.translate(_UNNAMED) for word in words]


def _as_named(value: Any) -> Any:
    """A value with the bytes that its name has on disk."""
    match value:
        case str():
            return value.translate({letter: byte for byte, letter in _UNNAMED.items()})
        case Path():
            return Path(_as_named(str(value)))
        case list():
            return [_as_named(each) for each in value]
        case _:
            return value


def parse(
    parser: "ArgumentParser", arguments: Sequence[str], *, usage: str = "", classes: Collection[str] = ()
) -> "Namespace":
    """What the command line, and the presets that it names, ask for.

    Args:
        parser: of options.
        arguments: words; flags may stand without true, lists of numbers without brackets.
        usage: the words that the command takes, for a complaint.
        classes: sections that may name classes of a user's own files, beside a preset or in the working directory.

    Raises:
        ValueError: naming the key or value that does not fit, or a file of classes that cannot be imported.
    """
    words = _spelled_out(parser, arguments)
    presets = [read_yaml(path) for path in _presets(words)]
    for preset in presets:
        check_preset(preset, parser)
    if classes:
        _use_own(words, presets, classes)
    if hasattr(parser, "begin_with"):
        parser.begin_with([preset.values for preset in presets], words)
    chosen = _parsed(parser, words, presets, usage)
    for key in (null for section in actions_of(parser) for null in nulls(section, chosen.get(section))):
        said = f"{key}: null does not fit; give a value, or leave the key out"
        raise ValueError(_located(said, words, presets))
    return chosen


def _use_own(words: Sequence[str], presets: Sequence[YamlFile], sections: Collection[str]) -> None:
    """Import the user's own files that these sections name, in presets and on the command line."""
    named: list[Any] = [preset.values.get(section) for preset in presets for section in sections]
    for word, following in zip(words, [*words, ""][1:], strict=True):
        option, _, value = word.partition("=")
        if option.removeprefix("--").split(".")[0] in sections:
            named.append(value or following)
    places = [place for preset in reversed(presets) for place in outside.beside(preset.path.parent)]
    outside.use(named, [*places, Path()])


def _spelled_out(parser: "ArgumentParser", arguments: Sequence[str]) -> list[str]:
    """The words as the parser reads them.

    ``--flag`` as ``--flag=true``, ``--dry-run`` as ``--dry_run``, ``--rate -1e-4`` as ``--rate=-1e-4``, and presets
    first: the parser takes what comes last, and a word of the command line is to win wherever it stands.
    """
    flags = {f"--{key}" for key, action in actions_of(parser).items() if hint_of(action) is bool}
    takes_words = any(not action.option_strings for action in parser._actions)
    presets: list[str] = []
    words: list[str] = []
    options = {option for action in parser._actions for option in action.option_strings}
    rest = [_with_underscores(word, options) for word in arguments]
    while rest:
        word = rest.pop(0)
        following = rest[0] if rest else "--"
        valued = following.lower() in _ON_OFF if takes_words else not following.startswith("--")
        if word in flags and not valued:
            words.append(f"{word}=true")
        elif word.startswith("--") and _NEGATIVE.fullmatch(following):
            words.append(f"{word}={rest.pop(0)}")
        elif word == "--config" and not following.startswith("--"):
            presets.append(f"{word}={find_preset(rest.pop(0))}")
        elif word.startswith("--config="):
            presets.append(f"--config={find_preset(word.removeprefix('--config='))}")
        else:
            words.append(word)
    return presets + words


def _with_underscores(word: str, options: Collection[str]) -> str:
    """An option that is written with dashes within, as it is called here."""
    option, joined, value = word.partition("=")
    written = f"--{option[2:].replace('-', '_')}"
    known = option.startswith("--") and option not in options and written in options
    return f"{written}{joined}{value}" if known else word


def _presets(words: Sequence[str]) -> Iterator[Path]:
    """The files that ``--config`` names."""
    return (Path(word.removeprefix("--config=")) for word in words if word.startswith("--config="))


def _parsed(parser: "ArgumentParser", words: list[str], presets: Sequence[YamlFile], usage: str) -> "Namespace":
    try:
        return parser.parse_args(words)
    except ArgumentError as error:
        again = _with_brackets(words, str(error))
        if again == words:
            said = of_parser(error, known=actions_of(parser), words=words, usage=usage)
            raise ValueError(_located(said, words, presets)) from error
    return _parsed(parser, again, presets, usage)


def _located(complaint: str, words: Sequence[str], presets: Sequence[YamlFile]) -> str:
    """With file and line, where the last word on the key is a preset's."""
    key = complaint.partition(": ")[0]
    if any(word.removeprefix("--").startswith(key) for word in words if word.startswith("--")):
        return complaint
    file = next((preset for preset in reversed(presets) if key in preset.lines), None)
    listed = re.sub(r"(such as )([\d,]+,\d+)", r"\1[\2]", complaint)
    return complaint if file is None else f"{file.at(key)}: {listed}"


def _with_brackets(words: Sequence[str], refusal: str) -> list[str]:
    """The words with ``64,64`` as ``[64,64]`` for the key that was refused: elsewhere it may be a name."""
    keys = re.findall(r'Parser key "([^"]+)"', refusal)
    end = keys[-1].rpartition(".")[2] if keys else None
    found: list[str] = []
    for word, before in zip(list(words), ["", *words], strict=False):
        option, joined, value = word.partition("=") if word.startswith("--") else (before, "", word)
        refused = option.startswith("--") and option.rpartition(".")[2].lstrip("-") == end
        if refused and (fits := _LIST.fullmatch(value)):
            value = f"[{re.sub('[x×]', ',', fits[1])}]"
            word = f"{option}={value}" if joined else value
        found.append(word)
    return found


def known_verb(word: str, verbs: Mapping[str, _Verb], *, command: str) -> _Verb:
    """The verb of this name.

    Raises:
        ValueError: if there is none, naming the one that was probably meant.
    """
    if word in verbs:
        return verbs[word]
    near = nearest(word.lower().lstrip("-"), verbs)
    said = f"did you mean {command} {near}?" if near else f"use one of {', '.join(verbs)}"
    raise ValueError(f"{word}: no such verb; {said}")


def _parameters(function: Callable[..., int]) -> Mapping[str, Any]:
    return inspect.signature(function).parameters


def _required(parameter: Any) -> bool:
    return parameter.default is parameter.empty
