"""A recipe's name stands for a folder, and what is wrong in a recipe is named."""

from pathlib import Path

import pytest
import yaml

import atme
from atme.data.layout import find_layout
from atme.data.recipes import find_root, read_recipe, recipe_paths
from atme.data.scan import list_pairs

BUNDLED = Path(atme.__file__).parent.parent / "datasets"
GOOD = {
    "title": "Squares → circles",
    "root": "squares",
    "layout": "side_by_side",
    "splits": {"train": 2},
    "direction": "BtoA",
    "license": "none",
    "citation": "nobody",
    "source": "https://example.com",
    "preset": "earth_atme",
}


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe in ``datasets/`` below the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "datasets/squares.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(GOOD))
    return path


class TestReading:
    @pytest.mark.parametrize("path", sorted(BUNDLED.rglob("*.yaml")), ids=lambda path: path.stem)
    def test_every_recipe_is_read(self, path: Path) -> None:
        recipe = read_recipe(path)
        assert recipe.name == path.stem
        assert recipe.root.parent == path.parent
        assert all(count > 0 for count in recipe.splits.values())

    def test_earth_has_what_its_recipe_says(self) -> None:
        recipe = read_recipe(BUNDLED / "earth.yaml")
        for split, count in recipe.splits.items():
            found = find_layout(recipe.root, split=split)
            assert found.name == recipe.layout
            assert len(list_pairs(found).names) == count
        assert {path.name for path in recipe.root.iterdir() if path.is_dir()} == set(recipe.splits)

    def test_fields(self, recipe: Path) -> None:
        read = read_recipe(recipe)
        assert read.name == "squares"
        assert read.root == recipe.parent / "squares"
        assert {name: getattr(read, name) for name in GOOD if name != "root"} == {
            name: value for name, value in GOOD.items() if name != "root"
        }

    @pytest.mark.parametrize("key", GOOD)
    def test_a_missing_key(self, recipe: Path, key: str) -> None:
        recipe.write_text(yaml.safe_dump({name: value for name, value in GOOD.items() if name != key}))
        with pytest.raises(ValueError, match=rf"squares\.yaml: .*{key}.*; repair"):
            read_recipe(recipe)

    @pytest.mark.parametrize(
        ("key", "value"),
        [("colour", 1), ("name", "x"), ("layout", "diagonal"), ("splits", {"train": "many"}), ("title", 5)],
    )
    def test_a_wrong_key_or_value(self, recipe: Path, key: str, value: object) -> None:
        recipe.write_text(yaml.safe_dump(GOOD | {key: value}))
        with pytest.raises(ValueError, match=rf"squares\.yaml: .*{key}.*; repair"):
            read_recipe(recipe)

    @pytest.mark.parametrize("text", ["", "[1, 2]", "title: [", "just words"])
    def test_no_mapping(self, recipe: Path, text: str) -> None:
        recipe.write_text(text)
        with pytest.raises(ValueError, match=r"squares\.yaml: .*; repair"):
            read_recipe(recipe)


class TestFinding:
    def test_a_folder_is_itself(self, tmp_path: Path) -> None:
        assert find_root(tmp_path) == tmp_path
        assert find_root(str(tmp_path)) == tmp_path

    def test_a_name_from_anywhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert find_root("earth") == BUNDLED / "earth"

    def test_a_name_in_the_working_directory(self, recipe: Path) -> None:
        (recipe.parent / "squares").mkdir()
        assert find_root("squares").resolve() == recipe.parent / "squares"

    def test_the_working_directory_comes_first(self, recipe: Path) -> None:
        recipe.with_name("earth.yaml").write_text(yaml.safe_dump(GOOD | {"root": "my_earth"}))
        (recipe.parent / "my_earth").mkdir()
        assert find_root("earth").name == "my_earth"

    def test_a_recipe_without_its_files(self, recipe: Path) -> None:
        with pytest.raises(ValueError, match=r"squares: datasets/squares is not there yet; "):
            find_root("squares")

    @pytest.mark.parametrize("name", ["sqares", "datasets/none", "squares.yaml"])
    def test_an_unknown_name(self, recipe: Path, name: str) -> None:
        known = ", ".join(recipe_paths())
        assert "earth" in known
        assert "squares" in known
        with pytest.raises(ValueError, match=f"{name}: neither a folder nor a known dataset; .*: {known}$"):
            find_root(name)
