"""Where a run begins: anew, from its own last checkpoint, or from a checkpoint of another run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atme.data.fingerprint import differ
from atme.models.build import Measured
from atme.names import as_word
from atme.outputs import require_free
from atme.run_folder import checkpoints, find_run, named, read_log, read_options, read_state
from atme.training.changes import Flat, differing, refuse_changes, resolved


@dataclass(frozen=True)
class Origin:
    """Where a run begins."""

    checkpoint: Path | None
    """To load; None to begin at step 0."""
    goes_on: bool
    """Whether the run's folder holds a part of this run already."""
    folder: Path | None
    """Holds the options under which the checkpoint was made; None if they are not known, or there is none."""
    options: Flat
    """These options, by dotted keys; of a run that goes on also where it has no checkpoint yet."""

    def changed(self, now: Flat, *sections: str) -> str:
        """In words, the first option of some sections that is not as it was; "" if there is none."""
        for key in differing(self.options, now, sections=sections) if self.options else ():
            return f"{key}: {self.checkpoint} was trained with {self.options.get(key)}, not {now.get(key)}"
        return ""


ANEW = Origin(None, goes_on=False, folder=None, options={})


def find_origin(run: Path, resume: str, *, now: Flat) -> Origin:
    """Where a run begins; nothing is written.

    Args:
        run: its folder.
        resume: as in `TrainingOptions`.
        now: its options.

    Raises:
        ValueError: if the run folder holds something that would be lost or mixed up, or if the run that it holds
            was trained otherwise; if a new one cannot be written there.
    """
    held = _holds_anything(run)
    if not held:
        require_free([run / "options.yaml"])
    if resume == "never":
        if held:
            raise ValueError(
                f"{run}: the run folder exists; choose another --run.dir, or go on with --training.resume auto"
            )
        return ANEW
    if resume != "auto" and not held:
        return _branch(Path(resume))
    if not held:
        return ANEW
    if not (run / "options.yaml").is_file():
        raise ValueError(f"{run}: the folder holds no run, but is not empty; choose another --run.dir")
    return _going_on(run, resume, now=now)


def _going_on(run: Path, resume: str, *, now: Flat) -> Origin:
    last = next(reversed(checkpoints(run)), None)
    branched_from = _branched_from(run)
    if resume != "auto":
        place = find_run(resume).checkpoint.resolve()
        known = last or branched_from
        if known is None or place != known.resolve():
            raise ValueError(
                f"{run}: the run folder is not empty, and {resume} is not its last checkpoint; go on with "
                "--training.resume auto, or choose a new --run.dir to go on from there"
            )
    before = resolved(run)
    refuse_changes(run, before, now)
    read_log(run)  # raises where a line is damaged
    if last is None and branched_from is not None:
        return Origin(branched_from, goes_on=True, folder=_folder_of(branched_from), options=before)
    return Origin(last, goes_on=True, folder=run, options=before)


def _branch(place: Path) -> Origin:
    checkpoint = _checkpoint_at(place)
    read_state(checkpoint)
    if not (checkpoint / "optimizers.pt").is_file():
        raise ValueError(
            f"{place}: holds weights alone, which nothing can go on from exactly; train on with them by "
            f"--training.start_from {as_word(place)}"
        )
    folder = _folder_of(checkpoint)
    return Origin(checkpoint, goes_on=False, folder=folder, options=resolved(folder) if folder else {})


def _branched_from(run: Path) -> Path | None:
    """The checkpoint that a run was begun from, by its options."""
    resume = read_options(run).get("training", {}).get("resume", "never")
    if resume in ("never", "auto"):
        return None
    return _checkpoint_at(Path(resume))


def _checkpoint_at(place: Path) -> Path:
    """The checkpoint that a user means: a run's last one, one by its name, or a folder, be it without its run."""
    return find_run(place).checkpoint if (place / "checkpoints").is_dir() else named(place)


def _folder_of(checkpoint: Path) -> Path | None:
    """The folder of the run that a checkpoint belongs to, if its options are there."""
    folder = checkpoint.resolve().parent.parent
    return folder if (folder / "options.yaml").is_file() else None


def refuse_other_data(origin: Origin, measured: Measured, fingerprint: dict[str, Any], *, now: Flat) -> None:
    """Refuse to go on with other pairs, sizes or batches than a checkpoint was trained with.

    Raises:
        ValueError: naming what differs.
    """
    place = origin.checkpoint
    if place is None:
        return
    state, found = read_state(place), measured.as_dict()
    alone = f"or take its weights alone, into a new --run.dir, with --training.start_from {as_word(place)}"
    for name, value in state["measured"].items():
        if name in found and found[name] != value:
            was = f"{_WORDS[name]} {value}, not {found[name]}"
            raise ValueError(f"{place}: was trained with {was}; set it back, {alone}")
    if "pairs" not in state:
        moved = origin.changed(now, "data.root")
        if moved:
            raise ValueError(f"{moved}; it was saved without the names of its pairs: set it back, {alone}")
        return
    other = differ(state["pairs"], fingerprint)
    if other:
        raise ValueError(f"{place}: was trained on pairs with other {other}; restore them, {alone}")


_WORDS = {
    "source_channels": "channels of the source",
    "target_channels": "channels of the target",
    "images": "training pairs",
    "height": "samples of a height (data.crop_size, data.load_size) of",
    "width": "samples of a width (data.crop_size, data.load_size) of",
    "batch": "images per update (training.batch_size × training.accumulate × processes)",
    "source_bits": "bits per value of the source",
    "target_bits": "bits per value of the target",
}
"""What the measured sizes are called, and set by."""


def _holds_anything(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
