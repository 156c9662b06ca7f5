"""What an exported model is told of its run, as JSON in the model itself."""

from typing import Any

import atme
from atme.inference.export.agreement import TOLERANCE
from atme.inference.export.graph import Traced
from atme.inference.translator import Translator
from atme.models import DenoisingGAN

_HALVES = "halves of A|B pictures are not cut: give the {half} one"
_DRAWN = "the seeds of atme translate: the same seed draws other numbers elsewhere, and so another answer"


def describe(translator: Translator, traced: Traced, *, precision: str) -> dict[str, Any]:
    """What whoever runs the model should know, as plain values.

    Args:
        translator: of the run.
        traced: its graph.
        precision: of the file.
    """
    knows, model = translator.knows, translator.model
    drawing = isinstance(model, DenoisingGAN)
    return {
        "inputs": list(traced.inputs),
        "values": "float32 (batch, channels, height, width), from -1 (black) to 1 (white); transparency from -1 to 1",
        "precision": precision,
        "source_channels": knows.source_channels,
        "target_channels": knows.target_channels,
        "source_bits": knows.source_bits,
        "target_bits": knows.target_bits,
        "smallest_side": traced.smallest,
        "stride": knows.stride,
        "continued": "inside the model, by reflection to multiples of the stride, and cut back",
        "work_size": knows.test_size,
        "load_size": knows.load_size,
        "source_interpolation": knows.source_interpolation,
        "target_interpolation": knows.target_interpolation,
        "clear_transparent": knows.clear_transparent,
        "source_labels": None if knows.kinds.source is None else knows.kinds.source.as_dict(),
        "target_labels": None if knows.kinds.target is None else knows.kinds.target.as_dict(),
        "one_hot": knows.kinds.one_hot,
        "label_resizing": knows.kinds.resizing,
        "direction": knows.direction,
        "source_half": knows.source_half,
        "as_trained": translator.as_trained,
        "steps": (translator.calls or model.steps) if isinstance(model, DenoisingGAN) else 0,
        "latent": getattr(translator.networks.generator, "latent", 0),
        "step": translator.source.step,
        "weights": translator.source.weights,
        "noise": translator.options["noise"],
        "tolerance": TOLERANCE,
        "not_kept": [_HALVES.format(half=knows.source_half), *([_DRAWN] if drawing else [])],
        "atme": atme.__version__,
    }
