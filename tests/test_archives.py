"""What unpacks is what was packed; what is dangerous or broken is refused and leaves nothing outside."""

import contextlib
import errno
import gzip
import hashlib
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atme.prepare.fetch import archives
from atme.prepare.fetch.archives import ArchiveError, Limits, Unpacked, unpack

FILES = {"facades/train/1.jpg": b"first", "facades/train/2.jpg": b"", "facades/val/1.jpg": b"third" * 1000}


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def tar_member(
    name: str, content: bytes = b"", *, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, link, len(content), 0o4777
    return info, content


def zip_of(path: Path, members: dict[str, bytes], *, mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, content)
    return path


def make_tar(path: Path, files: dict[str, bytes]) -> Path:
    return tar_of(path, *(tar_member(name, content) for name, content in files.items()))


@pytest.fixture(params=["this one", "before 3.11.4"])
def python(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """This Python, and an older one, which has no filters for archives."""
    if request.param != "this one":
        monkeypatch.delattr(tarfile, "data_filter", raising=False)


MAKERS = pytest.mark.parametrize("make", [make_tar, zip_of], ids=["tar.gz", "zip"])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@MAKERS
def test_unpacks_what_was_packed(make: Callable, tmp_path: Path, python: None) -> None:
    counted: list[int] = []
    unpacked = unpack(make(tmp_path / "archive", FILES), tmp_path / "out", advance=counted.append)
    assert contents(tmp_path / "out") == FILES
    assert {file.path: file.sha256 for file in unpacked} == {
        name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()
    }
    assert [file.size for file in unpacked] == [len(content) for content in FILES.values()]
    assert sum(counted) == sum(map(len, FILES.values()))


@MAKERS
def test_large_files_and_large_clutter_are_no_bombs(make: Callable, tmp_path: Path) -> None:
    large = os.urandom(3 << 20)
    archive = make(tmp_path / "archive", {"train/.cache": large, "train/1.jpg": large, "train/2.jpg": large})
    unpack(archive, tmp_path / "out")
    assert contents(tmp_path / "out") == {"train/1.jpg": large, "train/2.jpg": large}


@MAKERS
def test_takes_no_mode_bits_over(make: Callable, tmp_path: Path) -> None:
    unpack(make(tmp_path / "archive", FILES), tmp_path / "out")
    assert not any(path.stat().st_mode & 0o6111 for path in (tmp_path / "out").rglob("*.jpg"))


NAMES = st.text(st.characters(min_codepoint=32, exclude_characters="/\\:", exclude_categories=["Cs"]), min_size=1)


@MAKERS
@given(
    files=st.dictionaries(
        NAMES.filter(lambda name: not name.startswith(".") and len(name.encode()) < 200),
        st.binary(),
        max_size=6,
    )
)
@settings(max_examples=30, deadline=None)
def test_any_flat_archive(make: Callable, files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any")
    files = {"always": b"there"} | files
    unpack(make(folder / "archive", files), folder / "out")
    assert contents(folder / "out") == files


@MAKERS
@pytest.mark.parametrize(
    "name",
    ["../evil", "train/../../evil", "/evil", "//evil", "C:evil", "C:/evil", "..\\evil", "\\evil", "a/.."],
)
def test_refuses_paths_that_leave(make: Callable, name: str, tmp_path: Path, python: None) -> None:
    archive = make(tmp_path / "archive", {name: b"!"})
    with pytest.raises(ArchiveError, match=r"relative path|climbs out"):
        unpack(archive, tmp_path / "in" / "out")
    assert set(contents(tmp_path)) == {"archive"}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "is a link to /etc/passwd"),
        (tarfile.LNKTYPE, "is a link to /etc/passwd"),
        (tarfile.CHRTYPE, "device or pipe"),
        (tarfile.BLKTYPE, "device or pipe"),
        (tarfile.FIFOTYPE, "device or pipe"),
    ],
)
def test_refuses_what_is_no_file_in_a_tar(kind: bytes, words: str, tmp_path: Path, python: None) -> None:
    archive = tar_of(tmp_path / "archive", tar_member("train/1.jpg", kind=kind, link="/etc/passwd"))
    with pytest.raises(ArchiveError, match=words):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize(
    ("mode", "words"),
    [(0o120777, "symbolic link"), (0o020666, "device"), (0o060666, "device"), (0o010666, "pipe")],
)
def test_refuses_what_is_no_file_in_a_zip(mode: int, words: str, tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "archive", {"train/1.jpg": b"/etc/passwd"}, mode=mode)
    with pytest.raises(ArchiveError, match=words):
        unpack(archive, tmp_path / "out")


def test_a_link_inside_and_a_file_through_it(tmp_path: Path) -> None:
    archive = tar_of(
        tmp_path / "archive",
        tar_member("train", kind=tarfile.SYMTYPE, link="."),
        tar_member("train/1.jpg", b"through the link"),
    )
    with pytest.raises(ArchiveError, match="is a link"):
        unpack(archive, tmp_path / "out")


def test_refuses_sparse_files(tmp_path: Path) -> None:
    header = bytearray(tarfile.TarInfo("train/1.jpg").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[483:495] = b"77777777777\0"  # the size it pretends to have: 8 GiB
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "archive").write_bytes(gzip.compress(bytes(header) + bytes(1024)))
    with pytest.raises(ArchiveError, match="sparse"):
        unpack(tmp_path / "archive", tmp_path / "out")


@MAKERS
def test_refuses_a_bomb(make: Callable, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", {"train/1.jpg": bytes(20_000_000)})
    assert 900 * archive.stat().st_size < 20_000_000  # close to the 1032:1 that deflate can reach
    with pytest.raises(ArchiveError, match="a bomb"):
        unpack(archive, tmp_path / "out")
    assert contents(tmp_path / "out") == {}


@MAKERS
def test_refuses_a_bomb_of_many_small_files(make: Callable, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", {f"train/{n}.jpg": bytes(100_000) for n in range(100)})
    with pytest.raises(ArchiveError, match="a bomb"):
        unpack(archive, tmp_path / "out")
    assert sum(map(len, contents(tmp_path / "out").values())) <= max(1 << 20, 100 * archive.stat().st_size)


def test_refuses_a_bomb_in_a_tar_header(tmp_path: Path) -> None:
    info = tarfile.TarInfo("headers")
    info.type, info.size = tarfile.XHDTYPE, 20_000_000  # tarfile reads such a header into memory at once
    content = info.tobuf(tarfile.PAX_FORMAT) + bytes(20_000_000)
    (tmp_path / "archive").write_bytes(gzip.compress(content))
    with pytest.raises(ArchiveError, match="a bomb: more than 1,048,576 bytes of headers"):
        unpack(tmp_path / "archive", tmp_path / "out")


def test_refuses_a_bomb_behind_the_end(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "archive", FILES)
    archive.write_bytes(archive.read_bytes() + gzip.compress(bytes(20_000_000)))
    with pytest.raises(ArchiveError, match="a bomb"):
        unpack(archive, tmp_path / "out")


def test_a_zip_cannot_hide_its_size(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "archive", {"train/1.jpg": bytes(20_000_000)})
    content = archive.read_bytes()
    archive.write_bytes(content.replace(struct.pack("<L", 20_000_000), struct.pack("<L", 1000)))
    with pytest.raises(ArchiveError, match="broken or cut"):  # 1,000 bytes are read; the checksum denies them
        unpack(archive, tmp_path / "out")
    assert sum(map(len, contents(tmp_path / "out").values())) <= 1000


@MAKERS
@pytest.mark.parametrize(
    ("limits", "words"), [(Limits(files=2), "more than 2 files"), (Limits(size=5004), "more than 5,004")]
)
def test_limits_hold_and_the_next_larger_ones_do_not(
    make: Callable, limits: Limits, words: str, tmp_path: Path
) -> None:
    archive = make(tmp_path / "archive", FILES)  # 3 files, 5,005 bytes
    with pytest.raises(ArchiveError, match=words):
        unpack(archive, tmp_path / "out", limits=limits)
    unpack(archive, tmp_path / "again", limits=Limits(files=3, size=5005))


def tar_of_folders(path: Path, count: int) -> Path:
    return tar_of(path, *(tar_member(f"{n}", kind=tarfile.DIRTYPE) for n in range(count)))


def zip_of_folders(path: Path, count: int) -> Path:
    return zip_of(path, {f"{n}/": b"" for n in range(count)})


@pytest.mark.parametrize("make", [tar_of_folders, zip_of_folders], ids=["tar.gz", "zip"])
def test_folders_count_as_well(make: Callable, tmp_path: Path) -> None:
    """100,000 of them fit into 470 KB."""
    with pytest.raises(ArchiveError, match="more than 10 files and folders"):
        unpack(make(tmp_path / "archive", 5000), tmp_path / "out", limits=Limits(files=10))
    unpack(make(tmp_path / "few", 10), tmp_path / "again", limits=Limits(files=10))


@MAKERS
def test_clutter_counts_as_well(make: Callable, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", {f"__MACOSX/{n}": b"" for n in range(11)})
    with pytest.raises(ArchiveError, match="more than 10 files"):
        unpack(archive, tmp_path / "out", limits=Limits(files=10))


@MAKERS
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("train/" + 300 * "x" + ".jpg", "no name that this disk takes"),
        ("/".join(3000 * "x"), "in more than 32 folders"),
        (300 * "x" + "/1.jpg", "no name that this disk takes"),
    ],
    ids=["long", "deep", "long folder"],
)
def test_a_name_that_no_disk_takes_is_a_fault_of_the_archive(
    make: Callable, name: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ArchiveError, match=words) as refused:
        unpack(make(tmp_path / "archive", {"train/0.jpg": b"0", name: b"1"}), tmp_path / "out")
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("number", [errno.EILSEQ, errno.EINVAL, errno.ENAMETOOLONG])
def test_so_is_one_that_this_disk_does_not_take(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(path: Path, mode: str) -> object:
        raise OSError(number, os.strerror(number), str(path))

    archive = make_tar(tmp_path / "archive", FILES)
    real = open
    monkeypatch.setattr(
        archives, "open", lambda path, mode: (refuses if mode == "xb" else real)(path, mode), raising=False
    )
    with pytest.raises(ArchiveError, match=r"1\.jpg: no name that this disk takes"):
        unpack(archive, tmp_path / "out")


@MAKERS
def test_refuses_a_name_twice(make: Callable, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", {"train/1.jpg": b"one", "./train/1.jpg": b"two"})
    with pytest.raises(ArchiveError, match="twice"):
        unpack(archive, tmp_path / "out")


@MAKERS
def test_refuses_a_folder_in_a_file(make: Callable, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", {"train": b"one", "train/1.jpg": b"two"})
    with pytest.raises(ArchiveError, match="twice"):
        unpack(archive, tmp_path / "out")


@MAKERS
def test_leaves_clutter_out(make: Callable, tmp_path: Path) -> None:
    clutter = ["__MACOSX/train/._1.jpg", "train/.DS_Store", "train/._1.jpg"]
    files = {name: bytes(300_000) for name in clutter} | {"train/1.jpg": b"one"}
    unpack(make(tmp_path / "archive", files), tmp_path / "out")
    assert contents(tmp_path / "out") == {"train/1.jpg": b"one"}


@MAKERS
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_cut_archive_never_passes_as_whole(
    make: Callable, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    archive = make(folder / "archive", FILES)
    content = archive.read_bytes()
    archive.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ArchiveError):
        unpack(archive, folder / "out")


@MAKERS
def test_a_damaged_byte_is_seen(make: Callable, tmp_path: Path) -> None:
    archive = make(tmp_path / "archive", {"train/1.jpg": bytes(range(256)) * 40})
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(ArchiveError):
        unpack(archive, tmp_path / "out")


def test_refuses_encrypted_members(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "archive", {"train/1.jpg": b"secret"})
    content = bytearray(archive.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(ArchiveError, match="cannot be read"):
        unpack(archive, tmp_path / "out")


def test_headers_without_end_are_no_member(tmp_path: Path) -> None:
    """The standard library reads them one inside the other, deeper than Python goes."""
    header = tarfile.TarInfo("header")
    header.type, header.size = tarfile.XHDTYPE, 11
    one = header.tobuf(tarfile.USTAR_FORMAT) + b"11 path=ab\n".ljust(512, b"\0")
    (tmp_path / "archive").write_bytes(gzip.compress(one * 1000 + bytes(1024)))
    with pytest.raises(ArchiveError, match=r"broken|bomb"):
        unpack(tmp_path / "archive", tmp_path / "out")


def lzma_of(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        for name, content in files.items():
            file.writestr(name.replace("train", "träin"), content)
    return path


def unzipped_tar(path: Path, files: dict[str, bytes]) -> Path:
    make_tar(path, files)
    path.write_bytes(gzip.decompress(path.read_bytes()))
    return path


@pytest.mark.parametrize("make", [unzipped_tar, zip_of, lzma_of], ids=["tar", "zip", "lzma"])
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_whatever_is_changed_nothing_else_is_raised(
    make: Callable, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Who fetches goes on to the next mirror after an ArchiveError, and after nothing else."""
    folder = tmp_path_factory.mktemp("changed")
    content = bytearray(make(folder / "archive", FILES).read_bytes())
    places = st.integers(0, min(len(content), 4000) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=6)):
        content[place] = data.draw(st.sampled_from([0, 9, 47, 128, 255]) | st.integers(0, 255))
    (folder / "archive").write_bytes(gzip.compress(content, 1) if make is unzipped_tar else content)
    unpacked: list[Unpacked] = []
    with contextlib.suppress(ArchiveError):
        unpacked = unpack(folder / "archive", folder / "out")
    there = {f"out/{file.path}": file.sha256 for file in unpacked}
    found = {name: hashlib.sha256(content).hexdigest() for name, content in contents(folder).items()}
    assert there.items() <= found.items()  # as it says, where it says
    assert all(name == "archive" or name.startswith("out/") for name in found)


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.size": "many"},
        {"GNU.sparse.map": "a,b"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
        {"size": "-5"},
    ],
    ids=["size", "map", "no map", "negative"],
)
def test_what_a_tar_says_of_itself_may_be_nonsense(headers: dict[str, str], tmp_path: Path) -> None:
    info, content = tar_member("train/1.jpg", b"one" * 200)
    info.pax_headers = headers
    archive = tar_of(tmp_path / "archive", (info, content), tar_member("train/2.jpg", b"two"))
    with pytest.raises(ArchiveError, match=r"broken or cut|less than nothing"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"tr\xc3\xa4in/1", b"tr\xff\xa4in/1"),  # a name that says it is UTF-8
        (b"PK\x01\x02", None),  # a version that nobody knows
    ],
    ids=["name", "version"],
)
def test_what_a_zip_says_of_itself_may_be_nonsense(old: bytes, new: bytes | None, tmp_path: Path) -> None:
    archive = lzma_of(tmp_path / "archive", {"train/1.jpg": b"one"})
    content = bytearray(archive.read_bytes())
    if new is None:
        content[content.index(old) + 6] = 0xFF
    else:
        content = content.replace(old, new)
    archive.write_bytes(content)
    with pytest.raises(ArchiveError, match="broken or cut"):
        unpack(archive, tmp_path / "out")


def test_a_web_page_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("<!DOCTYPE html><title>Not found</title>")
    with pytest.raises(ArchiveError, match=r"neither a tar\.gz nor a zip file: it begins with b'<!DOCTYPE"):
        unpack(tmp_path / "archive", tmp_path / "out")
