"""The page of `atme serve` in a real browser: pictures go up, answers appear, and nothing is asked of elsewhere."""

import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import smooth
from devtools import Page
from runs import make_run, measured, sections
from served import Served, ended, served
from test_denoising_gan import GAME

from atme.images import decode_image, read_image, write_image
from atme.inference import Translator

pytest.importorskip("gradio")

Open = Callable[..., Page]

CHOOSE = "#picture input[type=file]"
DONE = "!document.querySelector('p.waiting') && document.querySelectorAll('.slider img').length"
TEXT = "document.body.innerText"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, run: Path) -> list[Path]:
    """An ATME run with its data, and one that draws its answers."""
    folder = tmp_path_factory.mktemp("drawing")
    return [run, make_run(folder / "ddgan", sections() | GAME, measured())]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, runs: list[Path]) -> Iterator[Served]:
    """A page of both."""
    log = tmp_path_factory.mktemp("watched") / "log"
    with served(log, *runs, "--port", 0, "--megapixels", "0.02") as ready:
        yield ready


@pytest.fixture
def opened(chromium: list[str], server: Served) -> Iterator[Open]:
    """The page, ready for a picture; when it is left, nobody else was asked for anything."""
    pages: list[Page] = []

    def look(**how: object) -> Page:
        page = Page(chromium, server.address, **{"width": 1280, **how})
        pages.append(page)
        page.wait(f"document.querySelector('{CHOOSE}') && document.querySelectorAll('#examples img').length")
        return page

    yield look
    asked = [address for page in pages for address in page.requests if not address.startswith(("data:", "blob:"))]
    for page in pages:
        page.__exit__(None, None, None)
    assert len(asked) > 10
    assert [address for address in asked if not address.startswith(f"{server.address}/")] == []
    assert not server.log.exists()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    write_image(tmp_path / "photo.png", smooth(np.random.default_rng(1), 42, 53))
    return tmp_path / "photo.png"


def shown(page: Page, selector: str) -> list[np.ndarray]:
    """The pictures that an element shows."""
    addresses = page.run(f"[...document.querySelectorAll('{selector} img')].map(one => one.src)")
    return [decode_image(urllib.request.urlopen(address).read(), address) for address in addresses]


def brightness(page: Page) -> int:
    """Of the page's ground, from 0 to 765."""
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", ground)[:3]))


def test_a_picture_is_translated_by_every_run_and_w_is_shown(opened: Open, photo: Path, runs: list[Path]) -> None:
    page, source = opened(), read_image(photo)
    assert page.run(TEXT).count("The translation appears here.") == 2
    assert brightness(page) > 700
    page.upload(CHOOSE, photo)
    page.wait(f"{DONE} == 4 && document.querySelectorAll('.answers img').length == 3")
    atme, ddgan = (Translator.from_run(each, device="cpu") for each in runs)
    seen = atme.look_inside(photo)
    for pictures, translation in (
        (shown(page, "#run0 .slider"), seen.translation),
        (shown(page, "#run1 .slider"), None),
    ):
        assert sum(np.array_equal(each, source) for each in pictures) == 1
        wanted = ddgan.pixels(photo) if translation is None else translation
        assert sum(np.array_equal(each, wanted) for each in pictures) == 1
    (read,), (noise,) = shown(page, "#run0 .read"), shown(page, "#run0 .noise")
    assert seen.read is not None
    assert np.array_equal(read, seen.read)
    assert noise.shape == source.shape
    assert re.search(r"W: blue −\S+, white 0, red \S+; mean \S+ The generator read", page.run(TEXT))
    assert shown(page, "#run1 .read") == shown(page, "#run1 .noise") == []
    for seed, each in enumerate(shown(page, "#run1 .answers")):
        assert np.array_equal(each, ddgan.pixels(photo, seed=seed))


def test_what_is_no_picture_is_named_and_shows_nothing(opened: Open, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "notes <b>.txt").write_text("words")
    page = opened()
    page.upload(CHOOSE, photo)
    page.wait(f"{DONE} == 4")
    page.run("document.querySelector('#picture [aria-label*=lear], #picture [title*=lear]').click()")
    page.wait(f"document.querySelector('{CHOOSE}') && !document.querySelector('.slider img')")
    page.upload(CHOOSE, tmp_path / "notes <b>.txt")
    page.wait("document.querySelector('[role=alert]')")
    assert re.search(r"notes .*\.txt: not an image .*; drop another one", page.run(TEXT))
    assert "served" not in page.run(TEXT)  # the folder in which it lies
    assert not page.run("document.querySelector('.slider img, #words b')")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((20, 20, 1), "has 1 channels (gray), and the generator reads 3 channels (RGB)"),
        ((200, 150, 3), "150×200 pixels, and this page works on up to 0.02 million"),
    ],
)
def test_each_run_says_what_it_cannot_read(
    opened: Open, tmp_path: Path, size: tuple[int, int, int], words: str
) -> None:
    write_image(tmp_path / "a.png", np.zeros(size, np.uint8))
    page = opened()
    page.upload(CHOOSE, tmp_path / "a.png")
    page.wait("document.querySelectorAll('[role=alert]').length == 2")
    assert page.run(TEXT).count(f"a.png: {words}") == 2
    assert not page.run("document.querySelector('p.waiting, .slider img')")


def test_an_example_comes_with_its_target_and_settings_translate_again(
    opened: Open, pairs_folder: Path, tmp_path: Path
) -> None:
    write_image(tmp_path / "first.png", np.zeros((16, 16, 3), np.uint8))
    page = opened()
    page.upload(CHOOSE, tmp_path / "first.png")
    page.wait(f"{DONE} == 4")
    page.run("document.querySelectorAll('#examples button')[1].click()")
    page.wait(f"{DONE} == 4 && document.querySelector('#target img')")
    assert "first" not in page.run(TEXT)
    whole = read_image(pairs_folder / "test" / "test_1.png")
    assert any(np.array_equal(each, whole[:, :48]) for each in shown(page, "#run0 .slider"))
    assert np.array_equal(shown(page, "#target")[0], whole[:, 48:])
    write_image(tmp_path / "pair.png", whole[:24])
    page.upload(CHOOSE, tmp_path / "pair.png")
    page.wait(f"{DONE} == 4 && !document.querySelector('#target img')")
    page.run("document.querySelector('#settings button').click()")
    page.wait("document.querySelectorAll('#settings input[type=radio]').length == 3")
    page.run("document.querySelectorAll('#settings input[type=radio]')[2].click()")
    page.wait(f"{DONE} == 4 && [...document.querySelectorAll('.slider img')].every(one => one.naturalWidth == 48)")
    assert any(np.array_equal(each, whole[:24, 48:]) for each in shown(page, "#run0 .slider"))


def test_it_fits_a_phone_and_follows_the_system(opened: Open, photo: Path) -> None:
    page = opened(width=400, scheme="dark")
    page.upload(CHOOSE, photo)
    page.wait(f"{DONE} == 4")
    assert page.run("document.documentElement.scrollWidth") <= 400
    assert brightness(page) < 100


def test_ctrl_c_ends_it_in_the_middle_of_a_translation(chromium: list[str], tmp_path: Path, photo: Path) -> None:
    run = make_run(tmp_path / "run", sections("runs.Stuck"), measured())
    with (
        served(tmp_path / "log", run, "--port", 0, "--trust") as stuck,
        Page(chromium, stuck.address, width=800) as page,
    ):
        page.wait(f"document.querySelector('{CHOOSE}')")
        page.upload(CHOOSE, photo)
        page.wait(f"{TEXT}.includes('Translating')")
        assert ended(stuck, signal.SIGINT) == (130, "interrupted\n")


def test_the_log_would_show_what_a_page_asks_of_elsewhere(chromium: list[str], tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<img src='http://192.0.2.1/pixel.png' onerror='document.title = `gone`'>")
    with Page([*chromium, "--proxy-server=127.0.0.1:9"], tmp_path / "page.html", width=400) as page:
        page.wait("document.title == 'gone'")
        assert "http://192.0.2.1/pixel.png" in page.requests
