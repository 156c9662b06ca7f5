"""Names of files, as any file system allows them: which two are one, and how one is shown.

macOS writes an é as two characters, Linux and Windows as one (Unicode's forms NFD and NFC): a name that went through
both looks the same and is not. Windows and macOS take IMG_1.JPG and img_1.jpg for one file, Linux takes them for two.
A name may hold a line break, or bytes that are no text at all, which Python hands over as lone surrogates.
"""

import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def composed(name: str) -> str:
    """The name in Unicode's form NFC: equal for names that look the same whoever wrote them."""
    return unicodedata.normalize("NFC", name)


def folded(name: str) -> str:
    """What is equal for all names that a file system which ignores case takes for one."""
    return composed(composed(name).casefold())


def shown(name: object) -> str:
    """A name or path in one line that any terminal, page or file of text takes; what cannot be seen is escaped."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), str(name))


def as_word(name: object) -> str:
    """A name or path as a word of a command that is copied into a shell, where it is taken for no option."""
    text = shown(name)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def partners(a: Collection[str], b: Collection[str]) -> dict[str, str]:
    """For names of A their partners in B.

    They are the same or, where only one on each side comes into question, differ in the case of their letters.

    Args:
        a: names, composed.
        b: those of the other side, composed.
    """
    same = set(a) & set(b)
    of_a, of_b = _single(a), _single(b)
    found = {name: of_b[key] for key, name in of_a.items() if key in of_b and not {name, of_b[key]} & same}
    return {name: name for name in same} | found


def loosely(pairs: Sequence[tuple[str, str]]) -> str:
    """That pairs were made of names that differ in case, with the first three; empty for none."""
    shown_ones = ", ".join(f"{shown(a)} and {shown(b)}" for a, b in pairs[:3])
    more = f" and {len(pairs) - 3:,} more" if len(pairs) > 3 else ""
    return f"{len(pairs):,} paired though the case of their names differs ({shown_ones}{more})" if pairs else ""


def _single(names: Collection[str]) -> dict[str, str]:
    """Names by what is left of them without case, if it is left of no other one."""
    folds = [(folded(name), name) for name in names]
    count = Counter(key for key, _ in folds)
    return {key: name for key, name in folds if count[key] == 1}
