"""What the ``atme`` command does: one function per verb. Heavy modules are imported where they are needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from atme.cli.arguments import call, known_verb
from atme.cli.data import SPELLED as DATA_SPELLED
from atme.cli.data import VERBS as DATA_VERBS
from atme.cli.exits import DONE, WRONG, say
from atme.cli.handing import push, take_in
from atme.cli.help import overview
from atme.cli.planning import plan
from atme.cli.serving import serve
from atme.cli.shipped import list_presets
from atme.cli.training import show, train
from atme.cli.translating import SPELLED, translate_pictures

Precision = Literal["float32", "bf16"]
Weights = Literal["average", "last"]


def translate(arguments: list[str]) -> int:
    """Translate a picture, or a folder of pictures, with a trained run."""
    return call(translate_pictures, arguments, prog="atme translate", spelled=SPELLED)


def evaluate(arguments: list[str]) -> int:
    """Score a run on its test split."""
    return call(evaluate_run, arguments, prog="atme evaluate", spelled=EVALUATE_SPELLED)


def export(arguments: list[str]) -> int:
    """Write a run as a model that needs no atme: ONNX, or a program of PyTorch."""
    from atme.cli.deploy import export_run

    return call(export_run, arguments, prog="atme export", spelled={"root": "data.root"})


def data(arguments: list[str]) -> int:
    """Get data into shape: atme data list|fetch|pair|split|cityscapes|check|preview|palette."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview("atme data", DATA_VERBS))
        return DONE if arguments else WRONG
    verb = known_verb(arguments[0], DATA_VERBS, command="atme data")
    name = arguments[0]
    return call(verb, arguments[1:], prog=f"atme data {name}", spelled=DATA_SPELLED.get(name))


def analyze(arguments: list[str]) -> int:
    """Ask of a run whether its W is a Brownian motion."""
    return call(analyze_history, arguments, prog="atme analyze")


def compare(arguments: list[str]) -> int:
    """Compare runs, on one page."""
    return call(compare_runs, arguments, prog="atme compare", spelled={"root": "data.root"})


def presets(arguments: list[str]) -> int:
    """List the presets that come along, or write one out."""
    word = arguments[:1] if arguments and not arguments[0].startswith("-") else []
    return call(list_presets, [*(f"--name={name}" for name in word), *arguments[len(word) :]], prog="atme presets")


VERBS: dict[str, Callable[[list[str]], int]] = {
    "plan": plan,
    "train": train,
    "translate": translate,
    "evaluate": evaluate,
    "export": export,
    "show": show,
    "presets": presets,
    "analyze": analyze,
    "compare": compare,
    "serve": serve,
    "import": take_in,
    "push": push,
    "data": data,
}


EVALUATE_SPELLED = {
    "root": "data.root",
    "inception": "weights.inception",
    "lpips": "weights.lpips",
    "dists": "weights.dists",
}
"""Parameters of `evaluate_run` -> their options."""


def evaluate_run(
    run: Path,
    *,
    split: str | None = None,
    root: str | None = None,
    scores: str = "all",
    train_pairs: int = 100,
    inception: Path | None = None,
    lpips: Path | None = None,
    dists: Path | None = None,
    weights: Weights = "average",
    as_trained: bool = False,
    calls: int | list[int] | None = None,
    radius: int = 2,
    precision: Precision = "float32",
    device: str = "auto",
    trust: bool = False,
) -> int:
    """Score a run on a split of its data, beside two trivial predictors; writes evaluation/SPLIT.json and a page.

    Args:
        run: the run's folder, or that of one of its checkpoints, whose scores go to evaluation/step_########.
        split: the split to score; the run's data.test_split, mostly test, by default.
        root: where the data lies now: a folder of pairs or a dataset's name; where the run found it by default.
        scores: some of l1,psnr,ssim,ms_ssim,lpips,dists,delta_e,fid,kid,swd; of labels also accuracy, iou and those of
            one class, such as iou_road; all takes those whose weights are there; or a class of yours, such as
            my_scores.Edges (docs/extend.md).
        train_pairs: score so many training pairs too, at most as many as the split has, to see whether the run
            remembers them; 0 for none.
        inception: weights of FID and KID; where torch's hub keeps them by default, and nothing is downloaded.
        lpips: the same of LPIPS, torchvision's AlexNet.
        dists: the same of DISTS, torchvision's VGG-16.
        weights: average takes the averaged weights where the run has them.
        as_trained: translate as pix2pix's authors do: each picture's own statistics in batch norms, and dropout on.
        calls: of the generator for each translation, of a model that leaves a choice (DenoisingGAN); several, such as
            1,2,4, are scored one after the other, each into its own SPLIT_calls_N.json.
        radius: pixels within which thin classes of labels (data.thin) are scored.
        precision: bf16 is faster on most machines and a little less exact.
        device: auto takes a GPU where there is one.
        trust: import classes that the run's options name and that are not of atme; read them first.

    Examples:
        atme evaluate runs/demo
        atme evaluate runs/demo --split val --data.root elsewhere/my_pairs
        atme evaluate runs/demo --scores l1,ssim,fid --weights.inception weights-inception-2015-12-05-6726825d.pth
    """
    from atme.metrics import Kind
    from atme.reports.evaluate import evaluate_run

    files: dict[Kind, Path | None] = {"inception": inception, "lpips": lpips, "dists": dists}
    pages = evaluate_run(
        run,
        split=split,
        root=root,
        metrics=scores,
        features={kind: file for kind, file in files.items() if file is not None},
        train_pairs=train_pairs,
        weights=weights,
        precision=precision,
        device=device,
        as_trained=as_trained,
        calls=calls if isinstance(calls, list) else [calls],
        radius=radius,
        trust=trust,
    )
    for page in pages:
        say(f"open {page} in a browser; the numbers are in {page.with_suffix('.json')}")
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
    split: str | None = None,
    root: str | None = None,
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
        split: the split to score; the runs' data.test_split, mostly test, by default.
        root: where the data of all these runs lies now; where each found it by default.
        weights: average takes the averaged weights where a run has them.
        precision: bf16 is faster on most machines and a little less exact.
        device: auto takes a GPU where there is one.
        trust: import classes that the runs' options name and that are not of atme; read them first.

    Examples:
        atme compare runs/atme runs/pix2pix --output compared
        atme compare runs/atme_seed? --output seeds --images 3
    """
    from atme.reports.compare import Asked, compare_runs

    asked = Asked(split, weights, precision, device, images, trust, root)
    page = compare_runs(runs, output=output, asked=asked)
    say(f"open {page} in a browser; the numbers are in {output / 'compare.json'}")
    return DONE
