"""The command: its verbs, its exit codes, and one clear line for whatever the user can set right."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import yaml
from PIL import Image
from refusals import refused

from atme import cli
from atme.cli import main
from atme.images import read_image, write_image
from atme.inference import Translator

Preset = Callable[..., Path]


def test_print_config_is_a_preset(preset: Preset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--config", str(preset()), "--generator.init_args.dim", "16", "--print_config"])
    printed = capsys.readouterr().out
    assert yaml.safe_load(printed)["generator"]["init_args"]["dim"] == 16
    (tmp_path / "printed.yaml").write_text(printed)
    assert main(["show", str(tmp_path / "printed.yaml")]) == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--training.batchsize", "3"], "training.batchsize"),
        (["--train.batch_size", "3"], "train.batch_size"),
        (["--training.batch", "3"], "training.batch"),
        (["--training.batch_size", "three"], "training.batch_size"),
        (["--training.batch_size", "0"], "training.batch_size"),
        (["--training.precision", "fp16"], "fp16"),
        (["--training.rate.epochs", "0", "--training.rate.decay_epochs", "0"], "at least one epoch"),
        (["--generator.init_args.dimm", "3"], "dimm"),
        (["--generator", "atme.networks.Unet"], "Unet"),
        (["--noise", "atme.noise.Nothing"], "Nothing"),
        (["--model.init_args.adversarial", "hinges"], "adversarial"),
        (["--model.init_args.lambda_l1", "-1"], "lambda_l1"),
        (["--data.root", "nowhere"], "nowhere"),
        (["--data.train_split", "val"], "val"),
        (["--data.crop_size", "64"], "crop_size"),
        (["--data.crop_size", "33"], "33"),
        (["--data.crop_size", "4"], "4"),
        (["--training.batch_size", "8"], "too few"),
        (["--training.average", "1.5"], "training.average"),
        (["--training.resume", "nowhere/step_00000004"], "nowhere"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_no_folder(
    preset: Preset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    named: str,
) -> None:
    config = [] if arguments[0] == "--config" else ["--config", str(preset())]
    folder = tmp_path / "run"
    assert named in refused(capsys, "train", *config, "--run.dir", str(folder), *arguments)
    assert not folder.exists()


def test_an_unknown_key_in_a_preset_is_named(preset: Preset, capsys: pytest.CaptureFixture[str]) -> None:
    assert "lamda_l1" in refused(capsys, "train", "--config", str(preset(model__init_args={"lamda_l1": 1})))
    assert "epoch" in refused(capsys, "train", "--config", str(preset(training__epoch=1)))


def damaged_folder(tmp_path: Path, pairs_folder: Path) -> Path:
    root = tmp_path / "damaged"
    for split in ("train", "test"):
        (root / split).mkdir(parents=True)
        for path in (pairs_folder / split).iterdir():
            (root / split / path.name).write_bytes(path.read_bytes())
    return root


def spoil(path: Path, how: str) -> None:
    whole = read_image(path)
    if how == "not an image":
        path.write_text("hello")
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-200])
    elif how == "odd width":
        write_image(path, whole[:, :-1])
    elif how == "gray among colors":
        write_image(path, whole[:, :, :1])


@pytest.mark.parametrize("how", ["not an image", "truncated", "odd width", "gray among colors"])
def test_a_bad_file_is_named_before_anything_is_written(
    preset: Preset, tmp_path: Path, pairs_folder: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    root = damaged_folder(tmp_path, pairs_folder)
    spoil(root / "train" / "train_5.png", how)
    folder = tmp_path / "run"
    line = refused(capsys, "train", "--config", str(preset(data__root=str(root))), "--run.dir", str(folder))
    assert "train_5.png" in line
    assert not folder.exists()


def damage_inside(path: Path) -> None:
    """Its header and its end stay whole, so that only decoding finds it out."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    path.write_bytes(content)


def test_a_file_of_the_first_batch_that_is_damaged_inside_leaves_no_folder(
    preset: Preset, tmp_path: Path, pairs_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = damaged_folder(tmp_path, pairs_folder)
    for path in (root / "train").glob("train_[1-6].png"):
        damage_inside(path)
    folder = tmp_path / "run"
    line = refused(capsys, "train", "--config", str(preset(data__root=str(root))), "--run.dir", str(folder))
    assert "damaged" in line
    assert not folder.exists()


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_file_that_turns_out_damaged_later_is_named_and_the_run_goes_on_when_it_is_repaired(
    preset: Preset, tmp_path: Path, pairs_folder: Path, capsys: pytest.CaptureFixture[str], workers: str
) -> None:
    """No failure after the first update removes a run folder."""
    root = damaged_folder(tmp_path, pairs_folder)
    damage_inside(root / "train" / "train_5.png")
    folder = tmp_path / "run"
    arguments = ["train", "--config", str(preset(data__root=str(root))), "--run.dir", str(folder)]
    assert main([*arguments, "--data.workers", workers]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"atme: {root / 'train' / 'train_5.png'}: damaged")
    assert (folder / "options.yaml").exists()
    (root / "train" / "train_5.png").write_bytes((pairs_folder / "train" / "train_5.png").read_bytes())
    assert main([*arguments, "--training.resume", "auto"]) == 0


def test_a_run_folder_that_exists_is_not_touched(preset: Preset, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(str(path) for path in run.rglob("*"))
    line = refused(capsys, "train", "--config", str(preset()), "--run.dir", str(run))
    assert "--training.resume auto" in line
    assert sorted(str(path) for path in run.rglob("*")) == before


def test_a_full_disk_damages_no_checkpoint(preset: Preset, tmp_path: Path) -> None:
    """Files may not grow beyond a limit that the first checkpoint fits in and a longer log does not."""
    run, file = tmp_path / "run", str(preset(training__sample_every=0))
    words = ["train", "--config", file, "--run.dir", str(run)]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1200, 1200))

    assert main([*words, "--training.rate.epochs", "1", "--training.rate.decay_epochs", "0"]) == 0
    before = {path: path.read_bytes() for path in (run / "checkpoints").rglob("*") if path.is_file()}
    outcome = subprocess.run(
        [sys.executable, "-m", "atme", *words, "--training.resume", "auto"],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 2, outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert outcome.stderr.splitlines()[-1].startswith("atme: ")
    assert {path: path.read_bytes() for path in (run / "checkpoints").rglob("*") if path.is_file()} == before


def test_evaluation_is_as_promised(run: Path) -> None:
    assert main(["evaluate", str(run)]) == 0
    found = json.loads((run / "evaluation" / "test.json").read_text())
    metrics = {"l1", "psnr", "ssim", "delta_e", "swd"}
    assert metrics < found.keys()
    assert found["baselines"].keys() == {"median_color", "copy"}
    for values in (found, *found["baselines"].values()):
        assert values["intervals"].keys() == metrics
        assert all(values["intervals"][name][0] <= values[name] <= values["intervals"][name][1] for name in metrics)
    assert found["protocol"]["pairs"] == 3
    assert found["protocol"]["weights"] == "average"
    rows = (run / "evaluation" / "test.csv").read_text().splitlines()
    assert rows[0] == "name,l1,psnr,ssim,delta_e"
    assert len(rows) == 4


def test_scores_are_those_of_the_files_that_translate_writes(run: Path, pairs_folder: Path, tmp_path: Path) -> None:
    assert main(["evaluate", str(run)]) == 0
    source = pairs_folder / "test"
    assert main(["translate", str(run), str(source), str(tmp_path), "--half", "left"]) == 0
    written = sorted(tmp_path.iterdir())
    assert [path.name for path in written] == ["test_0.png", "test_1.png", "test_2.png"]
    differences = []
    for path in written:
        target = read_image(source / path.name)[:, 48:]
        differences.append(np.abs(read_image(path) / 127.5 - target / 127.5).mean())
    found = json.loads((run / "evaluation" / "test.json").read_text())
    assert found["l1"] == pytest.approx(np.mean(differences), rel=1e-5)


def test_translate_takes_a_file_of_any_size(run: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "photo.png", np.zeros((37, 51, 3), np.uint8))
    assert main(["translate", str(run), str(tmp_path / "photo.png"), str(tmp_path / "map.png")]) == 0
    assert read_image(tmp_path / "map.png").shape == (37, 51, 3)


@pytest.mark.parametrize(
    ("source", "named"), [("missing.png", "missing.png"), ("empty", "empty"), ("gray.png", "1 channels")]
)
def test_what_cannot_be_translated_is_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, named: str
) -> None:
    (tmp_path / "empty").mkdir()
    write_image(tmp_path / "gray.png", np.zeros((32, 32, 1), np.uint8))
    output = tmp_path / "out"
    assert named in refused(capsys, "translate", str(run), str(tmp_path / source), str(output))
    assert not output.exists()


def test_a_folder_that_holds_no_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert str(tmp_path) in refused(capsys, "evaluate", str(tmp_path))
    assert "no such folder" in refused(capsys, "evaluate", str(tmp_path / "nowhere"))


def test_a_damaged_checkpoint_is_named(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "run"
    subprocess.run(["cp", "-r", str(run), str(copy)], check=True)
    weights = next(copy.rglob("average_generator.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "average_generator.safetensors" in refused(capsys, "evaluate", str(copy))
    arguments = ["--config", str(copy / "options.yaml"), "--run.dir", str(copy), "--training.resume", "auto"]
    assert "step_00000004" in refused(capsys, "train", *arguments)


def test_show_counts_what_is_there(preset: Preset, capsys: pytest.CaptureFixture[str], run: Path) -> None:
    assert main(["show", str(preset())]) == 0
    shown = capsys.readouterr().out
    translator = Translator.from_run(run)
    count = sum(parameter.numel() for parameter in translator.networks.generator.parameters())
    assert f"{count / 1e6:.4f} M" in shown
    assert "GFLOP" in shown
    assert "class_path: atme.UNet" in shown


def test_a_translator_takes_pictures_arrays_and_paths(run: Path, pairs_folder: Path, tmp_path: Path) -> None:
    translator = Translator.from_run(run)
    array = read_image(pairs_folder / "test" / "test_0.png")[:, :48]
    write_image(tmp_path / "a.png", array)
    found = translator([array, Image.fromarray(array), tmp_path / "a.png", str(tmp_path / "a.png")])
    assert [picture.size for picture in found] == [(48, 40)] * 4
    assert len({picture.tobytes() for picture in found}) == 1
    assert translator(array).tobytes() == found[0].tobytes()


def test_what_is_saved_translates_alike(run: Path, tmp_path: Path) -> None:
    translator = Translator.from_run(run)
    translator.save_pretrained(tmp_path / "saved")
    array = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    again = Translator.from_pretrained(tmp_path / "saved")
    assert again(array).tobytes() == translator(array).tobytes()
    last = Translator.from_run(run, weights="last")
    assert last(array).tobytes() != translator(array).tobytes()


def test_debugging_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(os.environ, "ATME_DEBUG", "1")
    assert main(["evaluate", "nowhere"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_place_of_its_own_written_as_an_option_is_told_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["translate", "--run", "earth", "photo.png", str(tmp_path / "map.png")]) == 2
    assert capsys.readouterr().err.startswith("atme: --run: write its value alone, without this word; usage: atme ")


@pytest.mark.parametrize(("arguments", "code"), [((), 130), ((signal.SIGTERM,), 143)])
def test_what_interrupted_a_verb_is_its_exit_code(
    arguments: tuple[int, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(words: list[str]) -> int:
        raise KeyboardInterrupt(*arguments)

    monkeypatch.setattr(cli, "known_verb", lambda *_, **__: interrupted)
    assert cli._guarded("plan", []) == code


def test_sigterm_leaves_no_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def verb(words: list[str]) -> int:
        with TemporaryDirectory(dir=tmp_path):
            assert list(tmp_path.iterdir())
            signal.raise_signal(signal.SIGTERM)
        return 0

    monkeypatch.setattr(cli, "known_verb", lambda *_, **__: verb)
    before = signal.getsignal(signal.SIGTERM)
    assert cli._guarded("plan", []) == 143
    assert capsys.readouterr().err == "interrupted\n"
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before
