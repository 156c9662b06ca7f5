"""A file arrives whole, or what arrived of it is kept and continued, or one clear line says why not."""

import errno
import hashlib
import math
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from local_mirror import Answer, Mirror, local_mirror

from atme.prepare.disk import DiskError
from atme.prepare.fetch import arriving
from atme.prepare.fetch import download as download_module
from atme.prepare.fetch.arriving import part_on_disk
from atme.prepare.fetch.connection import DownloadError, Unreachable
from atme.prepare.fetch.download import Expected, Patience, download

CONTENT = os.urandom(50_000)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    monkeypatch.setenv("no_proxy", "*")
    with local_mirror() as mirror:
        yield mirror


def patient(attempts: int = 3) -> Patience:
    return Patience(stall=0.3, attempts=attempts, sleep=lambda _: None)


def is_whole(path: Path) -> bool:
    return path.read_bytes() == CONTENT and [p.name for p in path.parent.iterdir()] == [path.name]


def test_whole(mirror: Mirror, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    url = mirror.serve("/file", Answer(CONTENT))
    arrived = download(url, tmp_path / "file", patience=patient(), report=lambda *at: seen.append(at))
    assert is_whole(tmp_path / "file")
    assert (arrived.size, arrived.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


@pytest.mark.parametrize("tag", ['"one"', None], ids=["ETag", "Last-Modified"])
def test_cut_is_resumed_where_it_was_cut(mirror: Mirror, tmp_path: Path, tag: str | None) -> None:
    version = {"tag": tag, "date": "Fri, 01 Mar 2024 00:00:00 GMT"}
    url = mirror.serve("/file", Answer(CONTENT, cut=20_000, **version), Answer(CONTENT, **version))
    arrived = download(url, tmp_path / "file", patience=patient())
    assert is_whole(tmp_path / "file")
    assert arrived.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert mirror.asked == [("/file", None), ("/file", "bytes=20000-")]


@given(cuts=st.lists(st.integers(0, len(CONTENT)), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cuts(mirror: Mirror, tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    folder = tmp_path_factory.mktemp("cuts")
    url = mirror.serve("/file", *(Answer(CONTENT, cut=cut) for cut in cuts), Answer(CONTENT))
    arrived = download(url, folder / "file", patience=patient(attempts=9))
    assert is_whole(folder / "file")
    assert arrived.sha256 == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize(
    ("forgetful", "asked"),
    [
        (Answer(CONTENT, ranges=False), "bytes=20000-"),
        (Answer(CONTENT, tag=None), None),
        (Answer(CONTENT, tag='W/"one"'), None),
    ],
    ids=["no ranges", "no version", "weak ETag"],
)
def test_starts_over_where_resuming_is_not_safe(
    mirror: Mirror, tmp_path: Path, forgetful: Answer, asked: str | None
) -> None:
    cut = Answer(CONTENT, cut=20_000, tag=forgetful.tag)
    url = mirror.serve("/file", cut, forgetful)
    download(url, tmp_path / "file", patience=patient())
    assert is_whole(tmp_path / "file")
    assert mirror.asked == [("/file", None), ("/file", asked)]


def test_a_changed_file_is_not_mixed_with_its_older_part(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("/file", Answer(b"x" * 50_000, cut=20_000, tag='"old"'), Answer(CONTENT, tag='"new"'))
    download(url, tmp_path / "file", patience=patient())
    assert is_whole(tmp_path / "file")


def test_a_part_is_kept_and_continued_by_a_later_call(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("/file", Answer(CONTENT, cut=20_000))
    with pytest.raises(DownloadError, match="cut after 20,000 of 50,000 bytes, 2 times in a row"):
        download(url, tmp_path / "file", patience=patient(attempts=2))
    assert part_on_disk(tmp_path / "file") == (20_000, 50_000)
    mirror.serve("/file", Answer(CONTENT))
    arrived = download(url, tmp_path / "file", patience=patient())
    assert mirror.asked[-1] == ("/file", "bytes=20000-")
    assert arrived.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_part_from_another_address_is_not_continued(mirror: Mirror, tmp_path: Path) -> None:
    first = mirror.serve("/first", Answer(b"x" * 50_000, cut=20_000))
    with pytest.raises(DownloadError):
        download(first, tmp_path / "file", patience=patient(attempts=1))
    download(mirror.serve("/second", Answer(CONTENT)), tmp_path / "file", patience=patient())
    assert is_whole(tmp_path / "file")


def test_a_part_that_is_already_whole_asks_nothing(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("/file", Answer(CONTENT, cut=20_000))
    with pytest.raises(DownloadError):
        download(url, tmp_path / "file", patience=patient(attempts=1))
    with open(tmp_path / "file.part", "ab") as file:  # as if killed between the last byte and the renaming
        file.write(CONTENT[20_000:])
    asked = len(mirror.asked)
    arrived = download(url, tmp_path / "file", patience=patient())
    assert len(mirror.asked) == asked
    assert arrived.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_part_longer_than_the_file_starts_over(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("/file", Answer(CONTENT, cut=20_000))
    with pytest.raises(DownloadError):
        download(url, tmp_path / "file", patience=patient(attempts=1))
    with open(tmp_path / "file.part", "ab") as file:
        file.write(b"x" * 40_000)
    mirror.serve("/file", Answer(CONTENT))
    download(url, tmp_path / "file", patience=patient())
    assert is_whole(tmp_path / "file")


def test_a_server_that_continues_elsewhere_is_not_believed(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("/file", Answer(CONTENT, cut=20_000), Answer(CONTENT, lie=7), Answer(CONTENT))
    download(url, tmp_path / "file", patience=patient())
    assert is_whole(tmp_path / "file")
    assert [asked for _, asked in mirror.asked] == [None, "bytes=20000-", None]


def test_stalled(mirror: Mirror, tmp_path: Path) -> None:
    stalled = Answer(CONTENT, cut=20_000, stall=True)
    url = mirror.serve("/file", stalled, Answer(CONTENT))
    download(url, tmp_path / "file", patience=patient())
    assert is_whole(tmp_path / "file")
    assert mirror.asked[-1] == ("/file", "bytes=20000-")


def test_stalled_for_ever(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("/file", Answer(CONTENT, cut=0, stall=True))
    with pytest.raises(DownloadError, match="no byte arrived in time, 2 times in a row"):
        download(url, tmp_path / "file", patience=patient(attempts=2))


def test_waits_double_and_are_bounded(mirror: Mirror, tmp_path: Path) -> None:
    waits: list[float] = []
    url = mirror.serve("/file", Answer(status=503))
    with pytest.raises(DownloadError, match="503"):
        download(url, tmp_path / "file", patience=Patience(attempts=9, sleep=waits.append))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_attempts_count_only_while_nothing_new_arrives(mirror: Mirror, tmp_path: Path) -> None:
    cuts = [Answer(CONTENT, cut=cut) for cut in range(5_000, 50_000, 5_000)]
    url = mirror.serve("/file", *cuts, Answer(CONTENT))
    download(url, tmp_path / "file", patience=patient(attempts=2))
    assert is_whole(tmp_path / "file")


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_what_will_not_pass_is_not_repeated(mirror: Mirror, tmp_path: Path, status: int) -> None:
    url = mirror.serve("/file", Answer(status=status))
    with pytest.raises(DownloadError, match=str(status)):
        download(url, tmp_path / "file", patience=patient())
    assert len(mirror.asked) == 1


def test_nobody_listens(tmp_path: Path) -> None:
    with local_mirror() as closed:
        url = closed.serve("/file", Answer(CONTENT))
    with pytest.raises(DownloadError, match="refused, 2 times in a row"):
        download(url, tmp_path / "file", patience=patient(attempts=2))


def test_another_length_is_refused_before_it_streams(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("/file", Answer(CONTENT))
    with pytest.raises(DownloadError, match="offers 50,000 bytes where 50,001 are expected"):
        download(url, tmp_path / "file", expected=Expected(size=50_001), patience=patient())
    assert part_on_disk(tmp_path / "file")[0] == 0


def test_an_answer_without_end_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("/file", Answer(CONTENT, length=False))
    with pytest.raises(DownloadError, match="more than the 10,000 bytes expected"):
        download(url, tmp_path / "file", expected=Expected(most=10_000), patience=patient())
    download(url, tmp_path / "file", expected=Expected(most=50_000), patience=patient())
    assert is_whole(tmp_path / "file")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/file", "facades.tar.gz"])
def test_only_web_addresses(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match="not a web address"):
        download(url, tmp_path / "file")


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/file", "file:///etc/passwd", "data:text/plain,hello", "ftp:file", "https:///file"]
)
def test_a_redirect_leads_to_the_web_only(mirror: Mirror, tmp_path: Path, url: str) -> None:
    asked = mirror.serve("/file", Answer(status=302, location=url))
    with pytest.raises(DownloadError, match=r"no web address|not allowed"):
        download(asked, tmp_path / "file", patience=patient())
    assert len(mirror.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_within_the_web_is_followed(mirror: Mirror, tmp_path: Path) -> None:
    there = mirror.serve("/there", Answer(CONTENT, cut=20_000), Answer(CONTENT))
    for path, location in (("/relative", "/there"), ("/absolute", there)):
        url = mirror.serve(path, Answer(status=302, location=location))
        download(url, tmp_path / path[1:], patience=patient())
        assert (tmp_path / path[1:]).read_bytes() == CONTENT
    assert ("/there", "bytes=20000-") in mirror.asked


def test_a_circle_of_redirects_ends(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("/file", Answer(status=302, location="/file"))
    with pytest.raises(DownloadError, match="infinite loop"):
        download(url, tmp_path / "file", patience=patient())


NO_NAME = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


class TestOffline:
    """What no patience helps against is told at once."""

    def attempts(self, monkeypatch: pytest.MonkeyPatch, error: OSError) -> list[float | None]:
        """Every connection ends in `error`; the times that they were given to be made."""
        given: list[float | None] = []

        def connect(address: object, timeout: float | None = None, *_: object) -> None:
            given.append(timeout)
            raise error

        monkeypatch.setattr(socket, "create_connection", connect)
        monkeypatch.setenv("no_proxy", "*")
        return given

    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize(
        ("error", "times", "words"),
        [
            (NO_NAME, 1, "Temporary failure in name resolution"),
            (OSError(errno.ENETUNREACH, "Network is unreachable"), 1, "Network is unreachable"),
            (OSError(errno.EHOSTUNREACH, "No route to host"), 1, "No route to host"),
            (TimeoutError("timed out"), 2, "no connection could be made in time"),
        ],
        ids=["name", "network", "route", "silence"],
    )
    def test_nothing_is_waited_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, error: OSError, times: int, words: str
    ) -> None:
        given = self.attempts(monkeypatch, error)
        waits: list[float] = []
        with pytest.raises(Unreachable, match=words):
            download(f"{scheme}://host/file", tmp_path / "file", patience=Patience(sleep=waits.append))
        assert given == [10.0] * times
        assert sum(waits) <= 1
        assert list(tmp_path.iterdir()) == []

    def test_a_machine_that_answers_with_a_refusal_is_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = self.attempts(monkeypatch, ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
        with pytest.raises(DownloadError, match="refused, 6 times in a row") as refused:
            download("http://host/file", tmp_path / "file", patience=Patience(sleep=lambda _: None))
        assert not isinstance(refused.value, Unreachable)
        assert len(given) == 6

    def test_what_has_begun_is_waited_for(
        self, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A network that goes away for a while, in the midst of a file."""
        url = mirror.serve("/file", Answer(CONTENT, cut=20_000), Answer(CONTENT))
        connect, offline = socket.create_connection, iter([False, True, True, True, False])

        def wavering(*arguments: object, **options: object) -> socket.socket:
            if next(offline):
                raise NO_NAME
            return connect(*arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "create_connection", wavering)
        download(url, tmp_path / "file", patience=patient(attempts=6))
        assert is_whole(tmp_path / "file")
        assert mirror.asked == [("/file", None), ("/file", "bytes=20000-")]

    def test_what_arrived_before_is_kept(self, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        url = mirror.serve("/file", Answer(CONTENT, cut=20_000))
        with pytest.raises(DownloadError):
            download(url, tmp_path / "file", patience=patient(attempts=1))
        self.attempts(monkeypatch, NO_NAME)
        with pytest.raises(Unreachable):
            download(url, tmp_path / "file", patience=patient())
        assert part_on_disk(tmp_path / "file") == (20_000, 50_000)

    def test_time_to_arrive_is_not_that_to_connect(
        self, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        times: list[float | None] = []
        read = socket.SocketIO.readinto

        def timed(self: socket.SocketIO, buffer: bytearray) -> int | None:
            times.append(self._sock.gettimeout())  # type: ignore[attr-defined]
            return read(self, buffer)

        monkeypatch.setattr(socket.SocketIO, "readinto", timed)
        url = mirror.serve("/file", Answer(CONTENT))
        download(url, tmp_path / "file", patience=Patience(stall=77.0))
        assert 77.0 in times


def test_a_certificate_that_does_not_fit_is_final(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    def untrusted(request: Request, *, stall: float) -> None:
        asked.append(request)
        raise URLError(ssl.SSLCertVerificationError(1, "certificate has expired"))

    monkeypatch.setattr(download_module, "open_address", untrusted)
    with pytest.raises(DownloadError, match=r"certificate is not to be trusted: .*expired"):
        download("https://host/file", tmp_path / "file", patience=patient())
    assert len(asked) == 1


def test_a_name_that_cannot_be_one(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="no name of a machine"):
        download(f"http://{'x' * 70}.org/file", tmp_path / "file", patience=patient())


def test_more_than_expected_is_not_kept(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("/file", Answer(CONTENT, length=False))
    with pytest.raises(DownloadError, match="more than the 10,000 bytes"):
        download(url, tmp_path / "file", expected=Expected(size=10_000), patience=patient())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "settings", [{"attempts": 0}, {"stall": 0.0}, {"stall": -1.0}, {"stall": math.inf}, {"stall": math.nan}], ids=str
)
def test_a_patience_that_is_none(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"(attempts|stall): .*; give"):
        Patience(**settings)  # type: ignore[arg-type]


def test_a_full_disk_is_no_fault_of_the_server(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = mirror.serve("/file", Answer(CONTENT))
    monkeypatch.setattr(arriving, "open", _opens_full_disk, raising=False)
    with pytest.raises(DiskError, match=r"file\.part: No space left on device; make room"):
        download(url, tmp_path / "file", patience=patient())
    assert len(mirror.asked) == 1
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "*")
    download(url, tmp_path / "file", patience=patient())
    assert mirror.asked[-1] == ("/file", "bytes=30000-")
    assert is_whole(tmp_path / "file")


class _FullDisk:
    """A file on a disk with room for 30,000 bytes."""

    def __init__(self, file: object) -> None:
        self._file = file

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def write(self, content: bytes) -> int:
        room = 30_000 - self._file.tell()  # type: ignore[attr-defined]
        if room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(content[:room])  # type: ignore[attr-defined,no-any-return]


def _opens_full_disk(path: Path, mode: str, **options: object) -> object:
    file = open(path, mode, **options)  # type: ignore[call-overload]  # noqa: SIM115
    return _FullDisk(file) if "a" in mode else file


CAN_MOUNT = (
    shutil.which("unshare") is not None
    and subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    ).returncode
    == 0
)


@pytest.mark.skipif(not CAN_MOUNT, reason="this system lets no user mount a small disk; the test above runs")
def test_a_real_disk_that_is_full(mirror: Mirror, tmp_path: Path) -> None:
    url = mirror.serve("/file", Answer(CONTENT))
    script = (
        "import pathlib, sys; from atme.prepare.fetch.download import download\n"
        "try: download(sys.argv[1], pathlib.Path(sys.argv[2], 'file'))\n"
        "except ValueError as error: sys.exit(str(error))"
    )
    small_disk = f'mount -t tmpfs -o size=32k none {tmp_path} && exec "$@"'
    run = subprocess.run(
        ["unshare", "-rm", "sh", "-c", small_disk, "sh", sys.executable, "-c", script, url, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "No space left on device; make room" in run.stderr
    assert "Traceback" not in run.stderr
