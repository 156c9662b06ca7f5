"""What ``atme data check`` does: look, tell, and move aside or back what it is told to."""

from pathlib import Path
from typing import TYPE_CHECKING

from atme.cli.exits import DONE, FAULTY, say
from atme.cli.values import require_place, workers_of
from atme.data.recipes import LayoutChoice

if TYPE_CHECKING:
    from atme.prepare.check.check import Report
    from atme.prepare.check.faults import Kind


def check(
    folder: str,
    *,
    fix: bool = False,
    only: str | None = None,
    undo: bool = False,
    page: Path | None = None,
    json: Path | None = None,
    overwrite: bool = False,
    layout: LayoutChoice = "auto",
    workers: int = 0,
) -> int:
    """Check a dataset: every file decoded, measured and compared; exit code 1 if something is wrong.

    Args:
        folder: a folder of pairs in any layout, or a dataset's name.
        fix: move the files of suspicious pairs aside, into FOLDER.set_aside; nothing is deleted. Pairs that are blank,
            or whose values look black, stay unless --only names these kinds.
        only: the kinds of faults that --fix moves, with commas between them: blank,leak.
        undo: move everything back that was set aside, and check nothing.
        page: write an HTML page with pictures of all that is suspicious.
        json: write all that was found for other programs.
        overwrite: the page and the JSON may replace files that are there.
        layout: where the pairs lie in the folder, if that is not plain: side_by_side, or the folder of A (trainA,
            A/train, …).
        workers: pairs decoded at a time; 0: one a core.

    Examples:
        atme data check my_pairs --page check.html
        atme data check my_pairs --fix --only leak,duplicate
        atme data check my_pairs --undo
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
    report = _look(root, layout, workers)
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


def _look(root: Path, layout: LayoutChoice, workers: int) -> "Report":
    from atme.prepare.check.check import check_folder
    from atme.terminal import counted

    return check_folder(
        root,
        workers=workers_of(workers),
        layout=layout,
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
    from atme.names import shown
    from atme.prepare.check.set_aside import LOG, set_aside
    from atme.prepare.status import set_aside_folder

    chosen = [fault for fault in report.faults if fault.kind in kinds]
    gone = {fault.entry for fault in chosen}
    left = [fault.kind for fault in report.faults if fault.entry not in gone]
    moved = set_aside(report.root, chosen, pairs=report.pairs)
    if moved:
        print(f"{len(moved):,} files moved to {shown(set_aside_folder(report.root))}, as {LOG} there tells")
        print(f"to move them back: atme data check {shown(report.root)} --undo")
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
