"""What can go wrong in a training and be told from its log: one function each, with its reason and its threshold.

A function looks at the curves and says what it found, or nothing. The first ones of `DIAGNOSES` explain what the later
ones see, so they come first. A new one is a function and its place in that list. Thresholds were set on ten of the runs
of ``analysis/status_study.py``, which plants each trouble; docs/training.md has what came out on the others.

What is said of the discriminator reads its outputs as logits, and holds for the ``vanilla`` game alone.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from atme.status.curves import Array, Curves

LOG_4 = math.log(4)
"""The objective of an even game, nats."""


@dataclass(frozen=True)
class Trouble:
    """Something that keeps a training from getting anywhere."""

    kind: str
    """The name of the function that found it."""
    what: str
    """In a few words."""
    why: str
    """By which numbers it is known."""
    remedy: str
    """What to change first."""


Found = tuple[str, str, str]
"""What, why and remedy."""
Diagnosis = Callable[[Curves], Found | None]

LINES = 8
"""Of the log, before which curves say nothing."""
SHARE = 0.15
"""Of the run's updates, likewise."""


def is_early(curves: Curves) -> bool:
    """Whether it is too early to say anything of the curves."""
    return len(curves.lines) < LINES or curves.done < SHARE


def troubles(curves: Curves) -> list[Trouble]:
    """All that is found, what explains the most first."""
    return list(_found(curves))


def _found(curves: Curves) -> Iterator[Trouble]:
    asked = OF_PAIRS if is_early(curves) else DIAGNOSES
    for diagnosis in asked:
        found = diagnosis(curves)
        if found is not None:
            yield Trouble(diagnosis.__name__, *found)


def is_logits(curves: Curves) -> bool:
    """Whether the discriminator's outputs are logits."""
    return bool(curves.options.get("model.init_args.adversarial", "vanilla") == "vanilla")


def blank_targets(curves: Curves) -> Found | None:
    """One color within every target: a hundredth of the range is less than JPEG's noise."""
    spread = curves.last("pairs.spread")
    if spread is None or spread >= 0.01:
        return None
    return (
        "the targets are blank: one color each",
        f"values in them spread by {spread:.3f} of the range from -1 to 1",
        "look at them with atme data preview; the target may be the other half (data.direction), or files are damaged",
    )


def same_targets(curves: Curves) -> Found | None:
    """One target for different sources: there is nothing to translate."""
    looked, targets, sources = (curves.last(f"pairs.{name}") for name in ("looked", "targets", "sources"))
    if looked is None or targets is None or sources is None or not (targets == 1 < sources):
        return None
    return (
        "every target is the same picture",
        f"{looked:.0f} pairs were looked at, with {sources:.0f} different sources",
        "look at them with atme data preview, and pair them anew with atme data pair",
    )


def repeated_pairs(curves: Curves) -> Found | None:
    """The same pair again and again: at most half of those that were looked at are different."""
    looked, sources = curves.last("pairs.looked"), curves.last("pairs.sources")
    if looked is None or sources is None or looked < 4 or sources > looked / 2:
        return None
    return (
        "the same picture is there again and again",
        f"of {looked:.0f} pairs that were looked at {sources:.0f} are different",
        "atme data check finds copies, and --fix sets them aside; then more pictures are needed",
    )


def turned_pairs(curves: Curves) -> Found | None:
    """Halves that are swapped in some pairs: one in twenty may look so by chance."""
    turned = curves.last("pairs.turned")
    if turned is None or turned <= 0.05:
        return None
    return (
        "halves are swapped in some pairs",
        f"source and target differ in one way in most of the pairs that were looked at, and in the opposite way in "
        f"{100 * turned:.0f} % of them",
        "look at them with atme data preview, and turn those pairs round",
    )


def shifted_pairs(curves: Curves) -> Found | None:
    """Targets that lie beside their sources: three pixels are more than roofs lean in photographs."""
    shift = curves.last("pairs.shift")
    if shift is None or shift < 3:
        return None
    return (
        "targets do not lie where their sources do",
        f"edges agree best {shift:.0f} pixels off, in the median of the pairs that show it",
        "atme data check lists the pairs and how to move them; align them, then train anew",
    )


def saturated_generator(curves: Curves) -> Found | None:
    """Translations that are black and white where targets are not: at the ends of a tanh, where gradients are small."""
    ends, true = curves.settled("g_ends"), curves.last("pairs.ends") or 0.0
    if ends is None or ends <= true + 0.3:
        return None
    return (
        "the generator is saturated",
        f"{100 * ends:.0f} % of its values are black or white, and {100 * true:.0f} % of the targets'",
        _rate(curves, "generator", "lower", 10),
    )


def flat_generator(curves: Curves) -> Found | None:
    """Translations of one color each, where targets have more to them: a tenth of their spread."""
    spread, true = curves.settled("g_spread"), curves.last("pairs.spread")
    if spread is None or true is None or true < 0.05 or spread >= 0.1 * true:
        return None
    return (
        "the generator answers with one color",
        f"its pictures spread by {spread:.3f} within themselves, and targets by {true:.2f}",
        _rate(curves, "generator", "lower", 10),
    )


def blind_critic(curves: Curves) -> Found | None:
    """A discriminator that has said the same of everything since the beginning: its objective never moved.

    One that learns leaves log 4 within the first lines, even if the game is even later; but in a denoising diffusion
    GAN, which judges pictures that are mostly noise, log 4 is where a good game stays. So it is where translations are
    hard to tell from targets, once a late game begins: a fifth of what one color for all would come to.
    """
    steps, values = curves.curve("objective")
    floor, l1 = curves.last("pairs.one_color"), curves.settled("g_l1")
    if floor is not None and l1 is not None and l1 < 0.2 * floor:
        return None
    denoises = str(curves.options.get("model.class_path", "")).endswith("DenoisingGAN")
    if not is_logits(curves) or denoises or len(values) < LINES:
        return None
    played = (steps[-1] - steps[0]) / max(curves.steps - steps[0], 1)  # of the game, which may begin late
    if played < 0.25 or curves.done < 0.3 or _middle_half(values) > 0.01 or values.mean() < 1.2:
        return None
    return (
        "the discriminator learns nothing",
        f"its objective has been {values.mean():.3f} from the first line on (even is {LOG_4:.3f})",
        _rate(curves, "discriminator", "raise", 10) + ", or model.init_args.d_loss_factor",
    )


def strong_critic(curves: Curves) -> Found | None:
    """A discriminator that is hardly ever wrong: what it says does not move the generator any more."""
    objective = curves.settled("objective")
    if not is_logits(curves) or objective is None or objective >= 0.3:
        return None
    return (
        "the discriminator has won",
        f"its objective is {objective:.2f}, where {LOG_4:.2f} is even",
        _rate(curves, "discriminator", "lower", 4) + ", or let it read noise (noise atme.Diffusion)",
    )


def unlearned(curves: Curves) -> Found | None:
    """No better than one color for everything, neither in training nor on the validation split, if there is one.

    In training, where a few crops decide what a line says, three quarters of the late lines must be no better. Before
    the end it must be worse by a tenth, and not fall.
    """
    floor, looks = curves.last("pairs.one_color"), curves.settled("val_l1")
    unseen = curves.last("pairs.one_color_unseen") or floor
    late = curves.late("g_l1")
    if floor is None or floor < 0.01 or not len(late) or curves.done < 0.3:
        return None
    l1 = float(np.quantile(late, 0.25))
    if looks is not None and unseen and looks / unseen < l1 / floor:
        l1, floor = looks, unseen  # what is nearer to having learned something
    moves = curves.trend("g_l1")
    falls = moves is None or moves.moves < 0
    if l1 < floor or (curves.done < 1 and (falls or l1 < 1.1 * floor)):
        return None
    if curves.options.get("model.init_args.lambda_l1") == 0:
        remedy = "give the distance a weight: model.init_args.lambda_l1 is 0, and 100 is the papers'"
    elif falls:
        remedy = "train longer: it was falling"
    else:
        remedy = _rate(curves, "generator", "lower", 10)
    return (
        "nothing was learned that one color does not do",
        f"L1 is {l1:.3f}, and the median color of the targets comes to {floor:.3f}",
        remedy,
    )


def saturated_memory(curves: Curves) -> Found | None:
    """W at its ends: where it is -1, x·(1 + W) hides the picture from the generator.

    Either it is there nearly everywhere, or here at one end and there at the other one. A W that is near 1 everywhere
    hides nothing: the generator reads 2x.
    """
    mean, within = curves.settled("w_mean"), curves.settled("w_std")
    if mean is None or within is None or (within <= 0.5 and mean >= -0.8):
        return None
    return (
        "ATME's noise W is saturated",
        f"its mean is {mean:.2f} and its spread within an image {within:.2f}, of at most 1",
        "bound it with noise.init_args.amplitude, such as {start: 0.3, end: 0.3}, or slow it down with "
        "noise.init_args.w_rate 0.1",
    )


def overfitted(curves: Curves) -> Found | None:
    """Much better on pairs that are trained on than on others, whose score does not fall any more."""
    ours, others, moves = curves.settled("g_l1"), curves.settled("val_l1"), curves.trend("val_l1")
    if ours is None or others is None or moves is None or moves.moves < 0 or others < 1.5 * ours:
        return None
    return (
        "it learns its training pairs by heart",
        f"L1 is {ours:.3f} on them and {others:.3f} on the validation split, which does not fall any more",
        "more pairs, or more views of each (data.flip, data.crop_size, data.transforms), and training.keep_best l1",
    )


OF_PAIRS: tuple[Diagnosis, ...] = (blank_targets, same_targets, repeated_pairs, turned_pairs, shifted_pairs)
"""What is known from the first line on."""

DIAGNOSES: tuple[Diagnosis, ...] = (
    *OF_PAIRS,
    saturated_generator,
    flat_generator,
    blind_critic,
    strong_critic,
    unlearned,
    saturated_memory,
    overfitted,
)


def _middle_half(values: Array) -> float:
    """How far apart the quartiles are."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low)


def _rate(curves: Curves, side: str, how: str, by: int) -> str:
    """What to do with a side's learning rate, with what it is now, if that is known."""
    key = f"optimizers.{side}.init_args.lr"
    now = curves.options.get(key)
    if now == 0:
        return f"set {key}, which is 0 (2e-4 is the papers')"
    said = f" (now {now:g})" if isinstance(now, int | float) else ""
    return f"{how} {key}{said} by a factor of {by}"
