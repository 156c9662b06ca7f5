"""The verbs that hand models on and take them in: ``atme push`` and ``atme import``."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from atme.cli.arguments import call
from atme.cli.exits import DONE, say
from atme.names import as_word


def push(arguments: list[str]) -> int:
    """Push a run to the Hugging Face Hub, as a model with its card."""
    return call(push_run, arguments, prog="atme push")


def take_in(arguments: list[str]) -> int:
    """Import weights that were published with the papers, as a run."""
    return call(import_weights, arguments, prog="atme import", spelled={"authors": "from"})


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


def import_weights(
    folder: Path,
    run: Path,
    *,
    authors: Literal["auto", "atme", "pix2pix"] = "auto",
    epoch: str = "latest",
    direction: Literal["AtoB", "BtoA"] | None = None,
    crop_size: int | None = None,
    dropout: bool | None = None,
) -> int:
    """Import weights that were published with the papers, as a run that translates, is scored and can be begun from.

    Args:
        folder: what the authors distribute: latest_net_G.pth, and beside it latest_net_D.pth and train_opt.txt; of
            ATME also latest_net_W.pth (or latest_net_T.pth, as it was called).
        run: a new folder for the run.
        authors: whose weights they are; auto finds out by the generator.
        epoch: of the files, such as 200 for 200_net_G.pth.
        direction: what is translated into what, where no train_opt.txt says it.
        crop_size: side of the training samples in pixels, to which pictures are resized for tests, where no
            train_opt.txt says it.
        dropout: whether a U-Net of pix2pix has dropout, where no train_opt.txt says it.

    Examples:
        atme import published/facades_atme runs/facades
        atme import facades_label2photo_pretrained runs/facades --from pix2pix --direction BtoA
    """
    from atme.inference.published_run import import_published

    remarks = import_published(
        folder, run, kind=authors, epoch=epoch, direction=direction, crop_size=crop_size, dropout=dropout
    )
    for remark in remarks:
        say(remark)
    say(f"imported into {run}; translate with it, or train on from it with --training.start_from {as_word(run)}")
    return DONE
