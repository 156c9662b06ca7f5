"""Files that are not read, and why: whatever a decoder makes of foreign bytes becomes one line that names the file."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Refusal(ValueError):
    """One line that names the file, the reason and the remedy."""


def unreadable(path: str | Path, error: OSError) -> Refusal:
    """What to tell of a file that the system does not hand out."""
    return Refusal(f"{path}: cannot be read ({(error.strerror or str(error)).lower()}); check the path")


def truncated(path: str | Path) -> Refusal:
    """What to tell of a file whose end is missing."""
    return Refusal(f"{path}: truncated (the end of the image is missing); copy or download it again")


def damaged(path: str | Path, reason: object) -> Refusal:
    """What to tell of a file that breaks off or contradicts itself within."""
    words = " ".join(str(reason).split()) or type(reason).__name__
    return Refusal(f"{path}: damaged ({words}); copy or download it again")


@contextmanager
def decoding(path: str | Path) -> Iterator[None]:
    """Within, a decoder reads a file; what it raises comes out as a ValueError that names the file.

    Any error may come out of foreign bytes: an OSError as well as a SyntaxError, a KeyError or a struct.error.

    Raises:
        ValueError: the decoder failed.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")  # what is amiss is said below, with the name
            yield
    except Refusal:
        raise
    except MemoryError as error:
        raise Refusal(f"{path}: takes more memory than there is; cut it into tiles") from error
    except Exception as error:
        raise damaged(path, error) from error
