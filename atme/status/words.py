"""Where a training stands, in one line while it runs, and in a paragraph when it has ended."""

from collections.abc import Iterator

from atme.metrics import unit_of
from atme.status.curves import Curves
from atme.status.troubles import LINES, LOG_4, SHARE, Trouble, is_early, is_logits, troubles

VAL = "val_"
"""Before the names of a validation split's scores."""
_UNSURE = 10.0  # percent: half an interval beyond which a flat curve is no known one
_BLURRED = {"g_l1", "g_l2", *(f"{VAL}{name}" for name in ("l1", "psnr", "ssim", "ms_ssim"))}
"""Scores that are best where a picture is blurred, and so get worse when a late game begins."""
_FLAT = 0.02  # spread of W within an image, below which it hides nothing


def line(curves: Curves) -> str:
    """Where it stands: its troubles if there are any; else how its score moves, and how even its game is."""
    found = troubles(curves)
    if found:
        others = f"; also: {', '.join(each.what for each in found[1:3])}" if found[1:] else ""
        return f"trouble: {found[0].what} ({found[0].why}){others}; {found[0].remedy}"
    if is_early(curves):
        return f"too {'early' if curves.done < 1 else 'little'} to say: {_so_far(curves)}"
    return "; ".join(_standing(curves))


def account(curves: Curves) -> list[str]:
    """What it reached, what held it back, and what to change first: sentences."""
    if not curves.lines:
        return ["Nothing was logged."]
    found = troubles(curves)
    if is_early(curves) and not found:
        return [f"Too little to say how it went: {_so_far(curves)}. {_more_lines(curves)}"]
    said = [] if is_early(curves) else [f"It reached {', '.join(_reached(curves))}."]
    if found:
        said.append(f"What held it back: {'; '.join(f'{each.what} ({each.why})' for each in found)}.")
    return [*said, f"What to change first: {_first(curves, found)}."]


def score_key(curves: Curves) -> str | None:
    """The score that a run is judged by: what its best checkpoint is sought by, another one of its validation split, or
    its distance in training."""
    best = curves.options.get("training.keep_best")
    logged = dict.fromkeys(key for each in curves.lines for key in each)
    looks = [key for key in logged if key.startswith(VAL)]
    for key in (f"{VAL}{best}", f"{VAL}l1", *looks, "g_l1", "g_l2"):
        if len(curves.curve(key)[0]):
            return key
    return None


def is_better_low(key: str) -> bool | None:
    """Whether a logged score is better where it is lower; None where that is not known."""
    if not key.startswith(VAL):
        return True
    unit = unit_of(key.removeprefix(VAL))
    return None if unit is None else "lower is better" in unit


def is_price(curves: Curves, key: str) -> bool:
    """Whether a score gets worse by nature: one that prefers blurred pictures, while a late game makes them sharp."""
    (of_game, _), (of_distance, _) = curves.curve("objective"), curves.curve("g_l1")
    return (
        key in _BLURRED and bool(len(of_game) and len(of_distance)) and bool((of_distance < of_game[0]).sum() >= LINES)
    )


def _standing(curves: Curves) -> Iterator[str]:
    key = score_key(curves)
    if key is not None:
        yield f"{key} {_number(curves.last(key))}, {_course(curves, key)}"
    objective = curves.settled("objective")
    if objective is not None and is_logits(curves):
        yield f"discriminator {_balance(objective)} (objective {objective:.2f}, even is {LOG_4:.2f})"
    within = curves.settled("w_std")
    if within is not None:
        yield f"W {'flat' if within < _FLAT else 'alive'} (spread {within:.2f})"


def _balance(objective: float) -> str:
    return "strong" if objective < 0.6 else "fair" if objective < 1.3 else "hardly tells real from fake"


def _course(curves: Curves, key: str) -> str:
    """How a score moves, by how much, and how sure that is."""
    trend = curves.trend(key)
    if trend is None:
        return "with too few looks for a trend"
    change, within = trend.in_percent
    about = f"{change:+.1f} ± {within:.1f} % over the last third"
    if not trend.moves:
        return f"flat ({about})" if within < _UNSURE else f"with no trend that could be told ({about})"
    low = is_better_low(key)
    way = "falling" if trend.moves < 0 else "rising"
    if low is None:
        return f"{way} ({about})"
    if (trend.moves > 0) == low and is_price(curves, key):
        return f"{way}, as it does when a game begins ({about})"
    return f"{'still' if (trend.moves < 0) == low else 'getting worse,'} {way} ({about})"


def _reached(curves: Curves) -> Iterator[str]:
    key = score_key(curves)
    if key is not None:
        yield f"{key} {_number(curves.last(key))}, {_course(curves, key)}{_best(curves, key)}"
    looked, learned = curves.last(f"{VAL}l1"), curves.settled("g_l1")
    unseen, floor = curves.last("pairs.one_color_unseen"), curves.last("pairs.one_color")
    if unseen and looked is not None:
        yield f"where one color for everything comes to an L1 of {unseen:.3f}"
    elif floor and (looked is not None or learned is not None):
        of = " on the pairs that it learns from" if looked is not None else ""
        yield f"where one color for everything comes to an L1 of {floor:.3f}{of}"
    objective = curves.settled("objective")
    if objective is not None and is_logits(curves):
        yield f"with an objective of {objective:.2f} (even is {LOG_4:.2f})"


def _best(curves: Curves, key: str) -> str:
    """The best look, if it was not the last one."""
    low = is_better_low(key)
    if low is None or not key.startswith(VAL):
        return ""
    steps, values = curves.curve(key)
    at = int(values.argmin() if low else values.argmax())
    return "" if at == len(values) - 1 else f", at best {_number(float(values[at]))} at step {steps[at]:.0f}"


def _first(curves: Curves, found: list[Trouble]) -> str:
    """What to change first."""
    if found:
        return found[0].remedy
    key = score_key(curves)
    trend = None if key is None else curves.trend(key)
    longer = "(--training.resume auto, with a larger " + (
        "training.steps)" if curves.options.get("training.steps") else "training.rate.epochs)"
    )
    if key is not None and key.startswith(VAL) and trend is None and curves.options.get("training.evaluate_every") == 1:
        return f"its length: a look an epoch was too few for a trend {longer}"
    if key is None or trend is None:
        return "look at a validation split (data.validation_split) more often, with training.evaluate_every 1"
    low = is_better_low(key)
    better = None if low is None else trend.moves * (-1 if low else 1)
    if better == 1:
        return f"nothing but its length: the score was still getting better {longer}"
    if better == -1 and is_price(curves, key):
        return (
            f"nothing that {key} could tell: it prefers blurred pictures, and the game began late; look at the "
            "samples, and at SWD (atme evaluate)"
        )
    if not key.startswith(VAL):
        return (
            "measure it on a validation split (data.validation_split), with training.evaluate_every 1: "
            f"{key} is of pairs that it learns from"
        )
    if better == -1:
        return "its length: the score got worse toward the end, so keep the best checkpoint, with training.keep_best"
    return "not its length, since the score was flat: more pairs, a larger generator, or another noise"


def _so_far(curves: Curves) -> str:
    count = len(curves.lines)
    return f"{count} {'line' if count == 1 else 'lines'} of the log, {100 * curves.done:.0f} % of the updates"


def _more_lines(curves: Curves) -> str:
    if curves.done < SHARE:
        return "Go on with it, with --training.resume auto."
    if curves.steps < LINES:  # no number of lines would do
        return f"A run of {LINES} updates or more says more."
    every = max(1, curves.steps // (4 * LINES))
    return f"A smaller training.log_every, such as {every}, says more next time."


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"
