"""``atme data palette``: which classes label pictures are made of."""

from typing import TYPE_CHECKING, Literal

from atme.cli.exits import DONE, FAULTY, say
from atme.data.recipes import LayoutChoice

if TYPE_CHECKING:
    from atme.prepare.palette import Palette


def palette(
    folder: str,
    *,
    split: str = "train",
    direction: Literal["AtoB", "BtoA"] = "AtoB",
    pictures: int = 200,
    layout: LayoutChoice = "auto",
) -> int:
    """Find and count the colors of label pictures, as lines for a preset; exit code 1 if neither half is labels.

    Args:
        folder: a folder of pairs in any layout, or a dataset's name.
        split: the split that is looked at.
        direction: which half is the source in the lines: AtoB is A.
        pictures: how many are looked at, at most, evenly over the split.
        layout: where the pairs lie in the folder, if that is not plain.

    Examples:
        atme data palette my_pairs
        atme data palette facades --direction BtoA
    """
    import numpy as np

    from atme import require
    from atme.data.halves import read_halves
    from atme.data.layout import find_layout
    from atme.data.recipes import find_root
    from atme.data.scan import list_pairs
    from atme.prepare.palette import find_palette, why_none
    from atme.terminal import counted

    require.whole("--pictures", pictures, least=1)
    files = list_pairs(find_layout(find_root(folder), split=split, layout=layout))
    count = min(pictures, len(files.paths))
    looked = [files.paths[int(at)] for at in np.linspace(0, len(files.paths) - 1, count).round()]
    halves = [read_halves(paths) for paths in counted(looked, total=count, doing="reading")]
    found = {"AB"[side]: find_palette(pair[side] for pair in halves) for side in (0, 1)}
    lines = []
    for half, side in zip("AB", ("source", "target") if direction == "AtoB" else ("target", "source"), strict=True):
        palette = found[half]
        if palette is None:
            say(f"{half}: {why_none([pair['AB'.index(half)] for pair in halves])}")
            continue
        exact = "exactly" if palette.exact else f"and noise: {palette.explained:.1%} of the pixels are near to one"
        say(f"{half}: {len(palette.values)} classes {exact}, in {count} pictures of split {split}")
        lines += _lines(palette, side, alone=None in found.values())
    if not lines:
        return FAULTY
    print("\n".join(["data:", *lines]))
    return DONE


def _lines(palette: "Palette", side: str, *, alone: bool) -> list[str]:
    """A palette as lines of YAML, each class with its share of the pixels."""
    lines = [f"  {side}_kind: labels", "  labels:" if alone else f"  {side}_labels:"]
    for name, value, share in zip(palette.names, palette.values, palette.shares, strict=True):
        written = value[0] if len(value) == 1 else list(value)
        lines.append(f"    {f'{name}: {written}':<36}# {share:.2%}")
    return lines
