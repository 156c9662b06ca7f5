"""Where results may be written: nothing that is read, or there, is lost under any of its names."""

import os
from pathlib import Path

import numpy as np
import pytest

from atme.cli import main
from atme.images import write_image
from atme.outputs import require_free, some


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.png").write_text("photo")
    return folder


def names(how: str, photos: Path, tmp_path: Path) -> Path:
    """The place of a photograph under another name."""
    match how:
        case "plain":
            return photos / "0.png"
        case "dots":
            return photos / ".." / "photos" / "0.png"
        case "folder link":
            (tmp_path / "link").symlink_to(photos)
            return tmp_path / "link" / "0.png"
        case "file link":
            (tmp_path / "0.png").symlink_to(photos / "0.png")
            return tmp_path / "0.png"
        case "hard link":
            os.link(photos / "0.png", tmp_path / "hard.png")
            return tmp_path / "hard.png"
        case _:
            return Path(os.path.relpath(photos / "0.png"))


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("how", ["plain", "dots", "folder link", "file link", "hard link", "relative"])
def test_what_is_read_is_never_written_over(how: str, overwrite: bool, photos: Path, tmp_path: Path) -> None:
    place = names(how, photos, tmp_path)
    refusal = r"(0|hard)\.png: would be written over, and is what is read; choose another place"
    with pytest.raises(ValueError, match=refusal):
        require_free([tmp_path / "new" / "1.png", place], reads=photos.iterdir(), overwrite=overwrite)
    require_free([tmp_path / "new" / "1.png"], reads=photos.iterdir())


def test_what_is_there_is_written_over_only_if_told_to(photos: Path) -> None:
    with pytest.raises(ValueError, match=r"0\.png, .*1\.png: exists already; .*--overwrite"):
        require_free([photos / "0.png", photos / "1.png", photos / "new.png"])
    require_free([photos / "0.png", photos / "new.png"], overwrite=True)


def test_a_link_that_leads_nowhere_is_there(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(tmp_path / "absent")
    with pytest.raises(ValueError, match="exists already"):
        require_free([tmp_path / "link.png"])


@pytest.mark.parametrize("overwrite", [False, True])
def test_places_where_nothing_can_be_written(photos: Path, tmp_path: Path, overwrite: bool) -> None:
    with pytest.raises(ValueError, match="lies below a file"):
        require_free([photos / "0.png" / "below" / "a.png"], overwrite=overwrite)
    with pytest.raises(ValueError, match="photos: is a folder"):
        require_free([photos], overwrite=overwrite)
    if os.geteuid() != 0:  # root may write anywhere
        photos.chmod(0o500)
        with pytest.raises(ValueError, match="cannot be written to"):
            require_free([photos / "new" / "a.png"], overwrite=overwrite)
        photos.chmod(0o700)


def test_ten_are_named_and_the_rest_is_counted(tmp_path: Path) -> None:
    places = [tmp_path / f"{i:02d}.png" for i in range(14)]
    for place in places:
        place.touch()
    with pytest.raises(ValueError, match=r"09\.png and 4 more: exists already"):
        require_free(places)
    assert some([1, 2]) == "1, 2"


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset of one A|B pair in the working directory."""
    monkeypatch.chdir(tmp_path)
    for split in ("train", "test"):
        (tmp_path / "pairs" / split).mkdir(parents=True)
        pixels = np.random.default_rng(len(split)).integers(0, 256, (40, 80, 3), dtype=np.uint8)
        write_image(tmp_path / "pairs" / split / "0.png", pixels)
    return tmp_path / "pairs"


@pytest.mark.parametrize("verb", ["preview pairs --output", "check pairs --page"])
@pytest.mark.parametrize("taken", ["mine.png", "pairs/train/0.png"])
def test_verbs_that_draw_write_over_nothing(
    pairs: Path, capsys: pytest.CaptureFixture[str], verb: str, taken: str
) -> None:
    Path("mine.png").write_text("mine")
    before = Path(taken).read_bytes()
    assert main(["data", *verb.split(), taken]) == 2
    read = taken.startswith("pairs")
    said = "is what is read" if read else "exists already; choose another place, or allow it with --overwrite"
    assert said in capsys.readouterr().err
    assert Path(taken).read_bytes() == before
    assert main(["data", *verb.split(), taken, "--overwrite"]) in ((2,) if read else (0, 1))
    assert (Path(taken).read_bytes() == before) == read


@pytest.mark.parametrize("verb", ["pair pairs/train pairs/test", "split pairs/train"])
@pytest.mark.parametrize("taken", ["pairs", "pairs/train", "link", "mine.png"])
def test_verbs_that_make_datasets_write_over_nothing(
    pairs: Path, capsys: pytest.CaptureFixture[str], verb: str, taken: str
) -> None:
    Path("mine.png").write_text("mine")
    Path("link").symlink_to("pairs")
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert main(["data", *verb.split(), taken]) == 2
    assert "exists already; choose another place or move it away" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before
