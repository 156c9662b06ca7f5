"""The study of the two lines: its integrals against scipy's, and what diffusion must do to a divergence."""

import json
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import studies
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return studies.load("toy_divergence")


@pytest.mark.parametrize("d", [0.0, 0.01, 0.7, 3.0, 12.0, 30.0])
def test_two_normals_against_adaptive_quadrature(study: ModuleType, d: float) -> None:
    def divergence(u: float) -> float:
        return norm.pdf(u) * np.logaddexp(0, d * u - d * d / 2)

    def output(u: float) -> float:
        return norm.pdf(u) * expit(d * d / 2 - d * u)

    js, on_real, error = study.two_normals(np.array([d]))
    points = {"points": [min(d / 2, 11.0)], "limit": 200, "epsabs": 1e-13}
    assert js[0] == pytest.approx(math.log(2) - quad(divergence, -12, 12, **points)[0], abs=1e-11)
    assert on_real[0] == pytest.approx(quad(output, -12, 12, **points)[0], abs=1e-11)
    assert error < 1e-11


def test_two_mixtures_against_adaptive_quadrature(study: ModuleType) -> None:
    setting = study.Setting(T=4, sigma=2.0, explore="uniform")
    kept, spreads, weights = study.laws(setting)

    def densities(y: float) -> tuple[float, float]:
        p, g = (float(weights @ norm.pdf(y, kept[1:] * start, spreads[1:])) for start in (0.0, 0.3))
        return p, g

    def divergence(y: float) -> float:
        p, g = densities(y)
        return (p * math.log(2 * p / (p + g)) + g * math.log(2 * g / (p + g))) / 2

    js, on_real, error = study.two_mixtures(np.array([0.0, 0.3]), setting)
    edges = {"points": [0, 0.15, 0.3], "limit": 400, "epsabs": 1e-12}
    assert js[0] == pytest.approx(0, abs=1e-12)
    assert js[1] == pytest.approx(quad(divergence, -4, 4.3, **edges)[0], abs=1e-9)
    p_share = quad(lambda y: densities(y)[0] ** 2 / sum(densities(y)), -4, 4.3, **edges)[0]
    assert on_real[1] == pytest.approx(p_share, abs=1e-9)
    assert error < 1e-6


def test_the_curves_obey_their_laws(study: ModuleType) -> None:
    curves = study.compute(study.Setting(T=60, thetas=6))
    clean, diffused = curves.js[0], curves.js[1:]
    assert clean.tolist() == pytest.approx([0] + [math.log(2)] * 5)  # no slope without diffusion
    assert (np.diff(diffused[-1]) > 0).all()  # with it, the divergence falls towards θ = 0
    assert (np.diff(curves.js, axis=0) <= 1e-12).all()  # each further step can only bring two laws together
    assert (curves.js_untold <= curves.js_told + 1e-12).all()
    assert (curves.js_untold[1:] < curves.js_told[1:]).all()
    assert curves.d_told[0] == pytest.approx(0.5)
    assert (curves.d_told[1:] > 0.5).all()
    assert curves.error < 1e-9


def test_too_few_nodes_are_noticed(study: ModuleType) -> None:
    x = study.nodes(-12.0, 12.0, 2.0)
    _, error = study.integrate(norm.pdf(x), x)
    assert error > 1e-3


def test_the_command_writes_figure_and_numbers(
    study: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study.main(["--output", str(tmp_path / "new"), "--T", "40", "--thetas", "5", "--explore", "uniform"])
    found = json.loads((tmp_path / "new" / "toy_divergence.json").read_text())
    assert found["setting"]["explore"] == "uniform"
    assert found["t"] == [0, 2, 8, 20, 32]
    assert len(found["js"]) == 5
    assert len(found["theta"]) == len(found["js_told"]) == len(found["js_untold"]) == 5
    assert (tmp_path / "new" / "toy_divergence.png").read_bytes().startswith(b"\x89PNG")
    assert "nats" in capsys.readouterr().out
