"""Going on, from anywhere: what options.yaml says is what was done, and a refusal changes nothing."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from conftest import TINY, smooth
from safetensors.numpy import load_file

from atme.cli import main
from atme.images import write_image
from atme.inference import Translator
from atme.run_folder import checkpoints, read_log, read_options
from atme.training.rate import Rate

Preset = Callable[..., Path]
Refused = Callable[..., str]
SHORT = ("--training.rate.epochs", "1", "--training.rate.decay_epochs", "1")
"""Eight steps; the base run's."""


def train(preset: Path, run: Path, *more: str) -> int:
    return main(["train", "--config", str(preset), "--run.dir", str(run), *more])


def write_pairs(
    root: Path, *, seed: int, channels: int = 3, size: tuple[int, int] = (40, 48), names: str = "train"
) -> Path:
    rng = np.random.default_rng(seed)
    for split, count in (("train", 7), ("test", 3)):
        (root / split).mkdir(parents=True)
        for i in range(count):
            a = smooth(rng, *size)[:, :, :channels]
            write_image(root / split / f"{split}_{i}.png", np.concatenate([a, 255 - a], axis=1))
    return root


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder, by the digest of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, pairs_folder: Path) -> Path:
    """A finished run of two epochs; its rate fell in the second one."""
    folder = tmp_path_factory.mktemp("base")
    training = TINY["training"] | {"log_every": 1, "sample_every": 0}
    options = TINY | {"data": TINY["data"] | {"root": str(pairs_folder)}, "training": training}
    (folder / "preset.yaml").write_text(yaml.safe_dump(options))
    assert train(folder / "preset.yaml", folder / "run", *SHORT) == 0
    return folder / "run"


@pytest.fixture
def copy(base: Path, tmp_path: Path) -> Path:
    """The same run, to be changed."""
    shutil.copytree(base, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], base: Path) -> Refused:
    """Train as the base run's options say, with changes, and be refused in one line that changes no file."""

    def refuse(run: Path, *more: str) -> str:
        before, place = contents(run) if run.exists() else None, contents(base)
        capsys.readouterr()
        assert train(base / "options.yaml", run, *more) == 2
        errors = capsys.readouterr().err
        assert errors.count("\n") == 1, errors
        assert (contents(run) if run.exists() else None) == before
        assert contents(base) == place
        return errors

    return refuse


def preset_of(base: Path) -> Path:
    return base.parent / "preset.yaml"


def optimizer_of(checkpoint: Path, side: str = "generator") -> dict:
    kept = torch.load(checkpoint / "optimizers.pt", weights_only=True)
    return kept[side]["param_groups"][0]


def assert_what_options_say_was_done(run: Path) -> None:
    """Every step of this run: with the rates, betas and lengths of the options that its folder keeps for it."""
    parts = {int(path.stem[-8:]): yaml.safe_load(path.read_text()) for path in run.glob("options_to_step_*.yaml")}
    lines, last = read_log(run), yaml.safe_load((run / "options.yaml").read_text())
    per_epoch = 4
    for line in lines:
        ended = [step for step in sorted(parts) if line["step"] <= step]
        options = parts[ended[0]] if ended else last
        full = float(options["optimizers"]["generator"]["init_args"]["lr"])
        rate = Rate(**options["training"]["rate"])
        assert line["lr"] == pytest.approx(full * rate((line["step"] - 1) / per_epoch)), line["step"]
        assert line["precision"] == options["training"]["precision"]
    place = checkpoints(run)[-1]
    assert json.loads((place / "state.json").read_text())["step"] == lines[-1]["step"]
    assert lines[-1]["step"] == per_epoch * Rate(**last["training"]["rate"]).total
    for side in ("generator", "discriminator"):
        asked, used = last["optimizers"][side]["init_args"], optimizer_of(place, side)
        for name in ("betas", "weight_decay", "momentum", "eps"):
            if name in asked:
                assert used[name] == pytest.approx(asked[name]), name
        assert used["initial_lr"] == pytest.approx(float(asked["lr"]))


@pytest.mark.parametrize(
    "change",
    [
        ["--optimizers.generator.init_args.lr", "1e-5"],
        ["--optimizers.generator.init_args.lr", "1e-3", "--optimizers.discriminator.init_args.lr", "1e-5"],
        ["--optimizers.generator.init_args.betas", "[0.9,0.99]"],
        ["--optimizers.discriminator.init_args.weight_decay", "0.01"],
        ["--training.precision", "bf16"],
    ],
)
def test_a_branch_does_what_its_options_say(base: Path, tmp_path: Path, change: list[str]) -> None:
    run, place = tmp_path / "branch", checkpoints(base)[0]
    assert train(preset_of(base), run, *SHORT, "--training.resume", str(place), *change) == 0
    assert [line["step"] for line in read_log(run)] == [5, 6, 7, 8]
    assert_what_options_say_was_done(run)
    moments = torch.load(checkpoints(run)[-1] / "optimizers.pt", weights_only=True)["generator"]["state"][0]
    assert moments["step"] == 8
    assert (run / "options_to_step_00000004.yaml").read_text() == (base / "options.yaml").read_text()
    ours, theirs = (load_file(checkpoints(each)[-1] / "generator.safetensors") for each in (run, base))
    assert any(not np.array_equal(ours[name], theirs[name]) for name in ours)


def test_a_branch_that_changes_nothing_ends_with_the_same_bits(base: Path, tmp_path: Path) -> None:
    """The control of the tests above: were the options ignored, their runs would be this one."""
    run, place = tmp_path / "branch", checkpoints(base)[0]
    assert train(preset_of(base), run, *SHORT, "--training.resume", str(place)) == 0
    ours, theirs = (load_file(checkpoints(each)[-1] / "generator.safetensors") for each in (run, base))
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_stretched_to_more_updates_it_says_to_how_many(
    base: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(base / "options.yaml", copy, "--training.resume", "auto", "--training.steps", "20") == 0
    told = re.search(
        r"the run's earlier steps followed (.*), and training.rate now says (.*);", capsys.readouterr().err
    )
    assert told is not None
    assert told[2] == f"{told[1].removesuffix(' epochs')} in 20 updates"


def test_made_longer_it_says_that_the_rate_rises_and_keeps_the_earlier_options(
    base: Path, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (copy / "options.yaml").read_text()
    assert train(base / "options.yaml", copy, "--training.resume", "auto", "--training.rate.epochs", "2") == 0
    assert "the learning rate rises from 0.25 to 1 of its full value" in capsys.readouterr().err
    assert (copy / "options_to_step_00000008.yaml").read_text() == before
    assert read_options(copy)["training"]["rate"]["epochs"] == 2
    assert_what_options_say_was_done(copy)


def test_made_shorter_it_does_what_its_options_say(base: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    long = ("--training.rate.epochs", "3", "--training.rate.decay_epochs", "2")
    assert train(preset_of(base), run, *long) == 0
    for path in checkpoints(run)[2:]:
        shutil.rmtree(path)  # as if it had been killed after two epochs
    assert train(preset_of(base), run, "--training.rate.epochs", "2", "--training.resume", "auto") == 0
    assert_what_options_say_was_done(run)
    assert [line["step"] for line in read_log(run)] == list(range(1, 13))


def test_going_on_as_before_keeps_one_file_of_options(base: Path, copy: Path) -> None:
    shutil.rmtree(checkpoints(copy)[-1])
    assert train(base / "options.yaml", copy, "--training.resume", "auto", "--data.workers", "0") == 0
    assert not list(copy.glob("options_to_*"))
    assert_what_options_say_was_done(copy)


def test_a_branch_keeps_its_origin_when_it_goes_on(base: Path, tmp_path: Path) -> None:
    run, place = tmp_path / "branch", checkpoints(base)[0]
    longer = ("--training.rate.epochs", "2", "--training.rate.decay_epochs", "1", "--training.resume")
    assert train(preset_of(base), run, *longer, str(place)) == 0
    shutil.rmtree(checkpoints(run)[-1])
    assert train(run / "options.yaml", run, "--training.resume", "auto") == 0
    assert read_options(run)["training"]["resume"] == str(place)
    assert [line["step"] for line in read_log(run)] == list(range(5, 13))
    assert_what_options_say_was_done(run)


@pytest.mark.parametrize("again", ["auto", "the same"])
def test_a_branch_that_was_killed_early_begins_where_it_began(base: Path, tmp_path: Path, again: str) -> None:
    run, place = tmp_path / "branch", str(checkpoints(base)[0])
    arguments = (*SHORT, "--training.resume")
    assert train(preset_of(base), run, *arguments, place) == 0
    whole = load_file(checkpoints(run)[-1] / "generator.safetensors")
    shutil.rmtree(run / "checkpoints")
    assert train(preset_of(base), run, *arguments, "auto" if again == "auto" else place) == 0
    assert [line["step"] for line in read_log(run)] == [5, 6, 7, 8]
    ours = load_file(checkpoints(run)[-1] / "generator.safetensors")
    assert all(np.array_equal(ours[name], whole[name]) for name in whole)


def test_a_run_is_accepted_for_its_last_checkpoint(base: Path, tmp_path: Path) -> None:
    longer = ("--training.rate.epochs", "2", "--training.rate.decay_epochs", "1")
    assert train(preset_of(base), tmp_path / "branch", *longer, "--training.resume", str(base)) == 0
    assert [line["step"] for line in read_log(tmp_path / "branch")] == [9, 10, 11, 12]
    assert read_options(tmp_path / "branch")["training"]["resume"] == str(checkpoints(base)[-1])


@pytest.mark.parametrize("again", ["auto", "the same"])
def test_a_branch_begins_where_it_began_also_if_the_other_run_went_on(base: Path, tmp_path: Path, again: str) -> None:
    """Killed before its first checkpoint, it is no branch of what that run came to since."""
    other, run, shorter = tmp_path / "other", tmp_path / "branch", tmp_path / "shorter"
    shutil.copytree(base, other)
    shutil.move(checkpoints(other)[-1], shorter)
    begun = (*SHORT, "--training.resume")
    assert train(preset_of(base), run, *begun, str(other)) == 0
    assert [line["step"] for line in read_log(run)] == [5, 6, 7, 8]
    shutil.rmtree(run / "checkpoints")
    shutil.move(shorter, other / "checkpoints" / "step_00000008")
    if again == "the same":
        before = contents(run)
        assert train(preset_of(base), run, *begun, str(other)) == 2
        assert contents(run) == before
    assert train(preset_of(base), run, *begun, "auto") == 0
    assert [line["step"] for line in read_log(run)] == [5, 6, 7, 8]


class TestNothingLeft:
    def test_a_branch_from_a_finished_run_is_refused(self, base: Path, tmp_path: Path, refused: Refused) -> None:
        run, place = tmp_path / "more", checkpoints(base)[-1]
        line = refused(run, "--training.resume", str(place))
        assert "is at epoch 2 of 2" in line
        assert not run.exists()
        (beyond,) = re.findall(r"raise training.rate.epochs beyond (\d+)", line)
        more = ("--training.rate.epochs", str(int(beyond) + 1))
        assert train(base / "options.yaml", run, "--training.resume", str(place), *more) == 0
        assert checkpoints(run)

    def test_a_finished_run_is_left_as_it_is(self, base: Path, copy: Path) -> None:
        before = contents(copy)
        assert train(base / "options.yaml", copy, "--training.resume", "auto", "--training.log_every", "7") == 0
        assert contents(copy) == before

    @pytest.mark.parametrize("epochs", ["0", "1"])
    def test_a_finished_run_is_not_made_shorter(self, copy: Path, refused: Refused, epochs: str) -> None:
        shorter = ("--training.rate.epochs", epochs, "--training.rate.decay_epochs", "1" if epochs == "0" else "0")
        assert "nothing is left to train" in refused(copy, "--training.resume", "auto", *shorter)


class TestOtherData:
    """What a checkpoint's memory is of: these pairs, in this order, at this size and batch."""

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            (["--training.batch_size", "1"], "training.batch_size"),
            (["--training.accumulate", "2"], "training.accumulate"),
            (["--data.crop_size", "36"], "data.crop_size"),
            (["--data.train_split", "eight"], "training pairs 7, not 8"),
            (["--data.direction", "BtoA"], "direction"),
            (["--generator.init_args.dim", "16"], "generator.init_args.dim"),
            (["--discriminator.init_args.layers", "1"], "discriminator.init_args.layers"),
            (["--noise.init_args.align", "false"], "noise.init_args.align"),
            (["--noise", "atme.Identity"], "noise.class_path"),
            (["--noise.init_args.widths", "[8,16,8]"], "noise.init_args.widths"),
            (["--optimizers.generator.init_args.amsgrad", "true"], "optimizers.generator.init_args.amsgrad"),
            (["--optimizers.generator", "torch.optim.SGD"], "optimizers.generator.class_path"),
        ],
    )
    def test_a_branch_names_the_option_and_the_remedy(
        self, base: Path, tmp_path: Path, refused: Refused, change: list[str], named: str
    ) -> None:
        longer = ("--training.rate.epochs", "5")
        line = refused(tmp_path / "branch", "--training.resume", str(checkpoints(base)[0]), *change, *longer)
        assert named in line
        if named.startswith(("generator.", "discriminator.", "noise.init_args.widths")):
            assert "begin anew in a new --run.dir" in line  # no weights fit
            anew = ("--training.rate.epochs", "1", "--training.rate.decay_epochs", "0")
            assert train(base / "options.yaml", tmp_path / "new", *change, *anew) == 0
        else:
            assert follow(line, base, tmp_path / "new", *change)

    def test_averaging_that_is_switched_on_is_named(self, base: Path, tmp_path: Path, refused: Refused) -> None:
        plain = tmp_path / "plain"
        assert train(base / "options.yaml", plain, "--training.average", "null") == 0
        place = checkpoints(plain)[0]
        line = refused(tmp_path / "branch", "--training.resume", str(place), "--training.average", "0.99")
        assert "training.average" in line
        assert "None, not 0.99" in line
        assert follow(line, base, tmp_path / "branch", "--training.average", "0.99")

    def test_as_many_other_pairs_of_the_same_names_are_refused(
        self, base: Path, copy: Path, tmp_path: Path, refused: Refused
    ) -> None:
        root = str(write_pairs(tmp_path / "others", seed=5))
        shutil.rmtree(checkpoints(copy)[-1])
        for run, resume in ((tmp_path / "branch", str(checkpoints(base)[0])), (copy, "auto")):
            line = refused(run, "--training.resume", resume, "--data.root", root)
            assert "other pictures (7 of the 7" in line
            assert follow(line, base, tmp_path / f"new_{run.name}", "--data.root", root)

    def test_other_names_are_refused(self, base: Path, tmp_path: Path, pairs_folder: Path, refused: Refused) -> None:
        root = tmp_path / "renamed"
        shutil.copytree(pairs_folder, root)
        (root / "train" / "train_0.png").rename(root / "train" / "zebra.png")
        line = refused(tmp_path / "branch", "--training.resume", str(checkpoints(base)[0]), "--data.root", str(root))
        assert "other names" in line

    def test_data_may_move(self, base: Path, copy: Path, tmp_path: Path, pairs_folder: Path) -> None:
        """Also where one picture was repaired since."""
        root = tmp_path / "moved"
        shutil.copytree(pairs_folder, root)
        repaired = root / "train" / "train_3.png"
        write_image(repaired, 255 - np.asarray(smooth(np.random.default_rng(9), 40, 96)))
        shutil.rmtree(checkpoints(copy)[-1])
        assert train(base / "options.yaml", copy, "--training.resume", "auto", "--data.root", str(root)) == 0
        assert read_options(copy)["data"]["root"] == str(root)
        assert_what_options_say_was_done(copy)

    def test_a_checkpoint_of_an_earlier_version_goes_on_where_its_data_lie(
        self, base: Path, copy: Path, tmp_path: Path, pairs_folder: Path, refused: Refused
    ) -> None:
        shutil.rmtree(checkpoints(copy)[-1])
        about = checkpoints(copy)[-1] / "state.json"
        state = json.loads(about.read_text())
        del state["pairs"]
        about.write_text(json.dumps(state))
        shutil.copytree(pairs_folder, tmp_path / "moved")
        line = refused(copy, "--training.resume", "auto", "--data.root", str(tmp_path / "moved"))
        assert "data.root" in line
        assert train(base / "options.yaml", copy, "--training.resume", "auto") == 0

    def test_options_that_an_earlier_version_did_not_know_are_no_change(self, base: Path, copy: Path) -> None:
        shutil.rmtree(checkpoints(copy)[-1])
        options = read_options(copy)
        unknown = options["generator"]["init_args"].keys() - TINY["generator"]["init_args"].keys()
        assert unknown
        del options["history"], options["training"]["accumulate"]
        for key in unknown:
            del options["generator"]["init_args"][key]
        (copy / "options.yaml").write_text(yaml.safe_dump(options))
        assert train(base / "options.yaml", copy, "--training.resume", "auto") == 0


def follow(line: str, base: Path, run: Path, *more: str) -> bool:
    """Whether the remedy of a refusal works: the same command with ``start_from`` in the place of ``resume``."""
    (place,) = re.findall(r"--training\.start_from (\S+)", line)
    short = ("--training.rate.epochs", "1", "--training.rate.decay_epochs", "0")
    assert train(base / "options.yaml", run, "--training.start_from", place, *short, *more) == 0
    return read_log(run)[0]["step"] == 1


class TestStartFrom:
    @pytest.fixture
    def saved(self, base: Path, tmp_path: Path) -> Path:
        Translator.from_run(base, device="cpu").save_pretrained(tmp_path / "saved")
        return tmp_path / "saved"

    @pytest.mark.parametrize("kind", ["run", "checkpoint", "saved"])
    def test_it_begins_with_the_weights_of_a_translator(
        self, base: Path, saved: Path, tmp_path: Path, kind: str
    ) -> None:
        """With rates of 0 the weights stay what they were; memory, moments and step are new ones."""
        place = {"run": base, "checkpoint": checkpoints(base)[-1], "saved": saved}[kind]
        root = str(write_pairs(tmp_path / "others", seed=3, size=(52, 44)))
        still = [f"--optimizers.{side}.init_args.lr=0" for side in ("generator", "discriminator")]
        short = ("--training.rate.epochs", "1", "--training.rate.decay_epochs", "0", "--training.batch_size", "3")
        run = tmp_path / "run"
        arguments = (*short, *still, "--data.root", root, "--data.crop_size", "40", "--training.average", "null")
        assert train(base / "options.yaml", run, "--training.start_from", str(place), *arguments) == 0
        ours, theirs = checkpoints(run)[-1], Translator.from_run(base, device="cpu").networks
        for name in ("generator", "discriminator", "scheme"):
            weights = load_file(ours / f"{name}.safetensors")
            for key, value in getattr(theirs, name).named_parameters():
                np.testing.assert_array_equal(weights[key], value.detach().numpy())
        assert load_file(ours / "scheme.safetensors")["decisions"].shape[0] == 7
        assert [line["step"] for line in read_log(run)] == [1, 2, 3]
        assert read_options(run)["training"]["start_from"] == str(place if kind != "run" else checkpoints(base)[-1])

    def test_its_folder_repeats_it_and_goes_on(self, base: Path, tmp_path: Path) -> None:
        run, again = tmp_path / "run", tmp_path / "again"
        assert train(base / "options.yaml", run, "--training.start_from", str(base)) == 0
        assert train(run / "options.yaml", again) == 0
        shutil.rmtree(checkpoints(again)[-1])
        goes_on = ("--training.resume", "auto", "--training.start_from", str(base))
        assert train(base / "options.yaml", again, *goes_on) == 0
        ours, theirs = (load_file(checkpoints(each)[-1] / "generator.safetensors") for each in (run, again))
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)

    def test_other_channels_begin_anew_where_they_are_read_and_written(
        self, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        root = str(write_pairs(tmp_path / "gray", seed=3, channels=1))
        run = tmp_path / "run"
        assert train(base / "options.yaml", run, "--training.start_from", str(base), "--data.root", root) == 0
        told = capsys.readouterr().err
        assert "of the generator, what reads or writes other channels begins anew: " in told
        assert "of the discriminator, what reads or writes other channels begins anew: " in told

    def test_another_noise_begins_anew(self, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        plain = tmp_path / "plain"
        other = ("--noise", "atme.Identity", "--training.start_from", str(base))
        assert train(base / "options.yaml", plain, *other) == 0
        assert train(base / "options.yaml", tmp_path / "run", "--training.start_from", str(plain)) == 0
        assert "the noise scheme is of another kind there: its weights begin anew" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            (["--generator.init_args.dim", "16"], "generator.init_args.dim is 8"),
            (["--discriminator.init_args.layers", "1"], "discriminator.init_args.layers is 2"),
            (["--noise.init_args.widths", "[8,16,8]"], "noise.init_args.widths is"),
            (["--generator.init_args.groups", "4", "--generator.init_args.dim_mults", "[1,2,2]"], "dim_mults"),
        ],
    )
    def test_a_network_that_does_not_fit_is_named_by_its_option(
        self, base: Path, tmp_path: Path, refused: Refused, change: list[str], named: str
    ) -> None:
        # without these it fits: test_its_folder_repeats_it_and_goes_on
        assert named in refused(tmp_path / "run", "--training.start_from", str(base), *change)

    @pytest.mark.parametrize("place", ["nowhere", "empty"])
    def test_what_holds_no_weights_is_named(self, base: Path, tmp_path: Path, refused: Refused, place: str) -> None:
        (tmp_path / "empty").mkdir()
        line = refused(tmp_path / "run", "--training.start_from", str(tmp_path / place))
        assert line.startswith("atme: training.start_from: ")
        assert str(tmp_path / place) in line

    def test_it_does_not_go_with_a_checkpoint(self, base: Path, tmp_path: Path, refused: Refused) -> None:
        both = ("--training.start_from", str(base), "--training.resume", str(checkpoints(base)[0]))
        assert "give one of both" in refused(tmp_path / "run", *both)

    def test_what_was_saved_to_translate_is_no_checkpoint(
        self, base: Path, saved: Path, tmp_path: Path, refused: Refused
    ) -> None:
        line = refused(tmp_path / "run", "--training.resume", str(saved))
        assert follow(line, base, tmp_path / "run")


class TestRefusalsOfAFolder:
    """Each in one line, each before anything is written, each with a remedy that works."""

    def test_a_folder_that_exists(self, base: Path, copy: Path, refused: Refused) -> None:
        line = refused(copy)
        assert "choose another --run.dir, or go on with --training.resume auto" in line
        assert train(base / "options.yaml", copy, "--training.resume", "auto") == 0

    def test_an_earlier_checkpoint(self, base: Path, copy: Path, tmp_path: Path, refused: Refused) -> None:
        place = str(checkpoints(copy)[0])
        line = refused(copy, "--training.resume", place)
        assert "go on with --training.resume auto, or choose a new --run.dir to go on from there" in line
        assert train(base / "options.yaml", tmp_path / "new", "--training.resume", place) == 0

    def test_other_options_also_before_the_first_checkpoint(self, base: Path, copy: Path, refused: Refused) -> None:
        """A run that was killed early keeps its log and its options."""
        shutil.rmtree(copy / "checkpoints")
        assert "run.seed" in refused(copy, "--training.resume", "auto", "--run.seed", "7")
        assert train(base / "options.yaml", copy, "--training.resume", "auto") == 0
        assert [line["step"] for line in read_log(copy)] == list(range(1, 9))

    def test_a_damaged_line_of_the_log(self, base: Path, copy: Path, refused: Refused) -> None:
        shutil.rmtree(checkpoints(copy)[-1])
        lines = (copy / "log.jsonl").read_text().splitlines(keepends=True)
        (copy / "log.jsonl").write_text("".join([*lines[:2], "damaged\n", *lines[3:]]))
        assert "line 3" in refused(copy, "--training.resume", "auto")
        (copy / "log.jsonl").write_text("".join([*lines[:2], *lines[3:]]))
        assert train(base / "options.yaml", copy, "--training.resume", "auto") == 0

    @pytest.mark.parametrize("name", ["generator.safetensors", "optimizers.pt", "average_scheme.safetensors"])
    @pytest.mark.parametrize("how", ["cut", "empty", "gone"])
    def test_a_damaged_checkpoint(self, base: Path, copy: Path, refused: Refused, name: str, how: str) -> None:
        path = checkpoints(copy)[-1] / name
        kept = {"cut": 100, "empty": 0, "gone": None}[how]
        path.unlink() if kept is None else path.write_bytes(path.read_bytes()[:kept])
        line = refused(copy, "--training.resume", "auto", "--training.rate.epochs", "2")
        assert "remove this folder, and --training.resume auto goes on" in line
        shutil.rmtree(line.removeprefix("atme: ").split(": ")[0])
        # which goes on: test_going_on_as_before_keeps_one_file_of_options
        last = str(checkpoints(base)[-1].relative_to(base))
        assert contents(copy) == {name: each for name, each in contents(base).items() if not name.startswith(last)}

    def test_a_damaged_picture(
        self, base: Path, copy: Path, tmp_path: Path, pairs_folder: Path, refused: Refused
    ) -> None:
        root = tmp_path / "moved"
        shutil.copytree(pairs_folder, root)
        for path in (root / "test").iterdir():
            content = bytearray(path.read_bytes())
            content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
            path.write_bytes(content)
        shutil.rmtree(checkpoints(copy)[-1])
        assert "damaged" in refused(copy, "--training.resume", "auto", "--data.root", str(root))
        assert train(base / "options.yaml", copy, "--training.resume", "auto") == 0
