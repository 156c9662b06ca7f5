"""Values of options that several verbs check alike."""

from pathlib import Path


def require_place(place: Path, root: Path, *, overwrite: bool) -> None:
    """Whether a picture or a page of a dataset may be written there: never over one of the dataset's own.

    Raises:
        ValueError: it may not.
    """
    from atme.images import find_images
    from atme.outputs import require_free

    reads = find_images(root, below=True).images if place.exists() else ()
    require_free([place], reads=reads, overwrite=overwrite)


def workers_of(workers: int) -> int:
    """How many work at a time.

    Raises:
        ValueError: less than none.
    """
    from atme.machine import cores

    if workers < 0:
        raise ValueError(f"--workers {workers}: write how many work at a time, or 0 for one a core")
    return workers or cores()
