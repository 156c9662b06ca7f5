"""The word ``--page FILE.html`` of ``atme train``: where the page of the evening goes."""

from pathlib import Path

from atme.cli.own_words import taken

WORD = "--page"


def page_taken_from(arguments: list[str]) -> tuple[Path | None, list[str]]:
    """The file that ``--page`` names, and the other words; None where it is not there.

    Raises:
        ValueError: if it names nothing, or no HTML file.
    """
    given, rest = taken(arguments, {WORD: "evening.html"})
    if WORD not in given:
        return None, rest
    page = Path(given[WORD])
    if page.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{WORD}: {page} is no name of a page; write one such as {page.stem or 'evening'}.html")
    return page, rest


def page_of_seed(page: Path, seed: int) -> Path:
    """The page of one of several runs: ``evening_0.html``."""
    return page.with_stem(f"{page.stem}_{seed}")
