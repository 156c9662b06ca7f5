"""Pictures that are labels keep their classes through every view, cache and translation, be they colors or ids."""

from pathlib import Path

import albumentations as A
import cv2
import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import make_run, measured, sections
from safetensors.torch import load_file

from atme.cli import main
from atme.data import DataOptions, PairedImages
from atme.data.augment import Augmentation, TestView
from atme.data.device import DeviceAugmentation
from atme.data.kinds import Kinds
from atme.data.options import read_data_options
from atme.images import read_image, to_array, write_image
from atme.images.labels import Labels
from atme.inference import Tiling, Translator
from atme.run_folder import find_run

COLORS = {"ground": [236, 230, 222], "road": [255, 255, 255], "highway": [255, 158, 32], "water": [168, 204, 255]}
IDS = {"void": 0, "road": 7, "car": 26}
MAPS = Labels.of(COLORS)


def places(rng: np.random.Generator, height: int, width: int, classes: int) -> np.ndarray:
    """Blobs of classes, (H, W, 1)."""
    coarse = rng.integers(0, classes, (height // 5 + 1, width // 5 + 1), np.uint8)
    return coarse.repeat(5, axis=0).repeat(5, axis=1)[:height, :width, None]


def jpeg(picture: np.ndarray) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1], cv2.IMREAD_COLOR)


def few(image: torch.Tensor) -> set[tuple[int, ...]]:
    """The colors of an image (C, H, W) in [-1, 1]."""
    return {tuple(each) for each in to_array(image).reshape(-1, image.shape[0]).tolist()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, maps that went through JPEG, and ids."""
    root, rng = tmp_path_factory.mktemp("labels"), np.random.default_rng(0)
    for split in ("train", "test"):
        for i in range(3):
            at = places(rng, 40, 56, 4)
            photograph = rng.integers(0, 255, (40, 56, 3), np.uint8, True)
            halves = {"photo": photograph, "map": jpeg(MAPS.painted(at)), "id": np.uint8([0, 7, 26])[at.clip(max=2)]}
            for kind, other in (("photo", "map"), ("map", "photo"), ("id", "map")):
                for half, name in (("A", kind), ("B", other)):
                    (root / f"{kind}_{other}" / f"{split}{half}").mkdir(parents=True, exist_ok=True)
                    write_image(root / f"{kind}_{other}" / f"{split}{half}" / f"{i}.png", halves[name])
    return root


TURNING = [A.Affine((0.7, 1.4), rotate=(-30, 30), shear=5, p=1), A.Rotate(40, p=1), A.PadIfNeeded(90, 90)]
TURNING += [A.Rotate(30, border_mode=cv2.BORDER_REFLECT_101, p=1), A.OneOf([A.SafeRotate(40, p=1), A.D4(p=1)], p=1)]


def test_what_only_moves_pixels_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the results that it has where each half is moved by itself, as it still is where pixels are mixed."""
    labels, rng = Labels.of(COLORS), np.random.default_rng(0)
    halves = rng.integers(0, 255, (24, 30, 3), np.uint8), rng.integers(0, len(COLORS), (24, 30, 1), np.uint8)

    def draws(*transforms: A.BasicTransform | A.BaseCompose) -> Augmentation:
        return Augmentation(crop_size=16, transforms=transforms).of_kinds(Kinds(None, labels))

    once = draws(A.D4(p=1), A.OneOf([A.NoOp(), A.Transpose()]))
    assert once._apart is None
    for turning in TURNING:
        assert draws(turning)._apart is not None
    monkeypatch.setattr("atme.data.augment.exact", lambda transforms: False)
    apart = draws(A.D4(p=1), A.OneOf([A.NoOp(), A.Transpose()]))
    assert apart._apart is not None
    for number in range(20):
        one, other = (each.draw(*halves, seed=np.random.SeedSequence(number), name="a") for each in (once, apart))
        assert np.array_equal(one.source, other.source)
        assert np.array_equal(one.target, other.target)
        assert torch.equal(one.view, other.view)


class TestViews:
    @settings(max_examples=40, deadline=None)
    @given(
        size=st.tuples(st.integers(24, 60), st.integers(24, 60)),
        load=st.none() | st.tuples(st.integers(16, 90), st.integers(16, 90)),
        turn=st.sampled_from(TURNING),
        on=st.sampled_from(["workers", "device", "test"]),
        ignored=st.booleans(),
        resizing=st.sampled_from(["nearest", "area"]),
        number=st.integers(0, 2**32),
    )
    def test_no_view_makes_a_color(self, size, load, turn, on, ignored, resizing, number) -> None:  # type: ignore[no-untyped-def]
        """Both halves: what comes out has the colors of the classes alone, however it was loaded, turned and cut."""
        rng = np.random.default_rng(number)
        labels = Labels.of(COLORS | {"void": [0, 0, 0]}, ignore=["void"] if ignored else [])
        kinds = Kinds(labels, labels, resizing=resizing)
        options = {"load_size": load, "crop_size": 16}
        if on == "test":
            augment = TestView(**options, pad=True)
        else:
            kind = Augmentation if on == "workers" else DeviceAugmentation
            more = {"crop_scale": (0.3, 1.0)} if on == "device" else {}
            augment = kind(**options, transforms=[turn], **more)  # type: ignore[arg-type]
        augment = augment.of_kinds(kinds)
        picture = labels.painted(places(rng, *size, 5))
        loaded = [kinds.loaded(picture, labels, augment.sizes, side=side, name="a") for side in (0, 1)]
        drawn = augment.draw(*loaded, seed=np.random.SeedSequence(number), name="a")
        if on == "device":
            pair = drawn.alone()
            shown = [pair.source, pair.target]
        else:
            shown = [
                torch.from_numpy(each).permute(2, 0, 1) / 127.5 - 1
                for each in kinds.painted(drawn.source, drawn.target)
            ]
        for each in shown:
            assert few(each) <= set(labels.colors)
        assert torch.equal(shown[0], shown[1])

    @pytest.mark.parametrize("turn", TURNING)
    def test_labels_move_as_their_photograph_does(self, turn: A.BasicTransform) -> None:
        """Where a photograph of the same places was moved, the labels tell the same class."""
        at = places(np.random.default_rng(1), 60, 60, 4)
        photograph = cv2.resize(MAPS.painted(at), (60, 60))
        kinds = Kinds(None, MAPS)
        for number in range(4):
            augment = Augmentation(transforms=[turn], crop_size=40).of_kinds(kinds)
            drawn = augment.draw(photograph, at, seed=np.random.SeedSequence(number), name="a")
            seen, shown = MAPS.nearest(drawn.source), drawn.target
            inside = drawn.source.any(axis=2, keepdims=True)  # not in the black corners
            assert (seen == shown)[inside].mean() > 0.85
            plain = Augmentation(transforms=[turn], crop_size=40)
            assert torch.equal(
                drawn.view, plain.draw(photograph, photograph, seed=np.random.SeedSequence(number), name="a").view
            )

    @pytest.mark.parametrize("turn", TURNING)
    def test_what_was_mixed_before(self, turn: A.BasicTransform) -> None:
        """Pictures with ``nearest`` keep their colors too, and mix them without: the view can mix."""
        picture = MAPS.painted(places(np.random.default_rng(1), 60, 60, 4))
        found = {}
        for how in ("nearest", "bilinear"):
            augment = Augmentation(transforms=[turn], interpolation=("bilinear", how))
            drawn = augment.draw(picture, picture, seed=np.random.SeedSequence(0), name="a")
            found[how] = len(np.unique(drawn.target.reshape(-1, 3), axis=0))
        mixes = not isinstance(turn, A.PadIfNeeded | A.OneOf)
        assert found["nearest"] <= 5
        assert (found["bilinear"] > 20) == mixes or isinstance(turn, A.OneOf)

    def test_colors_are_drawn_as_they_were(self) -> None:
        """A jitter of the photograph does not begin with the numbers that its turn was drawn with."""
        photograph = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8, True)
        at = places(np.random.default_rng(0), 40, 40, 4)
        augment = Augmentation(transforms=[TURNING[0]], source_transforms=[A.GaussNoise(p=1)])
        alone = augment.draw(photograph, photograph, seed=np.random.SeedSequence(3), name="a")
        beside = augment.of_kinds(Kinds(None, MAPS)).draw(photograph, at, seed=np.random.SeedSequence(3), name="a")
        assert np.array_equal(alone.source, beside.source)


def data(folder: Path, pairs: str, **options: object) -> DataOptions:
    given = {"target_kind": "labels", "target_labels": COLORS} if pairs != "map_photo" else {}
    if pairs == "map_photo":
        given = {"source_kind": "labels", "source_labels": COLORS}
    if pairs == "id_map":
        given |= {"source_kind": "labels", "source_labels": IDS}
    return DataOptions(root=str(folder / pairs), **(given | options))  # type: ignore[arg-type]


class TestPairs:
    @pytest.mark.parametrize("cache", ["none", "ram", "disk"])
    @pytest.mark.parametrize("load_size", [None, (30, 44), (70, 70)])
    @pytest.mark.parametrize("pairs", ["photo_map", "map_photo", "id_map"])
    def test_colors_stay_few(
        self, folder: Path, tmp_path: Path, pairs: str, load_size: tuple[int, int] | None, cache: str
    ) -> None:
        options = data(folder, pairs, load_size=load_size, crop_size=24, cache=cache, cache_dir=tmp_path / "cache")
        train = options.open_train(seed=0)
        pair = train[1, 0]
        side = pair.source if pairs == "map_photo" else pair.target
        assert side is not None
        assert few(side) <= set(MAPS.colors)
        if pairs == "id_map":
            assert few(pair.source) <= {(0,), (128,), (255,)}
        else:
            assert len(few(pair.target if pairs == "map_photo" else pair.source)) > 100  # type: ignore[arg-type]

    def test_jpeg_has_many_colors(self, folder: Path) -> None:
        plain = PairedImages(folder / "photo_map")
        assert len(few(plain[0].target)) > 20  # type: ignore[arg-type]

    @pytest.mark.parametrize("augment_on", ["workers", "device"])
    def test_a_source_is_one_hot(self, folder: Path, augment_on: str) -> None:
        options = data(folder, "id_map", one_hot=True, ignore=["void"], augment_on=augment_on, flip=False)
        train = options.open_train(seed=0)
        plain = data(folder, "id_map", augment_on=augment_on, flip=False).open_train(seed=0)
        assert (train.source_channels, plain.source_channels, train.target_channels) == (2, 1, 3)
        hot, painted = train[0].source, plain[0].source
        grays = to_array(painted)[..., 0]
        for channel, gray in enumerate((255, 128)):  # car, road
            assert torch.equal(hot[channel] > 0, torch.from_numpy(grays == gray))
        assert set(hot.unique().tolist()) == {-1.0, 1.0}
        assert torch.equal(train.shown(hot), painted)

    def test_a_cache_is_of_its_classes(self, folder: Path, tmp_path: Path) -> None:
        """Other labels do not read what was cached for these."""
        options = {"cache": "disk", "cache_dir": tmp_path, "crop_size": None, "flip": False}
        first = data(folder, "photo_map", **options).open_train(seed=0)[0].target
        other = data(folder, "photo_map", **options, target_labels=COLORS | {"road": [250, 250, 250]})
        second = other.open_train(seed=0)[0].target
        assert first is not None
        assert second is not None
        assert few(first) != few(second)

    def test_ids_that_no_class_has(self, folder: Path) -> None:
        options = data(folder, "id_map", source_labels={"void": 0, "road": 7})
        with pytest.raises(ValueError, match=r"\.png: holds the id 26, which no class has"):
            [options.open_train(seed=0)[i] for i in range(3)]

    @pytest.mark.parametrize(
        ("pairs", "options", "said"),
        [
            ("photo_map", {"target_labels": IDS}, "has 3 channels, and its labels are ids"),
            ("id_map", {"source_labels": COLORS}, "has 1 channels, and its labels are colors"),
        ],
    )
    def test_files_of_another_kind(self, folder: Path, pairs: str, options: dict[str, object], said: str) -> None:
        with pytest.raises(ValueError, match=said):
            data(folder, pairs, **options).open_train(seed=0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target_kind": "labels"}, "data.labels: names no class"),
        ({"labels": COLORS}, "data.labels: both halves are pictures; set data.target_kind labels"),
        ({"target_labels": COLORS}, "data.target_labels: the target is a picture; set data.target_kind labels"),
        ({"target_kind": "labels", "target_labels": {"a": 1, "b": [0, 0, 0]}}, "mixes ids and colors"),
        ({"target_kind": "labels", "target_labels": {"a": [1, 2], "b": [0, 0, 0]}}, r"target_labels.a: \[1, 2\]"),
        ({"target_kind": "labels", "target_labels": {"a": [0, 0, 0], "b": [0, 0, 0]}}, "a and b are both"),
        ({"target_kind": "labels", "target_labels": {"a": 1, "b": 70000}}, "70000 is no id"),
        ({"target_kind": "labels", "target_labels": {"a": 1}}, "has 1 classes"),
        ({"target_kind": "labels", "target_labels": {"a b": 1, "c": 2}}, "'a b' is no name of a class"),
        ({"target_kind": "labels", "target_labels": {0: 1, "c": 2}}, "target_labels: 0 is no text.*in quotes"),
        ({"target_kind": "labels", "labels": {"c": [1, 1, 1], False: [2, 2, 2]}}, "labels: False is no text.*quotes"),
        ({"target_kind": "labels", "target_labels": COLORS, "ignore": ["sky"]}, "data.ignore: 'sky' is no class"),
        ({"target_kind": "labels", "target_labels": {"a": 1, "b": 2}, "ignore": ["a"]}, "fewer than two classes"),
        ({"target_kind": "labels", "target_labels": COLORS, "one_hot": True}, "data.one_hot: the source is a picture"),
        ({"label_resizing": "area"}, "data.label_resizing: both halves are pictures"),
        ({"target_kind": "labels", "target_labels": IDS, "label_resizing": "area"}, "ids have none; use nearest"),
        (
            {"target_kind": "labels", "target_labels": COLORS, "target_interpolation": "bicubic"},
            "data.target_interpolation: bicubic mixes labels",
        ),
    ],
)
def test_what_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_data_options(None, **options)


def test_the_order_in_which_classes_are_written_is_none() -> None:
    """A run's options.yaml sorts them, and a generator knows its channels by their number."""
    names = list(COLORS)
    written = [{name: COLORS[name] for name in order} for order in (names, names[::-1])]
    assert Labels.of(written[0]) == Labels.of(written[1])
    assert Labels.of(IDS) == Labels.of(dict(reversed(IDS.items())))


def test_a_source_of_labels_has_no_colors_to_change(folder: Path) -> None:
    options = data(folder, "map_photo", source_transforms=[A.ColorJitter(p=1)])
    with pytest.raises(ValueError, match="source_transforms: change colors, and the source is labels"):
        options.open_train(seed=0)


def train(preset: Path, *words: str) -> int:
    return main(["train", "--config", str(preset), *words])


def test_a_one_hot_source_is_trained_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With grids of samples, gone on with to the same weights, scored, handed on, and translated by a command."""
    monkeypatch.chdir(tmp_path)
    options = {
        "data": {"root": str(folder / "id_map"), "workers": 0, "source_kind": "labels", "source_labels": IDS}
        | {"target_kind": "labels", "target_labels": COLORS, "one_hot": True, "thin": ["road"], "crop_size": 32},
        "model": {"class_path": "atme.Regression", "init_args": {"palette": 0.1}},
        "generator": {"class_path": "atme.UNet", "init_args": {"dim": 8, "dim_mults": [1, 2]}},
        "noise": {"class_path": "atme.Identity"},
        "training": {"rate": {"epochs": 2, "decay_epochs": 0}, "batch_size": 2, "device": "cpu", "checkpoint_every": 1},
    }
    preset = tmp_path / "preset.yaml"
    preset.write_text(yaml.safe_dump(options))
    assert train(preset, "--run.dir", "whole") == 0
    assert train(preset, "--run.dir", "parts", "--training.rate.epochs", "1") == 0
    assert train(preset, "--run.dir", "parts", "--training.resume", "auto") == 0
    one, other = (load_file(find_run(Path(run)).checkpoint / "generator.safetensors") for run in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert len(list(Path("whole/samples").iterdir())) == 2
    assert main(["evaluate", "whole", "--scores", "l1,iou", "--train_pairs", "0"]) == 0
    assert main(["translate", "whole", str(folder / "id_map" / "testA"), "made", "--as", "labels"]) == 0
    assert len(np.unique(read_image("made/0.png").reshape(-1, 3), axis=0)) <= 4
    translator = Translator.from_run("whole", device="cpu")
    translator.save_pretrained("handed")
    card = Path("handed/README.md").read_text()
    assert "labels: car 26, road 7, void 0; one channel a class" in card
    assert "labels: ground [236, 230, 222], highway [255, 158, 32]" in card
    again = Translator.from_pretrained("handed", device="cpu")
    assert again.knows.kinds == translator.knows.kinds
    picture = read_image(folder / "id_map" / "testA" / "0.png")
    assert np.array_equal(again.pixels(picture), translator.pixels(picture))


class TestTranslations:
    @settings(max_examples=10, deadline=None)
    @given(number=st.integers(0, 2**32), size=st.tuples(st.integers(9, 40), st.integers(9, 40)))
    @pytest.mark.parametrize("classes", [COLORS, IDS], ids=["colors", "ids"])
    def test_every_pixel_is_of_a_class(self, classes, number, size) -> None:  # type: ignore[no-untyped-def]
        labels = Labels.of(classes)
        picture = np.random.default_rng(number).integers(0, 255, (*size, labels.channels), np.uint8, True)
        snapped = labels.snapped(picture)
        among = {(each,) for each in labels.ids} if labels.ids else set(labels.colors)
        assert {tuple(each) for each in snapped.reshape(-1, labels.channels).tolist()} <= among
        assert np.array_equal(labels.written(labels.read(snapped, name="a")), snapped)

    def test_an_ignored_class_is_never_an_answer(self) -> None:
        labels = Labels.of(COLORS, ignore=["road"])
        white = np.full((2, 2, 3), 255, np.uint8)
        assert (labels.snapped(white) == [236, 230, 222]).all()
        assert (labels.read(white, name="a") == labels.names.index("road")).all()

    def test_a_run_knows_its_classes(self, folder: Path, tmp_path: Path) -> None:
        """A generator that copies reads colors one-hot or snapped, and writes classes by their color."""
        options = sections(root=str(folder / "map_photo"), source_kind="labels", source_labels=COLORS)
        options["data"] |= {"target_kind": "labels", "target_labels": COLORS, "test_size": [32, 48]}
        translator = Translator.from_run(make_run(tmp_path / "run", options, measured()), device="cpu", trust=True)
        picture = read_image(folder / "map_photo" / "testA" / "0.png")
        made = translator.pixels(picture, as_labels=True)
        assert made.shape == picture.shape
        assert {tuple(each) for each in made.reshape(-1, 3).tolist()} <= set(MAPS.colors)
        assert (made == MAPS.painted(MAPS.read(picture, name="a"))).all(axis=2).mean() > 0.8
        assert np.array_equal(np.asarray(translator(picture, as_labels=True)), made)

    def test_one_hot_is_made_of_a_picture(self, folder: Path, tmp_path: Path) -> None:
        options = sections(root=str(folder / "map_photo"), source_kind="labels", source_labels=COLORS, one_hot=True)
        run = make_run(tmp_path / "run", options, measured(4, 3))
        translator = Translator.from_run(run, device="cpu", trust=True)
        picture = read_image(folder / "map_photo" / "testA" / "0.png")
        whole = translator.pixels(picture)
        assert whole.shape == picture.shape
        tiles = translator.pixels(picture, tiling=Tiling(tile=24))
        assert np.array_equal(tiles, whole)  # it copies, pixel by pixel
        with pytest.raises(ValueError, match="has 1 channels"):
            translator.pixels(picture[..., :1])
        with pytest.raises(ValueError, match="as labels: the run's targets are pictures"):
            translator.pixels(picture, as_labels=True)
