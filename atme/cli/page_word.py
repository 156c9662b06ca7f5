"""The word ``--page FILE.html`` of ``atme train``: where the page of the evening goes."""

from collections import deque
from pathlib import Path

WORD = "--page"


def page_taken_from(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """The file that ``--page`` names, and the other words; None where it is not there.

    Raises:
        ValueError: if it names nothing, or no HTML file.
    """
    page: Path | None = None
    rest, words = [], deque(arguments)
    while words:
        word = words.popleft()
        name, has_value, value = word.partition("=")
        if name != WORD:
            rest.append(word)
            continue
        if not has_value:
            if not words or words[0].startswith("--"):
                raise ValueError(f"{WORD}: no file; write {WORD} evening.html")
            value = words.popleft()
        page = Path(value)
        if page.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"{WORD}: {value} is no name of a page; write one such as {page.stem or 'evening'}.html")
    return page, rest


def page_of_seed(page: Path, seed: int) -> Path:
    """The page of one of several runs: ``evening_0.html``."""
    return page.with_stem(f"{page.stem}_{seed}")
