"""Files that are cut, bitten or lie: what is raised is a ValueError of one line that names the file and the remedy."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from atme.data.options import DataOptions
from atme.images import from_pil, limits, read_header, read_image, write_image
from atme.inference.pictures import to_pixels
from atme.prepare.check.check import check_folder


def base() -> np.ndarray:
    """(40, 48, 3): smooth, with noise, so that every codec has work to do."""
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8), (48, 40), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth.astype(int) + rng.integers(-20, 20, smooth.shape), 0, 255).astype(np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def files() -> dict[str, bytes]:
    """A file of each kind that is decoded in a way of its own."""
    image, exif, deep = Image.fromarray(base()), Image.Exif(), base().astype(np.uint16) * 257
    exif[0x0112], exif[0x010E] = 6, "from a telephone"
    return {
        "jpeg": saved(image, "JPEG", exif=exif),
        "jpeg progressive": saved(image, "JPEG", progressive=True),
        "jpeg gray": saved(image.convert("L"), "JPEG"),
        "jpeg cmyk": saved(image.convert("CMYK"), "JPEG"),
        "png": saved(image, "PNG", exif=exif),
        "png palette": saved(image.quantize(16), "PNG", transparency=3),
        "png 16": cv2.imencode(".png", deep)[1].tobytes(),
        "png 16 gray": saved(Image.fromarray(deep[..., 0]), "PNG"),
        "webp": saved(image, "WEBP"),
        "webp lossless": saved(image.convert("RGBA"), "WEBP", lossless=True, exif=exif),
        "tiff": saved(image, "TIFF", exif=exif),
        "tiff lzw": saved(image, "TIFF", compression="tiff_lzw"),
        "tiff zstd": saved(image, "TIFF", compression="zstd"),
        "tiff jpeg": saved(image, "TIFF", compression="jpeg"),
        "tiff group 4": saved(image.convert("1"), "TIFF", compression="group4"),
        "tiff 16": cv2.imencode(".tif", deep)[1].tobytes(),
        "bmp": saved(image, "BMP"),
        "bmp palette": saved(image.quantize(16), "BMP"),
    }


FILES = files()


def told(path: Path) -> set[Callable[[Path], object]]:
    """Which ways of reading refuse a file, each in one line that names it and a remedy."""
    refusing = set[Callable[[Path], object]]()
    for read in (read_image, read_header, by_pillow):
        try:
            read(path)
        except ValueError as error:
            refusing.add(read)
            line = str(error)
            assert line.startswith(f"{path}: "), line
            assert "; " in line, line
            assert "\n" not in line, line
    return refusing


def by_pillow(path: Path) -> None:
    """As a program hands its pictures over: what Pillow opens, whatever is amiss in it."""
    try:
        image = Image.open(path)
    except Exception:  # Pillow refuses it, which is no door of ours
        return
    with image:
        from_pil(image, name=path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("foreign") / "a.img"


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=25, deadline=None)
@given(share=st.floats(0, 0.9999))
@pytest.mark.filterwarnings("ignore")  # of Pillow, when it opens
def test_a_cut_file_is_refused_and_never_filled_in(place: Path, kind: str, share: float) -> None:
    """Refused, that is, or read to the same pixels: the last bytes of a TIFF may be none."""
    place.write_bytes(FILES[kind])
    whole = read_image(place)
    place.write_bytes(FILES[kind][: int(share * len(FILES[kind]))])
    assert read_image in told(place) or np.array_equal(read_image(place), whole)


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")  # of Pillow, when it opens
def test_other_bytes_raise_nothing_else(place: Path, kind: str, data: st.DataObject) -> None:
    content = bytearray(FILES[kind])
    places = st.one_of(st.integers(0, len(content) - 1), st.integers(0, min(200, len(content) - 1)))
    for where in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[where] = data.draw(st.integers(0, 255))
    place.write_bytes(content)
    told(place)


@pytest.mark.parametrize("kind", [kind for kind in FILES if kind.startswith("png")])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_checksums_are_heeded(place: Path, kind: str, data: st.DataObject) -> None:
    """A PNG holds one for each of its parts: a picture with a bite in it is not read."""
    content = bytearray(FILES[kind])
    start = content.index(b"IDAT")
    where = data.draw(st.integers(start + 4, len(content) - 13))
    content[where] ^= data.draw(st.integers(1, 255))
    place.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.img: .*; copy"):
        read_image(place)


class TestJpegIsDecodedStrictly:
    """What lenient decoders draw gray: each case ends as a JPEG should.

    A progressive one that lacks its last scans is a whole picture of less detail, and nothing tells.
    """

    @pytest.mark.parametrize("kind", ["jpeg", "jpeg gray", "jpeg cmyk"])
    @settings(max_examples=25, deadline=None)
    @given(share=st.floats(0, 0.9))
    def test_a_cut_file_with_an_end(self, place: Path, kind: str, share: float) -> None:
        whole = FILES[kind]
        data = whole.index(b"\xff\xda") + 14
        place.write_bytes(whole[: data + int(share * (len(whole) - data))].rstrip(b"\xff") + b"\xff\xd9")
        with pytest.raises(ValueError, match=r"a\.img: damaged .*; copy or download it again"):
            read_image(place)

    def test_a_hole(self, place: Path) -> None:
        data = FILES["jpeg"].index(b"\xff\xda") + 14
        place.write_bytes(FILES["jpeg"][: data + 100] + FILES["jpeg"][data + 300 :])
        with pytest.raises(ValueError, match=r"a\.img: damaged"):
            read_image(place)

    def test_a_header_that_claims_more(self, place: Path) -> None:
        content = bytearray(FILES["jpeg"])
        frame = content.index(b"\xff\xc0")
        content[frame + 5 : frame + 9] = (64).to_bytes(2, "big") + (4096).to_bytes(2, "big")
        place.write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.img: damaged"):
            read_image(place)

    @pytest.mark.parametrize("oddity", ["bytes between segments", "parameters of the scan"])
    def test_oddities_of_cameras_are_no_damage(
        self, place: Path, oddity: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        content = bytearray(FILES["jpeg"])
        if oddity == "bytes between segments":
            table = content.index(b"\xff\xdb")
            content[table:table] = bytes(5)
        else:
            content[content.index(b"\xff\xda") + 12] = (
                5  # the last coefficient, which sequential decoding does not heed
            )
        place.write_bytes(FILES["jpeg"])
        whole = read_image(place)
        place.write_bytes(content)
        assert np.array_equal(read_image(place), whole)
        assert capfd.readouterr() == ("", "")


class TestLimit:
    def claiming(self, path: Path, width: int, height: int) -> Path:
        """A small JPEG whose header claims this size."""
        content = bytearray(FILES["jpeg"])
        frame = content.index(b"\xff\xc0")
        content[frame + 5 : frame + 9] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
        path.write_bytes(content)
        return path

    def test_what_claims_too_much_is_refused_before_memory_is_taken(self, tmp_path: Path) -> None:
        path = self.claiming(tmp_path / "a.jpg", 65500, 65500)
        for read in (read_header, read_image):
            with pytest.raises(
                ValueError, match=r"a\.jpg: claims 65,500×65,500 pixels, 4,290 million, and 268 million"
            ):
                read(path)

    def test_what_cameras_take_passes(self, tmp_path: Path) -> None:
        assert read_header(self.claiming(tmp_path / "a.jpg", 14000, 14000)).width == 14000  # 196 million

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "BMP"])
    def test_the_remedy_works(self, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "a.img"
        Image.fromarray(base()).save(path, kind)
        monkeypatch.setenv(limits.VARIABLE, "1000")
        with pytest.raises(ValueError, match="0 million are read") as refusal:
            read_image(path)
        name, value = str(refusal.value).partition("set ")[2].split()[0].split("=")
        monkeypatch.setenv(name, value)
        assert read_image(path).shape == (40, 48, 3)

    def test_a_large_scan_by_the_option(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = self.claiming(tmp_path / "a.jpg", 20000, 20000)
        with pytest.raises(ValueError, match="ATME_MAX_PIXELS=400000000"):
            read_header(path)
        monkeypatch.setenv("ATME_MAX_PIXELS", "4e8")
        assert read_header(path).height == 20000

    @pytest.mark.parametrize("text", ["many", "0", "-5", "nan", "inf"])
    def test_no_number(self, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_image(tmp_path / "a.png", base())
        monkeypatch.setenv("ATME_MAX_PIXELS", text)
        for read in (read_header, read_image):
            with pytest.raises(ValueError, match=f"ATME_MAX_PIXELS: '{text}' is no number of pixels"):
                read(tmp_path / "a.png")

    def test_one_limit_for_every_verb(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for split in ("train", "test"):
            for half in "AB":
                (tmp_path / f"{split}{half}").mkdir()
                write_image(tmp_path / f"{split}{half}" / "a.png", base())
        picture = tmp_path / "trainA" / "a.png"
        assert check_folder(tmp_path, workers=1)  # below the limit it is read
        monkeypatch.setenv("ATME_MAX_PIXELS", "1919")
        with pytest.raises(ValueError, match=r"trainA/a\.png: claims 48×40 pixels"):
            DataOptions(root=str(tmp_path)).open_train(seed=0)
        with pytest.raises(ValueError, match=r"trainA/a\.png: claims 48×40 pixels"):
            to_pixels(picture, name="x")
        faults = check_folder(tmp_path, workers=1).faults
        assert {fault.kind for fault in faults} == {"unreadable"}
        assert "claims 48×40 pixels" in faults[0].detail

    def test_pillows_own_limit_is_raised_and_never_lowered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for theirs, after in ((1000, limits.MAX_PIXELS), (10**12, 10**12), (None, None)):
            monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", theirs)
            limits.raise_pillows_limit()
            assert after == Image.MAX_IMAGE_PIXELS
