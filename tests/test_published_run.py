"""Folders that the papers' authors distribute become runs; no code in their pickles is run."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import smooth
from test_published import published
from torch import Tensor, nn

from atme import PatchGAN, Pix2PixResNet, Pix2PixUNet, Translator, cli
from atme.inference.published import our_names
from atme.inference.published_run import import_published
from atme.run_folder import read_options
from atme.training.options import parser

Folder = Callable[..., Path]

OPTIONS = """----------------- Options ---------------
               batch_size: 1                             
                    beta1: 0.5                           
                crop_size: 64                            \t[default: 256]
                 dataroot: ./datasets/facades            \t[default: None]
                direction: BtoA                          \t[default: AtoB]
                 gan_mode: lsgan                         \t[default: vanilla]
                     name: facades                       
                load_size: 72                            \t[default: 286]
               no_dropout: False                         
                  no_flip: True                          \t[default: False]
----------------- End -------------------
"""  # noqa: W291

OLD_OPTIONS = """------------ Options -------------
batchSize: 4
fineSize: 64
loadSize: 72
no_dropout: True
no_lsgan: False
resize_or_crop: resize_and_crop
which_direction: BtoA
-------------- End ----------------
"""


def write(folder: Path, *, options: str | None = OPTIONS, **networks: dict[str, Tensor]) -> Path:
    """A folder in the published layout."""
    folder.mkdir(parents=True, exist_ok=True)
    for letter, weights in networks.items():
        torch.save(weights, folder / f"latest_net_{letter}.pth")
    if options is not None:
        (folder / "train_opt.txt").write_text(options)
    return folder


def atme() -> dict[str, dict[str, Tensor]]:
    return {letter: published("atme_dim8.npz", f"initial/{letter}/") for letter in "GDW"}


def image(k: int, size: int = 256) -> Tensor:
    """A picture of the reference values: (2, 3, size, size)."""
    b, c, i, j = np.meshgrid(*map(np.arange, (2, 3, size, size)), indexing="ij")
    picture = np.sin(0.031 * (k + 1) * (c + 1) * i) * np.cos(0.017 * (b + 1) * (c + 2) * j + 0.5 * k)
    return torch.from_numpy(picture.astype(np.float32))


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("name", ["W", "T"])
def test_atmes_weights_give_the_published_answers(tmp_path: Path, prefix: str, name: str) -> None:
    weights = {letter: {f"{prefix}{k}": v for k, v in each.items()} for letter, each in atme().items()}
    weights[name] = weights.pop("W")
    import_published(write(tmp_path / "published", **weights), tmp_path / "run", kind="atme", crop_size=256)
    networks = Translator.from_run(tmp_path / "run", device="cpu").networks
    with np.load(Path(__file__).parent / "golden" / "atme_dim8.npz") as arrays:
        forward = {key: torch.from_numpy(arrays[f"forward/{key}"]) for key in "WGD" if f"forward/{key}" in arrays.files}
    a, w = image(1), forward["W"]
    with torch.inference_mode():
        made = networks.generator(a * (1 + w), w.mean(dim=(1, 2, 3)))
        judged = networks.discriminator(a, image(2))
    torch.testing.assert_close(made, forward["G"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(judged, forward["D"], rtol=1e-4, atol=1e-4)


def small_unet(norm: str) -> nn.Module:
    return Pix2PixUNet(num_downs=5, ngf=4, norm=norm)


PIX2PIX = {
    "unet_256": ("pix2pix_ngf4.npz", "unet_256/weights/", {"num_downs": 8, "ngf": 4, "norm": "batch", "dropout": True}),
    "resnet_9blocks": (
        "pix2pix_ngf4.npz",
        "resnet_9blocks/weights/",
        {"blocks": 9, "ngf": 4, "norm": "batch", "dropout": True},
    ),
}


@pytest.mark.parametrize("kind", PIX2PIX)
def test_pix2pix_is_measured_and_answers_as_published(tmp_path: Path, kind: str) -> None:
    file, prefix, expected = PIX2PIX[kind]
    import_published(write(tmp_path / "published", G=published(file, prefix)), tmp_path / "run", crop_size=256)
    assert read_options(tmp_path / "run")["generator"]["init_args"] == expected
    translator = Translator.from_run(tmp_path / "run", device="cpu")
    with np.load(Path(__file__).parent / "golden" / file) as arrays:
        forward = torch.from_numpy(arrays[prefix.replace("weights/", "forward")])
    torch.testing.assert_close(translator.tensor(image(3)[:1]), forward, rtol=1e-4, atol=1e-4)


NETWORKS = [
    Pix2PixUNet(3, 1, num_downs=7, ngf=2, norm="instance"),
    Pix2PixUNet(1, 3, num_downs=5, ngf=2, norm="batch", dropout=False),
    Pix2PixResNet(3, 1, blocks=6, ngf=2, norm="instance", dropout=True),
    Pix2PixResNet(1, 3, blocks=2, ngf=2, norm="batch", dropout=False),
]
DISCRIMINATORS = [PatchGAN(3, 1, layers=3, dim=4), PatchGAN(1, 3, layers=1, dim=4, norm="batch")]


def published_as(network: nn.Module, names: list[str]) -> dict[str, Tensor]:
    """A network's weights by their published names, which are found by trying those that might be."""
    found = {ours: theirs for theirs, ours in our_names(network, names).items()}
    return {found[name]: weight for name, weight in network.state_dict().items()}


def unet_names(num_downs: int) -> list[str]:
    places, inside = ["model.model.0.", "model.model.3."], "model.model.1."
    for _ in range(num_downs - 1):
        places += [f"{inside}model.{i}." for i in (1, 2, 3, 4, 5, 6)]
        inside += "model.3."
    return _with_ends(places)


def resnet_names(blocks: int, *, dropout: bool) -> list[str]:
    end = 10 + blocks
    places = [f"model.{i}." for i in (1, 2, 4, 5, 7, 8, end, end + 1, end + 3, end + 4, end + 7)]
    second = 6 if dropout else 5
    inner = (1, 2, second, second + 1)
    return _with_ends([*places, *(f"model.{10 + b}.conv_block.{i}." for b in range(blocks) for i in inner)])


def _with_ends(places: list[str]) -> list[str]:
    ends = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return [f"{place}{end}" for place in places for end in ends]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: f"{type(network).__name__}-{network.stride}")
@pytest.mark.parametrize("options", [OPTIONS, OLD_OPTIONS], ids=["today", "older"])
def test_any_generator_of_pix2pix_is_measured(tmp_path: Path, network: nn.Module, options: str) -> None:
    is_unet = isinstance(network, Pix2PixUNet)
    dropout = any(isinstance(m, nn.Dropout) and m.p > 0 for m in network.modules())
    names = unet_names(len(network.down)) if is_unet else resnet_names(len(network.blocks), dropout=dropout)
    folder = write(tmp_path / "published", options=options, G=published_as(network, names))
    import_published(folder, tmp_path / "run", crop_size=128)
    found = Translator.from_run(tmp_path / "run", device="cpu")
    state = found.networks.generator.state_dict()
    assert all(torch.equal(state[name], weight) for name, weight in network.state_dict().items())
    chosen = read_options(tmp_path / "run")
    expected = options == OPTIONS if is_unet else dropout
    assert chosen["generator"]["init_args"]["dropout"] is expected
    assert chosen["model"]["init_args"]["adversarial"] == "least_squares"
    assert chosen["data"]["direction"] == found.knows.direction == "BtoA"
    assert found.knows.test_size == (128, 128)


def test_old_statistics_of_instance_norms_make_no_batch_norms(tmp_path: Path) -> None:
    network = Pix2PixUNet(num_downs=5, ngf=2, norm="instance")
    weights = published_as(network, unet_names(5))
    weights |= {"model.model.1.model.2.running_mean": torch.ones(4), "model.model.1.model.2.running_var": torch.ones(4)}
    import_published(write(tmp_path / "published", G=weights), tmp_path / "run")
    assert read_options(tmp_path / "run")["generator"]["init_args"]["norm"] == "instance"


@pytest.mark.parametrize("layers", [0, 1, 3])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_a_discriminator_is_measured(tmp_path: Path, layers: int, norm: str) -> None:
    network = PatchGAN(layers=layers, dim=4, norm=norm)
    stem = "model" if layers else "net"
    weights = published_as(network, _with_ends([f"{stem}.{i}." for i in range(len(network.features) + 1)]))
    generator = published_as(NETWORKS[1].__class__(num_downs=5, ngf=2), unet_names(5))
    import_published(write(tmp_path / "published", G=generator, D=weights), tmp_path / "run")
    found = read_options(tmp_path / "run")["discriminator"]["init_args"]
    assert found == {"layers": layers, "dim": 4, "norm": norm}
    state = Translator.from_run(tmp_path / "run", device="cpu").networks.discriminator.state_dict()
    assert all(torch.equal(state[name], weight) for name, weight in network.state_dict().items())


# From the command line.


def small() -> dict[str, Tensor]:
    return published_as(Pix2PixUNet(num_downs=5, ngf=2), unet_names(5))


def test_an_imported_run_translates_is_scored_and_begun_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    from atme.images import write_image

    for split in ("train", "test"):
        for i in range(2):
            picture = smooth(np.random.default_rng(i), 64, 128)
            (tmp_path / "pairs" / split).mkdir(parents=True, exist_ok=True)
            write_image(tmp_path / "pairs" / split / f"{i}.png", picture)
    write(tmp_path / "published", **{"G": small()})
    assert cli.main(["import", "published", "runs/mine", "--from", "pix2pix"]) == 0
    said = capsys.readouterr().err
    assert "no latest_net_D.pth in published: its discriminator begins anew" in said
    assert "lambda_L1 100.0" in said
    assert read_options(Path("runs/mine"))["data"]["root"] == "facades"
    assert cli.main(["translate", "runs/mine", "pairs/test", "out", "--half", "left", "--device", "cpu"]) == 0
    assert cli.main(["evaluate", "runs/mine", "--data.root", "pairs", "--device", "cpu"]) == 0
    tune = ["train", "--config", "runs/mine/options.yaml", "--data.root", "pairs", "--run.dir", "runs/tuned"]
    tune += ["--training.rate.epochs", "1", "--training.rate.decay_epochs", "0", "--training.device", "cpu"]
    capsys.readouterr()
    assert cli.main([*tune, "--training.start_from", "runs/mine", "--data.workers", "0"]) == 0, capsys.readouterr().err
    assert cli.main(["translate", "runs/tuned", "pairs/test/0.png", "one.png", "--half", "left"]) == 0


def test_the_options_of_an_imported_run_are_a_preset(tmp_path: Path) -> None:
    import_published(write(tmp_path / "published", **atme()), tmp_path / "run")
    chosen = parser().parse_object(read_options(tmp_path / "run"))
    assert chosen.noise.class_path.endswith("DecisionMemory")
    assert (chosen.training.rate.epochs, chosen.data.flip, chosen.data.load_size) == (100, False, 72)


def test_a_card_says_nothing_of_what_was_not_distributed(tmp_path: Path) -> None:
    import_published(write(tmp_path / "published", G=small()), tmp_path / "run")
    Translator.from_run(tmp_path / "run", device="cpu").save_pretrained(tmp_path / "saved")
    again = Translator.from_pretrained(tmp_path / "saved", device="cpu")
    again.save_pretrained(tmp_path / "twice", license="mit")
    for folder in ("saved", "twice"):
        card = (tmp_path / folder / "README.md").read_text()
        assert "| training pairs | as its authors say |" in card
        assert "| updates | as its authors say |" in card
        assert "trained on: its authors' pairs" in card


class Evil:
    """A pickle that writes a file as it is read."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.place,)


@pytest.mark.parametrize("letter", ["G", "D", "W"])
@pytest.mark.parametrize("how", ["torch", "old torch", "plain", "among weights"])
def test_code_in_a_pickle_is_refused_and_not_run(
    tmp_path: Path, letter: str, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, place = write(tmp_path / "published", **atme()), tmp_path / "ran"
    path = folder / f"latest_net_{letter}.pth"
    if how == "plain":
        path.write_bytes(pickle.dumps(Evil(place)))
    elif how == "among weights":
        torch.save({**atme()[letter], "more": Evil(place)}, path)
    else:
        torch.save(Evil(place), path, _use_new_zipfile_serialization=how == "torch")
    assert cli.main(["import", str(folder), str(tmp_path / "run")]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"atme: {path}: holds more than weights, and nothing of it was run")
    assert line.count("\n") == 1
    assert not place.exists()
    assert not (tmp_path / "run").exists()


def test_that_pickle_would_have_run(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04cut", b"\x80\x02}q\x00.", b"text", None])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "published", **atme())
    path = folder / "latest_net_G.pth"
    if content is None:
        torch.save([torch.zeros(2)], path)
    else:
        path.write_bytes(content)
    assert cli.main(["import", str(folder), str(tmp_path / "run")]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"atme: {path}: ")
    assert line.count("\n") == 1
    assert not (tmp_path / "run").exists()


def refused(folder: Path, run: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert cli.main(["import", str(folder), str(run), *more]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


def test_what_cannot_be_known_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "published", options=None, G=small())
    assert "say it with --direction AtoB or BtoA" in refused(folder, tmp_path / "run", capsys)
    more = ["--direction", "AtoB", "--crop_size", "64", "--dropout", "false"]
    assert cli.main(["import", str(folder), str(tmp_path / "run"), *more]) == 0
    assert "has no train_opt.txt: not told" in capsys.readouterr().err
    chosen = read_options(tmp_path / "run")
    assert (chosen["data"]["crop_size"], chosen["generator"]["init_args"]["dropout"]) == (64, False)


def test_what_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert "no such folder" in refused(tmp_path / "nowhere", run, capsys)
    folder = write(tmp_path / "published", **atme())
    assert "200_net_G.pth: is not there (latest_net_D.pth" in refused(folder, run, capsys, "--epoch", "200")
    assert "import it with --from atme" in refused(folder, run, capsys, "--from", "pix2pix")
    (folder / "latest_net_W.pth").unlink()
    assert "latest_net_W.pth: is not there, nor under its older name" in refused(folder, run, capsys)
    run.mkdir()
    (run / "mine").touch()
    assert f"{run}: exists already" in refused(folder, run, capsys)


@pytest.mark.parametrize("line", ["crop_size: many", "gan_mode: other", "no_flip: perhaps", "direction: up"])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    key = line.split(":")[0]
    kept = [each for each in OPTIONS.splitlines() if f" {key}:" not in each]
    folder = write(tmp_path / "published", options="\n".join([*kept, line]), G=small())
    assert f"train_opt.txt: {key}: '{line.split()[1]}' cannot be read" in refused(folder, tmp_path / "run", capsys)


def test_a_size_that_does_not_fit_is_refused_with_the_option_that_sets_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "published", G=small())
    assert "--crop_size" in refused(folder, tmp_path / "run", capsys, "--crop_size", "50")


def test_weights_of_something_else_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "published", G={"layer.weight": torch.zeros(2)})
    assert "no generator that is known here (layer.weight)" in refused(folder, tmp_path / "run", capsys)
    folder = write(tmp_path / "other", G=small(), D={"layer.weight": torch.zeros(2)})
    assert "net_D: holds no discriminator" in refused(folder, tmp_path / "run", capsys)
