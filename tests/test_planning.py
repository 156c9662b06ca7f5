"""What a plan is made of, looked at in pictures whose answer is known; and the command, from folder to preset."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import smooth
from planted import TRAIN

from atme.cli import main
from atme.images import read_image, write_image
from atme.planning.fingerprint import Fingerprint, take_fingerprint
from atme.planning.pictures import apart, detail, floor_of, scaled
from atme.planning.upright import FEWEST, upright_of
from atme.run_folder import read_log

Said = pytest.CaptureFixture[str]
Picture = np.ndarray


def noise(rng: np.random.Generator, *, side: int = 64, channels: int = 3) -> Picture:
    return rng.integers(0, 256, (side, side, channels), np.uint8)


def test_what_is_lost_by_shrinking() -> None:
    """A checkerboard loses all that it is, a smooth picture hardly anything, and nobody gains by losing pixels."""
    board = np.uint8(255 * (np.indices((128, 128)).sum(axis=0) % 2))[..., None].repeat(3, axis=2)
    slow = np.uint8(np.linspace(0, 255, 128))[None, :, None].repeat(128, axis=0).repeat(3, axis=2)
    assert all(lost > 0.9 for side, lost in detail([board]) if side <= 64)
    assert all(lost < 0.06 for _, lost in detail([slow]))
    losses = [lost for _, lost in detail([smooth(np.random.default_rng(0), 128, 160)])]
    assert losses == sorted(losses, reverse=True)
    assert [side for side, _ in detail([noise(np.random.default_rng(0), side=20)])] == [16]
    assert detail([noise(np.random.default_rng(0), side=16)]) == ()


def test_a_size_keeps_its_shape() -> None:
    assert scaled((512, 1024), 128) == (128, 256)
    assert scaled((100, 3), 3) == (100, 3)
    assert scaled((3, 1000), 1) == (1, 333)


def test_how_far_halves_are_apart() -> None:
    rng = np.random.default_rng(0)
    picture = smooth(rng, 40, 48)
    assert apart([picture], [picture]) == pytest.approx((0, 1))
    distance, correlation = apart([picture], [255 - picture])
    assert distance > 0.5
    assert correlation == pytest.approx(-1, abs=1e-3)
    blank = np.full_like(picture, 7)
    assert np.isnan(apart([picture], [blank])[1])
    gray = picture.astype(np.uint16).mean(axis=2, keepdims=True).astype(np.uint16) * 257
    assert apart([picture], [gray])[1] == pytest.approx(1, abs=1e-3)  # other channels, other bits


@pytest.mark.parametrize("bits", [8, 16])
def test_the_floor_is_that_of_the_median(bits: int) -> None:
    """Of two pixels in three at 0 and one at the top, the median is 0, and its L1 a third of the range of 2."""
    top = 2**bits - 1
    picture = np.zeros((6, 6, 1), np.uint8 if bits == 8 else np.uint16)
    picture[:2] = top
    assert floor_of([picture], bits=bits) == pytest.approx(2 / 3)
    assert floor_of([picture], [np.full_like(picture, top)], bits=bits) == pytest.approx(2)


def lit(rng: np.random.Generator) -> tuple[Picture, Picture]:
    """A picture that is brighter above, and its negative."""
    ramp = np.linspace(160, 0, 64)[:, None, None]
    picture = np.uint8(np.clip(ramp + rng.integers(0, 90, (64, 64, 3)), 0, 255))
    return picture, 255 - picture


def test_what_is_upright_is_told_and_what_is_not_is_not() -> None:
    """Light from above has an upright and no left; noise has neither; light from a side has both."""
    rng = np.random.default_rng(0)
    above = [lit(rng) for _ in range(60)]
    told = upright_of(*zip(*above, strict=True))
    assert told is not None
    assert told.turned > 0.9
    assert told.mirrored < 0.7
    aside = [tuple(np.ascontiguousarray(np.rot90(each)) for each in pair) for pair in above]
    told = upright_of(*zip(*aside, strict=True))
    assert told is not None
    assert min(told.turned, told.mirrored) > 0.9
    nothing = [(noise(rng), noise(rng)) for _ in range(60)]
    told = upright_of(*zip(*nothing, strict=True))
    assert told is not None
    assert max(told.turned, told.mirrored) < 0.7
    assert upright_of(*zip(*above[: FEWEST - 1], strict=True)) is None


def without_place(found: Fingerprint) -> dict[str, object]:
    known = asdict(replace(found, root=""))
    return {key: value for key, value in known.items() if key not in ("remarks", "checked")}


def test_of_two_layouts_the_same_is_known(earth: Path, halved: Path) -> None:
    joined, apart_ = take_fingerprint(str(earth)), take_fingerprint(str(halved))
    assert without_place(joined) == without_place(apart_)
    assert joined.pairs == len(TRAIN)
    assert joined.splits.test == "test"
    assert joined.splits.validation is None
    assert joined.palettes == (None, None)
    assert joined.bits == (8, 8)


def test_the_other_way_round(earth: Path) -> None:
    there, back = (take_fingerprint(str(earth), direction=way) for way in ("AtoB", "BtoA"))
    assert there.distance == back.distance
    assert there.floor != back.floor
    assert there.detail != back.detail


def test_labels_of_one_side_in_16_bits_beside_gray(tmp_path: Path) -> None:
    """Two folders that are not divided: gray in 16 bits, and a mask of two colors; one pair is there twice."""
    for half in "AB":
        (tmp_path / half).mkdir()
    for number in range(24):
        at = 0 if number == 23 else number
        rng = np.random.default_rng(at)
        photo = rng.integers(0, 65536, (40, 52, 1), np.uint16)
        write_image(tmp_path / "A" / f"{number:02}.png", photo)
        mask = np.zeros((40, 52, 3), np.uint8)
        mask[:, : 5 + at] = (255, 0, 0)
        write_image(tmp_path / "B" / f"{number:02}.png", mask)
    found = take_fingerprint(str(tmp_path))
    assert found.splits.train == "."
    assert (found.channels, found.bits) == ((1, 3), (16, 8))
    assert found.palettes[0] is None
    assert found.labels is not None
    assert set(found.labels.values) == {(0, 0, 0), (255, 0, 0)}
    assert found.faults.get("duplicate") == 1
    assert found.upright is not None
    assert found.upright.mirrored > 0.9  # red is on the left


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small network, smaller."""
    from atme.planning import rule
    from atme.planning.rules import generator

    monkeypatch.setattr(generator, "is_installed", lambda network: False)
    small = {"class_path": "atme.UNet", "init_args": {"dim": 8, "dim_mults": [1, 2], "groups": 4}}
    decide = generator.generator.decide

    def tiny(facts: rule.Facts, chosen: rule.Chosen) -> rule.Decision:
        decision = decide(facts, chosen)
        return replace(decision, settings={"generator": replace(decision.settings["generator"], value=small)})

    monkeypatch.setattr(generator, "generator", replace(generator.generator, decide=tiny))
    from atme.planning import decide as deciding

    deciding.all_rules.cache_clear()
    monkeypatch.setattr(deciding, "all_rules", deciding.all_rules.__wrapped__)


@pytest.mark.usefixtures("quick")
class TestTheCommand:
    def test_what_it_writes_is_trained_on(
        self, pairs_folder: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """From a relative folder, in the folder where it was planned."""
        shutil.copytree(pairs_folder, tmp_path / "my_pairs")
        monkeypatch.chdir(tmp_path)
        assert main(["plan", "my_pairs", "--hours", "0.02", "--output", "mine.yaml"]) == 0
        shown = capsys.readouterr()
        assert "7 to train on" in shown.out
        assert "mirrored, as pix2pix does: too few pairs" in shown.out
        assert "train with it: atme train --config mine.yaml" in shown.err
        preset = yaml.safe_load(Path("mine.yaml").read_text("utf-8"))
        assert preset["data"]["root"] == "my_pairs"
        assert preset["data"]["test_split"] == "test"
        assert preset["training"]["steps"] >= 10
        assert main(["plan", "my_pairs", "--hours", "0.02", "--output", "mine.yaml"]) == 2
        assert "mine.yaml: exists already" in capsys.readouterr().err
        assert main(["train", "--config", "mine.yaml", "--training.steps", "3"]) == 0
        assert read_log(Path("runs/my_pairs"))[-1]["step"] == 3

    def test_the_words_of_training_are_understood(self, pairs_folder: Path, capsys: Said) -> None:
        """--data.direction as --direction; and too little time is one line, with a time that does."""
        words = ["plan", str(pairs_folder), "--data.direction", "BtoA", "--data.layout=side_by_side"]
        assert main([*words, "--hours", "1e-5"]) == 2
        said = capsys.readouterr().err.strip()
        assert "--hours: 1e-05 is too little" in said
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no_such_folder"], "no_such_folder: neither a folder nor a known dataset"),
        (["earth_atme_demo"], "earth_atme_demo: is a preset, and no pairs; name a folder of pairs, or a dataset"),
        (["earth", "--hours", "0"], "--hours: 0 is no time to train"),
        (["earth", "--hours", "nan"], "hours: nan does not fit; give a number"),
        (["earth", "--direction", "up"], "direction"),
        (["earth", "--processes", "0"], "--processes: 0 is no whole number from 1 on"),
        (["earth", "--processes", "some"], "processes: some does not fit; give a whole number or one of auto"),
        (["earth", "--processes", "auto", "--learning-curve"], "--processes: the runs of a learning curve have one"),
        ([], "data"),
    ],
)
def test_what_cannot_be_planned_is_one_line(words: list[str], said: str, capsys: Said) -> None:
    assert main(["plan", *words]) == 2
    told = capsys.readouterr().err.strip()
    assert said in told
    assert len(told.splitlines()) == 1


def test_a_run_and_a_presets_file_are_no_pairs(run: Path, preset: Callable[..., Path], capsys: Said) -> None:
    """Grids of samples would pass for pairs of a split."""
    for place, what in ((run, "run"), (preset(), "preset")):
        assert main(["plan", str(place)]) == 2
        said = f"{place}: is a {what}, and no pairs; name a folder of pairs, or a dataset"
        assert said in capsys.readouterr().err


def test_splits_that_none_is_to_train_on_are_named(earth: Path, capsys: Said) -> None:
    (earth / "train").rename(earth / "one")
    (earth / "test").rename(earth / "two")
    assert main(["plan", str(earth)]) == 2
    assert "none of its splits (one, two) is called train; rename one of them" in capsys.readouterr().err
    (earth / "one").rename(earth / "training")
    assert take_fingerprint(str(earth)).splits.train == "training"


def test_pictures_that_are_too_small_are_named(tmp_path: Path, capsys: Said) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "train").mkdir()
    for number in range(3):
        write_image(tmp_path / "train" / f"{number}.png", rng.integers(0, 256, (6, 12, 3), np.uint8))
    assert main(["plan", str(tmp_path)]) == 2
    assert "pictures of 6 pixels are too small to plan for" in capsys.readouterr().err


def test_a_picture_that_cannot_be_read_is_named(earth: Path, capsys: Said) -> None:
    picture = sorted((earth / "train").iterdir())[0]
    picture.write_bytes(picture.read_bytes()[:2000])
    assert main(["plan", str(earth)]) == 2
    assert picture.name in capsys.readouterr().err
    assert read_image(sorted((earth / "train").iterdir())[1]).size


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder above ``my_pairs``: four pairs A|B of 24×32 pixels a half, not divided."""
    folder, rng = tmp_path_factory.mktemp("few"), np.random.default_rng(0)
    (folder / "my_pairs").mkdir()
    for number in range(4):
        a = smooth(rng, 24, 32)
        write_image(folder / "my_pairs" / f"{number}.png", np.concatenate([a, 255 - a], axis=1))
    return folder


@pytest.mark.usefixtures("quick")
class TestPlannedAndTrained:
    def test_from_pairs_to_a_run(self, few: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
        """In one command; what is said beside the pairs wins; it goes on, and never begins twice."""
        monkeypatch.chdir(few)
        words = ["train", "my_pairs", "--hours", "0.02", "--training.steps", "3", "--data.direction", "BtoA"]
        rate = ["--optimizers.generator.init_args.lr", "0.002"]
        assert main([*words, "--training.batch_size", "1", *rate]) == 0
        shown = capsys.readouterr()
        assert "4 to train on (not divided)" in shown.out
        assert "atme data split my_pairs my_pairs_split" in shown.out
        said = " ".join(shown.out.split())
        assert "batch as said, training.batch_size 1; by the rule 2 crops" in said
        assert "as many as said" in said
        assert f"said beside the pairs, and wins over this plan: {' '.join(rate)}\n" in shown.err
        run = Path("runs/my_pairs")
        assert read_log(run)[-1]["step"] == 3
        resolved = yaml.safe_load((run / "options.yaml").read_text("utf-8"))
        assert (resolved["data"]["direction"], resolved["training"]["batch_size"]) == ("BtoA", 1)
        kept = yaml.safe_load((run / "plan.yaml").read_text("utf-8"))
        assert (kept["training"]["steps"], kept["training"]["batch_size"]) == (3, 1)
        assert kept["training"]["log_every"] == 1
        assert kept["data"]["direction"] == "BtoA"
        assert main(words) == 2
        assert "runs/my_pairs: the run folder exists" in capsys.readouterr().err
        assert main(["train", "my_pairs", "--training.resume", "auto", "--training.steps", "5"]) == 0
        assert read_log(run)[-1]["step"] == 5
        shown = capsys.readouterr()
        assert "Plan" not in shown.out
        assert "runs/my_pairs: goes on by its own options, without a new plan" in shown.err
        shutil.copytree("my_pairs", "others")
        for path in list(Path("others").iterdir()):
            path.rename(path.with_name(f"other_{path.name}"))
        others = ["train", "others", "--run.dir", "runs/my_pairs", "--training.resume", "auto"]
        assert main([*others, "--training.steps", "7"]) == 2
        assert "was trained on pairs with other names" in capsys.readouterr().err

    @pytest.mark.parametrize("noise", ["DecisionMemory", "Diffusion"])
    def test_a_game_with_noise_is_planned_where_one_is_said(
        self, noise: str, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
    ) -> None:
        monkeypatch.chdir(few)
        words = ["train", "my_pairs", "--hours", "0.02", "--training.steps", "2", "--run.dir", str(tmp_path / "run")]
        assert main([*words, "--noise", f"atme.{noise}", "--discriminator.init_args.layers", "1"]) == 0
        shown = capsys.readouterr()
        assert "as said, though 4 pairs are few for a game" in " ".join(shown.out.split())
        assert f"noise as said, noise.class_path atme.{noise}" in " ".join(shown.out.split())
        assert "wins over this plan: --discriminator.init_args.layers 1\n" in shown.err
        kept = yaml.safe_load((tmp_path / "run" / "plan.yaml").read_text("utf-8"))
        assert kept["noise"]["class_path"] == f"atme.{noise}"
        assert yaml.safe_load((tmp_path / "run" / "options.yaml").read_text("utf-8"))["model"]["class_path"] == (
            "atme.Pix2Pix"
        )

    def test_several_processes_plan_and_train_together(
        self, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """They are timed together, share each batch, and the plan is kept as by one."""
        monkeypatch.chdir(few)
        run, page = tmp_path / "run", tmp_path / "page.html"
        words = ["--training.steps", "3", "--run.dir", str(run), "--page", str(page), "--processes", "2"]
        assert main(["train", "my_pairs", "--hours", "0.02", *words]) == 0
        said = capfd.readouterr()
        assert "2 crops an update: half of the pairs, shared by 2 processes" in " ".join(said.out.split())
        assert "2 processes" in said.err
        kept = yaml.safe_load((run / "plan.yaml").read_text("utf-8"))
        assert kept["training"]["share_batch"] is True
        assert read_log(run)[-1] == read_log(run)[-1] | {"step": 3, "processes": 2, "images": 6}
        assert page.is_file()
        assert main(["train", "my_pairs", *words, "--training.resume", "auto", "--training.steps", "4"]) == 0
        assert read_log(run)[-1]["step"] == 4

    def test_more_processes_than_a_batch_has_pairs_are_refused(
        self, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
    ) -> None:
        monkeypatch.chdir(few)
        words = ["plan", "my_pairs", "--hours", "0.02", "--output", str(tmp_path / "mine.yaml")]
        assert main([*words, "--processes", "3"]) == 2
        assert "--processes: 3, and a batch of this plan has 2 pictures" in capsys.readouterr().err
        assert not (tmp_path / "mine.yaml").exists()

    def test_what_it_comes_to_is_printed(self, few: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
        monkeypatch.chdir(few)
        there = sorted(few.rglob("*"))
        with pytest.raises(SystemExit) as ended:
            main(["train", "my_pairs", "--hours", "0.02", "--print_config", "--training.keep", "5"])
        assert ended.value.code == 0
        printed = yaml.safe_load(capsys.readouterr().out)
        assert printed["data"]["root"] == "my_pairs"
        assert printed["model"]["class_path"] == "atme.Regression"
        assert printed["training"]["keep"] == 5
        assert sorted(few.rglob("*")) == there

    def test_the_split_that_it_advises_is_planned_for(
        self, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
    ) -> None:
        monkeypatch.chdir(tmp_path)
        shutil.copytree(few / "my_pairs", "my_pairs")
        assert main(["data", "split", "my_pairs", "my_pairs_split", "--val", "1", "--test", "1"]) == 0
        found = take_fingerprint("my_pairs_split")
        assert (found.splits.train, found.splits.validation, found.pairs) == ("train", "val", 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["earth", "--config", "earth_atme"], "--config: earth is planned for, and this says all that a plan would"),
        (["earth", "--data.root=x"], "--data.root: earth is planned for"),
        (
            ["earth", "--training.max_time", "1h"],
            "--training.max_time: earth is planned for, and this is said by --hours",
        ),
        (
            ["earth", "--seeds", "0,1"],
            "write atme plan earth --output mine.yaml, and then atme train --config mine.yaml",
        ),
        (
            ["earth", "--data.direction=BtoA", "--hours", "1", "--seeds", "0,1"],
            "write atme plan earth --hours 1 --direction BtoA --output mine.yaml, and then",
        ),
        (["earth", "--hours", "soon"], "--hours: 'soon' is no number of hours"),
        (["earth", "--hours"], "--hours: no value; write --hours 0.5"),
        (["earth", "--hours", "-1"], "--hours: -1 is no time to train"),
        (["--hours", "1"], "--hours: plans a training for pairs; write atme train DATA --hours 1"),
        (["earth_atme_demo"], "earth_atme_demo: is a preset, and no pairs; write atme train --config earth_atme_demo"),
        (["nowhere"], "nowhere: neither a folder nor a known dataset"),
        (["earth", "--training.bach_size", "2"], "training.bach_size: no such option"),
        (["--plan", "mine.yaml"], "plan: no such option"),
    ],
)
def test_what_does_not_go_with_pairs_is_one_line(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *words]) == 2
    told = capsys.readouterr().err.strip()
    assert said in told
    assert len(told.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_classes_are_no_brightness(tmp_path: Path) -> None:
    """Two classes, 3 and 7, half of the pixels each: black and white, as a training paints them."""
    for half in "AB":
        (tmp_path / half).mkdir()
    for number in range(4):
        mask = np.full((40, 40, 1), 3, np.uint8)
        mask[:, : 16 + 2 * number] = 7
        for half in "AB":
            write_image(tmp_path / half / f"{number}.png", mask)
    found = take_fingerprint(str(tmp_path))
    assert found.labels is not None
    assert set(found.labels.values) == {(3,), (7,)}
    assert found.floor > 0.5
    assert found.correlation == pytest.approx(1)
    assert "values" not in found.faults


def test_processes_that_cannot_train_together_say_why() -> None:
    from atme.planning.together import time_together

    with pytest.raises(ValueError, match=r"--processes: 2 could not train together: [\s\S]*bach_size"):
        time_together("training: {bach_size: 2}", 2, gpus=0)
