"""`Translator` in Python: what it refuses, what it carries on, and that it never moves a pixel."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import smooth
from PIL import Image
from runs import Copy, make_run, measured, sections, translator
from torch import Tensor

from atme import DenoisingGAN, Pix2PixUNet, Tiling, Translator, load_published
from atme.images import read_image, to_tensor, write_image
from atme.inference.as_trained import as_trained
from atme.models.build import Measured
from atme.models.knowledge import Knowledge
from atme.run_folder import checkpoint_path

RGB = smooth(np.random.default_rng(0), 20, 24)


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    """The translator of a run that copies RGB."""
    return translator(tmp_path_factory.mktemp("copies") / "run")


# Never moves a pixel.


def shift(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """How far picture b lies right of and below a, in pixels: the slope of the phase between their spectra.

    A shift turns the phase of each frequency in proportion (Stone et al. 2001, IEEE TGRS 39). The slope is fitted, by
    least squares, over the frequencies that scaling by a half leaves alone.
    """
    window = np.outer(np.hanning(a.shape[0]), np.hanning(a.shape[1]))
    spectra = [np.fft.fft2(window * (gray - gray.mean())) for gray in (x.astype(float).mean(axis=2) for x in (a, b))]
    cross = spectra[0] * spectra[1].conj()
    v, u = np.meshgrid(*(np.fft.fftfreq(side) for side in a.shape[:2]), indexing="ij")
    low = np.hypot(u, v) < 0.12
    weights = np.sqrt(np.abs(cross[low]))
    slopes = np.linalg.lstsq(
        2 * np.pi * np.stack([u[low], v[low]], 1) * weights[:, None], np.angle(cross[low]) * weights
    )
    x, y = slopes[0]
    return float(x), float(y)


def detailed(height: int, width: int) -> np.ndarray:
    """A picture with something to see at every place, smooth enough to survive halving."""
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype(float)
    blurred = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.uint8(255 * (blurred - blurred.min()) / np.ptp(blurred))


SIZES = [(64, 64), (63, 65), (57, 91), (81, 50), (129, 37)]


@pytest.mark.parametrize("scale", ["native", "run", 0.5, 0.7, 2, 1.37])
def test_a_network_that_copies_moves_nothing(copies: Translator, tmp_path: Path, scale: float | str) -> None:
    sized = translator(tmp_path / "sized", test_size=[48, 56]) if scale == "run" else copies
    for size in SIZES:
        picture = detailed(*size)
        made = sized.pixels(picture, scale=scale)
        assert made.shape == picture.shape
        assert shift(picture, made) == pytest.approx((0, 0), abs=0.02), size
        if scale == "native":
            assert (made == picture).all()


@pytest.mark.parametrize("by", [(1, 0), (0, 1), (0.25, 0), (0.1, -0.2)])
def test_a_picture_that_moved_would_be_seen(by: tuple[float, float]) -> None:
    picture = detailed(63, 65)
    matrix = np.array([[1.0, 0.0, by[0]], [0.0, 1.0, by[1]]])
    moved = cv2.warpAffine(picture, matrix, (65, 63), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    assert shift(picture, moved) == pytest.approx(by, abs=0.05)


def test_a_picture_that_was_zoomed_would_be_seen() -> None:
    """Zoomed about its corner by 2 %, its middle moves by half a pixel and more."""
    picture = detailed(63, 65)
    zoomed = cv2.warpAffine(picture, np.array([[1.02, 0, 0], [0, 1.02, 0]]), (65, 63), borderMode=cv2.BORDER_REFLECT)
    assert min(shift(picture, zoomed)) > 0.4


# What the run knows.


def test_what_a_run_knows_is_read_from_its_options_and_its_checkpoint(tmp_path: Path) -> None:
    data = {"test_size": 16, "load_size": [20, 30], "direction": "BtoA", "layout": "side_by_side"}
    data |= {"target_interpolation": "nearest", "clear_transparent": False}
    options = sections(**data, root="nowhere", transforms=[{"class_path": "evil.Transform"}])
    run = make_run(tmp_path / "run", options, measured(1, 4, target_bits=16))
    expected = Knowledge(
        source_channels=1,
        target_channels=4,
        source_bits=8,
        target_bits=16,
        stride=8,
        test_size=(16, 16),
        load_size=(20, 30),
        layout="side_by_side",
        direction="BtoA",
        source_interpolation="bilinear",
        target_interpolation="nearest",
        clear_transparent=False,
        root=None,
    )
    found = Translator.from_run(run, device="cpu", trust=True)
    assert found.knows == expected
    found.save_pretrained(tmp_path / "saved")
    again = Translator.from_pretrained(tmp_path / "saved", device="cpu", trust=True)
    assert again.knows == expected
    assert "nowhere" not in (tmp_path / "saved" / "config.json").read_text()
    assert not any(b"evil" in path.read_bytes() for path in (tmp_path / "saved").iterdir())


def test_a_run_of_before_bits_were_measured_is_read(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", sections(), measured())
    path = run / "checkpoints" / "step_00000004" / "state.json"
    state = json.loads(path.read_text())
    del state["measured"]["source_bits"], state["measured"]["target_bits"]
    path.write_text(json.dumps(state))
    assert Translator.from_run(run, device="cpu", trust=True).knows.target_bits == 8


@pytest.mark.parametrize("measures", [{}, {"source_channels": 3}, None])
def test_a_damaged_state_is_named(tmp_path: Path, measures: object) -> None:
    run = make_run(tmp_path / "run", sections(), measured())
    path = run / "checkpoints" / "step_00000004" / "state.json"
    path.write_text(json.dumps({"step": 4, "measured": measures}))
    with pytest.raises(ValueError, match=r"state\.json: is damaged .*; use another checkpoint"):
        Translator.from_run(run, trust=True)


def test_the_run_decides_size_and_bits_in_python_too(tmp_path: Path) -> None:
    made = translator(tmp_path / "run", measured(3, 1, target_bits=16), test_size=16)
    Copy.seen.clear()
    picture = made(RGB)
    assert (picture.size, picture.mode, Copy.seen) == ((24, 20), "I;16", [(16, 16)])
    assert made(RGB, bits=8, scale="native").mode == "L"
    assert Copy.seen[-1] == (24, 24)


def test_colors_of_16_bits_are_no_pil_image_and_the_remedies_work(tmp_path: Path) -> None:
    made = translator(tmp_path / "run", measured(3, 3, target_bits=16))
    with pytest.raises(ValueError, match=r"PIL cannot hold; take arrays from Translator\.pixels, .* bits=8"):
        made(RGB)
    assert made.pixels(RGB).dtype == np.uint16
    assert made(RGB, bits=8).mode == "RGB"


# Saved and loaded.


def test_what_is_saved_says_which_weights_it_holds(tmp_path: Path) -> None:
    made = translator(tmp_path / "run")
    made.save_pretrained(tmp_path / "last")
    assert Translator.from_pretrained(tmp_path / "last", trust=True).source.weights == "last"
    checkpoint = made.source.folder
    for name in ("generator", "scheme"):
        copy = (checkpoint / f"{name}.safetensors").read_bytes()
        (checkpoint / f"average_{name}.safetensors").write_bytes(copy)
    averaged = Translator.from_run(tmp_path / "run", trust=True)
    assert averaged.source.weights == "average"
    averaged.save_pretrained(tmp_path / "average")
    assert Translator.from_pretrained(tmp_path / "average", trust=True).source.weights == "average"
    assert Translator.from_run(tmp_path / "run", weights="last", trust=True).source.weights == "last"


def test_saving_writes_over_nothing(tmp_path: Path, copies: Translator) -> None:
    for folder in (copies.source.folder.parents[1], copies.source.folder):
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for overwrite in (False, True):
            with pytest.raises(ValueError, match="choose another"):
                copies.save_pretrained(folder, overwrite=overwrite)
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    copies.save_pretrained(tmp_path / "saved")
    with pytest.raises(ValueError, match=r"exists already; .*overwrite=True"):
        copies.save_pretrained(tmp_path / "saved")
    copies.save_pretrained(tmp_path / "saved", overwrite=True)
    with pytest.raises(ValueError, match="lies below a file"):
        copies.save_pretrained(tmp_path / "saved" / "config.json" / "below")


# Code in a stranger's folder.


STRANGE = (
    {"class_path": "evil.Net"},
    {"class_path": "os.system", "init_args": {"command": "touch evil"}},
    {"class_path": "atme.outputs.require_free", "init_args": {"places": []}},
    {"class_path": "atme.inference.Translator"},
    {"class_path": "atme.networks.unet.torch.load"},
    {"class_path": "atme.UNet", "init_args": {"dim": 8, "activation": "evil.Net"}},
    {"class_path": "atme.UNet", "dict_kwargs": {"evil.Net": 1}},
    "evil.Net",
)


@pytest.mark.parametrize("part", ["generator", "discriminator", "noise", "model"])
@pytest.mark.parametrize("named", STRANGE, ids=str)
def test_a_strangers_folder_names_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, named: object
) -> None:
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'evil')!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    place = checkpoint_path(tmp_path, 4)
    place.mkdir(parents=True)
    (place / "state.json").write_text(json.dumps({"step": 4, "measured": measured().as_dict()}))
    (tmp_path / "options.yaml").write_text(json.dumps(sections("atme.UNet") | {part: named}))
    with pytest.raises(ValueError, match=r"code that is not of atme; .* --trust"):
        Translator.from_run(tmp_path)
    assert not (tmp_path / "evil").exists()
    assert "evil" not in sys.modules


def test_what_is_trusted_is_imported(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", sections("runs.Copy"), measured())
    with pytest.raises(ValueError, match=r"its options name runs\.Copy, code that is not of atme"):
        Translator.from_run(run)
    with pytest.raises(ValueError, match=r"runs\.Copy"):
        Translator.from_pretrained(run)
    assert Translator.from_run(run, trust=True).pixels(RGB).shape == RGB.shape


@pytest.mark.parametrize(
    "generator",
    ["atme.UNet", {"class_path": "atme.networks.UNet", "init_args": {"dim": 8}}, {"class_path": "atme.Pix2PixResNet"}],
)
def test_our_own_classes_need_no_trust(tmp_path: Path, generator: object) -> None:
    given = generator if isinstance(generator, dict) else {"class_path": generator}
    run = make_run(tmp_path / "run", sections(given), measured())
    options = sections(given) | {"optimizers": {"generator": {"class_path": "their.Optimizer"}}}
    (run / "options.yaml").write_text(json.dumps(options))
    assert Translator.from_run(run).knows.source_channels == 3  # what only training reads is not looked at


# As trained: each picture's own statistics, and dropout.

PIX2PIX = {"class_path": "atme.Pix2PixUNet", "init_args": {"num_downs": 6, "ngf": 4}}


@pytest.fixture(scope="module")
def pix2pix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sizes = Measured(3, 3, 4, 64, 64, 1)
    return make_run(tmp_path_factory.mktemp("pix2pix") / "run", sections(PIX2PIX), sizes)


def test_as_trained_is_what_training_mode_computes(pix2pix: Path) -> None:
    made = Translator.from_run(pix2pix, device="cpu", as_trained=True)
    source = torch.randn(1, 3, 64, 64).clamp(-1, 1)
    before = {name: value.clone() for name, value in made.networks.generator.state_dict().items()}
    random_before = torch.random.get_rng_state()
    found = made.tensor(source, seed=5)
    assert torch.equal(torch.random.get_rng_state(), random_before)
    after = made.networks.generator.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(module.training for module in made.networks.generator.modules())
    torch.manual_seed(5)
    expected = made.networks.generator.train()(source)
    assert torch.equal(found, expected.clamp(-1, 1))


def test_as_trained_a_picture_does_not_depend_on_its_neighbors(pix2pix: Path) -> None:
    made = Translator.from_run(pix2pix, device="cpu", as_trained=True)
    batch = torch.randn(3, 3, 64, 64).clamp(-1, 1)
    together = made.tensor(batch, seed=2)
    assert all(torch.equal(together[i : i + 1], made.tensor(batch[i : i + 1], seed=2)) for i in range(3))


def test_dropout_draws_answers_by_seed(pix2pix: Path, tmp_path: Path) -> None:
    plain = Translator.from_run(pix2pix, device="cpu")
    drawn = Translator.from_run(pix2pix, device="cpu", as_trained=True)
    picture = detailed(64, 64)
    assert plain.one_answer
    assert not drawn.one_answer
    assert (drawn.pixels(picture) == drawn.pixels(picture)).all()
    assert (drawn.pixels(picture) != drawn.pixels(picture, seed=1)).any()
    assert (drawn.pixels(picture) != plain.pixels(picture)).any()
    still = {"class_path": "atme.Pix2PixUNet", "init_args": {"num_downs": 6, "ngf": 4, "dropout": False}}
    without = make_run(tmp_path / "still", sections(still), Measured(3, 3, 4, 64, 64, 1))
    assert Translator.from_run(without, as_trained=True).one_answer


def test_an_error_leaves_the_network_as_it_was() -> None:
    network = Pix2PixUNet(num_downs=2, ngf=4).eval()

    def fail() -> None:
        with as_trained(network, seed=0):
            assert any(module.training for module in network.modules())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not any(module.training for module in network.modules())
    assert all(getattr(module, "track_running_stats", True) for module in network.modules())


# Every door refuses in words.

PICTURES: dict[str, tuple[object, str]] = {
    "none": (None, "NoneType"),
    "number": (3, "int"),
    "bytes": (b"png", "bytes"),
    "dictionary": ({}, "dict"),
    "list of none": ([None], "NoneType is no picture"),
    "missing path": ("nowhere.png", "cannot be read"),
    "float array": (np.zeros((8, 8, 3)), "values of float64"),
    "bool array": (np.zeros((8, 8, 3), bool), "values of bool"),
    "two channels": (np.zeros((8, 8, 2), np.uint8), "C of 1, 3 or 4"),
    "batch": (np.zeros((1, 8, 8, 3), np.uint8), "C of 1, 3 or 4"),
    "nothing": (np.zeros((0, 8, 3), np.uint8), "is no picture"),
    "gray": (np.zeros((8, 8), np.uint8), "convert it to RGB first"),
    "float image": (Image.new("F", (8, 8)), "kind F"),
    "lab image": (Image.new("LAB", (8, 8)), "kind LAB"),
    "tensor": (torch.zeros(3, 8, 8), "Tensor"),
}


@pytest.mark.parametrize("case", PICTURES)
def test_what_is_no_picture_is_refused(copies: Translator, case: str) -> None:
    picture, named = PICTURES[case]
    with pytest.raises(ValueError, match=named):
        copies(picture)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["1", "P", "L", "LA", "RGB", "RGBA", "CMYK", "I;16"])
def test_pil_images_of_every_usual_mode_are_read(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(RGB).convert(mode) if mode != "I;16" else Image.fromarray(RGB[:, :, 0].astype(np.uint16))
    channels = {"1": 1, "L": 1, "I;16": 1, "LA": 4, "RGBA": 4}.get(mode, 3)
    assert translator(tmp_path / "run", measured(channels, 3))(image).size == (24, 20)


def test_a_pil_image_is_what_its_file_is(tmp_path: Path, copies: Translator) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RGB).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(RGB).convert("P").save(tmp_path / "palette.png")
    for name in ("turned.png", "palette.png"):
        from_file, from_image = copies.pixels(tmp_path / name), copies.pixels(Image.open(tmp_path / name))
        assert np.array_equal(from_file, from_image), name


TENSORS: dict[str, tuple[object, str]] = {
    "array": (np.zeros((1, 3, 8, 8), np.float32), "is no batch"),
    "three axes": (torch.zeros(3, 8, 8), "is no batch"),
    "whole numbers": (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "is no batch"),
    "nothing": (torch.zeros(0, 3, 8, 8), "is no batch"),
    "gray": (torch.zeros(1, 1, 8, 8), "convert it to RGB first"),
}


@pytest.mark.parametrize("case", TENSORS)
def test_what_is_no_batch_is_refused(copies: Translator, case: str) -> None:
    batch, named = TENSORS[case]
    with pytest.raises(ValueError, match=named):
        copies.tensor(batch)  # type: ignore[arg-type]


OPTIONS: dict[str, tuple[dict[str, object], str]] = {
    "weights": ({"weights": "best"}, "use average or last"),
    "precision": ({"precision": "fp16"}, "use float32 or bf16"),
    "device": ({"device": "tpu9"}, "use cpu or auto"),
    "device of none": ({"device": None}, "use cpu or auto"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_options_that_are_none_are_refused(copies: Translator, case: str) -> None:
    options, remedy = OPTIONS[case]
    with pytest.raises(ValueError, match=remedy):
        Translator.from_run(copies.source.folder, trust=True, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [0, -1, float("nan"), "half", None, True])
def test_a_scale_that_is_none_is_refused(copies: Translator, scale: object) -> None:
    with pytest.raises(ValueError, match=r"scale: .* is none; use run, native, or a number"):
        copies(RGB, scale=scale)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", [-1, 1.5, None, 2**70])
def test_a_seed_that_is_none_is_refused(copies: Translator, seed: object) -> None:
    with pytest.raises(ValueError, match="give a whole number of 0 or more"):
        copies(RGB, seed=seed)  # type: ignore[arg-type]


def test_other_bits_are_refused(copies: Translator) -> None:
    for call in (copies, copies.pixels):
        with pytest.raises(ValueError, match="bits"):
            call(RGB, bits=12)  # type: ignore[arg-type]


def test_what_memory_cannot_hold_is_said(copies: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object, **__: object) -> Tensor:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    monkeypatch.setattr(copies, "tensor", exhausted)
    with pytest.raises(ValueError, match=r"too large for this machine at 24×20 pixels; try --scale 0\.5"):
        copies(RGB)
    assert np.array_equal(copies.pixels(RGB, tiling=Tiling(tile=16)), RGB)  # the other remedy


def test_folders_that_hold_no_run_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere", Path(__file__)):
        for door in (Translator.from_run, Translator.from_pretrained):
            with pytest.raises(ValueError, match="give the folder of a run"):
                door(folder)


def test_weights_for_a_network_that_nobody_published_are_refused() -> None:
    with pytest.raises(ValueError, match="there are no published weights for it; use"):
        load_published(torch.nn.Linear(2, 2), {"weight": torch.zeros(2, 2)})


def test_a_drawn_answer_has_its_seed_at_any_scale(tmp_path: Path) -> None:
    assert not DenoisingGAN.one_answer
    generator = {"class_path": "atme.UNet", "init_args": {"dim": 8, "dim_mults": [1, 2], "groups": 4, "latent": 4}}
    options = sections(generator) | {"model": {"class_path": "atme.DenoisingGAN", "init_args": {"steps": 2}}}
    options["discriminator"]["init_args"]["timestep_aware"] = True
    made = Translator.from_run(make_run(tmp_path / "run", options, measured()), device="cpu")
    picture = detailed(33, 21)
    first, second = (made.pixels(picture, scale=2, seed=seed) for seed in (0, 1))
    assert first.shape == second.shape == picture.shape
    assert (first != second).any()
    assert (first == made.pixels(picture, scale=2)).all()


def test_a_path_an_image_and_an_array_are_one_picture(tmp_path: Path, copies: Translator) -> None:
    write_image(tmp_path / "a.png", RGB)
    for picture in (tmp_path / "a.png", str(tmp_path / "a.png"), RGB, Image.fromarray(RGB)):
        assert (copies.pixels(picture) == read_image(tmp_path / "a.png")).all()
    assert torch.equal(copies.tensor(to_tensor(RGB)[None])[0], to_tensor(RGB))
