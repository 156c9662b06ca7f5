"""Presets go by name, from anywhere; what they say of themselves is found, and fits a terminal."""

import shutil
from pathlib import Path

import pytest
import yaml

import atme
from atme import shipped
from atme.cli import main
from atme.cli.arguments import parse
from atme.shipped.presets import find_preset, preset_paths, read_preset, said
from atme.training import options

ROOT = Path(atme.__file__).parents[1]
ALONE = {name: path for name, path in preset_paths().items() if "/" not in name}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


class TestFinding:
    def test_every_preset_by_its_name(self) -> None:
        files = sorted((ROOT / "options").rglob("*.yaml"))
        assert sorted(preset_paths().values()) == files
        assert [find_preset(name) for name in preset_paths()] == list(preset_paths().values())
        assert {"facades_atme", "augmentation/flip"} <= set(preset_paths())

    def test_a_file_comes_first(self, elsewhere: Path) -> None:
        (elsewhere / "earth_atme").write_text("run: {seed: 5}")
        assert find_preset("earth_atme") == Path("earth_atme")
        assert parse(options.parser(), ["--config", "earth_atme"]).run.seed == 5
        assert parse(options.parser(), ["--config=augmentation/flip", "--config=earth_atme"]).run.seed == 5

    def test_a_folder_of_that_name_is_no_file(self, elsewhere: Path) -> None:
        (elsewhere / "earth_atme").mkdir()
        assert find_preset("earth_atme") == ROOT / "options" / "earth_atme.yaml"

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            ("fasades_atme", "did you mean facades_atme or"),
            ("options/earth_atme.yaml", r"did you mean earth_atme\? atme"),
            ("flip", "atme presets lists them"),
            ("nothing-like-it", "the name of a preset; atme presets lists them"),
        ],
    )
    def test_what_is_neither_is_answered_with_names_like_it(self, asked: str, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            find_preset(asked)

    def test_in_a_wheel_they_lie_in_the_package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beside an installed package there may be anything: the hub's own package is named datasets."""
        installed = tmp_path / "site-packages" / "atme" / "shipped"
        monkeypatch.setattr(shipped, "_HERE", installed)
        for name in ("options", "datasets"):
            shutil.copytree(ROOT / name, installed / name, ignore=shutil.ignore_patterns("*.jpg"))
            (tmp_path / "site-packages" / name).mkdir()
            assert shipped.folder(name) == installed / name  # type: ignore[arg-type]
        assert find_preset("facades_atme") == installed / "options" / "facades_atme.yaml"


class TestConfig:
    @pytest.mark.parametrize("verb", ["train", "show"])
    def test_a_name_stands_for_its_file(self, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
        said = []
        for preset in ("earth_brownian", str(ROOT / "options" / "earth_brownian.yaml")):
            with pytest.raises(SystemExit):
                main([verb, "--config", preset, "--config", "augmentation/dihedral", "--print_config"])
            said.append(yaml.safe_load(capsys.readouterr().out))
        assert said[0] == said[1]
        assert said[0]["run"]["dir"] == "runs/earth_brownian"
        assert said[0]["data"]["transforms"][0]["class_path"].endswith("D4")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["train", "--config", "earth_atmme"],
            ["show", "earth_atmme"],
            ["presets", "earth_atmme"],
            ["data", "preview", "earth", "--preset", "earth_atmme"],
        ],
        ids=" ".join,
    )
    def test_an_unknown_name_is_one_line(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("atme: earth_atmme: neither a file nor the name of a preset; did you mean earth_atme")
        assert said.count("\n") == 1

    @pytest.mark.parametrize(("asked", "words"), [("mine.yaml", "mine.yaml: no such file"), (".", "is a folder")])
    def test_a_path_is_answered_as_one(self, asked: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["train", "--config", asked]) == 2
        assert words in capsys.readouterr().err

    def test_show_and_preview(self, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["show", "earth_brownian"]) == 0
        assert "GFLOP" in capsys.readouterr().out
        assert main(["data", "preview", "earth", "--preset", "augmentation/flip", "--pairs", "1", "--views", "1"]) == 0
        assert (elsewhere / "preview.png").is_file()


class TestListing:
    def test_all_are_listed_in_80_columns(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        assert main(["presets"]) == 0
        shown = capsys.readouterr().out
        assert max(map(len, shown.splitlines())) <= 80
        words = " ".join(shown.split())
        for name in preset_paths():
            assert name in shown
        assert "81 × 325" in shown
        assert "l1 0.135" in words

    @pytest.mark.parametrize("name", ["earth_atme_demo", "augmentation/dihedral"])
    def test_one_is_written_out_as_it_is(self, name: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        assert main(["presets", name]) == 0
        assert capfdbinary.readouterr().out == (ROOT / "options" / f"{name}.yaml").read_bytes()

    def test_no_torch_is_loaded(self, elsewhere: Path) -> None:
        import subprocess
        import sys

        code = "import sys; from atme.cli import main; main(['presets']); sys.exit('torch' in sys.modules)"
        command = [sys.executable, "-c", code]
        assert subprocess.run(command, capture_output=True, check=False, cwd=ROOT).returncode == 0

    @pytest.mark.parametrize("name", ALONE)
    def test_each_says_what_to_expect_and_what_it_costs(self, name: str) -> None:
        preset = read_preset(name, ALONE[name])
        assert len(preset.expected) > 10
        assert len(preset.cost) == 3


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# A.\n# Expected: l1 0.139 ± 0.003, psnr 19.0 (median: 0.195),\n# in 5 minutes.\n# More.\n", True),
        ("# A.\n# More. Expected: l1 0.139 ± 0.003, psnr 19.0 (median: 0.195), in 5 minutes. Time: 3.9 s.\n", True),
        ("# A.\n\n# Expected: not in the first comment.\n", False),
        ("# Nothing.\nrun: {}\n", False),
        ("", False),
    ],
)
def test_a_sentence_of_the_first_comment(comment: str, expected: bool) -> None:
    found = said(comment, "Expected")
    assert found == ("l1 0.139 ± 0.003, psnr 19.0 (median: 0.195), in 5 minutes" if expected else "")
