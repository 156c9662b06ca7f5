"""What ``atme data check`` does: look, tell, and move aside or back what it is told to."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from atme.cli.exits import DONE, FAULTY, say
from atme.cli.values import require_place, workers_of
from atme.data.recipes import LayoutChoice

if TYPE_CHECKING:
    from atme.data.options import DataOptions
    from atme.prepare.check.check import Report
    from atme.prepare.check.faults import Kind

_Kind = Literal["image", "labels"]
_Named = dict[str, int | list[int]]

SPELLED = {
    name: f"data.{name}"
    for name in ("direction", "source_kind", "target_kind", "labels", "source_labels", "target_labels")
}
"""Parameters of `check` -> their options: keys of a preset."""


def check(
    folder: str,
    *,
    fix: bool = False,
    only: str | None = None,
    undo: bool = False,
    page: Path | None = None,
    json: Path | None = None,
    overwrite: bool = False,
    layout: LayoutChoice | None = None,
    preset: str | None = None,
    direction: Literal["AtoB", "BtoA"] | None = None,
    source_kind: _Kind | None = None,
    target_kind: _Kind | None = None,
    labels: _Named | None = None,
    source_labels: _Named | None = None,
    target_labels: _Named | None = None,
    workers: int = 0,
) -> int:
    """Check a dataset: every file decoded, measured and compared; exit code 1 if something is wrong.

    Args:
        folder: a folder of pairs in any layout, or a dataset's name.
        fix: move the files of suspicious pairs aside, into FOLDER.set_aside; nothing is deleted. Pairs that are blank,
            whose values look black, or whose classes are unknown, stay unless --only names these kinds.
        only: the kinds of faults that --fix moves, with commas between them: blank,leak.
        undo: move everything back that was set aside, and check nothing.
        page: write an HTML page with pictures of all that is suspicious.
        json: write all that was found for other programs.
        overwrite: the page and the JSON may replace files that are there.
        layout: where the pairs lie in the folder, if that is not plain: side_by_side, or the folder of A (trainA,
            A/train, …); by default what the preset says.
        preset: the name or file of a preset, or a run's options.yaml, whose data section says which halves are labels.
        direction: which half is the source: AtoB is A.
        source_kind: labels: every pixel of the source is to be of one of the classes.
        target_kind: the same of the target.
        labels: the classes, each by a color or an id: "{road: [255, 255, 255], ground: [236, 230, 222]}".
        source_labels: the same of the source alone, where both are labels and differ.
        target_labels: the same of the target alone.
        workers: pairs decoded at a time; 0: one a core.

    Examples:
        atme data check my_pairs --page check.html
        atme data check my_pairs --fix --only leak,duplicate
        atme data check my_pairs --undo
        atme data check my_pairs --preset maps_quick
    """
    from atme.data.recipes import find_root

    root = find_root(folder)
    kinds = _kinds(only, fix=fix)
    if undo:
        if fix:
            raise ValueError("--fix and --undo: one moves aside what the other moves back; choose one")
        return _put_back(root)
    for place in filter(None, (page, json)):
        require_place(place, root, overwrite=overwrite)
    said = {
        "direction": direction,
        "source_kind": source_kind,
        "target_kind": target_kind,
        "labels": labels,
        "source_labels": source_labels,
        "target_labels": target_labels,
    }
    report = _look(root, layout, workers, data=_data(preset, said))
    _show(report)
    _write(report, page, json)
    if fix and report.faults:
        _set_aside(report, kinds)
    return FAULTY if report.faults else DONE


def _kinds(only: str | None, *, fix: bool) -> "frozenset[Kind]":
    """The kinds of faults that are moved."""
    from atme.prepare.check.faults import KEPT_BY_FIX, MEANING

    if only is None:
        return frozenset(MEANING) - KEPT_BY_FIX
    if not fix:
        raise ValueError("--only says what --fix moves; add --fix, or leave it out")
    known = {kind.replace(" ", "-"): kind for kind in MEANING}
    asked = [word.strip().replace(" ", "-") for word in only.split(",")]
    for word in asked:
        if word not in known:
            raise ValueError(f"--only {only}: {word!r} is no kind of fault; there are {', '.join(known)}")
    return frozenset(known[word] for word in asked)


def _data(preset: str | None, said: Mapping[str, object]) -> "DataOptions | None":
    """The data section that is asked for; None if nothing is. What the command line says wins."""
    from atme.shipped.presets import find_preset

    given = {key: value for key, value in said.items() if value is not None}
    if preset is None and not given:
        return None
    from atme.data.options import read_data_options  # it takes a second, and torch

    data = read_data_options(None if preset is None else find_preset(preset), **given)
    if data.kinds.is_plain:
        say("both halves are pictures, so no classes are looked for; --data.target_kind labels says otherwise")
    return data


def _look(root: Path, layout: LayoutChoice | None, workers: int, *, data: "DataOptions | None") -> "Report":
    from atme.prepare.check.check import check_folder
    from atme.prepare.check.classes import PICTURES
    from atme.terminal import counted

    source, target = PICTURES if data is None else data.kinds.both
    turned = data is not None and data.direction == "BtoA"
    return check_folder(
        root,
        workers=workers_of(workers),
        layout=layout or (data.layout if data else "auto"),
        classes=(target, source) if turned else (source, target),
        track=lambda inspections, total: counted(inspections, total=total, doing="checking"),
    )


def _show(report: "Report") -> None:
    from atme.names import shown
    from atme.reports.check import fault_table, split_table
    from atme.terminal import results

    console = results()
    console.print(shown(report.root), soft_wrap=True)
    console.print(split_table(report))
    if report.faults:
        console.print(fault_table(report))
    else:
        print("nothing suspicious")
    for remark in report.remarks:
        say(remark)


def _write(report: "Report", page: Path | None, json: Path | None) -> None:
    from atme.names import shown
    from atme.reports.check import as_dict, write_page
    from atme.reports.files import write_json

    if page is not None:
        write_page(report, page)
        print(f"page: {shown(page)}")
    if json is not None:
        json.parent.mkdir(parents=True, exist_ok=True)
        write_json(json, as_dict(report))
        print(f"JSON: {shown(json)}")


def _set_aside(report: "Report", kinds: "frozenset[Kind]") -> None:
    from atme.names import as_word, shown
    from atme.prepare.check.set_aside import LOG, set_aside
    from atme.prepare.status import set_aside_folder

    chosen = [fault for fault in report.faults if fault.kind in kinds]
    gone = {fault.entry for fault in chosen}
    left = [fault.kind for fault in report.faults if fault.entry not in gone]
    moved = set_aside(report.root, chosen, pairs=report.pairs)
    if moved:
        print(f"{len(moved):,} files moved to {shown(set_aside_folder(report.root))}, as {LOG} there tells")
        print(f"to move them back: atme data check {as_word(report.root)} --undo")
    for kind in dict.fromkeys(left):
        word = kind.replace(" ", "-")
        print(f"{left.count(kind):,} {kind} stay where they are; to move them: --fix --only {word}")


def _put_back(root: Path) -> int:
    from atme.names import shown
    from atme.outputs import some
    from atme.prepare.check.set_aside import LOG, put_back
    from atme.prepare.status import set_aside_folder

    back = put_back(root)
    print(f"{shown(root)}: {len(back.files):,} files are back")
    if back.lost:
        log, lost = shown(set_aside_folder(root) / LOG), some([shown(path) for path in back.lost])
        say(f"neither there nor among what was set aside, so {log} still names them: {lost}")
    return FAULTY if back.lost else DONE
