"""Words of ``atme train`` that are no options of a run: ``--page``, ``--processes``, ``--seeds``, ``--hours``."""

from collections import deque
from collections.abc import Mapping, Sequence


def taken(arguments: Sequence[str], examples: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The values of some words, the last one where a word stands twice, and all other words.

    Args:
        arguments: of the command.
        examples: word -> a value such as it takes.

    Raises:
        ValueError: for a word without a value.
    """
    given: dict[str, str] = {}
    rest, words = [], deque(arguments)
    while words:
        word = words.popleft()
        name, has_value, value = word.partition("=")
        if name not in examples:
            rest.append(word)
            continue
        if not has_value:
            value = words.popleft() if words and not words[0].startswith("--") else ""
        if not value:
            raise ValueError(f"{name}: no value; write {name} {examples[name]}")
        given[name] = value
    return given, rest
