"""A wheel works alone: built from the sources as they are, installed apart from them, used from an empty folder.

Nothing is downloaded: the new environment sees the libraries of this one, though not its atme.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from conftest import TINY
from local_mirror import Answer, local_mirror
from test_old_runs import OURS
from test_recipes_all import FEW, archive_of

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "atme"
CODE = {".py", ".html", ".md", ".cpp", ".h"}
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]

pytestmark = pytest.mark.slow


def done(command: list[str], folder: Path, **environment: str) -> str:
    """Runs a command in a folder, apart from this checkout; what it says."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "ATME_DATA")}
    run = subprocess.run(
        command, cwd=folder, env={**kept, **environment}, capture_output=True, text=True, check=False, timeout=600
    )
    assert run.returncode == 0, f"{command}: {run.stdout}{run.stderr}"
    return run.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build reads, without what lies about in a checkout that is worked in; and data that was fetched."""
    folder = tmp_path_factory.mktemp("sources") / "atme"
    folder.mkdir()
    left = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("atme", "options", "datasets/earth"):
        shutil.copytree(ROOT / name, folder / name, ignore=left)
    for path in (*ROOT.glob("datasets/*.yaml"), *map(ROOT.joinpath, ("README.md", "LICENSE", "setup.cfg"))):
        shutil.copyfile(path, folder / path.relative_to(ROOT))
    shutil.copyfile(ROOT / "pyproject.toml", folder / "pyproject.toml")
    (folder / "datasets" / "facades" / "train").mkdir(parents=True)
    (folder / "datasets" / "facades" / "train" / "1.jpg").write_bytes(b"fetched")
    return folder


def wheel_of(sources: Path, out: Path) -> Path:
    done([*PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(out), str(sources)], out)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of(sources, tmp_path_factory.mktemp("wheel"))


def environment(folder: Path) -> Path:
    """A virtual environment that sees the libraries of this one, and no package that is installed as a link."""
    done([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder.parent)
    packages = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    lines = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(packages, "libraries.pth").write_text("".join(f"{line}\n" for line in lines))
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with the wheel in it."""
    python = environment(tmp_path_factory.mktemp("environment") / "venv")
    done([*PIP, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], python.parent)
    return python


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("empty")


def test_it_holds_presets_recipes_earth_and_its_model_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    assert {name.split("/")[0] for name in names} == {"atme", next(n for n in names if "dist-info" in n).split("/")[0]}
    shipped = {*ROOT.glob("options/**/*.yaml"), *ROOT.glob("datasets/*.yaml"), *ROOT.glob("datasets/earth/**/*.*")}
    models = {path.relative_to(ROOT).as_posix() for path in PACKAGE.glob("shipped/models/earth/*")}
    assert {name for name in names if name.startswith("atme/shipped/") and not name.endswith(".py")} == models | {
        f"atme/shipped/{path.relative_to(ROOT).as_posix()}" for path in shipped
    }
    code = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*") if path.suffix in CODE}
    assert code <= set(names)


def test_a_source_distribution_makes_the_same_wheel(sources: Path, wheel: Path, tmp_path: Path) -> None:
    code = f"from setuptools import build_meta; print(build_meta.build_sdist({str(tmp_path)!r}))"
    name = done([sys.executable, "-c", code], sources).split()[-1]
    with tarfile.open(tmp_path / name) as tar:
        tar.extractall(tmp_path / "unpacked", **OURS)
    again = wheel_of(next((tmp_path / "unpacked").iterdir()), tmp_path)
    contents = []
    for path in (wheel, again):
        with zipfile.ZipFile(path) as file:
            contents.append(
                {info.filename: info.CRC for info in file.infolist() if not info.filename.endswith("RECORD")}
            )
    assert contents[0] == contents[1]


def test_nothing_stands_beside_the_package(python: Path, empty: Path) -> None:
    """An importable `datasets` would be taken for that of the Hugging Face hub."""
    code = "import atme, atme.shipped, sys; print(atme.__file__); print(atme.shipped.folder('options'))"
    places = done([str(python), "-c", code], empty).splitlines()
    packages = python.parents[1]
    assert all(Path(place).is_relative_to(packages) for place in places)
    top = {path.name for path in Path(places[0]).parents[1].iterdir()}
    assert not top & {"datasets", "options", "analysis", "tests"}


def test_from_an_empty_folder(python: Path, empty: Path) -> None:
    """Lists, presets, a training of two updates, its scores, a translation."""

    def atme(*words: str) -> str:
        return done([str(python.with_name("atme")), *words], empty, COLUMNS="80", ATME_COMPILE="0")

    recipes = [path.stem for path in (ROOT / "datasets").glob("*.yaml")]
    assert set(recipes) <= set(atme("data", "list").split())
    presets = [path.stem for path in (ROOT / "options").glob("*.yaml")]
    assert set(presets) <= set(atme("presets").split())
    assert atme("presets", "facades_atme") == (ROOT / "options" / "facades_atme.yaml").read_text()
    assert "GFLOP" in atme("show", "earth_brownian")

    options = yaml.safe_load(atme("presets", "earth_brownian"))
    rate = {"epochs": 1, "decay_epochs": 0}
    flat = TINY["generator"] | {"init_args": TINY["generator"]["init_args"] | {"dim_mults": [1]}}  # to be traced soon
    options |= {"generator": flat, "discriminator": TINY["discriminator"]}
    options["data"] |= {"load_size": 32, "crop_size": None, "test_size": 64, "workers": 0}
    options["training"] |= {"rate": rate, "batch_size": 51, "device": "cpu", "precision": "float32"}
    (empty / "mine.yaml").write_text(yaml.safe_dump(options))
    atme("train", "--config", "mine.yaml", "--config", "augmentation/flip", "--run.dir", "runs/mine")
    assert [json.loads(line)["step"] for line in (empty / "runs/mine/log.jsonl").read_text().splitlines()][-1] == 2
    assert yaml.safe_load((empty / "runs/mine/options.yaml").read_text())["data"]["root"] == "earth"
    atme("evaluate", "runs/mine")
    assert json.loads((empty / "runs/mine/evaluation/test.json").read_text())["protocol"]["pairs"] == 30
    shutil.copyfile(next((ROOT / "datasets/earth/test").iterdir()), empty / "photo.jpg")
    atme("translate", "runs/mine", "photo.jpg", "map.png", "--half", "left")
    assert (empty / "map.png").is_file()
    atme("translate", "earth", "photo.jpg", "relief.png", "--half", "left")
    assert (empty / "relief.png").is_file()
    atme("export", "runs/mine", "--output", "map.onnx")
    done([str(python), "map_usage.py", "map.onnx", "photo.jpg", "made.png"], empty)
    assert (empty / "made.png").is_file()
    assert not (empty / "datasets").exists()


def test_a_dataset_arrives_below_the_working_directory(python: Path, tmp_path: Path) -> None:
    """By a recipe that came with the wheel, beside which nothing is ever put."""
    content = archive_of("toy", "side_by_side", FEW, kind=".gz")
    code = "import atme.shipped; print(atme.shipped.folder('datasets'))"
    recipes = Path(done([str(python), "-c", code], tmp_path).strip())
    command = [str(python.with_name("atme")), "data", "fetch", "toy"]
    (tmp_path / "here").mkdir()
    with local_mirror() as server:
        url = server.serve("/toy.tar.gz", Answer(content))
        facades = yaml.safe_load((recipes / "facades.yaml").read_text())
        toy = facades | {"root": "toy", "splits": FEW, "mirrors": [{"url": url, "size": len(content)}]}
        (recipes / "toy.yaml").write_text(yaml.safe_dump(toy))
        assert f"in {tmp_path}/all/toy" in done(command, tmp_path, no_proxy="*", ATME_DATA=str(tmp_path / "all"))
        assert "in datasets/toy" in done(command, tmp_path / "here", no_proxy="*")
    assert (tmp_path / "here/datasets/toy/manifest.json").is_file()
    assert not (recipes / "toy").exists()


def test_installed_as_a_link_it_finds_the_checkout(sources: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv")
    options = ["install", "--no-deps", "--no-index", "--no-build-isolation", "-e", str(sources)]
    done([*PIP, "--python", str(python), *options], tmp_path)
    code = "import atme.shipped as it; print(it.folder('options'), it.folder('datasets'))"
    assert done([str(python), "-c", code], tmp_path).split() == [str(sources / "options"), str(sources / "datasets")]
    missing = "import importlib.util as it; print([it.find_spec(n) for n in ('options', 'datasets', 'tests')])"
    assert done([str(python), "-S", "-c", missing], tmp_path).strip() == "[None, None, None]"
