"""Wrong command lines and presets as people write them: one line each, with the culprit and the remedy."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from refusals import refused

from atme.cli import main
from atme.cli.arguments import parse
from atme.training import options

Preset = Callable[..., Path]

ADAM = "optimizers:\n  generator:\n    class_path: torch.optim.Adam\n    init_args: {%s}\n"
PRESETS = [
    ("training:\n\tbatch_size: 2\n", "line 2: a tab", "spaces"),
    ("training:\n  batch_size: 2\n  batch_size: 3\n", "line 3: batch_size", "again after line 2; keep one"),
    ("training:\n  keep: 2\ntraining:\n  keep: 3\n", "line 3: training", "again after line 1; keep one"),
    ("data:\n  direction: no\n", "line 2: data.direction: False", "AtoB, BtoA, in quotes"),
    ("data:\n  train_split: no\n", "line 2: data.train_split: False", "in quotes"),
    ("data:\n  train_split: 2020\n", "line 2: data.train_split: 2020", "in quotes"),
    ("", "holds nothing", "atme presets earth_atme"),
    ("# a comment\n", "holds nothing", "atme presets earth_atme"),
    ("- a\n- b\n", "holds no keys", "training:"),
    ("hello\n", "holds no keys", "training:"),
    ("training:\n  keep:2\n", "line 1: training", "a space behind the colon of keep:2"),
    ("training: keep: 2\n", "line 1: a colon too many", "indented"),
    ("training:\n  keep: 2\n   batch_size: 3\n", "line 3: a colon too many", "indented"),
    ("run:\n  dir: 'runs/x\n", "line 2: a quotation mark", "not closed"),
    ("data: {crop_size: [64, 64}\n", "line 1: a bracket", "not closed"),
    ("training: &a {keep: *b}\n", "line 1: an alias", "the value itself"),
    ("run:\n  dir: !!python/object/apply:os.getcwd []\n", "line 2: a tag", "the value itself"),
    ("run: {seed: 1}\n---\nrun: {seed: 2}\n", "line 2: a second document", "keep one"),
    ("training:\n  batchsize: 2\n", "line 2: training.batchsize", "training.batch_size?"),
    ("trainning:\n  batch_size: 2\n", "line 1: trainning", "did you mean training?"),
    ("batch_size: 2\n", "line 1: batch_size", "training.batch_size?"),
    ("optimizers: {lr: 0.1}\n", "line 1: optimizers.lr", "optimizers.generator?"),
    ("training:\n  batch_size: 2.5\n", "line 2: training.batch_size: 2.5", "a whole number"),
    ("training:\n  batch_size: two\n", "line 2: training.batch_size: two", "a whole number"),
    ("training:\n  batch_size:\n", "line 2: training.batch_size: holds nothing", "remove the line"),
    ("training:\n  average: None\n", "line 2: training.average: None", "a number or null"),
    ("training: fast\n", "line 1: training", "its keys below it, such as"),
    ("training:\n- keep: 2\n", "line 1: training", "its keys below it, such as"),
    ("training:\n  rate: 0.1\n", "line 2: training.rate", "such as epochs"),
    ("data:\n  crop_size: (64, 64)\n", "line 2: data.crop_size: (64, 64)", "[64,64] or null"),
    (
        "data:\n  crop_size: [64, 64, 64]\n",
        "line 2: data.crop_size: [64, 64, 64]",
        "2 values with commas, such as [64,64]",
    ),
    ("noise: DecisionMemori\n", "line 1: noise: DecisionMemori", "did you mean atme.DecisionMemory?"),
    (
        "noise:\n  class_path: atme.noise.Difusion\n",
        "line 1: noise: atme.noise has no Difusion",
        "atme.noise.Diffusion?",
    ),
    ("noise:\n  class_path: atme.noise.Qqqq\n", "noise: atme.noise has no Qqqq", "such as atme.DecisionMemory"),
    ("generator:\n  class_path: nowhere.UNet\n", "generator: there is no module nowhere", "such as atme.UNet"),
    ("noise:\n  class_path: atme.networks.UNet\n", "noise: atme.networks.UNet does not fit", "atme.DecisionMemory"),
    ("noise: {class_path: atme.DecisionMemory, init_args: {alignn: true}}\n", "option alignn", "did you mean align?"),
    (
        "noise: {class_path: atme.DecisionMemory, init_arg: {align: true}}\n",
        "option init_arg",
        "did you mean init_args?",
    ),
    (
        "noise: {class_path: atme.DecisionMemory, init_args: {align: maybe}}\n",
        "noise.init_args.align: maybe",
        "true or false",
    ),
    ("generator: {class_path: atme.UNet, init_args: {dim_mults: '1,2,4'}}\n", "dim_mults: 1,2,4", "such as [1,2,4]"),
    (
        "generator: {class_path: atme.UNet, init_args: {dim: null}}\n",
        "generator.init_args.dim: null",
        "leave the key out",
    ),
    (ADAM % "betas: 0.5", "line 4: optimizers.generator.init_args.betas: 0.5", "[64,64]"),
    (ADAM % "learning_rate: 0.1", "torch.optim.Adam has no option learning_rate", "it has params, lr"),
    ("optimizers: {generator: {class_path: torch.optim.Adan}}\n", "torch.optim has no Adan", "torch.optim.Adam?"),
    ("data:\n  transforms:\n  - class_path: albumentations.Rotatte\n", "albumentations has no Rotatte", "Rotate?"),
    ("data:\n  transforms:\n    class_path: albumentations.Rotate\n", "line 2: data.transforms", "begin with a dash"),
    ("1: 2\n", "line 1: 1: no such key", "--help all"),
]


@pytest.mark.parametrize(("text", "culprit", "remedy"), PRESETS)
def test_a_wrong_preset_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, culprit: str, remedy: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    line = refused(capsys, "train", "--config", str(file), "--run.dir", str(tmp_path / "run"))
    assert str(file) in line
    assert culprit in line
    assert remedy in line
    assert not (tmp_path / "run").exists()


SEVERAL = [
    ("--processes", "--processes: no value; write --processes 2"),
    ("--processes two", "--processes: 'two' is no whole number of 1 or more; write --processes 2, or --processes auto"),
    ("--processes auto --seeds 0,1", "--processes: of several seeds each has one"),
    ("--processes 0", "--processes: '0' is no whole number"),
    ("--processes 2 --seeds 0,1", "--processes: of several seeds each has one"),
    ("--seeds 0,a", "--seeds: 'a' is no whole number of 0 or more"),
    ("--seeds 0,-1", "--seeds: '-1' is no whole number of 0 or more"),
    ("--seeds 1,1", "--seeds: 1,1 names one twice"),
    ("--seeds", "--seeds: no value"),
    ("--seeds 0,1 --jobs 0", "--jobs: '0' is no whole number of 1 or more"),
    ("--jobs 2", "--jobs: there is one run"),
]


@pytest.mark.parametrize(("words", "complaint"), SEVERAL)
def test_several_processes_and_seeds_that_are_none(
    preset: Preset, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, complaint: str
) -> None:
    train = ["train", "--config", str(preset()), "--run.dir", str(tmp_path / "run")]
    assert refused(capsys, *train, *words.split()).startswith(f"atme: {complaint}")
    assert not list(tmp_path.glob("run*"))


@pytest.mark.parametrize(
    ("content", "culprit", "remedy"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "line 1: is no text", "give a YAML file"),
        ("run:\n  dir: runs/höhe\n".encode("latin-1"), "line 2: is no text", "save the file as UTF-8"),
    ],
)
def test_what_is_no_text_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, culprit: str, remedy: str
) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    line = refused(capsys, "show", str(tmp_path / "mine.yaml"))
    assert culprit in line
    assert remedy in line


def test_what_is_no_preset_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yaml").write_text("run: {seed: 1}\n")
    (tmp_path / "run").mkdir()
    assert f"did you mean {tmp_path / 'mine.yaml'}?" in refused(capsys, "show", str(tmp_path / "mine.yml"))
    assert "no such file; give a YAML file" in refused(capsys, "show", str(tmp_path / "zzzz"))
    assert "is a folder; give a YAML file" in refused(capsys, "train", "--config", str(tmp_path / "run"))
    (tmp_path / "run" / "options.yaml").write_text("run: {seed: 1}\n")
    assert f"give {tmp_path / 'run' / 'options.yaml'}" in refused(capsys, "train", "--config", str(tmp_path / "run"))
    assert f"write --config {tmp_path / 'run' / 'options.yaml'}" in refused(capsys, "train", str(tmp_path / "run"))


LINES = [
    ("train --training.batchsize 3", "training.batchsize: no such option", "--training.batch_size?"),
    ("train --batch-size 3", "batch-size: no such option", "--training.batch_size?"),
    ("train -b 3", "b: no such option", "--help"),
    ("train —config x.yaml", "—config: begins with a long dash", "--config"),
    ("train mine.yaml", "mine.yaml: stands alone", "--config mine.yaml"),
    ("train --config", "config: needs a value", "--config VALUE"),
    ("train --training.batch_size", "training.batch_size: needs a value", "--training.batch_size VALUE"),
    ("train --training.batch_size=", "training.batch_size: nothing does not fit", "a whole number"),
    ("train --training.batch_size 2.5", "training.batch_size: 2.5", "a whole number"),
    ("train --training.batch_size null", "training.batch_size: None", "a whole number"),
    ("train --training.precision half", "training.precision: half", "float32, bf16, fp16"),
    ("train --training.average none", "training.average: none", "a number or null"),
    ("train --training.rate 0.1", "training.rate: 0.1", "--training.rate."),
    ("train --training fast.yaml", "training: fast.yaml is no file", "--training."),
    ("train --data.flip 0", "data.flip: 0", "true or false"),
    ("train --data.crop_size 64 64", "64: stands alone", "--data.crop_size 64,64"),
    ("train --data.crop_size big", "data.crop_size: big", "such as 64,64 or null"),
    ("train --run.seed 1 2", "2: stands alone", "with commas"),
    ("train --generator.init_args.dim_mults 1 2", "dim_mults: 1 does not fit", "such as 1,2,4"),
    ("train --generator null", "generator: null is no class", "atme.UNet"),
    ("train --generator atme.networks.Unet", "atme.networks has no Unet", "atme.networks.UNet?"),
    ("train --noise.init_args.alignn true", "no option alignn", "align?"),
    ("train --noise.init_args.align", "noise.init_args.align: needs a value", "--noise.init_args.align VALUE"),
    ("train --optimizers.generator.init_args.lr fast", "optimizers.generator.init_args.lr: fast", "a number"),
    ("show --model.init_args.lambda_l1 x", "model.init_args.lambda_l1: x", "a number"),
    ("translate", "run, input, output: missing", "atme translate RUN INPUT OUTPUT"),
    ("translate a b", "output: missing", "atme translate RUN INPUT OUTPUT"),
    ("translate a b c d", "d: one word too many", "atme translate RUN INPUT OUTPUT"),
    ("translate a b c --sampels 3", "sampels: no such option", "--samples?"),
    ("translate a b c --samples x", "samples: x", "a whole number"),
    ("translate a b c --half middle", "half: middle", "left, right"),
    ("translate a b c --overwrite maybe", "maybe: one word too many", "atme translate RUN INPUT OUTPUT"),
    ("evaluate --splt test", "splt: no such option", "--split?"),
    ("analyze a --window 5", "window: 5", "with commas"),
    ("analyze a --window a,b", "window: a,b", "with commas"),
    ("compare", "runs, output: missing", "atme compare RUN … --output PATH"),
    ("compare a b", "output: missing", "atme compare RUN … --output PATH"),
    ("data check", "folder: missing", "atme data check FOLDER"),
    ("data chek a", "chek: no such verb", "atme data check?"),
    ("data split a b --val x", "val: x", "a number"),
    ("trian", "trian: no such verb", "atme train?"),
    ("Train", "Train: no such verb", "atme train?"),
    ("zzz", "zzz: no such verb", "use one of plan, train, translate"),
]


@pytest.mark.parametrize(("line", "culprit", "remedy"), LINES)
def test_a_wrong_line_is_one_line(capsys: pytest.CaptureFixture[str], line: str, culprit: str, remedy: str) -> None:
    said = refused(capsys, *line.split())
    assert culprit in said
    assert remedy in said


@pytest.mark.parametrize(
    ("words", "key", "value"),
    [
        (["--data.crop_size", "64,32"], "data.crop_size", (64, 32)),
        (["--data.crop_size=64,32"], "data.crop_size", (64, 32)),
        (["--data.crop_size", "(64, 32)"], "data.crop_size", (64, 32)),
        (["--data.crop_size", "64x32"], "data.crop_size", (64, 32)),
        (["--data.crop_size", "[64,32]"], "data.crop_size", (64, 32)),
        (["--data.crop_size", "64"], "data.crop_size", 64),
        (["--data.load_size", "64,32", "--data.test_size", "1,2"], "data.test_size", (1, 2)),
        (["--run.dir", "1,2", "--data.crop_size", "1,2"], "run.dir", Path("1,2")),
        (["--generator.init_args.dim_mults", "1,2,4"], "generator.init_args.dim_mults", [1, 2, 4]),
        (["--optimizers.generator.init_args.betas", "0.9,0.99"], "optimizers.generator.init_args.betas", (0.9, 0.99)),
        (["--optimizers.generator.init_args.lr", "1e-4"], "optimizers.generator.init_args.lr", 1e-4),
        (["--initialization.gain", "-1e-3"], "initialization.gain", -1e-3),
        (["--data.flip", "--training.keep", "3"], "data.flip", True),
        (["--training.keep", "3", "--data.flip"], "data.flip", True),
        (["--data.flip", "false"], "data.flip", False),
        (["--data.flip", "no"], "data.flip", False),
    ],
)
def test_what_people_write_is_read(words: list[str], key: str, value: object) -> None:
    found = parse(options.parser(), words)[key]
    assert (list(found) if isinstance(value, list) else found) == value


def test_a_preset_of_data_is_read_by_the_same_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    for text, said in (
        ("data: {rooot: x}", "data.rooot: no such key; did you mean data.root?"),
        ("data: {flip: x}", "data.flip: x does not fit; give true or false"),
        ("data: 3", "data is no section"),
        ("data: {flip: true, flip: false}", "flip stands here again"),
    ):
        file.write_text(text)
        line = refused(capsys, "data", "preview", "earth", "--preset", str(file))
        assert str(file) in line
        assert said in line


def test_a_word_wins_over_a_preset_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("training: {keep: 5, batch_size: 4}\n")
    (tmp_path / "b.yaml").write_text("training: {keep: 6}\n")
    presets = ["--config", str(tmp_path / "a.yaml"), f"--config={tmp_path / 'b.yaml'}"]
    for words in (["--training.keep", "7", *presets], [*presets, "--training.keep", "7"]):
        assert parse(options.parser(), words).training.keep == 7
    chosen = parse(options.parser(), presets)
    assert (chosen.training.keep, chosen.training.batch_size) == (6, 4)


@pytest.mark.parametrize("number", ["1e-4", "1.0e-4", "0.0001", "'1e-4'"])
def test_a_small_number_is_a_number_in_yaml(tmp_path: Path, number: str) -> None:
    (tmp_path / "a.yaml").write_text(ADAM % f"lr: {number}")
    chosen = parse(options.parser(), ["--config", str(tmp_path / "a.yaml")])
    assert chosen.optimizers.generator.init_args.lr == 1e-4
    (tmp_path / "b.yaml").write_text("initialization: {gain: 2e-2}\n")
    assert parse(options.parser(), ["--config", str(tmp_path / "b.yaml")]).initialization.gain == 0.02


def test_flags_stand_alone_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before or after the words that are no options, with true and without."""
    for words in (["--fix"], ["--fix", "true"], ["--fix=true"]):
        for line in ([*words, str(tmp_path)], [str(tmp_path), *words]):
            assert "no pictures" in refused(capsys, "data", "check", *line)


@pytest.mark.parametrize("preset_key", ["null", "{}", "[]"])
def test_what_train_writes_it_reads(preset: Preset, tmp_path: Path, preset_key: str) -> None:
    """Every key of options.yaml, whatever its value, passes the check of presets."""
    file = preset(data__transforms=yaml.safe_load(preset_key) or [])
    chosen = parse(options.parser(), ["--config", str(file)])
    (tmp_path / "again.yaml").write_text(options.parser().dump(chosen))
    again = parse(options.parser(), ["--config", str(tmp_path / "again.yaml")])
    assert options.parser().dump(again) == options.parser().dump(chosen)


def test_a_name_without_letters_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes that are no text, control characters, line ends: one line, and no other error."""
    for name in ("\udcff", "a\nb", "a\x1b[31mb", "a  b"):
        line = refused(capsys, "evaluate", str(tmp_path / name))
        assert "no such folder" in line
        assert "\x1b" not in line
    assert "a  b" in line
    assert main(["--version"]) == 0
