"""From words of the command line to the arguments of a function."""

import inspect
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from atme.complaints import one_line

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace


def call(function: Callable[..., int], arguments: list[str], *, prog: str) -> int:
    """Call a function with what the command line says of its parameters."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(prog=prog, description=first_line(function), exit_on_error=False, allow_abbrev=False)
    parser.add_function_arguments(function, as_positional=True)
    chosen = parser.instantiate(parse(parser, spelled_out(function, arguments)))
    return function(**chosen.as_dict())


def spelled_out(function: Callable[..., int], arguments: Sequence[str]) -> list[str]:
    """The words with ``--flag`` as ``--flag=true`` where a parameter is one that is on or off."""
    parameters = inspect.signature(function).parameters.values()
    flags = {f"--{parameter.name}" for parameter in parameters if parameter.annotation is bool}
    after = [*arguments, ""][1:]
    return [
        f"{word}=true" if word in flags and following not in ("true", "false") else word
        for word, following in zip(arguments, after, strict=True)
    ]


def parse(parser: "ArgumentParser", arguments: list[str]) -> "Namespace":
    """What the command line, and the presets that it names, ask for.

    Raises:
        ValueError: naming the key or value that does not fit.
    """
    try:
        return parser.parse_args(arguments)
    except ArgumentError as error:
        raise ValueError(one_line(error, known=parser.get_defaults().keys())) from error


def usage(command: str, verbs: dict[str, str], *, about: str = "") -> str:
    width = max(map(len, verbs))
    lines = "\n".join(f"  {name:<{width}}  {line}" for name, line in verbs.items())
    return f"usage: {command} VERB …{about}\n\nverbs:\n{lines}\n\n{command} VERB --help tells more."


def first_line(function: Callable[..., int]) -> str:
    return (function.__doc__ or "").splitlines()[0].rstrip(".")
