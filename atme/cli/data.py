"""What ``atme data`` does: one function a verb; the parameters are the command line's.

Each returns the exit code of the command: 0, or 1 where a check found something. What the user can set right
is raised as ValueError with culprit and remedy. Heavy modules are imported where they are needed, so that
listing and fetching never load torch.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from atme.cli.check import SPELLED as CHECK_SPELLED
from atme.cli.check import check
from atme.cli.exits import DONE, FAULTY, say
from atme.cli.palette import palette
from atme.cli.values import require_place, workers_of
from atme.data.recipes import LayoutChoice


def list_datasets(name: str | None = None) -> int:
    """List the datasets that are known, or all that is known of one, and what of it is here.

    Args:
        name: a dataset's name; all of them are listed without it.

    Examples:
        atme data list
        atme data list --name facades
    """
    from atme.data.recipes import find_recipe, read_recipes
    from atme.reports.datasets import details, overview
    from atme.terminal import results

    if name is not None:
        results().print(details(find_recipe(name)))
        return DONE
    recipes, broken = read_recipes()
    results().print(overview(recipes))
    for complaint in broken:
        say(f"left out: {complaint}")
    return FAULTY if broken else DONE


def fetch(name: str, *, root: Path | None = None, attempts: int = 6, stall: float = 30.0) -> int:
    """Fetch a dataset by its name; what was interrupted goes on where it ended.

    Args:
        name: one of those that "atme data list" shows.
        root: the folder to put it into; by default that which ATME_DATA names, or datasets/ here, where a run
            finds it by name.
        attempts: failures in a row after which an address is left for the next one.
        stall: seconds without a byte after which a connection is taken for dead.

    Examples:
        atme data fetch facades
        atme data fetch maps --root /data
    """
    from atme.cli.progress import watched
    from atme.data.recipes import find_recipe
    from atme.prepare.fetch.checksums import NAME as CHECKSUMS
    from atme.prepare.fetch.download import Patience
    from atme.prepare.fetch.fetch import fetch_recipe
    from atme.prepare.status import presence
    from atme.prepare.whole_folder import hidden_beside
    from atme.reports.datasets import said

    recipe = find_recipe(name)
    folder = recipe.root if root is None else root / recipe.name
    here = presence(folder)
    if here.state == "complete":
        shutil.rmtree(hidden_beside(folder), ignore_errors=True)  # left if a fetch was killed at its very end
        print(f"{name}: {here.words} in {folder}")
        return DONE
    with watched() as watch:
        fetched = fetch_recipe(recipe, folder, patience=Patience(stall=stall, attempts=attempts), watch=watch)
    print(f"{name}: {said(fetched.splits)} pairs in {folder}")
    if fetched.recorded:
        print(
            f"{name}: nobody published a checksum; that of this archive, SHA-256 {fetched.archive.sha256}, "
            f"is recorded in {folder.parent / CHECKSUMS} and later fetches must match it"
        )
    return DONE


def pair(
    a: Path,
    b: Path,
    out: Path,
    *,
    by: str = "name",
    split: str | None = None,
    layout: Literal["two_folders", "side_by_side"] = "two_folders",
    workers: int = 0,
) -> int:
    """Make a dataset of two folders of pictures that belong together; exit code 1 if some of them cannot be read.

    Args:
        a: folder of the A halves, the sources by default.
        b: folder of the B halves.
        out: the dataset's folder, which must not exist yet.
        by: how partners are found: name (the whole file name is the same), stem (the same but for the
            ending), or two patterns such as "{}_A,{}_B".
        split: the split that all pairs go into; by default train, or train, test, … where both folders are
            divided so already.
        layout: two_folders copies the files as they are; side_by_side writes A|B pictures as PNG.
        workers: pairs written at a time; 0: one a core.

    Examples:
        atme data pair photos maps my_pairs
        atme data pair photos maps my_pairs --by "{}_photo,{}_map" --layout side_by_side
    """
    from atme.complaints import several
    from atme.names import shown
    from atme.outputs import some
    from atme.prepare.pair import match, write_pairs
    from atme.terminal import counted

    matches = match(a, b, by=by, split=split)
    written = write_pairs(
        matches.pairs,
        out,
        layout=layout,
        workers=workers_of(workers),
        track=lambda done: counted(done, total=len(matches.pairs), doing="pairing"),
    )
    print(f"{out}: {', '.join(f'{count:,} pairs in {name}' for name, count in written.splits.items())}")
    if matches.alone:
        print(f"left out, without a partner: {some([shown(path) for path in matches.alone], most=5)}")
    for remark in matches.remarks:
        say(remark)
    if written.bad:
        say(f"left out: {several(written.bad, what='pairs')}")
    return FAULTY if written.bad else DONE


def split(
    source: Path,
    out: Path,
    *,
    val: float = 0.1,
    test: float = 0.1,
    split: str | None = None,
    group: str | None = None,
    seed: int = 0,
    layout: LayoutChoice = "auto",
    workers: int = 0,
) -> int:
    """Divide the pairs of a folder at random into train, val and test; the files are copied.

    Args:
        source: a folder of pairs that is not divided yet, or, with --split, one that is.
        out: the divided dataset's folder, which must not exist yet.
        val: pairs for validation: below 1 a share of all, else a count.
        test: pairs for the test, likewise; train gets what is left.
        split: the split to divide; the others are copied as they are.
        group: a regular expression with one group in parentheses; pairs in whose names it finds the same text
            stay together, such as "^(x[0-9]+)_" for the tiles of one column.
        seed: of the draw; the same seed and names give the same splits.
        layout: where the pairs lie in the folder, if that is not plain: side_by_side, or the folder of A (trainA,
            A/train, …).
        workers: files copied at a time; 0: one a core.

    Examples:
        atme data split all_pairs my_pairs --val 0 --test 200
        atme data split tiles my_pairs --group "^(x[0-9]+)_"
        atme data split divided with_val --split train --test 0
    """
    from atme.prepare.split import beside, divide, one_split, wanted, write_splits
    from atme.reports.datasets import said
    from atme.terminal import counted

    listing, others = one_split(source, split, layout=layout)
    pairs = listing.entries
    amounts = {
        "val": wanted(val, len(pairs), option="--val"),
        "test": wanted(test, len(pairs), option="--test"),
    }
    splits = beside(divide(pairs, **amounts, group=group, seed=seed), others)
    count = sum(map(len, splits.values()))
    write_splits(
        splits,
        out,
        workers=workers_of(workers),
        track=lambda done: counted(done, total=count, doing="copying"),
    )
    print(f"{out}: {said({name: len(found) for name, found in splits.items()})} pairs")
    for remark in listing.remarks:
        say(remark)
    return DONE


def cityscapes(photographs: Path, labels: Path, out: Path, *, workers: int = 0) -> int:
    """Make the Cityscapes pairs from the two zips of its site.

    Args:
        photographs: leftImg8bit_trainvaltest.zip.
        labels: gtFine_trainvaltest.zip.
        out: the dataset's folder, such as datasets/cityscapes; it must not exist yet.
        workers: pairs made at a time; 0: one a core.

    Examples:
        atme data cityscapes leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip datasets/cityscapes
    """
    from atme.prepare.cityscapes import COUNTS, make_pairs
    from atme.reports.datasets import said
    from atme.terminal import counted

    make_pairs(
        photographs,
        labels,
        out,
        workers=workers_of(workers),
        track=lambda made, total: counted(made, total=total, doing="pairing"),
    )
    print(f"{out}: {said(COUNTS)} pairs")
    return DONE


def preview(
    folder: str,
    *,
    preset: str | None = None,
    output: Path = Path("preview.png"),
    pairs: int = 4,
    views: int = 3,
    layout: LayoutChoice | None = None,
    overwrite: bool = False,
) -> int:
    """Draw what training will see of a dataset: whole pairs, and some of the views that are drawn of them.

    Args:
        folder: a folder of pairs in any layout, or a dataset's name.
        preset: the name or file of a preset, whose data section says how views are drawn; the defaults without it.
        output: the picture that is written.
        pairs: how many pairs are shown.
        views: how many views of each.
        layout: where the pairs lie in the folder, if that is not plain; by default what the preset says.
        overwrite: replace a file that is there.

    Examples:
        atme data preview earth
        atme data preview my_pairs --preset facades_atme --output views.png
    """
    from atme.data.options import read_data_options
    from atme.data.recipes import find_root
    from atme.images import write_image
    from atme.images.writing import require_ending
    from atme.reports.preview import draw_preview
    from atme.shipped.presets import find_preset

    require_ending(output, bits=8, channels=3)
    require_place(output, find_root(folder), overwrite=overwrite)
    changes = {} if layout is None else {"layout": layout}
    file = None if preset is None else find_preset(preset)
    drawn = draw_preview(read_data_options(file, root=folder, **changes), pairs=pairs, views=views)
    write_image(output, drawn.picture)
    print(f"{output}: {drawn.pairs} pairs, {views} views of each")
    for remark in drawn.remarks:
        say(remark)
    return DONE


VERBS: dict[str, Callable[..., int]] = {
    "list": list_datasets,
    "fetch": fetch,
    "pair": pair,
    "split": split,
    "cityscapes": cityscapes,
    "check": check,
    "preview": preview,
    "palette": palette,
}

SPELLED: dict[str, dict[str, str]] = {"check": CHECK_SPELLED}
"""Verb -> its parameters whose options are called otherwise."""
