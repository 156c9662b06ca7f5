"""What a preset resolves to, and what a step of it costs."""

from jsonargparse import Namespace
from rich.console import Console, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from torch._subclasses.fake_tensor import DataDependentOutputException

from atme.models.build import Measured, build
from atme.reports.cost import Cost, cost
from atme.terminal import results
from atme.training.device import kind_of, precision_of
from atme.training.options import TrainingOptions, played
from atme.training.parts import measure


def show(options: Namespace, *, text: str, console: Console | None = None) -> None:
    """Print the resolved options and the cost of a step.

    Args:
        options: all sections, instantiated.
        text: the same as YAML.
        console: where to print.

    Raises:
        ValueError: if the data cannot be read or the networks cannot be built.
    """
    console = console or results()
    training: TrainingOptions = options.training
    train = options.data.open_train(seed=options.run.seed)
    measured = measure(train, batch=training.images_per_update())
    try:
        found: RenderableType = _table(_cost(options, measured), measured, training)
    except DataDependentOutputException as error:  # of a class of the user's own
        found = (
            f"What a step costs cannot be told: the value of a tensor is read in it ({error.func}), such as by float()."
        )
    console.print(Syntax(played(text, options.model).rstrip(), "yaml", background_color="default"))
    console.print(found)


def _cost(options: Namespace, measured: Measured) -> Cost:
    training: TrainingOptions = options.training
    return cost(
        lambda: build(options, measured, pretrained=False),
        measured,
        batch=training.batch_size,
        precision=precision_of(training),
    )


def _table(found: Cost, measured: Measured, training: TrainingOptions) -> Table:
    table = Table(title="One step", show_header=False, title_justify="left")
    for name, count in found.parameters.items():
        table.add_row(f"{name}: parameters", f"{count / 1e6:.4f} M")
    for name, origin in found.origins.items():
        table.add_row(f"{name}: begins with the weights of", origin)
    size = f"{training.batch_size} × {measured.height}×{measured.width}"
    table.add_row(f"forward and backward of {size}", f"{found.flops / 1e9:.1f} GFLOP")
    table.add_row("weights, gradients, Adam's moments", _bytes(found.weights))
    table.add_row("memory of the scheme, statistics", _bytes(found.memory))
    table.add_row(f"kept for backward ({training.precision})", _bytes(found.activations))
    table.add_row("memory, estimated, beside PyTorch's own", _bytes(found.total))
    table.add_row("training pairs, epochs", f"{measured.images}, {_length(training)}")
    table.add_row("computed on", _device(training.device))
    return table


def _length(training: TrainingOptions) -> str:
    if training.steps is not None:
        return f"as many as {training.steps} updates take"
    return f"as many as fit into {training.max_time}" if training.max_time else str(training.rate.total)


def _device(wanted: str) -> str:
    try:
        return kind_of(wanted)
    except ValueError:  # a training refuses; what it costs elsewhere can be told
        return f"{wanted}, which this machine lacks"


def _bytes(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
