"""The page of a run while it trains: `atme train --page FILE.html`."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from test_training import same_bits, train

from atme.cli.children import Children, Echo
from atme.reports import evening
from atme.reports.evening import Evening, is_ours, span, write
from atme.run_folder import checkpoints
from atme.training.search import Search
from atme.training.watched import Moment

Preset = Callable[..., Path]
Said = pytest.CaptureFixture[str]
LOOKS = ("--training.evaluate_every", "1", "--training.keep_best", "l1", "--data.validation_split", "eight")


def moment(run: Path, *, ended: str | None = None) -> Moment:
    return Moment(run, 4, 12, 30.0, Search(), ("said at first",), ended)


def test_it_shows_how_a_run_went_and_changes_no_bit(
    preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(evening, "SHARE", 0)  # written at each moment
    monkeypatch.setattr(evening, "write_html", lambda path, page: (seen.append(page), path.write_text(page)))
    page, file = tmp_path / "pages" / "evening.html", preset(training__sample_every=1)
    page.parent.mkdir()
    assert train(file, tmp_path / "watched", *LOOKS, "--page", str(page)) == 0
    assert train(file, tmp_path / "alone", *LOOKS) == 0
    assert same_bits(checkpoints(tmp_path / "alone")[-1], checkpoints(tmp_path / "watched")[-1])

    first, last = seen[0], page.read_text()
    assert "Nothing was logged yet" in first
    assert "None were drawn yet" in first
    assert 'http-equiv="refresh"' in first
    assert all("left</dt><dd>about" in one for one in seen[1:-1])
    assert last == seen[-1]
    assert "trained to step 12" in last
    assert "as they are cropped, and whole ones of split test." in last
    assert 'http-equiv="refresh"' not in last
    assert "12 of 12" in last
    assert re.findall(r'data-epoch="(\d+)"( hidden)?>', last) == [("1", " hidden"), ("2", " hidden"), ("3", "")]
    assert "looks at 8 pairs of split eight every epoch" in last
    assert re.findall(r'<th scope="row">(\w+)</th>', last) == ["first", "best", "last"]
    curves = re.findall(r"<strong>(\w+)</strong>", last)
    assert [key for key in curves if key.startswith("val_")] == curves[:3]
    assert curves[3:6] == ["objective", "entropy", "g_l1"]
    assert not re.search(r'(?:src|href)="(?!data:|#)', last)  # it stands alone
    assert [path.name for path in page.parent.iterdir()] == ["evening.html"]


def test_a_run_that_ends_in_an_error_says_so(preset: Preset, tmp_path: Path) -> None:
    page, rate = tmp_path / "evening.html", ("--optimizers.generator.init_args.lr", "1e30")
    assert train(preset(), tmp_path / "run", *rate, "--page", str(page)) == 2
    assert re.search(r"ended at step \d+: .*the training diverged", page.read_text())
    assert "drawn yet" not in page.read_text()  # nor will any be


def test_what_was_seen_of_the_page_costs_at_most_a_share(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, written = [100.0], []
    monkeypatch.setattr(evening.time, "monotonic", lambda: now[0])

    def two_seconds(*_: object) -> None:
        written.append(now[0])
        now[0] += 2

    monkeypatch.setattr(evening, "write", two_seconds)
    watcher = Evening(tmp_path / "evening.html", say=pytest.fail)
    for at in (100, 150, 201, 202, 250):
        now[0] = max(now[0], float(at))
        watcher(moment(run))
    watcher(moment(run, ended="trained"))
    assert written == [100.0, 202.0, 250.0]


def test_a_page_that_cannot_be_written_does_not_stop_the_run(preset: Preset, tmp_path: Path, capsys: Said) -> None:
    (tmp_path / "file").touch()
    assert train(preset(), tmp_path / "run", "--page", str(tmp_path / "file" / "evening.html")) == 0
    assert capsys.readouterr().err.count("cannot be written") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--page",), "--page: no value; write --page evening.html"),
        (("--page", "--training.keep", "1"), "--page: no value"),
        (("--page=evening.pdf",), "--page: evening.pdf is no name of a page; write one such as evening.html"),
        (("--page", "folder.html"), "folder.html is a folder; name a file such as folder.html/evening.html"),
        (("--page", "theirs.html"), "theirs.html is there, and no page of atme train; name another file"),
    ],
)
def test_what_is_no_page_is_refused_before_the_training(
    preset: Preset, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.html").mkdir()
    Path("theirs.html").write_text("<p>theirs</p>")
    assert train(preset(), tmp_path / "run", *words) == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    assert said in error
    assert not (tmp_path / "run").exists()
    assert Path("theirs.html").read_text() == "<p>theirs</p>"


def test_an_earlier_page_is_written_anew(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "evening.html"
    write(page, moment(run))
    assert is_ours(page)
    Evening(page, say=pytest.fail)(moment(run, ended="stopped early at step 4"))
    assert "stopped early at step 4" in page.read_text()


def test_each_of_several_seeds_has_a_page(preset: Preset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = []

    def started(self: Children, seed: int, words: list[str], environment: dict[str, str], *, echo: Echo) -> None:
        pages.append(words[words.index("--page") + 1])
        self.running[seed] = None  # type: ignore[assignment]

    monkeypatch.setattr(Children, "start", started)
    monkeypatch.setattr(Children, "one_ended", lambda self: (self.running.popitem()[0], 0))
    assert train(preset(), tmp_path / "run", "--seeds", "3,5", "--page", str(tmp_path / "e.html")) == 0
    assert pages == [str(tmp_path / "e_3.html"), str(tmp_path / "e_5.html")]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.6, "1 min 00 s"), (75, "1 min 15 s"), (630, "10 min"), (7500, "2 h 05 min")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert span(seconds) == words
