"""The verb that puts runs on a page: ``atme serve``."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from atme.cli.arguments import call
from atme.cli.exits import DONE, say


def serve(arguments: list[str]) -> int:
    """Try runs on a page in the browser."""
    return call(serve_runs, arguments, prog="atme serve")


def serve_runs(
    runs: list[Path],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    megapixels: float = 2.1,
    weights: Literal["average", "last"] = "average",
    as_trained: bool = False,
    precision: Literal["float32", "bf16"] = "float32",
    device: str = "auto",
    trust: bool = False,
) -> int:
    """Serve a page on which runs translate pictures that are dropped there, side by side, until Ctrl-C.

    Args:
        runs: their folders, those of checkpoints, or earth, the model that comes along.
        host: the address to listen on. The default is reached from this machine alone; 0.0.0.0 from everywhere, by
            whoever reaches this machine.
        port: to listen on; the first free one from 7860 on by default.
        megapixels: million pixels that a picture may have at the size that it is worked on.
        weights: average takes the averaged weights where a run has them.
        as_trained: translate as pix2pix's authors do: each picture's own statistics in batch norms, and dropout on.
        precision: bf16 is faster on most machines and a little less exact.
        device: auto takes a GPU where there is one.
        trust: import classes that the runs' options name and that are not of atme; read them first.

    Examples:
        atme serve earth
        atme serve runs/atme runs/pix2pix --port 8000
    """
    if find_spec("gradio") is None:
        raise ValueError("gradio: is not installed, and draws the page; pip install 'gradio>=6.20,<7'")
    from atme.inference import Translator
    from atme.serve import Limits, Shown, serve

    limits = Limits(megapixels=megapixels)
    translator = partial(
        Translator.from_run, weights=weights, device=device, precision=precision, as_trained=as_trained, trust=trust
    )
    shown = [Shown(run, translator(run)) for run in runs]
    serve(shown, host=host, port=port, limits=limits, say=say)
    return DONE
