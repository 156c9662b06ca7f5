"""`atme translate`: nothing of the user's is lost, a batch goes to its end, and what the run knows is used."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import smooth
from runs import Copy, make_run, measured, sections

from atme.cli import main
from atme.images import read_image, write_image
from atme.inference import batches

Said = pytest.CaptureFixture[str]


def picture(seed: int, height: int = 20, width: int = 24) -> np.ndarray:
    return smooth(np.random.default_rng(seed), height, width)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that copies RGB."""
    return make_run(tmp_path / "run", sections(), measured())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        write_image(folder / f"{i}.png", picture(i))
    return folder


def translate(run: Path, source: Path, output: Path, *options: str) -> int:
    return main(["translate", str(run), str(source), str(output), "--device", "cpu", "--trust", *options])


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# Nothing is lost.


def same(how: str, photos: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Input and output that are one and the same."""
    link = tmp_path / "link"
    match how:
        case "folder":
            return photos, photos
        case "dots":
            return photos, photos / ".." / "photos"
        case "link":
            link.symlink_to(photos)
            return photos, link
        case "link read":
            link.symlink_to(photos)
            return link, photos
        case "file":
            return photos / "0.png", photos / "0.png"
        case "file into its folder":
            return photos / "0.png", photos
        case "links in the output":
            link.mkdir()
            for path in photos.iterdir():
                (link / path.name).symlink_to(path)
            return photos, link
        case _:
            link.mkdir()
            for path in photos.iterdir():
                os.link(path, link / path.name)
            return photos, link


HOW = (
    *("folder", "dots", "link", "link read", "file", "file into its folder"),
    *("links in the output", "hard links in the output"),
)


@pytest.mark.parametrize("options", [(), ("--overwrite",), ("--half", "left", "--overwrite")])
@pytest.mark.parametrize("how", HOW)
def test_what_is_read_is_never_written_over(
    run: Path, photos: Path, tmp_path: Path, capsys: Said, how: str, options: tuple[str, ...]
) -> None:
    before = contents(tmp_path)
    assert translate(run, *same(how, photos, tmp_path), *options) == 2
    assert "is read" in capsys.readouterr().err
    assert contents(photos).items() <= {k.removeprefix("photos/"): v for k, v in before.items()}.items()
    assert {key: value for key, value in contents(tmp_path).items() if key in before} == before


def test_files_that_are_there_are_kept_unless_told_otherwise(
    run: Path, photos: Path, tmp_path: Path, capsys: Said
) -> None:
    output = tmp_path / "maps"
    output.mkdir()
    for name in ("0.png", "2.png"):
        (output / name).write_text("mine")
    assert translate(run, photos, output) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "0.png, " in line
    assert "2.png: exists already; choose another place, or allow it with --overwrite" in line
    assert contents(output) == {"0.png": b"mine", "2.png": b"mine"}
    assert translate(run, photos, output, "--overwrite") == 0
    assert [np.array_equal(read_image(output / f"{i}.png"), picture(i)) for i in range(3)] == [True] * 3


def test_a_folder_in_the_folder_that_is_read_is_not_read_again(run: Path, photos: Path, capsys: Said) -> None:
    for options in ((), ("--overwrite",)):
        assert translate(run, photos, photos / "maps", *options) == 0
        assert sorted(contents(photos)) == ["0.png", "1.png", "2.png", "maps/0.png", "maps/1.png", "maps/2.png"]
    assert "3 in the folder that is written to (0.png, 1.png, 2.png)" in capsys.readouterr().err


def test_an_interruption_leaves_whole_files_alone(
    run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    os_replace = Path.replace

    def interrupted(path: Path, place: Path) -> Path:
        if place.name == "1.png":
            raise KeyboardInterrupt
        return os_replace(path, place)

    monkeypatch.setattr(Path, "replace", interrupted)
    assert translate(run, photos, tmp_path / "maps") == 130
    assert list(contents(tmp_path / "maps")) == ["0.png"]
    assert "1 of 3 translated" in capsys.readouterr().err


def test_places_where_nothing_can_be_written_are_refused_first(
    run: Path, photos: Path, tmp_path: Path, capsys: Said
) -> None:
    (tmp_path / "file").write_text("mine")
    assert translate(run, photos / "0.png", tmp_path / "file" / "map.png") == 2
    assert translate(run, photos, tmp_path / "file") == 2
    assert translate(run, photos / "0.png", tmp_path / "map.gif") == 2
    said = capsys.readouterr().err.splitlines()
    assert "lies below a file" in said[0]
    assert "is a file, and" in said[1]
    assert "not an image's ending" in said[2]
    assert (tmp_path / "file").read_text() == "mine"


def test_two_pictures_for_one_place_are_all_named(run: Path, photos: Path, tmp_path: Path, capsys: Said) -> None:
    for i in range(2):
        write_image(photos / f"{i}.jpg", picture(i))
    assert translate(run, photos, tmp_path / "maps") == 2
    line = capsys.readouterr().err
    assert "0.jpg and " in line
    assert "1.png: would be written to the same place; rename one of them" in line
    assert not (tmp_path / "maps").exists()
    for i in range(2):
        (photos / f"{i}.jpg").rename(photos / f"{i}_.jpg")
    assert translate(run, photos, tmp_path / "maps") == 0


# A batch goes to its end.


def spoil(folder: Path) -> dict[str, str]:
    """Files that cannot be translated, and what is said of each."""
    whole = (folder / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    inside = bytearray(whole)
    inside[len(whole) // 2 : len(whole) // 2 + 60] = bytes(60)
    (folder / "damaged.png").write_bytes(inside)
    (folder / "empty.jpg").touch()
    write_image(folder / "gray.png", picture(3)[:, :, :1])
    write_image(folder / "clear.png", np.zeros((16, 16, 4), np.uint8))
    (folder / "link.png").symlink_to(folder / "nowhere.png")
    (folder / "text.png").write_text("hello")
    return {
        "cut.png": "truncated",
        "damaged.png": "damaged",
        "empty.jpg": "",
        "gray.png": "has 1 channels (gray), and the generator reads 3 channels (RGB); convert it to RGB first",
        "clear.png": "has 4 channels (RGBA)",
        "link.png": "cannot be read",
        "text.png": "not an image",
    }


def test_bad_files_are_named_at_the_end_and_the_rest_is_done(
    run: Path, photos: Path, tmp_path: Path, capsys: Said
) -> None:
    bad = spoil(photos)
    (photos / "._0.png").write_bytes(b"\0\5\x16\7")
    (photos / "notes.txt").touch()
    assert translate(run, photos, tmp_path / "maps") == 1
    assert list(contents(tmp_path / "maps")) == ["0.png", "1.png", "2.png"]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "7 of 10 could not be translated:"
    for name, why in bad.items():
        assert any(name in line and why in line for line in lines[1:-1]), name
    assert lines[-1].startswith("3 translated into ")
    assert "left alone: 1 hidden (._0.png), 1 of other endings (notes.txt)" in lines[-1]


def test_ten_bad_files_are_named_and_the_rest_is_counted(run: Path, photos: Path, tmp_path: Path, capsys: Said) -> None:
    for i in range(13):
        (photos / f"bad{i:02d}.png").write_text("hello")
    assert translate(run, photos, tmp_path / "maps") == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "13 of 16 could not be translated:"
    assert len([line for line in lines if re.search(r"bad\d\d\.png", line)]) == 10
    assert "  and 3 more" in lines


@pytest.mark.parametrize("kept", ["gray.png", "damaged.png"])
def test_where_nothing_can_be_translated_nothing_is_made(
    run: Path, photos: Path, tmp_path: Path, capsys: Said, kept: str
) -> None:
    spoil(photos)
    for path in photos.iterdir():
        if path.name != kept:
            path.unlink()
    assert translate(run, photos, tmp_path / "maps") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not contents(tmp_path / "maps") if (tmp_path / "maps").exists() else True


def test_each_file_is_read_once(run: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr(batches, "read_image", lambda path, **how: [read.append(path), read_image(path, **how)][1])
    assert translate(run, photos, tmp_path / "maps") == 0
    assert read == sorted(photos.iterdir())


NAMES = ("a b", "[b]", "näme", "na\u0308me", "x\ny", "-h", "100%", "{}", "'q'", "名前", "a.b.c", "\udcff")


def test_any_name_in_any_subfolder_and_ending_goes_through(run: Path, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    for i, name in enumerate(NAMES):
        place = source / name / ("deep" if i % 2 else "")
        place.mkdir(parents=True)
        plain = tmp_path / "plain.png"
        write_image(plain, picture(i))
        plain.rename(place / f"{name}.png")
    for i, suffix in enumerate((".jpg", ".JPEG", ".jpe", ".jfif", ".webp", ".tif", ".TIFF", ".bmp", ".PNG")):
        write_image(source / f"ending{i}{suffix}", picture(i))
    for folder in (".hidden", "@eaDir", "x.png"):
        (source / folder).mkdir()
    write_image(source / ".hidden" / "0.png", picture(0))
    write_image(source / "@eaDir" / "0.png", picture(0))
    write_image(source / "x.png" / "0.png", picture(0))
    assert translate(run, source, tmp_path / "maps") == 0
    expected = [f"{name}/{'deep/' if i % 2 else ''}{name}.png" for i, name in enumerate(NAMES)]
    expected += [f"ending{i}.png" for i in range(9)] + ["x.png/0.png"]
    assert sorted(contents(tmp_path / "maps")) == sorted(expected)


def test_a_name_without_ending_is_a_folder_for_a_single_picture(run: Path, photos: Path, tmp_path: Path) -> None:
    assert translate(run, photos / "0.png", tmp_path / "maps") == 0
    assert list(contents(tmp_path / "maps")) == ["0.png"]


# What the run knows is used.


@pytest.mark.parametrize("target", [1, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_translations_have_the_bits_and_channels_of_the_targets(
    tmp_path: Path, photos: Path, capsys: Said, target: int, bits: int
) -> None:
    run = make_run(tmp_path / "deep", sections(), measured(3, target, target_bits=bits))
    assert translate(run, photos, tmp_path / "maps") == 0
    written = read_image(tmp_path / "maps" / "0.png")
    assert written.shape == (20, 24, target)
    assert written.dtype == {8: np.uint8, 16: np.uint16}[bits]
    fits = bits == 8 and target != 4
    assert translate(run, photos / "0.png", tmp_path / "one" / "map.jpg") == (0 if fits else 2)
    if not fits:
        assert (
            f"a .jpg file cannot hold {bits}-bit pixels of {target} channels; write a .png" in capsys.readouterr().err
        )
        assert not (tmp_path / "one").exists()
        assert translate(run, photos / "0.png", tmp_path / "one" / "map.png") == 0


@pytest.mark.parametrize(
    ("data", "options", "worked", "said"),
    [
        ({"test_size": 16}, (), (16, 16), "at 16×16 pixels, as the run was tested"),
        ({"test_size": [16, 40]}, (), (16, 40), "at 40×16 pixels, as the run was tested"),
        ({"test_size": 16}, ("--scale", "run"), (16, 16), "at 16×16 pixels, as the run was tested"),
        ({"test_size": 16}, ("--scale", "native"), (24, 24), "at their own size"),
        ({"test_size": 16}, ("--scale", "0.5"), (16, 16), "at 0.5 times their own size"),
        ({"test_size": 16}, ("--scale", "2"), (40, 48), "at 2 times their own size"),
        ({}, (), (24, 24), "at their own size, as the run was tested"),
        ({"load_size": 16, "crop_size": 16}, (), (24, 24), "at their own size, as the run was tested"),
    ],
)
def test_pictures_are_worked_on_at_the_size_that_is_asked_for(
    tmp_path: Path,
    photos: Path,
    capsys: Said,
    data: dict[str, object],
    options: tuple[str, ...],
    worked: tuple[int, int],
    said: str,
) -> None:
    """Sizes are those that the generator reads: multiples of its stride of 8."""
    run = make_run(tmp_path / "sized", sections(**data), measured())
    Copy.seen.clear()
    assert translate(run, photos, tmp_path / "maps", *options) == 0
    assert set(Copy.seen) == {worked}
    assert read_image(tmp_path / "maps" / "0.png").shape == (20, 24, 3)
    assert capsys.readouterr().err.splitlines()[-1] == f"3 translated into {tmp_path / 'maps'}, {said}"


def disks(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Dark disks of 8 and of 22 pixels radius on 256×256 pixels, and where the small ones are."""
    rng = np.random.default_rng(seed)
    picture, small = np.full((256, 256, 3), 220, np.uint8), np.zeros((256, 256), bool)
    y, x = np.mgrid[:256, :256]
    for i in range(14):
        (row, column), radius = rng.integers(10, 246, 2), (8, 22)[i % 2]
        disk = np.hypot(y - row, x - column) <= radius
        picture[disk], small[disk] = 90, radius == 8
    return picture, small


def test_small_disks_are_small_at_the_size_that_the_run_was_tested_at(tmp_path: Path) -> None:
    """A network for which small is what spans few pixels, as for one that learned from pictures of 64 pixels."""
    run = make_run(tmp_path / "disks", sections("runs.RedIfSmall", load_size=64, test_size=64), measured())
    (tmp_path / "photos").mkdir()
    for seed in range(3):
        write_image(tmp_path / "photos" / f"{seed}.png", disks(seed)[0])

    def right(*options: str) -> float:
        """Share of the pixels of small disks that are red."""
        output = tmp_path / f"maps{''.join(options)}"
        assert translate(run, tmp_path / "photos", output, *options) == 0
        shares = []
        for seed in range(3):
            red, _, blue = np.moveaxis(read_image(output / f"{seed}.png").astype(int), 2, 0)
            shares.append((red > blue + 60)[disks(seed)[1]].mean())
        return float(np.mean(shares))

    assert (by_default := right()) > 0.75
    assert right("--scale", "0.25") == by_default
    assert right("--scale", "native") < 0.1


def test_a_run_that_resized_to_train_alone_says_at_which_scale_it_learned(
    tmp_path: Path, photos: Path, capsys: Said
) -> None:
    run = make_run(tmp_path / "sized", sections(load_size=8), measured())
    assert translate(run, photos, tmp_path / "maps") == 0
    line = capsys.readouterr().err.splitlines()[0]
    assert "these have up to 24×20 pixels: --scale 0.4 works as it learned" in line
    assert translate(run, photos, tmp_path / "scaled", "--scale", "0.4") == 0
    assert "works as it learned" not in capsys.readouterr().err


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf", "large"])
def test_a_scale_that_is_none_is_refused(run: Path, photos: Path, tmp_path: Path, capsys: Said, scale: str) -> None:
    assert translate(run, photos, tmp_path / "maps", "--scale", scale) == 2
    assert "scale" in capsys.readouterr().err
    assert not (tmp_path / "maps").exists()


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A side-by-side dataset: A is black, B is white."""
    for split in ("train", "test"):
        (tmp_path / "pairs" / split).mkdir(parents=True)
        for i in range(2):
            half = np.zeros((16, 16, 3), np.uint8)
            write_image(tmp_path / "pairs" / split / f"{i}.png", np.concatenate([half, 255 - half], axis=1))
    return tmp_path / "pairs"


@pytest.mark.parametrize(("direction", "value", "half"), [("AtoB", 0, "left"), ("BtoA", 255, "right")])
def test_of_its_own_pairs_a_run_translates_the_half_that_it_learned_from(
    tmp_path: Path, pairs: Path, capsys: Said, direction: str, value: int, half: str
) -> None:
    run = make_run(tmp_path / "own", sections(root=str(pairs), direction=direction), measured())
    assert translate(run, pairs / "test", tmp_path / "maps") == 0
    assert (read_image(tmp_path / "maps" / "0.png") == np.full((16, 16, 3), value)).all()
    assert f"the {half} halves of A|B pictures of the run's own dataset" in capsys.readouterr().err
    assert translate(run, pairs / "test" / "0.png", tmp_path / "one.png") == 0
    assert read_image(tmp_path / "one.png").shape == (16, 16, 3)
    assert translate(run, pairs / "test", tmp_path / "whole", "--half", "none") == 0
    assert read_image(tmp_path / "whole" / "0.png").shape == (16, 32, 3)


def test_a_half_of_other_pictures_is_never_guessed(tmp_path: Path, pairs: Path, capsys: Said) -> None:
    run = make_run(tmp_path / "own", sections(root=str(pairs)), measured())
    pairs.rename(tmp_path / "moved")
    assert translate(run, tmp_path / "moved" / "test", tmp_path / "maps") == 0
    assert read_image(tmp_path / "maps" / "0.png").shape == (16, 32, 3)
    assert "every picture is twice as wide as high; if these are A|B pairs, say --half left" in capsys.readouterr().err
    for half, value in (("left", 0), ("right", 255)):
        assert translate(run, tmp_path / "moved" / "test", tmp_path / half, "--half", half) == 0
        assert (read_image(tmp_path / half / "0.png") == np.full((16, 16, 3), value)).all()
    assert "translating the right halves, and the run learned from left ones" in capsys.readouterr().err


def test_two_folders_hold_no_halves(tmp_path: Path, capsys: Said) -> None:
    for side in "AB":
        (tmp_path / "two" / f"test{side}").mkdir(parents=True)
        write_image(tmp_path / "two" / f"test{side}" / "0.png", np.zeros((16, 32, 3), np.uint8))
    run = make_run(tmp_path / "own", sections(root=str(tmp_path / "two")), measured())
    assert translate(run, tmp_path / "two" / "testA", tmp_path / "maps") == 0
    assert read_image(tmp_path / "maps" / "0.png").shape == (16, 32, 3)


def test_a_half_of_an_odd_width_is_refused_and_the_remedy_works(run: Path, tmp_path: Path, capsys: Said) -> None:
    write_image(tmp_path / "odd.png", picture(0, width=25))
    assert translate(run, tmp_path / "odd.png", tmp_path / "map.png", "--half", "left") == 2
    assert "say --half none" in capsys.readouterr().err
    assert translate(run, tmp_path / "odd.png", tmp_path / "map.png", "--half", "none") == 0


def test_a_checkpoint_is_a_run(tmp_path: Path, photos: Path) -> None:
    run = make_run(tmp_path / "two", sections(), measured(), steps=(4, 8))
    assert translate(run / "checkpoints" / "step_00000004", photos, tmp_path / "maps") == 0
    assert len(contents(tmp_path / "maps")) == 3


def test_one_answer_is_one_answer(run: Path, photos: Path, tmp_path: Path, capsys: Said) -> None:
    assert translate(run, photos, tmp_path / "maps", "--samples", "2") == 2
    assert "samples 2: the model of this run has one answer" in capsys.readouterr().err
    assert not (tmp_path / "maps").exists()
