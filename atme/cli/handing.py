"""The verbs that hand models on and take them in: ``atme push``."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from atme.cli.arguments import call
from atme.cli.exits import DONE, say


def push(arguments: list[str]) -> int:
    """Push a run to the Hugging Face Hub, as a model with its card."""
    return call(push_run, arguments, prog="atme push")


def push_run(
    run: Path,
    name: str,
    *,
    license: str = "unknown",
    private: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    weights: Literal["average", "last"] = "average",
    trust: bool = False,
) -> int:
    """Push a run to the Hugging Face Hub, as a model with its card, for Translator.from_pretrained(NAME).

    Args:
        run: the run's folder, that of one of its checkpoints, or one that save_pretrained wrote.
        name: OWNER/NAME of the model at the hub, made if it is not there.
        license: of the weights, in the hub's word, such as mit or cc-by-4.0.
        private: make a new model private.
        overwrite: add a commit to a model that is there; its earlier ones are kept.
        dry_run: say what would be pushed, ask nothing of the hub, and change nothing.
        weights: average takes the averaged weights where the run has them.
        trust: import classes that the run's options name and that are not of atme; read them first.

    Examples:
        atme push runs/mine me/maps --dry-run
        atme push runs/mine me/maps --license mit --private
    """
    from atme.inference import Translator
    from atme.inference.hub import push, require_name

    require_name(name)
    translator = Translator.from_run(run, weights=weights, device="cpu", trust=trust)
    with TemporaryDirectory() as place:
        folder = Path(place) / "model"
        translator.save_pretrained(folder, name=name, license=license)
        upload = push(folder, name, private=private, overwrite=overwrite, dry_run=dry_run)
    files = ", ".join(f"{each} ({size / 1e6:.1f} MB)" for each, size in upload.files.items())
    say(f"{'would push' if dry_run else 'pushed'} {files} to {upload.url}")
    return DONE
