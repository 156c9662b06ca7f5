"""`atme analyze`: what it says of histories of known law, of damaged ones, and what its page does in a browser."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from conftest import Browse

from atme import history
from atme.process import CONTROLS
from atme.reports.analyze import stretches
from atme.reports.analyze.command import analyze_run
from atme.reports.analyze.published_tests import Published
from atme.reports.analyze.stretches import longest_stretch
from atme.reports.figures import FRAMES, film
from atme.reports.flatness import LOG_2, decision_entropy, flatness

IMAGES, SIDE, EPOCHS = ("a.png", "b <i>.png"), 16, 120
Maker = Callable[..., Path]


def levels(process: str, *, epochs: int, scale: float, seed: int) -> np.ndarray:
    """W of the tracked images: tanh of a control on top of a map that stays, (E, K, H, W)."""
    rng = np.random.default_rng(seed)
    pixels = len(IMAGES) * SIDE**2
    walk = CONTROLS[process](epochs, pixels, rng=rng, scale=scale) + rng.uniform(-0.3, 0.3, pixels)
    return np.tanh(walk).reshape(epochs, len(IMAGES), SIDE, SIDE).astype(np.float32)


def record(run: Path, kind: history.Kind, maps: np.ndarray) -> None:
    """Write a recording; verdicts of a D that is half sure."""
    decisions = np.random.default_rng(9).normal(0, 0.5, (len(maps), len(IMAGES), 3, 3))
    writer = history.Writer(run, kind, images=IMAGES, precision="float32")
    for epoch, (D, W) in enumerate(zip(decisions, maps, strict=True), 1):
        writer.write(epoch, D, W)


@pytest.fixture
def make_run(tmp_path: Path) -> Maker:
    """A run whose fixed recording has a known law."""

    def make(process: str = "brownian", *, epochs: int = EPOCHS, scale: float = 0.01, seed: int = 0) -> Path:
        run = tmp_path / f"{process}_{epochs}"
        run.mkdir()
        record(run, "fixed", levels(process, epochs=epochs, scale=scale, seed=seed))
        return run

    return make


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run, analyzed: fixed recording Brownian, training recording mean-reverting, and a log."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    run.mkdir()
    record(run, "fixed", levels("brownian", epochs=EPOCHS, scale=0.01, seed=0))
    record(run, "training", levels("autoregressive", epochs=EPOCHS, scale=0.03, seed=1))
    lines = [{"step": i, "epoch": i, "objective": 1.5 - i / 1000, "entropy": 0.6} for i in range(1, 60)]
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert analyze_run(run) == run / "report.html"
    return run


def test_few_epochs_are_said_to_be_few_before_all_else(make_run: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(epochs=12)
    analyze_run(run)
    said = capsys.readouterr().out
    assert said.startswith("fixed recording: 12 epochs are few")
    fixed = results(run)["recordings"]["fixed"]
    assert fixed["few"].startswith("12 epochs are few")
    assert fixed["found"].startswith("12 epochs are few")
    page = (run / "report.html").read_text()
    assert page.index("12 epochs are few") < page.index("Did the game settle?")


def test_a_window_may_be_few_and_thirty_are_not(make_run: Maker) -> None:
    run = make_run(epochs=30)
    analyze_run(run)
    assert results(run)["recordings"]["fixed"]["few"] is None
    analyze_run(run, window=(1, 29))
    assert "29 epochs are few" in results(run)["recordings"]["fixed"]["few"]


def test_images_of_any_name_have_their_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What draws curves would read $ as mathematics, hide what begins with _, and lacks letters of many scripts."""
    names = ("$\\x$.png", "_hidden.png", "地図.png", "\udcff.png", "{{ x }}.png")
    monkeypatch.setattr("test_analyze.IMAGES", names)
    (tmp_path / "run").mkdir()
    record(tmp_path / "run", "fixed", levels("brownian", epochs=12, scale=0.01, seed=0))
    analyze_run(tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    for name in names:
        shown = "&#56575;.png" if name.startswith("\udcff") else name
        assert page.count(f"<span>{shown}</span>") == 2, name
    assert set(results(tmp_path / "run")["recordings"]["fixed"]["entropy"]) == set(names)


def results(run: Path) -> dict:
    return json.loads((run / "analysis" / "analysis.json").read_text())


# What it says of processes of known law.


def test_tells_brownian_from_mean_reverting(analyzed: Path) -> None:
    fixed, training = (results(analyzed)["recordings"][name] for name in ("fixed", "training"))
    assert "None of the 9 tests" in fixed["found"]
    assert "It is not a Brownian motion" in training["found"]
    assert "closest to AR(1)" in training["found"]
    assert "ADF on W rejects" in training["found"]
    assert "it comes back" in training["found"]


def test_published_tests_alone_do_not_tell_them_apart(analyzed: Path) -> None:
    for recording in results(analyzed)["recordings"].values():
        rows = recording["published_tests"]
        assert rows["all"]["brownian"] is True
        assert rows["autoregressive"]["brownian"] is True
        assert rows["student_walk"]["brownian"] is False
        assert rows["chosen"]["pixels"] == 5 * len(IMAGES)


@pytest.mark.parametrize(("process", "test"), [("student_walk", "Shapiro-Wilk on dW"), ("white_noise", "VR(10)")])
def test_names_the_test_that_a_wrong_process_fails(make_run: Maker, process: str, test: str) -> None:
    run = make_run(process)
    analyze_run(run)
    found = results(run)["recordings"]["fixed"]["found"]
    assert f"{test} rejects" in found
    assert "which" not in found or process != "student_walk"


def test_controls_have_the_length_of_the_recording(analyzed: Path) -> None:
    for recording in results(analyzed)["recordings"].values():
        processes = recording["processes"]
        assert set(processes) == {"W", "D", *CONTROLS}
        assert {processes[name]["epochs"] for name in processes} == {EPOCHS}
        assert {processes[name]["pixels"] for name in CONTROLS} == {len(IMAGES) * SIDE**2}


def test_corrections_hold_over_all_pixels(analyzed: Path) -> None:
    for process in results(analyzed)["recordings"]["training"]["processes"].values():
        for test in process["tests"].values():
            if test["rejected"]:
                shares = test["rejected"]
                assert shares["holm"] <= shares["benjamini_hochberg"] <= shares["none"]


def test_same_seed_same_files(analyzed: Path, tmp_path: Path) -> None:
    twin = tmp_path / analyzed.name
    shutil.copytree(analyzed, twin, ignore=shutil.ignore_patterns("analysis", "report.html"))
    analyze_run(twin)
    for name in ("report.html", "analysis/analysis.json", "analysis/tests.csv", "analysis/pixels.csv"):
        assert (twin / name).read_bytes() == (analyzed / name).read_bytes(), name


def test_tables(analyzed: Path) -> None:
    tables = {}
    for name in ("tests", "entropy", "pixels"):
        with (analyzed / "analysis" / f"{name}.csv").open() as file:
            tables[name] = list(csv.DictReader(file))
    assert len(tables["tests"]) == 2 * 7 * 11
    assert len(tables["entropy"]) == 2 * len(IMAGES) * EPOCHS
    assert len(tables["pixels"]) == 2 * 6 * EPOCHS
    row = tables["pixels"][0]
    maps = history.read(analyzed)[row["recording"]].maps
    expected = maps[int(row["epoch"]) - 1, IMAGES.index(row["image"]), int(row["row"]), int(row["column"])]
    assert np.float32(row["W"]) == expected


def test_atanh_undoes_the_bound(make_run: Maker) -> None:
    run = make_run(scale=0.15, seed=3)
    analyze_run(run)
    bounded = results(run)["recordings"]["fixed"]["processes"]["W"]["tests"]["shapiro"]["rejected"]["none"]
    analyze_run(run, transform="atanh")
    free = results(run)["recordings"]["fixed"]["processes"]["W"]["tests"]["shapiro"]["rejected"]["none"]
    assert free < 0.05 < bounded


def test_window_reads_its_epochs(make_run: Maker) -> None:
    run = make_run()
    analyze_run(run, window=(21, 100))
    fixed = results(run)["recordings"]["fixed"]
    assert (fixed["first_epoch"], fixed["last_epoch"]) == (21, 100)
    assert fixed["processes"]["W"]["epochs"] == 80


# Bad input: a clear message, and the rest is reported all the same.


def test_a_run_without_history(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--history\.images 5"):
        analyze_run(tmp_path)


@pytest.mark.parametrize("window", [(0, 10), (10, 10), (1, EPOCHS + 1)])
def test_a_window_outside(make_run: Maker, window: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=rf"window {window[0]} to {window[1]}.*epochs 1 to {EPOCHS}"):
        analyze_run(make_run(), window=window)


def test_too_short_for_some_tests(make_run: Maker) -> None:
    run = make_run(epochs=18)
    analyze_run(run)
    W = results(run)["recordings"]["fixed"]["processes"]["W"]
    assert "needs at least" in W["refused"]["variance_ratio_20"]
    assert "shapiro" in W["tests"]
    assert "VR(20): variance_ratio_20: the series has 18 values" in (run / "report.html").read_text()


@pytest.mark.parametrize("epochs", [2, 3, 5])
def test_hardly_any_epoch(make_run: Maker, epochs: int) -> None:
    run = make_run(epochs=epochs)
    analyze_run(run)
    assert results(run)["recordings"]["fixed"]["processes"]["W"]["refused"]


def test_one_epoch(make_run: Maker) -> None:
    with pytest.raises(ValueError, match="fixed recording: suite: the series has 1 values"):
        analyze_run(make_run(epochs=1))


def test_constant_and_unknown_pixels_are_counted(tmp_path: Path) -> None:
    maps = levels("brownian", epochs=EPOCHS, scale=0.01, seed=0)
    maps[:, 0, 0, :3] = 0.25
    maps[7, 1, 2, 2] = np.nan
    record(tmp_path, "fixed", maps)
    analyze_run(tmp_path)
    shapiro = results(tmp_path)["recordings"]["fixed"]["processes"]["W"]["tests"]["shapiro"]
    assert shapiro["left_out"] == {"constant": 3, "not finite": 1}
    assert shapiro["tested"] == len(IMAGES) * SIDE**2 - 4
    assert "3 pixels constant" in (tmp_path / "report.html").read_text()


def test_a_frozen_network(tmp_path: Path) -> None:
    frozen = np.repeat(levels("brownian", epochs=1, scale=0.1, seed=0), EPOCHS, axis=0)
    record(tmp_path, "fixed", frozen)
    analyze_run(tmp_path)
    fixed = results(tmp_path)["recordings"]["fixed"]
    assert "No test could answer" in fixed["found"]
    assert "constant" in fixed["processes"]["W"]["refused"]["shapiro"]


def test_a_damaged_chunk(make_run: Maker) -> None:
    run = make_run()
    chunk = next((run / "history.zarr" / "fixed" / "map" / "c" / "29").rglob("0/0/0"))
    chunk.write_bytes(chunk.read_bytes()[:-50])
    analyze_run(run)
    assert results(run)["recordings"]["fixed"]["first_epoch"] == 31
    problems = results(run)["problems"]
    assert any("epoch 30 cannot be read" in problem for problem in problems)
    assert any("epochs 31 to 120" in problem for problem in problems)
    assert "epoch 30 cannot be read" in (run / "report.html").read_text()


def test_values_that_cannot_be_W(make_run: Maker) -> None:
    run = make_run()
    history.Writer(run, "fixed", images=IMAGES, precision="float32").write(
        EPOCHS, np.zeros((2, 3, 3)), np.full((2, SIDE, SIDE), 7.0)
    )
    stretch = longest_stretch(history.read(run)["fixed"])
    assert list(stretch.epochs) == list(range(1, EPOCHS))
    assert f"epoch {EPOCHS} cannot be read (W leaves [-1, 1])" in stretch.remarks


@pytest.mark.parametrize(("missing", "first", "last"), [(11, 12, 30), (21, 1, 20), (1, 2, 30), (30, 1, 29)])
def test_an_epoch_that_was_not_recorded(tmp_path: Path, missing: int, first: int, last: int) -> None:
    maps = levels("brownian", epochs=30, scale=0.1, seed=0)
    maps[missing - 1, 0] = np.nan
    record(tmp_path, "fixed", maps)
    stretch = longest_stretch(history.read(tmp_path)["fixed"])
    assert (stretch.epochs[0], stretch.epochs[-1]) == (first, last)
    assert f"not every tracked image was recorded in epoch {missing}" in stretch.remarks


def test_one_recording_without_W_does_not_stop_the_other(make_run: Maker) -> None:
    run = make_run()
    record(run, "training", np.full((EPOCHS, len(IMAGES), SIDE, SIDE), np.nan))
    analyze_run(run)
    assert list(results(run)["recordings"]) == ["fixed"]
    assert results(run)["problems"][0].startswith("training recording: training: holds no W")


# Flatness, films, the published verdict.


def test_entropy_of_decisions() -> None:
    logits = np.array([-800.0, -2.0, 0.0, 1.0, 800.0])
    p = 1 / (1 + np.exp(-logits[1:4]))
    expected = [0, *(-p * np.log(p) - (1 - p) * np.log(1 - p)), 0]
    np.testing.assert_allclose(decision_entropy(logits), expected, atol=1e-12)


def test_a_flat_map_is_flat() -> None:
    flat = flatness(np.zeros((4, 3, 2)))
    assert (flat.map == LOG_2).all()
    assert (flat.spread == 0).all()


@pytest.mark.parametrize("frames", [2, 7, 150])
def test_a_film_has_room_for_its_frames(frames: int) -> None:
    made = film(np.zeros((frames, 300, 200), dtype=np.float32), bound=1.0)
    assert made.columns * (made.rows - 1) < frames <= made.columns * made.rows
    assert max(made.width, made.height) <= 96
    assert made.shown == tuple(range(frames))


@pytest.mark.parametrize("epochs", [FRAMES + 1, 2 * FRAMES, 2000])
def test_a_long_film_is_thinned_evenly(epochs: int) -> None:
    made = film(np.zeros((epochs, 4, 4), dtype=np.float32), bound=1.0)
    assert (made.shown[0], made.shown[-1]) == (0, epochs - 1)
    assert len(made.shown) == FRAMES
    assert len(set(np.diff(made.shown))) <= 2
    assert made.columns * made.rows >= FRAMES


@dataclass
class Counted:
    """An array on disk that counts how often it is read."""

    values: np.ndarray
    reads: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def __getitem__(self, index: object) -> np.ndarray:
        self.reads += 1
        return self.values[index]  # type: ignore[index]


@pytest.mark.parametrize(("at_once", "reads"), [(2**30, 1), (3 * 7 * 4 * 5 * 4, 4), (1, 10)])
def test_images_are_read_together(monkeypatch: pytest.MonkeyPatch, at_once: int, reads: int) -> None:
    """A chunk on disk holds an epoch of all images: image by image, each would be read as often as there are images."""
    monkeypatch.setattr(stretches, "AT_ONCE", at_once)
    stored = Counted(np.random.default_rng(0).normal(size=(9, 10, 4, 5)).astype(np.float32))
    recording = history.Recording("fixed", tuple("abcdefghij"), np.arange(1, 10), stored, stored)
    stretch = stretches.Stretch(recording, slice(1, 8), tuple(range(10)), ())
    for image in range(10):
        np.testing.assert_array_equal(stretch.maps(image), stored.values[1:8, image])
    assert stored.reads == reads


@pytest.mark.parametrize(
    ("shares", "brownian"),
    [((1, 0.99, 0.64), True), ((1, 0.99, 0.6), False), ((0.9, 1, 1), False), ((1, None, 1), None)],
)
def test_published_verdict(shares: tuple[float, float | None, float], brownian: bool | None) -> None:
    adf, inside, normal = shares
    assert Published(25, adf, inside, normal).brownian is brownian


# The page, in a browser.

LOOK = """
  const film = it.querySelector(".film");
  const [button, slider, output] = ["button", "input", "output"].map(tag => film.querySelector(tag));
  const place = () => film.querySelector(".frame").style.backgroundPosition, first = place();
  slider.value = 5; slider.dispatchEvent(new Event("input"));
  return {epoch: output.textContent, moved: place() !== first,
    focusable: [button, slider].every(one => one.tabIndex === 0)};
"""


@pytest.mark.parametrize("width", [400, 1280])
def test_page_in_a_browser(analyzed: Path, browse: Browse, width: int) -> None:
    seen, console = browse(analyzed / "report.html", width=width, look=LOOK)
    assert console == ""
    assert seen["width"] == width
    assert seen["scroll"] <= width
    assert seen["images"] > 50
    assert (seen["broken"], seen["silent"]) == (0, 0)
    assert seen["moved"]
    assert seen["epoch"] == "epoch 6"
    assert seen["focusable"]


def test_the_browser_test_can_fail(analyzed: Path, tmp_path: Path, browse: Browse) -> None:
    page = tmp_path / "bad.html"
    bad = '<div style="width: 3000px">wide</div><script>nothing()</script></body>'
    page.write_text((analyzed / "report.html").read_text().replace("</body>", bad))
    seen, console = browse(page, width=400)
    assert seen["scroll"] > 400
    assert "nothing is not defined" in console


def test_page_stands_alone(analyzed: Path) -> None:
    page = (analyzed / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert not re.findall(r"url\((?!data:)", page)
    assert "b &lt;i&gt;.png" in page
    assert "b <i>.png" not in page
