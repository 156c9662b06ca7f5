"""The record of checksums that nobody published: nothing is lost of it, whoever writes at the same time."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from atme.prepare.disk import DiskError
from atme.prepare.fetch import checksums
from atme.prepare.fetch.checksums import record, recorded


def test_what_is_recorded_is_found(tmp_path: Path) -> None:
    assert recorded(tmp_path, "http://a") is None
    record(tmp_path, "http://a", "12")
    record(tmp_path, "http://b", "34")
    record(tmp_path, "http://a", "56")
    assert json.loads((tmp_path / "checksums.json").read_text()) == {"http://a": "56", "http://b": "34"}
    assert recorded(tmp_path, "http://b") == "34"


def test_of_forty_at_once_all_are_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(40) as pool:
        list(pool.map(lambda number: record(tmp_path, f"http://{number}", str(number)), range(40)))
    assert [recorded(tmp_path, f"http://{number}") for number in range(40)] == [str(number) for number in range(40)]


def test_nobody_reads_while_another_is_about_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst moment: a second one records after the first has read, and before it writes."""
    read = checksums._read
    second = threading.Thread(target=record, args=(tmp_path, "http://second", "2"))

    def slow(path: Path) -> dict[str, str]:
        known = read(path)
        if threading.current_thread() is not second:
            second.start()
            second.join(0.2)
        return known

    monkeypatch.setattr(checksums, "_read", slow)
    record(tmp_path, "http://first", "1")
    second.join()
    assert json.loads((tmp_path / "checksums.json").read_text()) == {"http://first": "1", "http://second": "2"}


@pytest.mark.parametrize(("text", "words"), [("{", "damaged; repair it"), ("[1]", "not a table of addresses")])
def test_a_damaged_record_is_named_and_kept(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "checksums.json").write_text(text)
    for use in (lambda: recorded(tmp_path, "http://a"), lambda: record(tmp_path, "http://a", "1")):
        with pytest.raises(ValueError, match=rf"checksums\.json: {words}"):
            use()
    assert (tmp_path / "checksums.json").read_text() == text


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "checksums.json").mkdir()
    with pytest.raises(DiskError, match=r"checksums\.json"):
        record(tmp_path, "http://a", "1")
