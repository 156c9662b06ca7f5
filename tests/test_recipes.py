"""A recipe's name stands for a folder, wherever it lies, and what is wrong in a recipe is named."""

from pathlib import Path

import pytest
import yaml

import atme
from atme.data.layout import find_layout
from atme.data.recipes import find_recipe, find_root, places, read_recipe, recipe_paths
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


def put(folder: Path) -> Path:
    """A folder that holds something."""
    folder.mkdir(parents=True)
    (folder / "something").touch()
    return folder


class TestReading:
    @pytest.mark.parametrize("path", sorted(BUNDLED.rglob("*.yaml")), ids=lambda path: path.stem)
    def test_every_recipe_is_read(self, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        recipe = read_recipe(path)
        assert recipe.name == path.stem
        assert recipe.root in (path.with_suffix(""), Path("datasets") / path.stem)
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
        assert read.root == Path("datasets/squares")
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
        put(recipe.parent / "squares")
        assert find_root("squares").resolve() == recipe.parent / "squares"

    def test_the_working_directory_comes_first(self, recipe: Path) -> None:
        recipe.with_name("earth.yaml").write_text(yaml.safe_dump(GOOD | {"root": "my_earth"}))
        put(recipe.parent / "my_earth")
        assert find_root("earth").name == "my_earth"

    def test_a_recipe_without_its_files(self, recipe: Path) -> None:
        with pytest.raises(ValueError, match=r"squares: datasets/squares is not there yet; "):
            find_root("squares")

    @pytest.mark.parametrize("name", ["datasets/none", "squares.yaml", "sqares"])
    def test_an_unknown_name(self, recipe: Path, name: str) -> None:
        known = ", ".join(recipe_paths())
        assert "earth" in known
        assert "squares" in known
        guess = "" if name == "datasets/none" else r"did you mean squares\? "
        with pytest.raises(
            ValueError, match=f"{name}: neither a folder nor a known dataset; {guess}the known ones are: {known}$"
        ):
            find_root(name)

    def test_an_empty_folder_holds_no_data(self, recipe: Path) -> None:
        (recipe.parent / "squares").mkdir()
        with pytest.raises(ValueError, match="not there yet"):
            find_root("squares")

    def test_folders_and_hidden_files_are_no_recipes(self, recipe: Path) -> None:
        recipe.with_name("folder.yaml").mkdir()
        recipe.with_name("._squares.yaml").write_bytes(b"\0\5")
        assert {"folder", "._squares"}.isdisjoint(recipe_paths())


class TestPlaces:
    """ATME_DATA, then the working directory, then what comes along: for recipes as for data."""

    @pytest.fixture
    def chosen(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A folder that ATME_DATA names; the working directory is another one, and empty."""
        (tmp_path / "work").mkdir()
        monkeypatch.chdir(tmp_path / "work")
        monkeypatch.setenv("ATME_DATA", str(tmp_path / "data"))
        return tmp_path / "data"

    def test_the_order(self, chosen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert places() == [chosen, Path("datasets"), BUNDLED]
        monkeypatch.setenv("ATME_DATA", "")
        assert places() == [Path("datasets"), BUNDLED]

    def test_data_is_put_into_the_first_and_found_in_all(self, chosen: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert find_recipe("facades").root == chosen / "facades"
        assert find_root("earth") == BUNDLED / "earth"
        put(Path("datasets/facades"))
        assert find_root("facades") == Path("datasets/facades")
        put(chosen / "facades")
        assert find_root("facades") == chosen / "facades"
        monkeypatch.delenv("ATME_DATA")
        assert find_root("facades") == Path("datasets/facades")

    def test_an_empty_folder_is_passed_over(self, chosen: Path) -> None:
        (chosen / "facades").mkdir(parents=True)
        put(Path("datasets/facades"))
        assert find_root("facades") == Path("datasets/facades")

    def test_recipes_of_ones_own(self, chosen: Path) -> None:
        for place, title in ((chosen, "chosen"), (Path("datasets"), "here")):
            place.mkdir(exist_ok=True)
            for name in ("squares", "earth") if place == chosen else ("squares", "circles"):
                (place / f"{name}.yaml").write_text(yaml.safe_dump(GOOD | {"title": title}))
        assert {name: find_recipe(name).title for name in ("squares", "circles", "earth")} == {
            "squares": "chosen",
            "circles": "here",
            "earth": "chosen",
        }
        assert find_recipe("circles").root == chosen / "squares"
        put(Path("datasets/squares"))
        assert find_root("circles") == Path("datasets/squares")

    def test_a_recipe_from_elsewhere_has_its_data_beside_itself(self, chosen: Path, tmp_path: Path) -> None:
        path = tmp_path / "elsewhere" / "squares.yaml"
        path.parent.mkdir()
        path.write_text(yaml.safe_dump(GOOD))
        put(chosen / "squares")
        assert read_recipe(path).root == path.parent / "squares"

    def test_a_root_of_its_own_stays(self, chosen: Path, tmp_path: Path) -> None:
        chosen.mkdir()
        (chosen / "squares.yaml").write_text(yaml.safe_dump(GOOD | {"root": str(tmp_path / "disk")}))
        assert find_recipe("squares").root == tmp_path / "disk"

    def test_a_tilde_is_home(self, chosen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("ATME_DATA", "~/data")
        assert places()[0] == chosen

    @pytest.mark.parametrize(("value", "words"), [("a_file", "is no folder"), ("~nobody-of-that-name/x", "home")])
    def test_what_is_no_folder_is_named(
        self, chosen: Path, value: str, words: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Path("a_file").touch()
        monkeypatch.setenv("ATME_DATA", value)
        with pytest.raises(ValueError, match=rf"ATME_DATA={value}: .*{words}.*unset it"):
            find_root("facades")
