"""The one reader of YAML files that people write: presets, options of runs. What is wrong is said with its line.

YAML takes the second of two equal keys in silence, and reads 1e-4 as text. Here the first is refused, and the
second is a number.
"""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode


@dataclass(frozen=True)
class YamlFile:
    """What a file says.

    Attributes:
        path: The file.
        values: Its keys and values.
        lines: Dotted key -> number of its line, counted from 1.
    """

    path: Path
    values: dict[str, Any]
    lines: Mapping[str, int]

    def at(self, key: str) -> str:
        """Where a key stands, for a complaint: "mine.yaml, line 3"."""
        return f"{self.path}, line {self.lines[key]}" if key in self.lines else str(self.path)


class _Loader(yaml.SafeLoader):
    """Plain values alone, and every number that Python would read as one."""


_Loader.yaml_implicit_resolvers = {
    first: [each for each in known if each[0] != "tag:yaml.org,2002:float"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(\d[\d_]*\.[\d_]*([eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.\d[\d_]*([eE][-+]?\d+)?)$|[-+]?\.inf$|\.nan$"
    ),
    list("-+0123456789."),
)

_WORDS = (
    (
        r"found character '\\t'|cannot start any token",
        "a tab, or a character that YAML does not know; indent with spaces",
    ),
    (r"found undefined alias '?(?P<it>[^']*)'?", "an alias (*) that no anchor (&) stands for; write the value itself"),
    (r"could not determine a constructor for the tag", "a tag (!), which is no plain value; write the value itself"),
    (r"expected a single document", "a second document (---); keep one"),
    (r"quoted scalar|unexpected end of stream", "a quotation mark or bracket that is not closed"),
    (r"mapping values are not allowed", "a colon too many, or a line that is indented otherwise than those beside it"),
    (r"while parsing a flow", "a bracket that is not closed, or one of the other kind"),
    (r"expected <block end>|did not find expected", "a line that is indented otherwise than those beside it"),
    (r"could not find expected ':'", "a line without a colon; write key: value"),
)


def read_yaml(path: Path) -> YamlFile:
    """Read a file of keys and values.

    Raises:
        ValueError: naming file and line, if it is missing, no text, no YAML, empty, or holds a key twice.
    """
    loader = _Loader(_text(path))
    node = _plain(loader.get_single_node, path)
    lines = dict(_lines(node, path)) if isinstance(node, MappingNode) else {}
    values = None if node is None else _plain(lambda: loader.construct_document(node), path)
    if values is None:
        raise ValueError(f"{path}: holds nothing; write keys and values, as atme presets earth_atme shows them")
    if not isinstance(values, dict):
        raise ValueError(f"{path}: holds no keys with values; write lines such as 'training:', as a preset has them")
    return YamlFile(path, values, lines)


def _plain(read: Callable[[], Any], path: Path) -> Any:
    """What `read` finds, its errors in plain words."""
    try:
        return read()
    except yaml.MarkedYAMLError as error:
        raise ValueError(f"{path}, {_described(error)}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}; write plain YAML, as a preset is") from error


def _text(path: Path) -> str:
    """The file as text, whatever is not one named for what it is."""
    if path.is_dir():
        inside = path / "options.yaml"
        raise ValueError(f"{path}: is a folder; give {inside if inside.is_file() else 'a YAML file'}")
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such file; {_near(path)}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        binary = b"\0" in content
        remedy = "give a YAML file" if binary else "save the file as UTF-8"
        raise ValueError(f"{path}, line {line}: is no text in UTF-8; {remedy}") from error


def _near(path: Path) -> str:
    """What may have been meant."""
    folder = path.parent
    beside = [each.name for each in folder.iterdir() if each.suffix in (".yaml", ".yml")] if folder.is_dir() else []
    near = get_close_matches(path.name, beside, n=1, cutoff=0.5)
    return f"did you mean {folder / near[0]}?" if near else "give a YAML file, or a name that atme presets lists"


def _lines(node: MappingNode, path: Path, before: str = "") -> Iterator[tuple[str, int]]:
    """Dotted keys and their lines.

    Raises:
        ValueError: naming a key that stands twice.
    """
    seen: dict[Hashable, int] = {}
    for key, value in node.value:
        name, line = _name(key), key.start_mark.line + 1
        if name in seen and name != "<<":
            raise ValueError(f"{path}, line {line}: {name} stands here again after line {seen[name]}; keep one")
        seen[name] = line
        yield f"{before}{name}", line
        yield from _below(value, path, f"{before}{name}.")


def _below(node: Node, path: Path, before: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, MappingNode):
        yield from _lines(node, path, before)
    elif isinstance(node, yaml.SequenceNode):
        for number, each in enumerate(node.value):
            yield from _below(each, path, f"{before}{number}.")


def _name(key: Node) -> str:
    return str(key.value) if isinstance(key, ScalarNode) else "?"


def _described(error: yaml.MarkedYAMLError) -> str:
    """Line and trouble in plain words."""
    mark = error.problem_mark or error.context_mark
    said = " ".join(f"{error.context or ''} {error.problem or ''}".split())
    for pattern, words in _WORDS:
        if re.search(pattern, said):
            said = words
            break
    start = error.context_mark if error.context_mark is not None and "quot" in said else mark
    return f"line {start.line + 1 if start else 1}: {said}"
