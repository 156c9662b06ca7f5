"""`atme translate`: one picture, or a folder of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from atme import require
from atme.cli.exits import DONE, FAULTY, say
from atme.complaints import several
from atme.outputs import existing, listed

if TYPE_CHECKING:
    from atme.inference import Translator
    from atme.inference.files import Plan

Precision = Literal["float32", "bf16"]
Weights = Literal["average", "last"]
Half = Literal["auto", "none", "left", "right"]
Scale = Literal["run", "native"] | float
Format = Literal["png", "jpeg", "tiff", "webp"]
Written = Literal["picture", "labels"]
SPELLED = {"written": "as"}
"""Parameter of `translate_pictures` -> its option."""


def translate_pictures(
    run: Path,
    input: Path,
    output: Path,
    *,
    scale: Scale = "run",
    half: Half = "auto",
    samples: int = 1,
    calls: int | None = None,
    seed: int = 0,
    overwrite: bool = False,
    format: Format | None = None,
    compare: bool = False,
    passes: int = 1,
    batch: int | None = None,
    tile: int | None = None,
    overlap: int | None = None,
    max_memory: str | None = None,
    exact: bool = False,
    weights: Weights = "average",
    as_trained: bool = False,
    precision: Precision = "float32",
    written: Written = "picture",
    device: str = "auto",
    trust: bool = False,
) -> int:
    """Translate a picture, or every picture of a folder and its subfolders, with a trained run.

    Args:
        run: the run's folder, or that of one of its checkpoints.
        input: a picture, or a folder of pictures.
        output: where the translation goes: a file for a file, whose ending gives its format; a folder for a folder.
        scale: the size to work at; translations get the pictures' own. run takes the size that the run was tested
            at (data.test_size), if it had one; native the pictures' own; a number so many times their own.
        half: which half of A|B pictures is the source; none for pictures that are no pairs. auto takes the half that
            the run translates if they lie in the run's own dataset, and says so.
        samples: answers per picture, of a model that draws them (DenoisingGAN, or any dropout with --as_trained);
            map.png becomes map_1.png, map_2.png.
        calls: of the generator for each translation, of a model that leaves a choice (DenoisingGAN: 1 up to its steps).
        seed: of the first answer; each further one has the next seed.
        overwrite: replace files that are there; those that are read never are.
        format: of translations in a folder: png by default, jpeg, tiff, webp.
        compare: write A|B: each picture beside its translation.
        passes: translate what comes out again, so many times in all; for runs that read what they make.
        batch: pictures of one size that are translated together; as many as it pays for by default.
        tile: translate pictures that are larger than this in tiles of so many pixels, blended where they overlap. By
            default they are translated whole, and in tiles only where memory does not suffice.
        overlap: pixels that neighboring tiles share at least; a quarter of a tile by default.
        max_memory: what one picture's translation may add to the process, such as 2GB; most of what is free by default.
        exact: translate pictures that memory does not suffice for in strips, to what the whole would give; slower, and
            maps lie on the output's disk meanwhile.
        weights: average takes the averaged weights where the run has them.
        as_trained: translate as pix2pix's authors do: each picture's own statistics in batch norms, and dropout on.
        precision: bf16 is faster on most machines and a little less exact.
        written: what is written, of a run whose targets are labels: the picture as it is, or labels, in which every
            pixel is of the nearest class, by its color or its id.
        device: auto takes a GPU where there is one.
        trust: import classes that the run's options name and that are not of atme; read them first.

    Examples:
        atme translate runs/demo photo.jpg map.png
        atme translate runs/demo photos/ maps/
        atme translate runs/demo my_pairs/test maps/ --half left --overwrite
        atme translate runs/demo scan.tif map.tif --max-memory 2GB --exact
    """
    from atme.inference import Tiling, Translator, jobs, plan
    from atme.inference.pictures import scale_in_words

    asked = Tiling(tile=tile, overlap=overlap, max_memory=max_memory, exact=exact, scratch=existing(output))
    if batch is not None:
        require.whole("batch", batch, least=1)
    work = jobs(input, output, format=format)
    translator = Translator.from_run(
        run, weights=weights, device=device, precision=precision, as_trained=as_trained, calls=calls, trust=trust
    )
    planned = plan(
        translator,
        work,
        scale=scale,
        half=half,
        samples=samples,
        seed=seed,
        overwrite=overwrite,
        compare=compare,
        passes=passes,
        tiling=asked,
        as_labels=written == "labels",
    )
    for remark in planned.remarks:
        say(remark)
    failed = _translated(translator, planned, batch=batch, output=output)
    count = len(work.pairs)
    if len(failed) == count:
        raise ValueError(several(failed, what="pictures"))
    if failed:
        say(f"{len(failed)} of {count} could not be translated:\n{listed(failed)}")
    left = f"; {work.left}" if work.left else ""
    say(f"{count - len(failed)} translated into {output}, {scale_in_words(scale, translator.knows)}{left}")
    return FAULTY if failed or work.unopened else DONE


def _translated(translator: "Translator", planned: "Plan", *, batch: int | None, output: Path) -> list[str]:
    """Translate what is planned, and say how far it came if that is interrupted; why what failed did so."""
    from atme.inference import translate_files
    from atme.terminal import counted

    failed, done = list(planned.bad.values()), 0
    try:
        answers = translate_files(translator, planned, batch=batch)
        for _, trouble in counted(answers, total=len(planned.pairs), doing="translating"):
            failed += [] if trouble is None else [trouble]
            done += trouble is None
    except KeyboardInterrupt:
        count = len(planned.pairs) + len(planned.bad)
        say(f"{done} of {count} translated into {output}, each of them whole")
        raise
    return failed
