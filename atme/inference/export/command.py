"""Export a run: traced, written aside, compared with the run, and only then put where it was asked for."""

import json
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from atme.inference.export import usage
from atme.inference.export.about import describe
from atme.inference.export.agreement import Loss, Pictures, measure_loss, pictures_of, require_equal
from atme.inference.export.formats import (
    ENDINGS,
    Format,
    load_onnx,
    load_torch,
    require_ending,
    require_packages,
    write_about,
    write_int8,
    write_onnx,
    write_torch,
)
from atme.inference.export.graph import Traced, trace
from atme.inference.translator import Translator
from atme.outputs import require_free
from atme.run_folder import find_run, results_folder

Bits = Literal["float32", "float16", "int8"]


@dataclass(frozen=True)
class Exported:
    """What was written."""

    model: Path
    script: Path
    """Shows how the model is used, without atme."""
    difference: float
    """The largest from the run's own translations, in float32, of values in [-1, 1]."""
    loss: Loss | None
    """What fewer bits lose; None for float32."""
    whole: int
    """Bytes that float32 takes."""
    not_kept: tuple[str, ...]
    """What the run can do and the model cannot, in words."""


def export(
    translator: Translator,
    place: Path,
    *,
    format: Format = "onnx",
    precision: Bits = "float32",
    root: str | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write a translator as a model that needs no atme, once it was found to give the same translations.

    What the run knows of pictures lies in the model itself, as JSON: in ONNX under the key ``atme`` of the metadata, in
    a program of PyTorch as its extra file ``atme.json``. A script beside it reads it, and shows how the model is used.

    Args:
        translator: of a run, on the CPU and in float32.
        place: of the model, its name ending in .onnx or .pt2; folders that are missing are made.
        format: ``onnx`` for onnxruntime and others, ``torch`` for ``torch.export.load``.
        precision: of the weights; ``float16`` has the generator compute in 16 bits, ``int8`` rounds weights, and maps
            as they come, to 8 (ONNX alone).
        root: where the run's data lies now, by which the loss of fewer bits is measured; where the run found it by
            default.
        overwrite: whether files that are there may be replaced.

    Raises:
        ValueError: if files are there, a package is missing, something in the run cannot be exported, or what was
            exported differs from the run's translations; nothing is written then.
        OSError: if the folder cannot be written.
    """
    if translator.device.type != "cpu" or translator.precision != "float32":
        raise ValueError("translator: is exported from the CPU in float32; make it with device='cpu' alone")
    if precision == "int8" and format == "torch":
        raise ValueError("precision: int8 is there for ONNX alone; use --format onnx, or --precision float16")
    if precision == "float32" and root is not None:
        raise ValueError("data.root: is to measure what float16 and int8 lose; leave it out for float32")
    require_ending(place, format)
    require_packages(format)
    script = place.with_name(f"{place.stem}_usage.py")
    require_free([place, script], reads=[translator.source.folder], overwrite=overwrite)
    pictures = None if precision == "float32" else pictures_of(translator, root=root)
    traced = trace(translator)
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place.parent, prefix=".unfinished.") as unfinished:
        made = Path(unfinished) / place.name
        checked = _write_model(translator, traced, made, format=format, precision=precision, pictures=pictures)
        about = describe(translator, traced, precision=precision)
        about |= {"difference": checked.difference, "loss": _plain(checked.loss)}
        write_about(checked.traced, made, json.dumps(about, indent=2, ensure_ascii=False))
        aside = Path(unfinished) / script.name
        aside.write_text(Path(usage.__file__).read_text("utf-8"), "utf-8")
        made.replace(place)
        aside.replace(script)
    return Exported(place, script, checked.difference, checked.loss, checked.whole, tuple(about["not_kept"]))


def default_place(run: str | Path, *, format: Format, precision: Bits) -> Path:
    """Where a run's model goes if nothing is said: RUN/export/translator.onnx, translator_int8.onnx, translator.pt2.

    Raises:
        ValueError: if there is no such run.
    """
    bits = "" if precision == "float32" else f"_{precision}"
    return results_folder(find_run(run), "export") / f"translator{bits}{ENDINGS[format]}"


@dataclass(frozen=True)
class _Checked:
    """A model that was written and compared."""

    traced: Traced
    """What was written."""
    difference: float
    loss: Loss | None
    whole: int


def _write_model(
    translator: Translator,
    traced: Traced,
    made: Path,
    *,
    format: Format,
    precision: Bits,
    pictures: Pictures | None,
) -> _Checked:
    """Write it in float32, compare it, and write it again in fewer bits if so asked."""
    write, read = (write_onnx, load_onnx) if format == "onnx" else (write_torch, load_torch)
    write(traced, made)
    whole = made.stat().st_size
    difference = require_equal(read(made), translator, least=traced.smallest, name=made.name)
    if pictures is None:
        return _Checked(traced, difference, None, whole)
    if precision == "float16":
        traced = trace(translator, half=True)
        write(traced, made)
    else:
        write_int8(made.replace(made.with_name(f"whole{made.suffix}")), made)
    return _Checked(traced, difference, measure_loss(read(made), translator, pictures=pictures), whole)


def _plain(loss: Loss | None) -> dict[str, Any] | None:
    """As JSON has it, which knows no infinite PSNR."""
    return None if loss is None else vars(loss) | {"psnr": loss.psnr if isfinite(loss.psnr) else None}
