"""Models at the Hugging Face Hub: fetched by their name, and pushed there.

Everything else works without network; what needs one says so in a line. Files that hold code
are fetched with trust alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from atme import shipped
from atme.complaints import is_of_hub
from atme.inference.card import CARD
from atme.inference.pretrained import EARLIER, WRITTEN
from atme.outputs import some
from atme.outside import FOLDER, kept
from atme.run_folder import CONFIG, MODEL, named

_FETCHED = (*WRITTEN, *EARLIER)


@dataclass(frozen=True)
class Upload:
    """What is pushed where."""

    url: str
    """Of the model."""
    files: dict[str, int]
    """Names, and bytes of each."""


def find_folder(place: str | Path, *, revision: str | None = None, trust: bool = False) -> Path:
    """The folder of a model: one that is there, or that of a model of this name at the hub, fetched where needed.

    Args:
        place: a folder, the name of a model that comes along, or OWNER/NAME.
        revision: branch, tag or commit of a model at the hub.
        trust: whether files of Python are fetched too.

    Raises:
        ValueError: if there is no such folder, and the model cannot be had.
    """
    folder = named(place)
    if folder.is_dir():
        if revision is not None:
            raise ValueError(f"revision: {place} is here, where it has none; leave it out")
        return folder
    name = str(place)
    if not isinstance(place, str) or not _is_name(name):
        raise ValueError(
            f"{place}: no such folder; give the folder of a run, one that save_pretrained wrote, a model that comes "
            f"along ({', '.join(shipped.models())}), or OWNER/NAME at the hub"
        )
    from huggingface_hub import snapshot_download

    wanted = [*_FETCHED, *([f"{FOLDER}/*.py"] if trust else [])]
    with _one_line(f"{name}: no such folder here, and no such model could be had from the hub"):
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted))


def push(folder: Path, name: str, *, private: bool, overwrite: bool, dry_run: bool = False) -> Upload:
    """Push a folder that ``save_pretrained`` wrote, as one commit.

    Args:
        folder: what is pushed: `WRITTEN`, what its folder ``code`` holds, and nothing else that may lie there.
        name: OWNER/NAME.
        private: whether a model that is not there yet is made private.
        overwrite: whether a model that is there gets a new commit; its earlier ones are kept.
        dry_run: ask nothing, and change nothing; say what would be pushed.

    Raises:
        ValueError: if the name is none, is taken, or the hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi

    require_name(name)
    names = [*WRITTEN, *(f"{FOLDER}/{each}" for each in kept(folder))]
    files = {each: (folder / each).stat().st_size for each in names if (folder / each).is_file()}
    api = HfApi(library_name="atme")
    upload = Upload(f"{api.endpoint}/{name}", files)
    if dry_run:
        return upload
    with _one_line(f"{name}: could not be pushed"):
        api.create_repo(name, private=private, exist_ok=True)
        there = [] if overwrite else [each for each in (CONFIG, MODEL, CARD) if api.file_exists(name, each)]
    if there:
        raise ValueError(
            f"{name}: holds {some(there)} already; choose another name, or add a commit to it with --overwrite"
        )
    with _one_line(f"{name}: could not be pushed"):
        api.upload_folder(
            repo_id=name,
            folder_path=folder,
            allow_patterns=list(files),
            commit_message="A model of atme, with its card",
        )
    return upload


def require_name(name: str) -> None:
    """Refuse what is no name of a model at the hub.

    Raises:
        ValueError: naming it.
    """
    if not _is_name(name):
        raise ValueError(f"{name}: is no name at the hub; give OWNER/NAME, such as me/maps")


def _is_name(name: str) -> bool:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.count("/") == 1


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    """What the hub, and the network on the way there, complain of, in one line with a remedy."""
    try:
        yield
    except Exception as error:
        if not is_of_hub(error):
            raise
        raise ValueError(f"{what} ({_reason(error)}); {_remedy(error)}") from error


def _reason(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return said[0].rstrip(".") if said else type(error).__name__


def _remedy(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403) or type(error).__name__ == "LocalTokenNotFoundError":
        return "log in with a token that may do this: hf auth login"
    if status == 404:
        return "look its name up, or log in if it is private: hf auth login"
    if status is not None:
        return "try again later"
    return "check the network and HF_ENDPOINT, or give a folder"
