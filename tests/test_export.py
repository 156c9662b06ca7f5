"""`atme export`: a model that needs no atme gives the run's translations, and knows what the run knew of pictures."""

import configparser
import contextlib
import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import smooth
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from refusals import refused
from runs import Copy, make_run, measured, sections
from torch import Tensor, nn
from torch.export import Dim

from atme.cli import main
from atme.images import read_image, write_image
from atme.images.labels import Labels
from atme.inference import Translator
from atme.inference.export import agreement, command, export, formats, graph, usage
from atme.inference.export.agreement import drawn
from atme.inference.export.graph import trace
from atme.models.any_size import continuation, cut, pad
from atme.models.build import Measured
from atme.networks import UNet, WNet, attention, block, kernels

FLAT = {"class_path": "atme.UNet", "init_args": {"dim": 16, "dim_mults": [1], "groups": 4}}
FLAT_WITH_LATENT = {"class_path": "atme.UNet", "init_args": {"dim": 4, "dim_mults": [1], "groups": 2, "latent": 5}}
PIX2PIX = {"class_path": "atme.Pix2PixUNet", "init_args": {"num_downs": 2, "ngf": 4, "dropout": False}}
RESNET = {"class_path": "atme.Pix2PixResNet", "init_args": {"blocks": 1, "ngf": 4, "norm": "instance"}}
MEMORY = {"class_path": "atme.DecisionMemory", "init_args": {"widths": [8, 8, 8]}}
REFINING = {"class_path": "atme.DecisionMemory", "init_args": {"widths": [8, 8, 8], "translate_with": "refine"}}
PUBLISHED = {"class_path": "atme.DecisionMemory", "init_args": {"widths": [8, 8, 8], "translate_with": "published"}}
DIFFUSION = {"class_path": "atme.Diffusion"}
TOLERANCE = 1e-3
ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "docs" / "deploy.md"


def untrained(folder: Path, generator: object, *, sizes: Measured | None = None, **other: Any) -> Path:
    """A run whose weights are so large that its translations differ from place to place."""
    strong = {"initialization": {"scheme": "normal", "gain": 0.2}}
    return make_run(folder, sections(generator) | strong | other, sizes or measured())


def denoising(folder: Path) -> Path:
    judge = {"class_path": "atme.PatchGAN", "init_args": {"layers": 1, "dim": 4, "timestep_aware": True}}
    model = {"class_path": "atme.DenoisingGAN", "init_args": {"steps": 2}}
    return untrained(folder, FLAT_WITH_LATENT, model=model, discriminator=judge)


def require_same(run: Callable[..., Tensor], translator: Translator, *, smallest: int) -> int:
    """On five sizes, in batches of 1 and 3: odd ones, some of them odd multiples of the stride once continued.

    Returns how many of the translations were no single color, so that they prove something.
    """
    stride, channels, telling = translator.knows.stride, translator.knows.source_channels, 0
    apart = stride if stride > 1 else 8  # where every size fits, sizes that are large enough to tell something
    rng = torch.Generator().manual_seed(1)
    for more in ((1, 1), (2, 3), (3, 0), (3, 5), (0, 4)):
        height, width = (smallest + count * apart + off for count, off in zip(more, (0, stride // 2), strict=True))
        for batch in (1, 3):
            image = torch.rand((batch, channels, height, width), generator=rng) * 2 - 1
            want = translator.tensor(image)
            have = run(image, *drawn(translator, image))
            assert have.shape == want.shape
            torch.testing.assert_close(have, want, rtol=TOLERANCE, atol=TOLERANCE)
            if height * width > 60:
                assert want.std() > 20 * TOLERANCE, "one color would prove little"
                telling += 1
    return telling


# The five games in both formats.


@pytest.fixture(scope="module")
def onnx_of_atme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of an ATME run with the diffusion U-Net, as the command writes it.

    Of one level, which takes a third of the time: one with levels is exported below, the bundled one.
    """
    run = untrained(tmp_path_factory.mktemp("atme") / "run", FLAT, noise=MEMORY)
    assert main(["export", str(run)]) == 0
    return run / "export" / "translator.onnx"


def test_onnx_gives_the_translations_of_atme(onnx_of_atme: Path) -> None:
    translator = Translator.from_run(onnx_of_atme.parents[1], device="cpu")
    smallest = json.loads(about_of(onnx_of_atme))["smallest_side"]
    assert require_same(formats.load_onnx(onnx_of_atme), translator, smallest=smallest) > 0


def test_onnx_names_its_sizes_and_says_nothing_of_this_machine(onnx_of_atme: Path) -> None:
    import onnx

    model = onnx.load(onnx_of_atme)
    shapes = {
        each.name: [side.dim_param or side.dim_value for side in each.type.tensor_type.shape.dim]
        for each in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "image": ["batch", 3, "height", "width"],
        "translation": ["batch", 3, "height", "width"],
    }
    assert {each.domain for each in model.opset_import} == {""}, "operations that only some programs know"
    written = onnx_of_atme.read_bytes()
    assert b"site-packages" not in written
    assert str(ROOT).encode() not in written
    assert str(onnx_of_atme.parents[1]).encode() not in written


def test_int8_of_atme_takes_less(onnx_of_atme: Path, tmp_path: Path) -> None:
    """Weights that the network standardizes are constants by then."""
    formats.write_int8(onnx_of_atme, tmp_path / "map.onnx")
    image = torch.rand(1, 3, 33, 40, generator=torch.Generator().manual_seed(0)) * 2 - 1
    exact, rounded = (formats.load_onnx(each)(image) for each in (onnx_of_atme, tmp_path / "map.onnx"))
    assert 0 < (exact - rounded).abs().mean() < 0.1
    assert (tmp_path / "map.onnx").stat().st_size < 0.8 * onnx_of_atme.stat().st_size


@pytest.mark.parametrize(
    ("generator", "other", "as_trained"),
    [
        pytest.param(PIX2PIX, {}, False, id="pix2pix"),
        pytest.param(PIX2PIX, {}, True, id="pix2pix-as-trained"),
        pytest.param(RESNET, {}, False, id="resnet"),
        pytest.param(PIX2PIX, {"noise": DIFFUSION}, False, id="diffusion-gan"),
        pytest.param(PIX2PIX, {"noise": REFINING}, False, id="refine"),
    ],
)
def test_a_program_of_pytorch_gives_the_translations(
    generator: object, other: dict[str, Any], as_trained: bool, tmp_path: Path
) -> None:
    run = untrained(tmp_path / "run", generator, **other)
    translator = Translator.from_run(run, device="cpu", as_trained=as_trained)
    done = export(translator, tmp_path / "map.pt2", format="torch")
    smallest = json.loads(about_of(done.model))["smallest_side"]
    assert smallest <= 2 * translator.knows.stride
    require_same(formats.load_torch(done.model), translator, smallest=smallest)


@pytest.mark.slow
def test_the_bundled_model_in_both_formats(tmp_path: Path) -> None:
    translator = Translator.from_run("earth", device="cpu")
    traced = trace(translator)
    formats.write_onnx(traced, tmp_path / "earth.onnx")
    formats.write_torch(traced, tmp_path / "earth.pt2")
    for run in (formats.load_onnx(tmp_path / "earth.onnx"), formats.load_torch(tmp_path / "earth.pt2")):
        assert require_same(run, translator, smallest=traced.smallest) > 0


def test_a_program_of_the_denoising_gan_reads_its_draws(tmp_path: Path) -> None:
    translator = Translator.from_run(denoising(tmp_path / "run"), device="cpu")
    done = export(translator, tmp_path / "map.pt2", format="torch")
    program = formats.load_torch(done.model)
    about = json.loads(about_of(done.model))
    assert (about["inputs"], about["steps"], about["latent"]) == (["image", "noise", "latent"], 2, 5)
    require_same(program, translator, smallest=about["smallest_side"])
    image = torch.zeros(1, 3, 9, 12)
    other = program(image, *drawn(translator, image, seed=1))
    torch.testing.assert_close(other, translator.tensor(image, seed=1), rtol=TOLERANCE, atol=TOLERANCE)
    assert (other - translator.tensor(image)).abs().max() > 20 * TOLERANCE


def about_of(model: Path) -> str:
    """What a model says of itself."""
    if model.suffix == ".pt2":
        words = {"atme.json": ""}
        torch.export.load(model, extra_files=words)
        return words["atme.json"]
    import onnxruntime

    said: str = onnxruntime.InferenceSession(model).get_modelmeta().custom_metadata_map["atme"]
    return said


# What the page on it shows.


@dataclass(frozen=True)
class Deployed:
    """A run that all commands of docs/deploy.md were tried on."""

    folder: Path
    translator: Translator
    said: str


def shown(language: str) -> str:
    """The blocks of the section on export in a language."""
    text = DEPLOY.read_text("utf-8").split("## A model that needs no atme")[1].split("\n## ")[0]
    return "".join(re.findall(rf"```{language}\n(.*?)```", text, re.S))


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    folder = tmp_path_factory.mktemp("deployed")
    rng, said = np.random.default_rng(0), io.StringIO()
    for name in ("train/0", "test/1", "test/2"):
        (folder / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / "data" / f"{name}.png", smooth(rng, 20, 48))
    write_image(folder / "photo.png", smooth(rng, 17, 22))
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.chdir(folder)
        wide = {"class_path": "atme.Pix2PixUNet", "init_args": PIX2PIX["init_args"] | {"ngf": 32}}
        untrained(Path("runs/first"), wide, data={"root": "data"})
        for line in shown("console").splitlines():
            program, *words = shlex.split(line.removeprefix("$ "))
            if program == "atme":
                assert main(words) == 0, said.getvalue()
            elif program == "python":
                (folder / "map.png").unlink(missing_ok=True)
                alone(Path(words[0]), *words[1:], folder=folder)
                assert read_image("map.png").shape == (17, 22, 3)
            else:
                assert line.startswith("$ pip install")
    return Deployed(folder, Translator.from_run(folder / "runs/first", device="cpu"), said.getvalue())


def test_the_commands_of_the_page_work(deployed: Deployed) -> None:
    assert shown("console").count("$ atme export") >= 4
    want = deployed.translator.pixels(deployed.folder / "photo.png").astype(int)
    assert np.abs(read_image(deployed.folder / "map.png") - want).max() <= 1
    assert want.std() > 5


def test_the_python_of_the_page_works(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(deployed.folder)
    names: dict[str, Any] = {}
    exec(compile(shown("python"), "deploy.md", "exec"), names)
    assert names["translations"].shape == (2, 3, 100, 75)


def test_the_packages_of_the_page_are_those_of_the_extra() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extra = setup["options.extras_require"]["export"].split()
    assert f"$ pip install {' '.join(each.split('>=')[0] for each in extra)}\n" in shown("console")


# Fewer bits.


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_fewer_bits_lose_what_is_said(precision: str, deployed: Deployed) -> None:
    assert f"{precision} differs by" in deployed.said
    assert re.search("on 2 pictures of .*data, split test", deployed.said)
    model = deployed.folder / "runs/first/export" / f"translator_{precision}.onnx"
    about = json.loads(about_of(model))
    assert about["precision"] == precision
    assert about["difference"] < TOLERANCE

    program = formats.load_onnx(model)
    lost = []
    for path in sorted((deployed.folder / "data/test").iterdir()):
        image = torch.from_numpy(read_image(path)[:, :24] / 127.5 - 1).float().permute(2, 0, 1)[None]
        lost.append(float((program(image) - deployed.translator.tensor(image)).abs().mean()))
    assert about["loss"]["l1"] == pytest.approx(np.mean(lost), rel=1e-3)
    assert 0 < about["loss"]["l1"] < 0.1
    whole = deployed.folder / "runs/first/export/translator.onnx"
    assert model.stat().st_size < 0.7 * whole.stat().st_size


def test_without_the_data_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = untrained(tmp_path / "run", PIX2PIX)
    words = ["export", str(run), "--format", "torch", "--precision", "float16"]
    assert main(words) == 0
    assert "made pictures, as the run's data is not at hand (--data.root says where it is)" in capsys.readouterr().err
    found = agreement.pictures_of(Translator.from_run(run, device="cpu"), root="earth")
    assert found.what.endswith("earth, split test")
    assert len(found.sources) == 4
    assert "nowhere" in refused(capsys, *words, "--overwrite", "--data.root", "nowhere")
    assert "leave it out for float32" in refused(capsys, "export", str(run), "--data.root", "earth")


# Without atme.


def alone(script: Path, *words: str | Path, folder: Path) -> None:
    """Runs a script in a process of its own, where nothing of atme can be imported."""
    blocked = "import runpy, sys; sys.modules['atme'] = None; sys.argv = sys.argv[1:]"
    code = f"{blocked}; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", code, str(script), *map(str, words)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("sizes", "data", "channels"),
    [
        pytest.param(Measured(3, 1, 4, 32, 32, 1, 8, 16), {"test_size": [12, 20]}, 3, id="resized-to-16-bits"),
        pytest.param(
            measured(4, 3), {"source_interpolation": "nearest", "test_size": [30, 50]}, 4, id="transparent-labels"
        ),
    ],
)
def test_the_script_obeys_what_the_run_knew(
    sizes: Measured, data: dict[str, Any], channels: int, tmp_path: Path
) -> None:
    run = untrained(tmp_path / "run", PIX2PIX, sizes=sizes, data=data)
    translator = Translator.from_run(run, device="cpu")
    done = export(translator, tmp_path / "map.pt2", format="torch")
    rng = np.random.default_rng(0)
    pixels = smooth(rng, 21, 33)
    if channels == 4:
        alpha = rng.choice([0, 255], size=(21, 33, 1)).astype(np.uint8)
        pixels = np.concatenate([pixels, alpha], axis=2)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    alone(done.script, done.model, "photo.png", "map.png", folder=tmp_path)
    made, want = read_image(tmp_path / "map.png"), translator.pixels(tmp_path / "photo.png")
    assert (made.dtype, made.shape) == (want.dtype, want.shape)
    assert np.abs(made.astype(int) - want.astype(int)).max() <= (1 if made.dtype == np.uint8 else 8)
    assert want.std() > 1


CLASSES = {"ground": [236, 230, 222], "road": [255, 255, 255], "void": [0, 0, 0]}


@pytest.mark.parametrize(
    ("channels", "data"),
    [
        pytest.param(2, {"labels": CLASSES, "ignore": ["void"], "one_hot": True, "label_resizing": "area"}, id="hot"),
        pytest.param(1, {"labels": {"a": 26, "b": 7, "c": 0}, "test_size": [30, 40]}, id="ids"),
    ],
)
def test_the_script_reads_labels_as_the_run_does(channels: int, data: dict[str, Any], tmp_path: Path) -> None:
    section = {"test_size": [16, 24], "source_kind": "labels"} | data
    run = untrained(tmp_path / "run", PIX2PIX, sizes=measured(channels, 3), data=section)
    translator = Translator.from_run(run, device="cpu")
    done = export(translator, tmp_path / "map.pt2", format="torch")
    values = np.array(list(data["labels"].values()), np.uint8).reshape(3, -1)
    at = np.random.default_rng(0).integers(0, 3, (7, 11)).repeat(3, 0).repeat(3, 1)
    write_image(tmp_path / "labels.png", values[at])
    alone(done.script, done.model, "labels.png", "map.png", folder=tmp_path)
    made, want = read_image(tmp_path / "map.png"), translator.pixels(tmp_path / "labels.png")
    assert made.shape == want.shape
    assert np.abs(made.astype(int) - want.astype(int)).max() <= 1
    assert want.std() > 1


@pytest.mark.parametrize(
    "classes", [CLASSES, {"a": 26, "b": 7, "void": 0}, {"a": 300, "b": 7, "c": 65535, "void": 2}], ids=str
)
def test_the_script_writes_labels_as_translate_does(
    classes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = Labels.of(classes, ignore=["void"])
    about: dict[str, Any] = dict.fromkeys(("clear_transparent", "source_labels", "work_size", "steps"))
    about |= {"source_channels": 3, "target_bits": 8, "smallest_side": 1, "source_interpolation": "bilinear"}
    about |= {"target_interpolation": "bilinear", "target_labels": labels.as_dict()}
    monkeypatch.setattr(usage, "load", lambda _: (lambda image: image[:, : len(labels.colors[0])], about))
    picture = smooth(np.random.default_rng(0), 20, 30)
    write_image(tmp_path / "photo.png", picture)
    files = "model.onnx", str(tmp_path / "photo.png"), str(tmp_path / "map.png")
    usage.main(*files, "0", "labels")
    made, want = read_image(tmp_path / "map.png"), labels.snapped(picture[..., : len(labels.colors[0])])
    assert made.dtype == want.dtype
    np.testing.assert_array_equal(made, want)
    assert len(np.unique(made)) > 1
    with pytest.raises(SystemExit, match="lables: the model writes picture or labels"):
        usage.main(*files, "0", "lables")
    about["target_labels"] = None
    with pytest.raises(SystemExit, match="labels: the model writes pictures"):
        usage.main(*files, "0", "labels")


def test_the_script_runs_onnx_and_turns_pictures_upright(onnx_of_atme: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(smooth(np.random.default_rng(0), 20, 30)).save(tmp_path / "photo.png", exif=exif)
    script = onnx_of_atme.with_name("translator_usage.py")
    alone(script, onnx_of_atme, "photo.png", "map.png", folder=tmp_path)
    want = Translator.from_run(onnx_of_atme.parents[1], device="cpu").pixels(tmp_path / "photo.png")
    made = read_image(tmp_path / "map.png")
    assert made.shape == want.shape == (30, 20, 3)
    assert np.abs(made.astype(int) - want.astype(int)).max() <= 1


def test_the_process_of_the_script_could_not_import_atme(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import atme")
    with pytest.raises(AssertionError, match="import of atme halted"):
        alone(tmp_path / "script.py", folder=tmp_path)


# What is refused.


def test_what_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = Translator.from_run(untrained(tmp_path / "run", PIX2PIX), device="cpu")
    load = formats.load_torch

    def off(place: Path) -> Callable[..., Tensor]:
        run = load(place)
        return lambda *inputs: run(*inputs) + 3 * TOLERANCE

    monkeypatch.setattr(command, "load_torch", off)
    with pytest.raises(ValueError, match=r"map\.pt2: what was exported differs from the run's translations by 0\.003"):
        export(translator, tmp_path / "out" / "map.pt2", format="torch")
    assert list((tmp_path / "out").iterdir()) == []


class Branching(Copy):
    """A generator that looks at its picture before it decides."""

    def forward(self, image: Tensor, level: Tensor | None = None) -> Tensor:
        return image * self.gain if image.mean() > 0 else image


@pytest.mark.parametrize(
    ("generator", "other", "words", "named"),
    [
        pytest.param(PIX2PIX, {"noise": PUBLISHED}, [], "translate_with: equilibrium", id="ripple"),
        pytest.param(RESNET, {}, ["--as_trained"], "leave --as_trained out", id="dropout"),
        pytest.param(PIX2PIX, {}, ["--precision", "int8", "--format", "torch"], "use --format onnx", id="int8"),
        pytest.param(PIX2PIX, {}, ["--output", "map.pt2"], "or use --format torch", id="ending"),
        pytest.param("test_export.Branching", {}, ["--trust"], "Branching as one graph", id="branch"),
    ],
)
def test_what_cannot_be_is_one_line(
    generator: object,
    other: dict[str, Any],
    words: list[str],
    named: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = untrained(tmp_path / "run", generator, **other)
    assert named in refused(capsys, "export", str(run), *words)
    assert not (run / "export").exists()


def test_the_remedy_for_a_ripple_works(tmp_path: Path) -> None:
    run = untrained(tmp_path / "run", PIX2PIX, noise=PUBLISHED)
    options = (run / "options.yaml").read_text()
    (run / "options.yaml").write_text(options.replace("translate_with: published", "translate_with: equilibrium"))
    assert main(["export", str(run), "--format", "torch"]) == 0


def test_the_remedy_for_a_ripple_works_in_a_folder_that_was_handed_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = untrained(tmp_path / "run", PIX2PIX, noise=PUBLISHED)
    Translator.from_run(run, device="cpu").save_pretrained(tmp_path / "handed")
    words = ["export", str(tmp_path / "handed"), "--format", "torch", "--output", str(tmp_path / "map.pt2")]
    assert "write translate_with: equilibrium into its config.json" in refused(capsys, *words)
    config = tmp_path / "handed" / "config.json"
    found = json.loads(config.read_text())
    found["options"]["noise"]["init_args"]["translate_with"] = "equilibrium"
    config.write_text(json.dumps(found))
    assert main(words) == 0


def test_as_many_calls_as_are_asked_for(tmp_path: Path) -> None:
    """The graph draws one map fewer, and its answer is that of a translator of so many calls, also of a handed run."""
    run, model = denoising(tmp_path / "run"), tmp_path / "map.pt2"
    Translator.from_run(run, device="cpu").save_pretrained(tmp_path / "handed")
    assert main(["export", str(tmp_path / "handed"), "--format", "torch", "--calls", "1", "--output", str(model)]) == 0
    translator = Translator.from_pretrained(tmp_path / "handed", device="cpu", calls=1)
    require_same(formats.load_torch(model), translator, smallest=graph.smallest(translator))
    both = (each.tensor(torch.zeros(1, 3, 16, 16)) for each in (translator, Translator.from_run(run, device="cpu")))
    assert not torch.equal(*both)


def test_nothing_that_is_there_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = untrained(tmp_path / "run", PIX2PIX)
    (tmp_path / "map_usage.py").write_text("mine")
    output = ["--format", "torch", "--output", str(tmp_path / "map.pt2")]
    assert "exists already" in refused(capsys, "export", str(run), *output)
    assert main(["export", str(run), *output, "--overwrite"]) == 0
    assert "mine" not in (tmp_path / "map_usage.py").read_text()


def test_without_onnx_one_line_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("onnx", "onnxruntime", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main(["export", "--help"]) == 0
    run = untrained(tmp_path / "run", PIX2PIX)
    assert "pip install onnx onnxruntime onnxscript, or use --format torch" in refused(capsys, "export", str(run))
    assert main(["export", str(run), "--format", "torch"]) == 0


def test_versions_that_do_not_do_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = untrained(tmp_path / "run", PIX2PIX)

    def unknown(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'onnxscript._framework_apis.torch_9_9'")

    monkeypatch.setattr(torch.onnx, "export", unknown)
    assert re.search(r"onnxscript \S+ does not know torch .*--upgrade onnxscript", refused(capsys, "export", str(run)))
    monkeypatch.setattr(torch.export, "export", lambda mod, args: None)
    assert "is too old to export with; pip install --upgrade torch" in refused(capsys, "export", str(run))
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"onnxruntime \S+ does not take what torch"):
        formats.load_onnx(tmp_path / "no.onnx")


# What is traced.


def test_traced_networks_are_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled, or has a derivative of its own, stays at home."""

    def never(*_: object, **__: object) -> Tensor:
        raise AssertionError("not plain")

    monkeypatch.setattr(block, "normalize_scale_silu", never)
    monkeypatch.setattr(attention.LinearAttend, "apply", never)
    monkeypatch.setattr(kernels, "available", lambda: True)
    network = UNet(3, 3, dim=8, dim_mults=(1, 2), groups=4).eval()
    image, level = torch.zeros(1, 3, 4, 4), torch.zeros(1)
    with kernels.plainly(), torch.no_grad():
        assert network(image, level).shape == image.shape
    with torch.no_grad(), pytest.raises(AssertionError, match="not plain"):
        network(image, level)


class Enlarging(nn.Module):
    """W of a verdict that tells something, as no picture that a run never saw has one."""

    def __init__(self) -> None:
        super().__init__()
        self.network = WNet(widths=(8, 8, 8))

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image, size=image.shape[-2:])


def test_sizes_that_stages_halve_are_rounded_up_in_onnx_too(tmp_path: Path) -> None:
    """Of one level, a generator takes pictures of odd sides, and W's first stages are half of them, rounded up."""
    torch.manual_seed(0)
    network = Enlarging().eval()
    sizes = {0: Dim.DYNAMIC(min=1), 2: Dim.DYNAMIC(min=4), 3: Dim.DYNAMIC(min=4)}
    program = graph._exported(network, [torch.zeros(2, 1, 17, 22)], [sizes], name="W")
    formats.write_onnx(graph.Traced(program, ("image",), 4, half=False), tmp_path / "w.onnx")
    run, rng = formats.load_onnx(tmp_path / "w.onnx"), torch.Generator().manual_seed(0)
    for batch, height, width in ((3, 12, 13), (1, 13, 14), (2, 15, 8)):
        image = torch.randn((batch, 1, height, width), generator=rng)
        with torch.no_grad():
            want = network(image)
        assert want.std() > 100 * TOLERANCE
        torch.testing.assert_close(run(image), want, rtol=TOLERANCE / 10, atol=TOLERANCE / 10)


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 2, 4, 8, 16]))
def test_a_picture_is_continued_as_pytorch_does_it(height: int, width: int, stride: int) -> None:
    image = torch.arange(2.0 * height * width).view(1, 2, height, width)
    down, right, mode = continuation(height, width, stride=stride)
    continued = pad(image, stride=stride)
    assert torch.equal(continued, F.pad(image, (0, right, 0, down), mode=mode))
    assert torch.equal(cut(continued, height, width), image)


def test_five_sizes_are_compared_of_which_some_stay_odd() -> None:
    for stride, smallest in ((2, 1), (8, 1), (256, 1), (4, 5)):
        checked = agreement.checked_sizes(stride=stride, smallest=smallest)
        assert {batch for batch, _, _ in checked} == {1, 3}
        assert len(checked) == 5
        assert min(min(sides) for _, *sides in checked) >= smallest
        multiples = {-(-side // stride) for _, *sides in checked for side in sides}
        assert any(count % 2 for count in multiples)
        assert any(count % 2 == 0 for count in multiples)


def test_a_trace_holds_no_place_of_this_machine(tmp_path: Path) -> None:
    translator = Translator.from_run(untrained(tmp_path / "run", PIX2PIX), device="cpu")
    assert all("stack_trace" not in node.meta for node in trace(translator).program.graph.nodes)
