"""A traced translation as a file, and such a file as a function again."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from atme.inference.export.graph import Run, Traced, first_line, silence

Format = Literal["onnx", "torch"]
ENDINGS: dict[Format, str] = {"onnx": ".onnx", "torch": ".pt2"}
OUTPUT = "translation"
"""What the result of an ONNX model is called."""
_DIMS = {"image": {0: "batch", 2: "height", 3: "width"}, "noise": {2: "noise_height", 3: "noise_width"}}
_ALL = 2**31
"""Bytes: constants of every size are folded."""


def require_packages(format: Format) -> None:
    """Whether what a format needs is installed.

    Raises:
        ValueError: it is not.
    """
    missing = [name for name in ("onnx", "onnxruntime", "onnxscript") if find_spec(name) is None]
    if format == "onnx" and missing:
        raise ValueError(
            f"format: onnx needs {', '.join(missing)}; install them with pip install {' '.join(missing)}, or use "
            "--format torch, which needs nothing more"
        )


def require_ending(place: Path, format: Format) -> None:
    """Whether a file is named as its format asks.

    Raises:
        ValueError: it is not.
    """
    if place.suffix != ENDINGS[format]:
        other = next((each for each, ending in ENDINGS.items() if ending == place.suffix), None)
        instead = f", or use --format {other}" if other else ""
        raise ValueError(f"output: {place} is to be of the format {format}; let it end in {ENDINGS[format]}{instead}")


def write_torch(traced: Traced, place: Path, *, about: str = "") -> None:
    """Write a program that ``torch.export.load`` reads."""
    with silence():
        torch.export.save(traced.program, place, extra_files={"atme.json": about})


def write_onnx(traced: Traced, place: Path) -> None:
    """Write an ONNX model, whose weights are computed as far as they do not depend on a picture."""
    import onnx
    from onnxscript import optimizer

    with silence():
        try:
            made = torch.onnx.export(
                traced.program,
                dynamo=True,
                input_names=traced.inputs,
                output_names=[OUTPUT],
                optimize=False,  # most of the time would go into patterns that onnxruntime has, too
                verbose=False,
            )
        except ImportError as error:  # of what it has for this version of torch
            import onnxscript

            raise ValueError(
                f"format: onnxscript {onnxscript.__version__} does not know torch {torch.__version__}; "
                "pip install --upgrade onnxscript, or use --format torch"
            ) from error
        except RuntimeError as error:  # a network may be anyone's, with operations that ONNX has not
            raise ValueError(f"format: not to be had in ONNX ({first_line(error)}); use --format torch") from error
        assert made is not None
        optimizer.inline(made.model)
        optimizer.fold_constants(made.model, input_size_limit=_ALL, output_size_limit=_ALL)
        optimizer.remove_unused_nodes(made.model)
        onnx.save(made.model_proto, place)
    if not traced.half:  # whose operations it would widen, where this CPU has none in 16 bits
        _fold(place)
    model = onnx.load(place)
    _name_sizes(model)
    _forget_sources(model)
    onnx.checker.check_model(model)
    onnx.save(model, place)


def _fold(place: Path) -> None:
    """Replace a model by one whose last constants are computed, such as weights that are standardized and split."""
    import onnxruntime

    options, folded = onnxruntime.SessionOptions(), place.with_name(f"folded_{place.name}")
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    _session(place, options)
    folded.replace(place)


def write_int8(place: Path, reduced: Path) -> None:
    """An ONNX model again, its convolutions and products with weights of 8 bits, and maps rounded as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with silence():  # its signed convolutions have no implementation for CPUs
        quantize_dynamic(place, reduced, weight_type=QuantType.QUInt8, per_channel=False)


def write_about(traced: Traced, place: Path, about: str) -> None:
    """Write into a model that is there what its run knows."""
    if place.suffix == ENDINGS["torch"]:
        return write_torch(traced, place, about=about)
    import onnx

    model = onnx.load(place)
    onnx.helper.set_model_props(model, {"atme": about})
    onnx.save(model, place)


def load_onnx(place: Path) -> Run:
    """An ONNX model as a function of tensors."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = _session(place, options)
    names = [each.name for each in session.get_inputs()]

    def run(*inputs: Tensor) -> Tensor:
        given = {name: each.numpy() for name, each in zip(names, inputs, strict=True)}
        return torch.from_numpy(session.run(None, given)[0])

    return run


def load_torch(place: Path) -> Run:
    """A program as a function of tensors."""
    with silence():
        module = torch.export.load(place).module()

    def run(*inputs: Tensor) -> Tensor:
        with torch.no_grad():
            made: Tensor = module(*inputs)
        return made

    return run


def _session(place: Path, options: Any) -> Any:
    """What runs an ONNX model.

    Raises:
        ValueError: if onnxruntime does not take it.
    """
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(place, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class of their own
        raise ValueError(
            f"format: onnxruntime {onnxruntime.__version__} does not take what torch {torch.__version__} made of this "
            f"run ({first_line(error)}); pip install --upgrade onnxruntime onnxscript, or use --format torch"
        ) from error


def _name_sizes(model: Any) -> None:
    """Sizes that are open get names; those in between are left to whoever runs the model."""
    del model.graph.value_info[:]
    for each in (*model.graph.input, *model.graph.output):
        for axis, name in _DIMS.get("image" if each.name == OUTPUT else each.name, {}).items():
            each.type.tensor_type.shape.dim[axis].dim_param = name


def _forget_sources(model: Any) -> None:
    """The exporter notes from which lines of which files on this machine each node came."""
    del model.metadata_props[:]
    used = {each.domain for each in model.graph.node}
    for each in [each for each in model.opset_import if each.domain not in used]:
        model.opset_import.remove(each)
    for each in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del each.metadata_props[:]
        each.doc_string = ""
    del model.graph.metadata_props[:]
    model.producer_name = "atme"
