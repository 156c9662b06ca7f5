"""From an error to one line that names the culprit and the remedy.

Our own errors are such lines already. Those of the parser name types and namespaces of Python, which say little
to who wrote a preset; what they know is put in our words here.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_SHOWN = 10  # complaints of many
_KEY = re.compile(r'Parser key "(?P<key>[^"]*)": ?')
_NOISE = (
    re.compile(r"Type \S+?\[.*?\] expects a function or a callable class: "),
    re.compile(r"Problem with given class_path '[^']*': "),
    re.compile(r"\.? Got value: Namespace\(.*\)$"),
    re.compile(r"Does not validate against any of the Union subtypes Subtypes: .*? Errors: "),
)
_ONE_OF = re.compile(r"Expected a typing\.Literal\[(?P<values>[^\]]*)\]")
_STRAY = re.compile(r"unrecognized arguments: (?P<words>.*)$")
_OPTION = re.compile(r"Option '(?P<option>[^']*)' is not accepted")


def one_line(error: Exception, *, known: Iterable[str] = ()) -> str:
    """The message of an error, in one line.

    Args:
        error: any error.
        known: keys that a command takes, to suggest one for a key that it does not.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    stray = _STRAY.search(text)
    if stray:
        return _unknown(stray["words"].split(), list(known))
    keys = [key for key in _KEY.findall(text) if key]
    if not keys:
        return text
    for noise in (_KEY, *_NOISE):
        text = noise.sub("", text)
    text = _ONE_OF.sub(lambda found: f"expected one of {found['values']}", text)
    text = _OPTION.sub(lambda found: f"has no option {found['option']}", text)
    return f"{'.'.join(keys)}: {text[:1].lower() + text[1:]}; see --help"


def _unknown(words: list[str], known: list[str]) -> str:
    word = next((word for word in words if word.startswith("-")), words[0])
    key = word.lstrip("-").split("=")[0]
    near = get_close_matches(key, known, n=1, cutoff=0.6)
    return f"{key}: no such option; {f'did you mean {near[0]}?' if near else 'see --help for those there are'}"


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
