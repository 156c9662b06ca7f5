"""What was found, in words, and what the tests cannot say.

W counts as like Brownian motion under a test if its share of rejected pixels is that of the Brownian control, up to
a tolerance: 10 points, or three standard errors of a share of as many pixels as are independent, if that is more.
"""

import numpy as np

from atme.process import questions
from atme.reports.analyze.published_tests import Published
from atme.reports.analyze.study import Process, Study

TESTS = {
    "adf_increments": "ADF on dW",
    "adf_level": "ADF on W",
    "shapiro": "Shapiro-Wilk on dW",
    "autocorrelation": "ACF bands on dW",
    "ljung_box": "Ljung-Box on dW",
    "variance_ratio_2": "VR(2)",
    "variance_ratio_5": "VR(5)",
    "variance_ratio_10": "VR(10)",
    "variance_ratio_20": "VR(20)",
    "variance_growth": "growth exponent",
    "correlation": "correlation of pixels",
}
PROCESSES = {
    "W": "W of this run",
    "D": "D of this run",
    "brownian": "Brownian motion",
    "autoregressive": "AR(1), φ = 0.8",
    "student_walk": "t(3) walk",
    "white_noise": "white noise",
    "bounded_brownian": "tanh of Brownian",
}
TOLERANCE = 0.1
HORIZONS = (2, 5, 10, 20)


ENOUGH = 30
"""Epochs below which a series says little of its law."""


def few(study: Study) -> str:
    """That the epochs are few, if they are: it stands before everything else that is said; empty if not."""
    epochs = len(study.stretch.epochs)
    if epochs >= ENOUGH:
        return ""
    return (
        f"{epochs} epochs are few: below {ENOUGH} the tests miss most departures from Brownian motion, and some cannot "
        "answer at all, so that nothing is found is no sign that there is nothing. Record more epochs."
    )


def departures(study: Study) -> list[str]:
    """The tests, in order, under which W is not as the Brownian control."""
    brownian = study.controls["brownian"].outcomes
    independent = study.noise.independent_pixels or 1.0
    found = []
    for name in shared_tests(study):
        expected = brownian[name].rejected["none"]
        chance = 3 * np.sqrt(np.clip(expected, 0.01, 0.99) * np.clip(1 - expected, 0.01, 0.99) / independent)
        if abs(study.noise.outcomes[name].rejected["none"] - expected) > max(TOLERANCE, chance):
            found.append(name)
    return found


def shared_tests(study: Study) -> list[str]:
    """The tests with p-values that answered both for W and for the Brownian control, in order."""
    brownian = study.controls["brownian"].outcomes
    return [
        name
        for name, question in questions().items()
        if question.brownian and name in study.noise.outcomes and name in brownian
    ]


def nearest_control(study: Study) -> str:
    """The control whose shares of rejected pixels are closest to W's, in the mean over tests."""
    tests = shared_tests(study)

    def distance(control: Process) -> float:
        pairs = [(study.noise.outcomes[name], control.outcomes[name]) for name in tests]
        return float(np.mean([abs(a.rejected["none"] - b.rejected["none"]) for a, b in pairs]))

    return min(study.controls, key=lambda name: distance(study.controls[name]))


def found(study: Study, published: Published) -> str:
    """What was found on one recording: one paragraph."""
    tests = shared_tests(study)
    if not tests:
        said = [f"No test could answer: {next(iter(study.noise.refused.values()))}."]
    else:
        wrong = departures(study)
        said = [_conclusion(study, tests, wrong), _alone(published, bool(wrong))]
    return " ".join(part for part in (few(study), _subject(study), *said) if part)


def cannot_say(study: Study) -> str:
    """What the tests of this recording cannot say: one paragraph."""
    sentences = [
        "A null that is kept is not proved.",
        _power(study),
        "Every pixel of W is made by one network from a few verdicts, so the pixels are no separate experiments"
        + _worth(study),
        "tanh bounds W, so nothing here speaks of a limit of long times; the learning rate changes over epochs, and "
        "with it the size of a step.",
        _view(study),
        "One run with one seed is one draw, and no test of W says why the game settles.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def percent(share: float) -> str:
    """0.9931 -> "99.3 %"."""
    return f"{100 * share:.1f} %"


def _subject(study: Study) -> str:
    epochs = study.stretch.epochs
    level = "atanh W" if study.transform == "atanh" else "W"
    images = len(study.stretch.images)
    return (
        f"{study.stretch.recording.name.capitalize()} recording: {level} at {study.noise.pixels:,} pixels of "
        f"{images} image{'s' if images != 1 else ''}, epochs {epochs[0]} to {epochs[-1]}."
    )


def _conclusion(study: Study, tests: list[str], wrong: list[str]) -> str:
    if not wrong:
        return f"None of the {len(tests)} tests that answered tells it from Brownian motion."
    told = "; ".join(_departure(study, name) for name in wrong)
    as_brownian = [TESTS[name] for name in tests if name not in wrong]
    rest = f" As on Brownian motion came out: {', '.join(as_brownian)}." if as_brownian else ""
    nearest = nearest_control(study)
    return (
        f"It is not a Brownian motion: {len(wrong)} of {len(tests)} tests tell it from one ({told}).{rest}"
        f"{_direction(study)} Of the controls, its shares are closest to {PROCESSES[nearest]}."
    )


def _departure(study: Study, name: str) -> str:
    own = study.noise.outcomes[name].rejected["none"]
    brownian = study.controls["brownian"].outcomes[name].rejected["none"]
    return f"{TESTS[name]} rejects {percent(own)} of the pixels, and {percent(brownian)} of Brownian ones"


def _direction(study: Study) -> str:
    """What the longest variance ratio that answered says."""
    answered = [q for q in HORIZONS if f"variance_ratio_{q}" in study.noise.outcomes]
    if not answered:
        return ""
    q = answered[-1]
    median = study.noise.outcomes[f"variance_ratio_{q}"].effect[1]
    tells = "it comes back" if median < 0.8 else "it persists" if median > 1.25 else "it neither returns nor persists"
    return f" The median VR({q}) is {median:.2f} (1 for Brownian motion): {tells}."


def _alone(published: Published, wrong: bool) -> str:
    verdict = published.brownian
    if verdict is None:
        return "The published three tests cannot all be run on it."
    said = "a Brownian motion" if verdict else "no Brownian motion"
    agree = "as all tests together do" if verdict != wrong else "which the other tests do not bear out"
    return f"The published three tests alone would have concluded: {said}, {agree}."


def _power(study: Study) -> str:
    outcome = study.controls["autoregressive"].outcomes.get("variance_ratio_10")
    if outcome is None:
        return "These epochs are too few for VR(10), which tells mean reversion best."
    share = percent(outcome.rejected["none"])
    return f"At this length VR(10) finds the mean reversion of the AR(1) control in {share} of its pixels."


def _worth(study: Study) -> str:
    independent = study.noise.independent_pixels
    if independent is None:
        return "."
    pixels = study.noise.pixels // len(study.stretch.images)
    return f": an image of {pixels:,} is worth about {independent:,.0f} independent ones."


def _view(study: Study) -> str:
    if study.stretch.recording.name != "training":
        return ""
    return (
        "In the training recording crop and flip are drawn anew at each visit: unless they are off, or the memory is "
        "aligned, a pixel's series mixes places, and looks whiter than it is."
    )
