"""The known datasets, for the eye: all of them in a table, or one with all that its recipe says."""

from collections.abc import Iterable

from rich import box
from rich.table import Table

from atme.data.recipes import Mirror, Recipe
from atme.prepare.status import presence


def overview(recipes: Iterable[Recipe]) -> Table:
    """Name, title, pairs, size of the download, and what is here of each."""
    caption = "atme data list --name NAME tells more; atme data fetch NAME brings it here"
    table = Table(box=box.SIMPLE_HEAD, caption=caption, caption_justify="left", padding=(0, 1))
    table.add_column("Name", no_wrap=True)
    table.add_column("A | B", ratio=3)
    table.add_column("Pairs", no_wrap=True)
    table.add_column("Download", justify="right", no_wrap=True)
    table.add_column("Here", min_width=len("here, complete"), ratio=2)
    for recipe in recipes:
        pairs = "\n".join(f"{split} {count:,}" for split, count in recipe.splits.items())
        here = presence(recipe.root).words
        table.add_row(recipe.name, recipe.title, pairs, _download(recipe), here)
    return table


def details(recipe: Recipe) -> Table:
    """All that a recipe says, a line a field."""
    table = Table(box=None, show_header=False, title=recipe.title, title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rows = [
        ("pairs", said(recipe.splits) + (" (roughly)" if recipe.tolerance else "")),
        ("layout", recipe.layout),
        ("direction", recipe.direction),
        ("preset", recipe.preset),
        ("folder", f"{recipe.root} ({presence(recipe.root).words})"),
        ("license", recipe.license),
        ("citation", recipe.citation),
        ("source", recipe.source),
        *(("mirror", _mirror(mirror, recipe)) for mirror in recipe.mirrors),
        *([("by hand", recipe.by_hand)] if recipe.by_hand else []),
    ]
    for field, value in rows:
        table.add_row(field, value)
    return table


def said(splits: dict[str, int]) -> str:
    """ "train 400, val 100"."""
    return ", ".join(f"{split} {count:,}" for split, count in splits.items())


def _mirror(mirror: Mirror, recipe: Recipe) -> str:
    facts = [
        f"{_bytes(mirror.expected_size)}{'' if mirror.size else ' (roughly)'}",
        mirror.layout or recipe.layout,
        said(mirror.splits or recipe.splits),
        f"SHA-256 {mirror.sha256}" if mirror.sha256 else "no checksum published",
    ]
    return f"{mirror.url}\n{', '.join(facts)}"


def _download(recipe: Recipe) -> str:
    if recipe.mirrors:
        return _bytes(recipe.mirrors[0].expected_size)
    return "by hand" if recipe.by_hand else "comes along"


def _bytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
