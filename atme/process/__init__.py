"""Is W a Brownian motion? Tests on arrays (T, N): T epochs of N pixels, all pixels at once.

Each test takes the array and returns a frozen `Finding`; `suite` runs all of them; `CONTROLS` are the
processes of known law to run beside W. This package knows nothing of training and needs no torch.
"""

from atme.process.adf import augmented_dickey_fuller
from atme.process.autocorrelation import autocorrelation, autocorrelations, ljung_box
from atme.process.controls import CONTROLS, Control
from atme.process.correlation import pixel_correlation
from atme.process.findings import Finding
from atme.process.multiplicity import Correction, corrected
from atme.process.shapiro import shapiro_wilk
from atme.process.suite import Examination, Question, Transform, questions, suite
from atme.process.variance_growth import variance_growth
from atme.process.variance_ratio import variance_ratio

__all__ = [
    "CONTROLS",
    "Control",
    "Correction",
    "Examination",
    "Finding",
    "Question",
    "Transform",
    "augmented_dickey_fuller",
    "autocorrelation",
    "autocorrelations",
    "corrected",
    "ljung_box",
    "pixel_correlation",
    "questions",
    "shapiro_wilk",
    "suite",
    "variance_growth",
    "variance_ratio",
]
