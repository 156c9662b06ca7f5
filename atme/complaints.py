"""Complaints: one line that names the culprit and the remedy.

Our own errors are such lines already. Those of the parser name types and namespaces of Python, which say little
to who wrote a preset; what they know is put in our words here.
"""

import errno
import importlib
import inspect
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path

_SHOWN = 10  # complaints of many
_KEY = re.compile(r'Parser key "(?P<key>[^"]+)"')
_GIVEN = re.compile(r"(?:Given|Got) value: ?(?P<value>.*?)\.?(?: Got value: Namespace\(.*)?$")
_EXPECTED = re.compile(r"Expected an? (?P<kind><class '[^']+'>|tuple with \d+ elements|typing\.Literal\[[^\]]*\])")
_CLASS = re.compile(r"class_path[= ]'(?P<path>[^']+)'")
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "tuple": "values with commas, such as 64,64",
    "list": "a list, in YAML lines that begin with a dash",
    "collections.abc.Sequence": "values with commas, such as 1,2,4",
    "dict": "keys with values",
    "NoneType": "null",
}
"""What the parser's types are called here."""

_SUCH = {
    "model": "atme.Pix2Pix",
    "generator": "atme.UNet",
    "discriminator": "atme.PatchGAN",
    "noise": "atme.DecisionMemory",
    "optimizers": "torch.optim.Adam",
    "data": "albumentations.Rotate",
}
"""A class that fits, for each section that names one."""


def one_line(error: Exception) -> str:
    """The message of an error in one line that can be printed, whatever names are in it."""
    said = _of_disk(error) if isinstance(error, OSError) else str(error)
    text = re.sub(r"\s*\n\s*", " ", said).strip() or type(error).__name__
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


_ROOM = "make room there, or choose another place"
_DISK = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: "choose another place",
    errno.EACCES: "allow it, or choose another place",
}


def _of_disk(error: OSError) -> str:
    """What the system says of a file, with a remedy where it knows of none."""
    if error.errno not in _DISK or error.strerror is None:
        return str(error)
    name = error.filename.decode(errors="replace") if isinstance(error.filename, bytes) else error.filename
    return f"{'' if name is None else f'{name}: '}{error.strerror}; {_DISK[error.errno]}"


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "backslashreplace").decode()


def is_of_hub(error: Exception) -> bool:
    """Whether an error is of the Hugging Face Hub's client, of its HTTP library, or of the network on the way there.

    The client hands on what its library raises, httpx or httpx2, whichever it was installed with.
    """
    return isinstance(error, OSError) or type(error).__module__.startswith(("httpx", "huggingface_hub"))


def of_parser(error: Exception, *, known: Iterable[str], words: Sequence[str] = (), usage: str = "") -> str:
    """What the parser of options has to say, in our words.

    Args:
        error: the parser's.
        known: keys that there are, to suggest one for a key that there is not.
        words: of the command line.
        usage: the words that a command takes.
    """
    text = " ".join(str(error).split())
    if found := re.search(r"unrecognized arguments: (.*)$", text):
        return _stray(found[1].split(), list(known), list(words), usage)
    if found := re.search(r"argument (?P<option>\S+): expected one argument", text):
        option = _without_value(found["option"], words)
        return f"{option.lstrip('-')}: needs a value; write {option} VALUE"
    if found := re.search(r"the following arguments are required: (.*)$", text):
        return f"{found[1]}: missing; {usage}"
    if found := re.search(r"Group '([^']*)' does not accept option '([^']*)'", text):
        near = nearest(f"{found[1]}.{found[2]}", known)
        return f"{found[1]}.{found[2]}: no such key; {f'did you mean {near}?' if near else 'see --help'}"
    keys = _KEY.findall(text)
    if not keys:
        return text
    if "surrogates not allowed" in text:
        return f"{keys[0]}: holds bytes that are no UTF-8; give it another name"
    if found := re.search(r"Unable to load config '([^']*)'", text):
        below = next((key for key in known if key.startswith(f"{keys[0]}.")), f"{keys[0]}.KEY")
        return f"{keys[0]}: {found[1]} is no file of settings; set one of its keys, such as --{below}"
    key = ".init_args.".join(dict.fromkeys(keys))
    return f"{key}: {_of_class(text, keys[0]) or _of_value(text)}"


_SELDOM = {"optimizers.networks"}
"""Keys that nobody mistypes."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant: the same end, or nearly the same letters."""
    plain, there = word.replace("-", "_"), [each for each in known if each not in _SELDOM]
    ends = [each for each in there if each.endswith(f".{plain}")]
    near = ends or get_close_matches(plain, there, n=1, cutoff=0.6)
    return near[0] if near else None


def _of_class(text: str, section: str) -> str | None:
    """What is wrong with a class or its options; None where nothing is."""
    such = _SUCH.get(section.split(".")[0], "atme.UNet")
    if found := re.search(r"Option '([^']*)' is not accepted", text):
        paths = _CLASS.findall(text)
        options = _options(paths[0]) if paths else []
        near = nearest(found[1].split(".")[0], ["init_args", *options])
        said = f"did you mean {near}?" if near else f"it has {', '.join(options) or 'none'}"
        return f"{paths[0] if paths else 'this class'} has no option {found[1]}; {said}"
    if found := re.search(r"[Mm]odule '([^']*)' has no attribute '([^']*)'", text):
        near = nearest(found[2], [name for name in dir(importlib.import_module(found[1])) if name[0].isupper()])
        said = f"did you mean {found[1]}.{near}?" if near else f"give one such as {such}"
        return f"{found[1]} has no {found[2]}; {said}"
    if found := re.search(r"[Nn]o module named '([^']*)'", text):
        return f"there is no module {found[1]}; give a class by its whole name, such as {such}"
    if found := re.search(r"Expected '([^']*)' to be a subclass", text):
        return f"{found[1]} does not fit here; give one such as {such}"
    if found := re.search(r"subclass spec, but got (\S+?)\.", text):
        return f"{found[1].replace('None', 'null')} is no class; give one such as {such}"
    if found := re.search(r"Import path (\S+) does not implement protocol", text):
        return f"{found[1]} is no model: {_unlike_a_model(found[1])}"
    found = re.search(r"Expected a dot import path string: (\S+?)\.?(?: |$)", text)
    if found and not _EXPECTED.search(text):
        near = nearest(found[1], importlib.import_module("atme").__all__)
        return f"{found[1]} is no class; {f'did you mean atme.{near}?' if near else f'give one such as {such}'}"
    return None


def _options(path: str) -> list[str]:
    """The options of a class."""
    module, _, name = path.rpartition(".")
    try:
        return list(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    except (ImportError, AttributeError, ValueError, TypeError):  # then there is none to suggest
        return []


def _unlike_a_model(path: str) -> str:
    """The first method of a class that is missing or declared otherwise than a model's."""
    module, _, name = path.rpartition(".")
    given = getattr(importlib.import_module(module), name)
    protocol = importlib.import_module("atme.models").TranslationModel
    for method in ("channels", "require", "step", "translate"):
        wanted = inspect.signature(getattr(protocol, method))
        own = getattr(given, method, None)
        if own is None or str(inspect.signature(own)) != str(wanted):
            said = "it has none" if own is None else "the types too"
            return f"declare {method} as atme's models do, {said}: def {method}{wanted}"
    return "see docs/extend.md"


def _of_value(text: str) -> str:
    """A value that does not fit, and those that do."""
    kinds = [_kind(each) for each in dict.fromkeys(_EXPECTED.findall(text))]
    given = _GIVEN.search(text)
    if not kinds or given is None:
        return f"{text.rpartition('Parser key')[2].partition(':')[2].strip()}; see --help"
    value = given["value"].strip()
    said = f"{value or 'nothing'} does not fit; give {' or '.join(kinds)}"
    words = any("<class 'str'>" in each or "Literal" in each for each in _EXPECTED.findall(text))
    if value in ("True", "False") and words:
        return f"{said}, in quotes: without them YAML reads no, off, yes and on as false and true"
    return f"{said}, in quotes" if "text" in kinds else said


def _kind(expected: str) -> str:
    if expected.startswith("typing.Literal"):
        return f"one of {expected[len('typing.Literal[') : -1]}".replace("'", "")
    if found := re.match(r"tuple with (\d+)", expected):
        return f"{found[1]} values with commas, such as {','.join(['64'] * int(found[1]))}"
    name = expected.removeprefix("<class '").removesuffix("'>")
    return _KINDS.get(name, f"a {name.split('.')[-1]}")


def _without_value(option: str, words: Sequence[str]) -> str:
    """The word that the parser took for this option and found nothing behind."""
    after = [*words[1:], "--"]
    bare = [word for word, following in zip(words, after, strict=False) if following.startswith("--")]
    return next((word for word in bare if word.startswith(option) and "=" not in word), option)


def _stray(stray: Sequence[str], known: Sequence[str], words: Sequence[str], usage: str) -> str:
    """Words that no option takes."""
    word = next((word for word in stray if word.startswith(("-", "—", "–"))), stray[0])
    key = word.lstrip("-—–").split("=")[0]
    if word[0] in "—–":
        return f"{word}: begins with a long dash; write --{key}"
    if word.startswith("-"):
        if key in known:  # a place of its own, such as RUN
            return f"--{key}: write its value alone, without this word; {usage}"
        near = nearest(key, known)
        return f"{key}: no such option; {f'did you mean --{near}?' if near else 'see --help for those there are'}"
    last = max((number for number, each in enumerate(words) if each == word), default=0)
    before = words[max(last - 2, 0) : last]
    if len(before) == 2 and before[0].startswith("--") and _numbers([before[1], word]):
        return f"{word}: stands alone; a list is written with commas: {before[0]} {before[1]},{word}"
    if word.endswith((".yaml", ".yml")):
        return f"{word}: stands alone; write --config {word}"
    if (options := Path(word) / "options.yaml").is_file():
        return f"{word}: stands alone; write --config {options}"
    return f"{word}: one word too many; {usage or 'see --help'}"


def _numbers(words: Iterable[str]) -> bool:
    return all(re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", word) for word in words)


def several(complaints: Sequence[str], *, what: str) -> str:
    """Complaints in one line: one as it is, of more the first ten and how many there are.

    Args:
        complaints: each names its culprit and the remedy; at least one.
        what: what the culprits are, in the plural.
    """
    if len(complaints) == 1:
        return complaints[0]
    more = len(complaints) - _SHOWN
    rest = f" · and {more:,} more" if more > 0 else ""
    return f"{len(complaints):,} {what} do not fit: {' · '.join(complaints[:_SHOWN])}{rest}"
