"""`atme serve`: what is shown of a picture, what is refused in a line, and how a server begins and ends."""

import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from runs import make_run, measured, sections, translator
from served import command, ended, served
from test_denoising_gan import GAME
from test_docs import ROOT, commands

from atme.cli import main, serving
from atme.images import read_image, write_image
from atme.inference import Translator
from atme.serve import server
from atme.serve.answers import Asked, Limits, answer, open_picture
from atme.serve.examples import COUNT, write_examples
from atme.serve.server import listening, names, where
from atme.serve.shown import Shown

pytest.importorskip("gradio")

SHOWN = [words for page in sorted((ROOT / "docs").glob("*.md")) for words in commands(page)]
DEMO = "gradio>=6.20,<7"


def noisy(folder: Path) -> Translator:
    noise = {"class_path": "atme.DecisionMemory", "init_args": {"widths": [8, 8, 8], "translate_with": "published"}}
    options = sections() | {"noise": noise, "initialization": {"scheme": "normal", "gain": 0.5}}
    return Translator.from_run(make_run(folder, options, measured(4, 4, target_bits=16)), device="cpu", trust=True)


def drawing(folder: Path) -> Path:
    """A run that draws its answers."""
    return make_run(folder, sections() | GAME, measured())


def picture(height: int, width: int, channels: int = 3, kind: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, np.iinfo(kind).max, (height, width, channels), kind, endpoint=True)


class TestWhatIsShown:
    def test_all_of_a_game_with_noise_in_its_own_depth(self, tmp_path: Path) -> None:
        made, source = noisy(tmp_path / "run"), picture(21, 30, 4, np.uint16)
        source[..., 3] |= 1
        seen = made.look_inside(source)
        found = answer(made, source, Asked(count=5), name="my photo.tif", limits=Limits(), folder=tmp_path)
        assert np.array_equal(read_image(found.source), source)
        (place,) = found.translations
        assert place.name == "my photo_translated.png"
        assert np.array_equal(read_image(place, clear=False), seen.translation)
        assert seen.translation.dtype == np.uint16
        assert found.read is not None
        assert np.array_equal(read_image(found.read, clear=False), seen.read)
        assert found.noise is not None
        assert seen.noise is not None
        painted, most = read_image(found.noise).astype(int), np.abs(seen.noise).max()
        assert f"{most:.2g}, white 0, red {most:.2g}" in found.noise_in_words
        redder = painted[..., 0] - painted[..., 2]
        assert np.array_equal(redder > 40, (redder > 40) & (seen.noise > 0))
        assert np.abs(redder).max() > 80  # the largest value has a deep color

    def test_as_many_answers_as_are_asked_for_where_they_are_drawn(self, tmp_path: Path) -> None:
        made, source = Translator.from_run(drawing(tmp_path / "run"), device="cpu"), picture(16, 16)
        found = answer(made, source, Asked(seed=4, count=3), name="a.png", limits=Limits(), folder=tmp_path)
        assert (found.noise, found.noise_in_words, found.read) == (None, "", None)
        assert len(found.translations) == 3
        for seed, place in enumerate(found.translations, 4):
            assert np.array_equal(read_image(place), made.pixels(source, seed=seed))

    @pytest.mark.parametrize(("half", "columns"), [("none", (0, 12)), ("left", (0, 6)), ("right", (6, 12))])
    def test_a_half_is_that_of_translate(self, tmp_path: Path, half: str, columns: tuple[int, int]) -> None:
        write_image(tmp_path / "pair.png", picture(5, 12))
        opened = open_picture(tmp_path / "pair.png", half=half)  # type: ignore[arg-type]
        assert np.array_equal(opened, picture(5, 12)[:, slice(*columns)])

    def test_examples_are_the_test_split_as_it_is(self, tmp_path: Path, pairs_folder: Path) -> None:
        made = translator(tmp_path / "run", root=str(pairs_folder), direction="BtoA", test_size=[16, 16])
        found = write_examples(made, tmp_path / "examples", megapixels=2)
        assert len(found) == 3 <= COUNT
        for i, example in enumerate(found):
            whole = read_image(pairs_folder / "test" / f"test_{i}.png")
            assert np.array_equal(read_image(example.source), whole[:, 48:])
            assert np.array_equal(read_image(example.target), whole[:, :48])
        assert write_examples(made, tmp_path / "none", megapixels=0.001) == []
        assert write_examples(translator(tmp_path / "other"), tmp_path / "none", megapixels=2) == []

    def test_a_page_without_examples_is_told(self, tmp_path: Path) -> None:
        said: list[str] = []
        shown = [Shown(tmp_path, translator(tmp_path / "run"))]
        assert server._examples(shown, tmp_path / "none", Limits(), said.append) == []
        assert said == ["no examples to click on: no test pair is known here, or small enough"]

    def test_the_model_that_comes_along_has_examples_of_its_data(self, tmp_path: Path) -> None:
        found = write_examples(Translator.from_run("earth", device="cpu"), tmp_path, megapixels=2)
        assert len(found) == COUNT
        first = read_image(sorted((ROOT / "datasets" / "earth" / "test").glob("*.jpg"))[0])
        assert np.array_equal(read_image(found[0].source), first[:, : first.shape[1] // 2])


class TestWhatIsRefused:
    def test_no_picture_is_named_without_its_folder(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("words")
        with pytest.raises(ValueError, match=r"^notes\.txt: not an image \(.*\); drop another one$"):
            open_picture(tmp_path / "notes.txt", half="none")

    def test_an_odd_picture_has_no_halves(self, tmp_path: Path) -> None:
        write_image(tmp_path / "a.png", picture(4, 7))
        with pytest.raises(ValueError, match=r"^a\.png: its width of 7 pixels is odd.*choose the whole picture$"):
            open_picture(tmp_path / "a.png", half="left")

    def test_a_picture_that_no_browser_would_show(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("atme.serve.answers.LARGEST", 0.1)
        write_image(tmp_path / "a.png", picture(300, 500))
        with pytest.raises(ValueError, match=r"^a\.png: 500×300 pixels, and .* up to 0\.1 million; make it"):
            open_picture(tmp_path / "a.png", half="none")

    def test_a_size_to_work_at_has_a_limit_and_the_remedies_work(self, tmp_path: Path) -> None:
        made, source = translator(tmp_path / "run"), picture(300, 411)
        limits = Limits(megapixels=0.1)
        with pytest.raises(ValueError, match=r"^a\.png: 411×300 pixels, and .* up to 0\.1 million") as refused:
            answer(made, source, Asked(), name="a.png", limits=limits, folder=tmp_path)
        (more,) = re.findall(r"--megapixels (\S+)", str(refused.value))
        for asked, allowed in ((Asked(scale=0.5), limits), (Asked(), Limits(megapixels=float(more)))):
            answer(made, source, asked, name="a.png", limits=allowed, folder=tmp_path)

    def test_a_limit_of_nothing(self) -> None:
        for megapixels in (0, -1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=r"megapixels: .* is no size"):
                Limits(megapixels=megapixels)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["nowhere"], "nowhere: no such folder"),
            ([], "runs: missing; usage: atme serve RUN …"),
            (["{run}", "--port", "99999"], "port: 99999 is none"),
            (["{run}", "--port", "{taken}"], "is taken by another program; choose one with --port"),
            (["{run}", "--host", "no.such.host.invalid"], "host: no.such.host.invalid is no address"),
            (["{run}", "--host", "192.0.2.1"], "192.0.2.1, port 7860: cannot be listened on"),
            (["{run}", "--megapixels", "-1"], "megapixels: -1"),
            (["{run}", "--device", "abacus"], "device: abacus"),
        ],
    )
    def test_it_is_one_line_before_a_server_starts(
        self, tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = make_run(tmp_path / "run", sections({"class_path": "atme.UNet", "init_args": {"dim": 8}}), measured())
        with socket.create_server(("127.0.0.1", 0)) as other:
            known = {"run": run, "taken": other.getsockname()[1]}
            assert main(["serve", *(word.format(**known) for word in words)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("atme: ")
        assert said in line

    def test_without_gradio_a_line_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(serving, "find_spec", lambda name: None)
        assert main(["serve", "nowhere"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"pip install '{DEMO}'" in line
        assert DEMO in (ROOT / "setup.cfg").read_text()


class TestPorts:
    def test_the_next_free_one_is_taken(self) -> None:
        with listening("127.0.0.1", None) as one, listening("127.0.0.1", None) as other:
            assert one.getsockname() != other.getsockname()

    def test_any_free_one(self) -> None:
        with listening("127.0.0.1", 0) as ear:
            assert ear.getsockname()[1] > 0

    def test_it_says_so_if_all_are_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            monkeypatch.setattr("atme.serve.server.PORTS", range(port, port + 1))
            with pytest.raises(ValueError, match=f"ports {port} to {port}: are all taken"):
                listening("127.0.0.1", None)


def fetched(address: str, **headers: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answered:
            return answered.status, answered.headers["content-security-policy"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, ""


class TestServers:
    @pytest.mark.parametrize("words", [words for words in SHOWN if " serve " in words])
    def test_a_command_of_the_docs_starts_one_and_ctrl_c_ends_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
    ) -> None:
        named = [word for word in shlex.split(words) if word == "earth" or word.startswith("runs/")]
        for run in named:
            if run != "earth":
                drawing(tmp_path / run)
        (tmp_path / "tmp").mkdir()
        monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
        asked = shlex.split(re.sub(r" --(port|host) \S+", "", words))[2:]
        with served(tmp_path / "log", *asked, "--port", 0, cwd=tmp_path) as server:
            missing = (
                "" if "earth" in named else "no examples to click on: no test pair is known here, or small enough\n"
            )
            assert server.said == f"{missing}{', '.join(named)} at {server.address} until Ctrl-C\n"
            assert fetched(server.address)[0] == 200
            assert any((tmp_path / "tmp").glob("atme-serve-*"))
            assert ended(server, signal.SIGINT) == (130, "interrupted\n")
        assert not any((tmp_path / "tmp").glob("atme-serve-*"))
        assert not (tmp_path / "log").exists()

    def test_it_answers_by_its_own_names_and_loads_nothing_from_elsewhere(self, tmp_path: Path) -> None:
        with served(tmp_path / "log", drawing(tmp_path / "run"), "--port", 0) as server:
            status, policy = fetched(server.address)
            assert status == 200
            assert "default-src 'self'" in policy
            assert "http" not in policy
            assert fetched(server.address.replace("127.0.0.1", "localhost"))[0] == 200
            assert fetched(server.address, Host="attacker.example:7860")[0] == 400
            assert ended(server, signal.SIGTERM) == (143, "")

    def test_the_docs_show_one(self) -> None:
        assert any(" serve " in words for words in SHOWN)

    def test_another_host_only_with_a_warning(self) -> None:
        for host, warned in (("0.0.0.0", True), ("127.0.0.1", False)):
            with listening(host, 0) as ear:
                said = where([], ear).splitlines()
                assert (names(ear) == ["*"]) is warned
            assert ("nothing is encrypted" in said[-1]) is warned
            assert len(said) == 1 + warned

    def test_what_is_asked_of_others_would_be_seen(self, tmp_path: Path) -> None:
        ask = "import socket; socket.create_connection(('192.0.2.1', 80))"
        watch = f"import served, pathlib; served._watch(pathlib.Path({str(tmp_path / 'log')!r})); {ask}"
        asked = subprocess.run(
            [sys.executable, "-c", watch], cwd=ROOT / "tests", capture_output=True, text=True, check=False
        )
        assert "192.0.2.1 is not this machine" in asked.stderr
        assert "192.0.2.1" in (tmp_path / "log").read_text()


def test_a_watched_command_is_the_command(tmp_path: Path) -> None:
    shown = subprocess.run(command(tmp_path / "log", "--version"), capture_output=True, text=True, check=True)
    assert shown.stdout.startswith("atme ")
