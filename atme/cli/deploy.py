"""``atme export``: a run as a model that other programs run."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from atme.cli.exits import DONE, say

if TYPE_CHECKING:
    from atme.inference.export import Exported


def export_run(
    run: Path,
    *,
    format: Literal["onnx", "torch"] = "onnx",
    output: Path | None = None,
    precision: Literal["float32", "float16", "int8"] = "float32",
    root: str | None = None,
    overwrite: bool = False,
    weights: Literal["average", "last"] = "average",
    as_trained: bool = False,
    calls: int | None = None,
    trust: bool = False,
) -> int:
    """Write a run as a model that needs no atme, of open batch, height and width, compared with the run's translations.

    Args:
        run: the run's folder, or that of one of its checkpoints.
        format: onnx for onnxruntime and others; torch for torch.export.load.
        output: file of the model, .onnx or .pt2; RUN/export/translator.onnx by default. NAME_usage.py beside it shows
            how it is used.
        precision: float16 and int8 (ONNX alone) are smaller; what they lose is measured and said.
        root: where the run's data lies now, to measure that; a folder of pairs or a dataset's name.
        overwrite: replace files that are there.
        weights: average takes the averaged weights where the run has them.
        as_trained: each picture's own statistics in batch norms; not for networks with dropout.
        calls: of the generator for each translation, of a model that leaves a choice (DenoisingGAN: 1 up to its steps).
        trust: import classes that the run's options name and that are not of atme; read them first.

    Examples:
        atme export runs/demo
        atme export earth --output earth.onnx
        atme export runs/demo --precision int8
        atme export runs/demo --format torch --output deployed/map.pt2
    """
    from atme.inference import Translator
    from atme.inference.export import default_place, export

    place = default_place(run, format=format, precision=precision) if output is None else output
    translator = Translator.from_run(
        run, weights=weights, device="cpu", as_trained=as_trained, calls=calls, trust=trust
    )
    done = export(translator, place, format=format, precision=precision, root=root, overwrite=overwrite)
    for each in done.not_kept:
        say(f"not kept: {each}")
    say(f"{done.model}: {in_megabytes(done)}; in float32 within {done.difference:.1g} of the run's translations")
    if done.loss is not None:
        found = f"differs by {done.loss.l1:.2g} on average (L1, of values from -1 to 1), PSNR {done.loss.psnr:.1f} dB"
        say(f"{precision} {found}, on {done.loss.pictures} {done.loss.what}")
    say(f"try it without atme: {shlex.join(['python', str(done.script), str(done.model)])} picture.png translation.png")
    if translator.knows.kinds.target is not None:
        say("two words more, 0 labels, write every pixel as that of a class, as atme translate --as labels does")
    return DONE


def in_megabytes(done: "Exported") -> str:
    """The size of a model, beside that in float32 if it is of fewer bits."""
    size, whole = done.model.stat().st_size / 1e6, done.whole / 1e6
    return f"{size:.1f} MB" if done.loss is None else f"{size:.1f} MB ({whole:.1f} MB in float32)"
