"""The presets that come along, for the eye: what a run of each costs, and what it comes to."""

from collections.abc import Iterable

from rich import box
from rich.table import Table

from atme.shipped.presets import Preset


def overview(presets: Iterable[Preset]) -> Table:
    """Name, cost and expected scores of each, in a table that fits 80 columns."""
    caption = "atme show NAME tells more; atme presets NAME > mine.yaml writes one out to be edited"
    table = Table(box=box.SIMPLE_HEAD, caption=caption, caption_justify="left", padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("Name", no_wrap=True)
    table.add_column("GFLOP × updates", justify="right", no_wrap=True)
    table.add_column("GiB", justify="right", no_wrap=True)
    table.add_column("Expected")
    for preset in presets:
        flops, updates, memory = (words.split()[0] for words in preset.cost)
        table.add_row(preset.name, f"{flops} × {updates}", memory, preset.expected)
    return table
