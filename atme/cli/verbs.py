"""What the ``atme`` command does: one function per verb. Heavy modules are imported where they are needed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from atme.cli.arguments import call, known_verb
from atme.cli.data import VERBS as DATA_VERBS
from atme.cli.exits import DONE, FAULTY, WRONG, say
from atme.cli.handing import push, take_in
from atme.cli.help import overview
from atme.cli.serving import serve
from atme.cli.shipped import list_presets
from atme.cli.training import show, train
from atme.complaints import several
from atme.outputs import listed

Precision = Literal["float32", "bf16"]
Weights = Literal["average", "last"]
Half = Literal["auto", "none", "left", "right"]
Scale = Literal["run", "native"] | float


def translate(arguments: list[str]) -> int:
    """Translate a picture, or a folder of pictures, with a trained run."""
    return call(translate_pictures, arguments, prog="atme translate")


def evaluate(arguments: list[str]) -> int:
    """Score a run on its test split."""
    return call(evaluate_run, arguments, prog="atme evaluate", spelled={"root": "data.root"})


def data(arguments: list[str]) -> int:
    """Get data into shape: atme data list|fetch|pair|split|cityscapes|check|preview."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview("atme data", DATA_VERBS))
        return DONE if arguments else WRONG
    verb = known_verb(arguments[0], DATA_VERBS, command="atme data")
    return call(verb, arguments[1:], prog=f"atme data {arguments[0]}")


def analyze(arguments: list[str]) -> int:
    """Ask of a run whether its W is a Brownian motion."""
    return call(analyze_history, arguments, prog="atme analyze")


def compare(arguments: list[str]) -> int:
    """Compare runs, on one page."""
    return call(compare_runs, arguments, prog="atme compare")


def presets(arguments: list[str]) -> int:
    """List the presets that come along, or write one out."""
    word = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    return call(list_presets, [*(f"--name={name}" for name in word), *arguments[len(word) :]], prog="atme presets")


VERBS: dict[str, Callable[[list[str]], int]] = {
    "train": train,
    "translate": translate,
    "evaluate": evaluate,
    "show": show,
    "presets": presets,
    "analyze": analyze,
    "compare": compare,
    "serve": serve,
    "import": take_in,
    "push": push,
    "data": data,
}


WORTH_COMPILING = 20
"""Pictures: compiled kernels take a process some 3 s, and save 0.15 s of each 256×256 pixels in bf16 alone."""


def translate_pictures(
    run: Path,
    input: Path,
    output: Path,
    *,
    scale: Scale = "run",
    half: Half = "auto",
    samples: int = 1,
    seed: int = 0,
    overwrite: bool = False,
    weights: Weights = "average",
    as_trained: bool = False,
    precision: Precision = "float32",
    device: str = "auto",
    trust: bool = False,
) -> int:
    """Translate a picture, or every picture of a folder and its subfolders, with a trained run.

    Args:
        run: the run's folder, or that of one of its checkpoints.
        input: a picture, or a folder of pictures.
        output: where the translation goes: a file for a file, a folder for a folder (PNG).
        scale: the size to work at; translations get the pictures' own. run takes the size that the run was tested
            at (data.test_size), if it had one; native the pictures' own; a number so many times their own.
        half: which half of A|B pictures is the source; none for pictures that are no pairs. auto takes the half that
            the run translates if they lie in the run's own dataset, and says so.
        samples: answers per picture, of a model that draws them (DenoisingGAN, or any dropout with --as_trained);
            map.png becomes map_1.png, map_2.png.
        seed: of the first answer; each further one has the next seed.
        overwrite: replace files that are there; those that are read never are.
        weights: average takes the averaged weights where the run has them.
        as_trained: translate as pix2pix's authors do: each picture's own statistics in batch norms, and dropout on.
        precision: bf16 is faster on most machines and a little less exact.
        device: auto takes a GPU where there is one.
        trust: import classes that the run's options name and that are not of atme; read them first.

    Examples:
        atme translate runs/demo photo.jpg map.png
        atme translate runs/demo photos/ maps/
        atme translate runs/demo my_pairs/test maps/ --half left --overwrite
    """
    from atme.inference import Translator, jobs, plan, translate_files
    from atme.inference.pictures import scale_in_words
    from atme.terminal import counted

    work = jobs(input, output)
    if len(work.pairs) < WORTH_COMPILING or precision == "float32":
        os.environ.setdefault("ATME_COMPILE", "0")
    translator = Translator.from_run(
        run, weights=weights, device=device, precision=precision, as_trained=as_trained, trust=trust
    )
    planned = plan(translator, work, scale=scale, half=half, samples=samples, seed=seed, overwrite=overwrite)
    for remark in planned.remarks:
        say(remark)
    failed, done = dict(planned.bad), 0
    answers = translate_files(translator, planned)
    try:
        for path, trouble in counted(answers, total=len(planned.pairs), doing="translating"):
            failed |= {} if trouble is None else {path: trouble}
            done += trouble is None
    except KeyboardInterrupt:
        say(f"{done} of {len(work.pairs)} translated into {output}, each of them whole")
        raise
    if not done:
        raise ValueError(several(list(failed.values()), what="pictures"))
    if failed:
        say(f"{len(failed)} of {len(work.pairs)} could not be translated:\n{listed(list(failed.values()))}")
    left = f"; {work.left}" if work.left else ""
    say(f"{done} translated into {output}, {scale_in_words(scale, translator.knows)}{left}")
    return FAULTY if failed or work.unopened else DONE


def evaluate_run(
    run: Path,
    *,
    split: str = "test",
    root: str | None = None,
    weights: Weights = "average",
    as_trained: bool = False,
    precision: Precision = "float32",
    device: str = "auto",
    trust: bool = False,
) -> int:
    """Score a run on a split of its data, beside two trivial predictors; writes evaluation/SPLIT.json.

    Args:
        run: the run's folder, or that of one of its checkpoints, whose scores go to evaluation/step_########.
        split: the split to score.
        root: where the data lies now: a folder of pairs or a dataset's name; where the run found it by default.
        weights: average takes the averaged weights where the run has them.
        as_trained: translate as pix2pix's authors do: each picture's own statistics in batch norms, and dropout on.
        precision: bf16 is faster on most machines and a little less exact.
        device: auto takes a GPU where there is one.
        trust: import classes that the run's options name and that are not of atme; read them first.

    Examples:
        atme evaluate runs/demo
        atme evaluate runs/demo --split val --data.root elsewhere/my_pairs
    """
    from atme.reports.evaluate import evaluate_run

    evaluate_run(
        run,
        split=split,
        root=root,
        weights=weights,
        precision=precision,
        device=device,
        as_trained=as_trained,
        trust=trust,
    )
    return DONE


def analyze_history(
    run: Path,
    *,
    window: tuple[int, int] | None = None,
    transform: Literal["none", "atanh"] = "none",
    alpha: float = 0.01,
    seed: int = 0,
) -> int:
    """Test the recorded W of a run at every pixel, beside controls of known law; writes report.html.

    Args:
        run: the run's folder; it needs a history (train with --history.images 5).
        window: first and last epoch to read, both counted from 1 and included; all by default.
        transform: atanh tests the network's output before its tanh.
        alpha: level of the tests.
        seed: of the controls, and of the pixels that are drawn.

    Examples:
        atme analyze runs/mine
        atme analyze runs/mine --window 20,200 --transform atanh
    """
    from atme.reports.analyze.command import analyze_run

    page = analyze_run(run, window=window, transform=transform, alpha=alpha, seed=seed)
    say(f"open {page} in a browser; the numbers are in {page.parent / 'analysis'}")
    return DONE


def compare_runs(
    runs: list[Path],
    *,
    output: Path,
    images: int = 6,
    split: str = "test",
    weights: Weights = "average",
    precision: Precision = "float32",
    device: str = "auto",
    trust: bool = False,
) -> int:
    """Compare runs: scores over seeds, curves, the same test images, settings; writes report.html and compare.json.

    Args:
        runs: their folders, or those of checkpoints, which are only read.
        output: a new folder for the results, or that of an earlier comparison.
        images: test images that are shown side by side; 0 for none.
        split: the split to score.
        weights: average takes the averaged weights where a run has them.
        precision: bf16 is faster on most machines and a little less exact.
        device: auto takes a GPU where there is one.
        trust: import classes that the runs' options name and that are not of atme; read them first.

    Examples:
        atme compare runs/atme runs/pix2pix --output compared
        atme compare runs/atme_seed? --output seeds --images 3
    """
    from atme.reports.compare import Asked, compare_runs

    asked = Asked(split=split, weights=weights, precision=precision, device=device, images=images, trust=trust)
    page = compare_runs(runs, output=output, asked=asked)
    say(f"open {page} in a browser; the numbers are in {output / 'compare.json'}")
    return DONE
