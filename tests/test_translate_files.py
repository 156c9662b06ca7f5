"""`atme translate`: formats, comparisons, passes, batches and tiles, as they are typed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import smooth
from PIL import Image
from runs import Copy, make_run, measured, sections

from atme.cli import main
from atme.images import read_header, read_image, write_image
from atme.inference import Translator, batches, tiling

Said = pytest.CaptureFixture[str]
UNET = {"class_path": "atme.UNet", "init_args": {"dim": 8, "dim_mults": [1, 2], "groups": 4}}


def picture(seed: int, height: int = 20, width: int = 24) -> np.ndarray:
    return smooth(np.random.default_rng(seed), height, width)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that copies RGB."""
    return make_run(tmp_path / "run", sections(), measured())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures of 24×20 pixels, two of 32×16."""
    (tmp_path / "photos" / "more").mkdir(parents=True)
    for i in range(5):
        size = (20, 24) if i < 3 else (16, 32)
        write_image(tmp_path / "photos" / ("more" if i % 2 else "") / f"{i}.png", picture(i, *size))
    return tmp_path / "photos"


def translate(run: Path, source: Path, output: Path, *options: str) -> int:
    return main(["translate", str(run), str(source), str(output), "--device", "cpu", "--trust", *options])


@pytest.mark.parametrize(
    ("format", "ending", "name"),
    [("png", ".png", "PNG"), ("jpeg", ".jpg", "JPEG"), ("tiff", ".tif", "TIFF"), ("webp", ".webp", "WEBP")],
)
def test_translations_have_the_format_that_is_asked_for(
    run: Path, photos: Path, tmp_path: Path, format: str, ending: str, name: str
) -> None:
    assert translate(run, photos, tmp_path / "maps", "--format", format) == 0
    found = sorted((tmp_path / "maps").rglob("*.*"))
    assert [path.name for path in found] == [f"{i}{ending}" for i in (0, 2, 4, 1, 3)]
    assert {read_header(path).format for path in found} == {name}
    assert np.abs(read_image(found[0]).astype(int) - picture(0)).max() <= (0 if name != "JPEG" else 12)
    assert translate(run, photos / "0.png", tmp_path / "one", "--format", format) == 0
    assert (tmp_path / "one" / f"0{ending}").exists()
    assert translate(run, photos / "0.png", tmp_path / f"one{ending}", "--format", format) == 0


def test_a_format_against_the_ending_is_refused_and_the_remedy_works(
    run: Path, photos: Path, tmp_path: Path, capsys: Said
) -> None:
    assert translate(run, photos / "0.png", tmp_path / "map.png", "--format", "webp") == 2
    assert "map.png ends in .png; leave --format out, or change the name" in capsys.readouterr().err
    assert translate(run, photos / "0.png", tmp_path / "map.png") == 0
    assert translate(run, photos / "0.png", tmp_path / "map.webp", "--format", "webp") == 0


@pytest.mark.parametrize(("source", "target"), [(3, 3), (1, 3), (3, 1), (4, 3), (1, 4), (1, 1)])
@pytest.mark.parametrize(("deep", "bits"), [(False, 8), (True, 8), (False, 16)])
def test_a_comparison_is_a_pair(tmp_path: Path, source: int, target: int, deep: bool, bits: int) -> None:
    """It holds all of both, and its halves are the picture and its translation."""
    run = make_run(tmp_path / "kind", sections(), measured(source, target, target_bits=bits))
    rgb = picture(0)
    pixels = np.concatenate([rgb, rgb[..., :1]], axis=2)[..., :source]
    write_image(tmp_path / "photo.png", pixels.astype(np.uint16) * 257 if deep else pixels)
    assert translate(run, tmp_path / "photo.png", tmp_path / "map.png") == 0
    assert translate(run, tmp_path / "photo.png", tmp_path / "both.png", "--compare") == 0
    both, made = read_image(tmp_path / "both.png"), read_image(tmp_path / "map.png")
    assert both.shape == (20, 48, max(source, target))
    assert both.dtype == made.dtype
    left, right = np.split(both, 2, axis=1)
    assert np.array_equal(right[..., :target] if target > 1 else right[..., :1], made)
    assert np.array_equal(left[..., :source], pixels.astype(made.dtype) * (257 if bits == 16 else 1))
    if max(source, target) == 4 and target != 4:
        assert (right[..., 3] == 255 * (257 if bits == 16 else 1)).all()


def test_a_comparison_that_a_file_cannot_hold_is_refused_first(tmp_path: Path, capsys: Said) -> None:
    run = make_run(tmp_path / "kind", sections(), measured(4, 3))
    write_image(tmp_path / "photo.png", np.zeros((8, 8, 4), np.uint8))
    assert translate(run, tmp_path / "photo.png", tmp_path / "both.jpg", "--compare") == 2
    assert "a .jpg file cannot hold 8-bit pixels of 4 channels" in capsys.readouterr().err
    assert translate(run, tmp_path / "photo.png", tmp_path / "map.jpg") == 0


def test_two_passes_are_translating_twice(tmp_path: Path, photos: Path) -> None:
    run = make_run(tmp_path / "unet", sections(UNET), measured())
    assert translate(run, photos, tmp_path / "once") == 0
    assert translate(run, tmp_path / "once", tmp_path / "again") == 0
    assert translate(run, photos, tmp_path / "twice", "--passes", "2") == 0
    for path in (tmp_path / "again").rglob("*.png"):
        twice = read_image(tmp_path / "twice" / path.relative_to(tmp_path / "again"))
        assert np.array_equal(read_image(path), twice)
        assert not np.array_equal(read_image(tmp_path / "once" / path.relative_to(tmp_path / "again")), twice)


def test_passes_need_a_run_that_reads_what_it_makes(tmp_path: Path, photos: Path, run: Path, capsys: Said) -> None:
    gray = make_run(tmp_path / "gray", sections(), measured(3, 1))
    assert translate(gray, photos, tmp_path / "maps", "--passes", "2") == 2
    assert "passes 2: this run makes pictures of 1 channels and reads 3" in capsys.readouterr().err
    assert translate(gray, photos, tmp_path / "maps") == 0
    assert translate(run, photos, tmp_path / "none", "--passes", "0") == 2


@pytest.mark.parametrize("batch", [(), ("--batch", "1"), ("--batch", "2"), ("--batch", "16")])
def test_no_translation_depends_on_its_batch(tmp_path: Path, photos: Path, batch: tuple[str, ...]) -> None:
    run = make_run(tmp_path / "unet", sections(UNET), measured())
    assert translate(run, photos, tmp_path / "maps", *batch) == 0
    alone = Translator.from_run(run, device="cpu")
    for path in sorted(photos.rglob("*.png")):
        made = read_image(tmp_path / "maps" / path.relative_to(photos)).astype(int)
        assert abs(made - alone.pixels(path)).max() <= 1


def test_pictures_of_one_size_go_together(
    run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together: list[int] = []
    forward = Copy.forward
    monkeypatch.setattr(
        Copy, "forward", lambda self, image, level: [together.append(len(image)), forward(self, image)][1]
    )
    assert translate(run, photos, tmp_path / "maps") == 0
    assert sorted(together) == [2, 3]
    together.clear()
    assert translate(run, photos, tmp_path / "two", "--batch", "2") == 0
    assert sorted(together) == [1, 2, 2]
    together.clear()
    monkeypatch.setattr(batches, "PIXELS", 24 * 20)
    assert translate(run, photos, tmp_path / "few") == 0
    assert together == [1] * 5


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many batches were to go at once, of each translation, where PyTorch has two threads."""
    seen: list[int] = []

    def one_by_one(work: Any, things: Any, *, workers: int) -> Any:
        seen.append(workers)
        return [(thing, work(thing)) for thing in things]

    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    monkeypatch.setattr(batches, "at_once", one_by_one)
    return seen


def test_batches_at_once_give_what_they_give_one_by_one(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "unet", sections(UNET), measured())
    assert translate(run, photos, tmp_path / "alone", "--batch", "1") == 0
    monkeypatch.setattr(batches, "_workers", lambda *_: 3)
    assert translate(run, photos, tmp_path / "together", "--batch", "1") == 0
    for path in (tmp_path / "alone").rglob("*.png"):
        assert path.read_bytes() == (tmp_path / "together" / path.relative_to(tmp_path / "alone")).read_bytes()


@pytest.mark.parametrize(
    ("options", "workers"),
    [
        ((), 2),
        (("--batch", "2"), 2),
        (("--batch", "5"), 2),
        (("--as_trained",), 1),
        (("--max-memory", "1GB"), 1),
        (("--tile", "16"), 1),
        (("--exact",), 1),
    ],
)
def test_batches_go_at_once_where_they_share_nothing(
    photos: Path, tmp_path: Path, asked: list[int], options: tuple[str, ...], workers: int
) -> None:
    run = make_run(tmp_path / "unet", sections(UNET), measured())
    assert translate(run, photos, tmp_path / "maps", *("--batch", "1"), *options) == 0
    assert translate(run, photos / "0.png", tmp_path / "one.png", *options) == 0
    assert asked == [workers, 1]


def test_networks_of_ones_own_may_keep_what_two_threads_would_share(
    run: Path, photos: Path, tmp_path: Path, asked: list[int]
) -> None:
    assert translate(run, photos, tmp_path / "maps", "--batch", "1") == 0
    assert asked == [1]


@pytest.mark.parametrize(("batch", "free", "workers"), [(1, 1.1, 2), (1, 0.9, 1), (3, 2.9, 1), (3, 3.1, 2)])
def test_batches_go_at_once_where_memory_suffices(
    photos: Path,
    tmp_path: Path,
    asked: list[int],
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    free: float,
    workers: int,
) -> None:
    """Free is so much of what two translations of one picture take; three are 24×20 pixels, two are 32×16."""
    run = make_run(tmp_path / "unet", sections(UNET), measured())
    most = 3 * 24 * 20 if batch == 3 else 32 * 16
    takes = Translator.from_run(run, device="cpu").large.appetite.of(1, most)
    monkeypatch.setattr(batches, "free", lambda device: 2 * takes * free / batch)
    assert translate(run, photos, tmp_path / "maps", "--batch", str(batch)) == 0
    assert asked == [workers]


def test_what_is_wrong_with_one_picture_is_not_the_others_fault(
    run: Path, photos: Path, tmp_path: Path, capsys: Said
) -> None:
    """Its header is right, so that it goes into a batch."""
    content = (photos / "2.png").read_bytes()
    middle = len(content) // 2
    (photos / "2.png").write_bytes(content[:middle] + bytes(30) + content[middle + 30 :])
    assert translate(run, photos, tmp_path / "maps") == 1
    assert sorted(path.name for path in (tmp_path / "maps").rglob("*.png")) == ["0.png", "1.png", "3.png", "4.png"]
    said = capsys.readouterr().err
    assert "1 of 5 could not be translated" in said
    assert "2.png" in said


def test_a_batch_of_none_is_refused(run: Path, photos: Path, tmp_path: Path) -> None:
    assert translate(run, photos, tmp_path / "maps", "--batch", "0") == 2


def test_tiles_as_they_are_typed(run: Path, photos: Path, tmp_path: Path, capsys: Said) -> None:
    Copy.seen.clear()
    assert translate(run, photos, tmp_path / "maps", "--tile", "16", "--overlap", "8") == 0
    assert set(Copy.seen) == {(16, 16)}
    for path in photos.rglob("*.png"):
        assert np.array_equal(read_image(tmp_path / "maps" / path.relative_to(photos)), read_image(path))
    for wrong in (("--tile", "12"), ("--tile", "16", "--overlap", "16"), ("--exact", "--tile", "16")):
        assert translate(run, photos, tmp_path / "more", *wrong) == 2
    assert translate(run, photos, tmp_path / "more", "--max-memory", "much") == 2
    assert len(capsys.readouterr().err.splitlines()) == 5
    assert not (tmp_path / "more").exists()


def test_a_picture_that_is_too_large_goes_in_tiles_and_that_is_said(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiling, "LEAST", 2**10)
    run = make_run(tmp_path / "unet", sections(UNET), measured())
    write_image(tmp_path / "scan.png", picture(0, 160, 200))
    translator = Translator.from_run(run, device="cpu")
    memory = str(int(translator.large.appetite.of(160, 200)))
    assert translate(run, tmp_path / "scan.png", tmp_path / "tiles.png", "--max-memory", memory) == 0
    said = capsys.readouterr().err
    assert "1 too large for memory: in tiles of 1" in said
    assert translate(run, tmp_path / "scan.png", tmp_path / "strips.png", "--max-memory", memory, "--exact") == 0
    assert "too large" not in capsys.readouterr().err
    whole = translator.pixels(tmp_path / "scan.png").astype(int)
    assert abs(read_image(tmp_path / "strips.png") - whole).max() <= 1
    assert abs(read_image(tmp_path / "tiles.png") - whole).max() > 1
    assert translate(run, tmp_path / "scan.png", tmp_path / "none.png", "--max-memory", "10kB") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "do not suffice for 200×160 pixels; allow" in said


def test_exact_of_a_generator_that_is_not_known_is_refused_first(
    run: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiling, "LEAST", 2**10)
    write_image(tmp_path / "scan.png", picture(0, 160, 200))
    assert translate(run, tmp_path / "scan.png", tmp_path / "map.png", "--max-memory", "500kB", "--exact") == 2
    assert "exact: knows UNet" in capsys.readouterr().err


def kinds(folder: Path) -> dict[str, np.ndarray]:
    """Pictures of every kind, and what of them a run that copies gives."""
    pixels = picture(0)
    folder.mkdir()
    Image.fromarray(pixels).convert("CMYK").save(folder / "cmyk.tif")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(folder / "turned.png", exif=exif)
    write_image(folder / "deep.png", pixels.astype(np.uint16) * 257)
    Image.fromarray(pixels).convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "palette.png")
    cmyk = np.asarray(Image.open(folder / "cmyk.tif").convert("RGB"))
    palette = np.asarray(Image.open(folder / "palette.png").convert("RGB"))
    return {"cmyk": cmyk, "turned": np.rot90(pixels, -1), "deep": pixels, "palette": palette}


def test_pictures_of_every_kind_are_translated(run: Path, tmp_path: Path) -> None:
    expected = kinds(tmp_path / "kinds")
    assert translate(run, tmp_path / "kinds", tmp_path / "maps") == 0
    assert {path.stem for path in (tmp_path / "maps").iterdir()} == set(expected)
    for name, pixels in expected.items():
        assert np.array_equal(read_image(tmp_path / "maps" / f"{name}.png"), pixels), name


@pytest.mark.parametrize("channels", [1, 4])
def test_gray_and_alpha_are_translated(tmp_path: Path, channels: int) -> None:
    run = make_run(tmp_path / "kind", sections(), measured(channels, channels))
    pixels = np.concatenate([picture(0), np.full((20, 24, 1), 200, np.uint8)], axis=2)[..., -channels:]
    write_image(tmp_path / "photo.png", pixels)
    assert translate(run, tmp_path / "photo.png", tmp_path / "map.png") == 0
    assert np.array_equal(read_image(tmp_path / "map.png"), pixels)
