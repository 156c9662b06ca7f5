"""Every recipe under datasets/: complete, and fetched from a small archive of each of its layouts."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from local_mirror import Answer, local_mirror
from local_mirror import Mirror as Server

import atme
from atme.data import PairedImages
from atme.data.recipes import Mirror, Recipe, find_recipe, find_root, read_recipe, recipe_paths
from atme.prepare.fetch.fetch import fetch_recipe
from atme.prepare.manifest import changed_files, missing_files, read_manifest
from atme.prepare.status import presence

PATHS = sorted((Path(atme.__file__).parent.parent / "datasets").rglob("*.yaml"))
RECIPES = [read_recipe(path) for path in PATHS]
MIRRORS = [(recipe, mirror) for recipe in RECIPES for mirror in recipe.mirrors]
EVERY = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
EVERY_MIRROR = pytest.mark.parametrize(
    ("recipe", "mirror"), MIRRORS, ids=[f"{r.name}-{urlsplit(m.url).hostname}{m.url[-4:]}" for r, m in MIRRORS]
)
FEW = {"train": 3, "val": 2, "test": 1}


def test_these_datasets_are_known() -> None:
    names = {"earth", "facades", "maps", "cityscapes", "night2day", "edges2shoes", "edges2handbags"}
    assert {recipe.name for recipe in RECIPES} == names <= set(recipe_paths())


@EVERY
def test_says_all_that_a_user_needs(recipe: Recipe) -> None:
    for words in (recipe.title, recipe.license, recipe.citation, recipe.preset):
        assert words.strip()
    assert recipe.source.startswith(("http://", "https://"))
    assert "train" in recipe.splits
    assert all(count > 0 for count in recipe.splits.values())
    assert (recipe.tolerance > 0) == recipe.name.startswith("edges2")
    assert recipe.mirrors or recipe.by_hand or presence(recipe.root).state == "complete"


@pytest.mark.parametrize(
    ("name", "splits"),
    [
        ("facades", {"train": 400, "val": 100, "test": 106}),
        ("maps", {"train": 1096, "val": 1098}),
        ("cityscapes", {"train": 2975, "val": 500}),
        ("earth", {"train": 101, "test": 30}),
    ],
)
def test_the_published_counts(name: str, splits: dict[str, int]) -> None:
    assert find_recipe(name).splits == splits


@EVERY_MIRROR
def test_a_mirror_is_complete(recipe: Recipe, mirror: Mirror) -> None:
    assert mirror.url.startswith(("http://", "https://"))
    assert Path(urlsplit(mirror.url).path).name == f"{recipe.name}.{'zip' if mirror.sha256 else 'tar.gz'}"
    assert mirror.expected_size > 1_000_000
    assert mirror.sha256 is None or len(bytes.fromhex(mirror.sha256)) == 32
    assert (mirror.layout == "two_folders") == mirror.url.endswith(".zip")
    assert set(mirror.splits or recipe.splits) <= {"train", "val", "test"}
    assert (mirror.splits or recipe.splits)["train"] == recipe.splits["train"]


@pytest.mark.parametrize("name", ["facades", "maps"])
def test_both_layouts_are_mirrors(name: str) -> None:
    recipe = find_recipe(name)
    assert {mirror.layout or recipe.layout for mirror in recipe.mirrors} == {"side_by_side", "two_folders"}
    assert len({urlsplit(mirror.url).hostname for mirror in recipe.mirrors}) == 2


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with local_mirror() as server:
        yield server


def picture(seed: int, width: int) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (16, width, 3), np.uint8)
    return cv2.imencode(".jpg", noise)[1].tobytes()


def archive_of(name: str, layout: str, splits: dict[str, int], *, kind: str) -> bytes:
    """As the published archives are: NAME/train/1.jpg in a tar.gz, NAME/trainA/1_A.jpg in a zip."""
    files = {
        (f"{name}/{split}/{n}.jpg" if not half else f"{name}/{split}{half}/{n}_{half}.jpg"): picture(
            n, 16 if half else 32
        )
        for split, count in splits.items()
        for n in range(1, count + 1)
        for half in (("A", "B") if layout == "two_folders" else ("",))
    }
    buffer = io.BytesIO()
    if kind == ".zip":
        with zipfile.ZipFile(buffer, "w") as file:
            for path, content in files.items():
                file.writestr(path, content)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for path, content in files.items():
                info = tarfile.TarInfo(path)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@EVERY_MIRROR
def test_a_small_archive_of_its_layout_arrives(recipe: Recipe, mirror: Mirror, server: Server, tmp_path: Path) -> None:
    splits = {split: FEW[split] for split in mirror.splits or recipe.splits}
    layout = mirror.layout or recipe.layout
    content = archive_of(recipe.name, layout, splits, kind=Path(mirror.url).suffix)
    local = replace(
        mirror,
        url=server.serve(urlsplit(mirror.url).path, Answer(content)),
        size=len(content),
        about=None,
        sha256=hashlib.sha256(content).hexdigest() if mirror.sha256 else None,
        splits=splits,
    )
    folder = tmp_path / recipe.name
    fetched = fetch_recipe(replace(recipe, mirrors=(local,)), folder)
    assert fetched.splits == splits
    assert fetched.recorded == (mirror.sha256 is None)
    assert presence(folder).state == "complete"
    manifest = read_manifest(folder)
    assert manifest is not None
    assert not missing_files(folder, manifest)
    assert not changed_files(folder, manifest, names=list(manifest.files))
    for split, count in splits.items():
        assert PairedImages(folder, split=split).names == tuple(str(n) for n in range(1, count + 1))


def test_the_files_of_earth_are_those_of_its_manifest() -> None:
    root = find_root("earth")
    manifest = read_manifest(root)
    assert manifest is not None
    assert manifest.splits == find_recipe("earth").splits
    assert not changed_files(root, manifest, names=list(manifest.files))
    assert set(manifest.files) == {path.relative_to(root).as_posix() for path in root.rglob("*.jpg")}


def test_cityscapes_tells_what_to_do_by_hand(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"register at .* run: atme data cityscapes leftImg8bit"):
        fetch_recipe(find_recipe("cityscapes"), tmp_path / "cityscapes")


@pytest.mark.parametrize("sizes", [{}, {"size": 1, "about": 1}])
def test_a_mirror_has_one_size(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="http://x: give its size"):
        Mirror("http://x", **sizes)


def test_a_mirror_that_is_wrong_is_named(tmp_path: Path) -> None:
    text = (PATHS[0].parent / "facades.yaml").read_text()
    (tmp_path / "broken.yaml").write_text(text.replace("sha256:", "sha265:"))
    with pytest.raises(ValueError, match=r"broken\.yaml: .*sha265"):
        read_recipe(tmp_path / "broken.yaml")
