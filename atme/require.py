"""What a public door asks of its arguments; where one does not fit: its name, its value, and what may stand there.

Tensors are known by what they can do, so that nothing here loads torch.
"""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, SupportsInt, TypeGuard, get_args

_SHOWN = 60  # letters of a value


def shown(value: object) -> str:
    """A value, as short as an error message has room for."""
    shape = getattr(value, "shape", None)
    text = repr(value) if shape is None else f"{type(value).__name__} of shape {tuple(shape)}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def whole(name: str, value: object, *, least: int = 0, most: int | None = None) -> None:
    """A whole number in a range.

    Raises:
        ValueError: it is none.
    """
    if not (_is_whole(value) and int(value) >= least and (most is None or int(value) <= most)):
        limits = f"from {least} on" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name}: {shown(value)} is no whole number {limits}; give one")


def wholes(least: int, /, **values: object) -> None:
    """Whole numbers from ``least`` on, by their names.

    Raises:
        ValueError: one of them is none.
    """
    for name, value in values.items():
        whole(name, value, least=least)


def number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    below: float | None = None,
    least: float | None = None,
    most: float | None = None,
) -> None:
    """A finite number in a range.

    Raises:
        ValueError: it is none.
    """
    at = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    fits = math.isfinite(at) and (above is None or at > above) and (below is None or at < below)
    if not (fits and (least is None or at >= least) and (most is None or at <= most)):
        limits = [f"above {above:g}" if above is not None else "", f"from {least:g} on" if least is not None else ""]
        limits += [f"up to {most:g}" if most is not None else "", f"and below {below:g}" if below is not None else ""]
        range_in_words = "".join(f" {limit}" for limit in limits if limit)
        raise ValueError(f"{name}: {shown(value)} is no number{range_in_words}; give one")


def choice(name: str, value: object, among: Any) -> None:
    """One of the values of a ``Literal``, or of a sequence of strings.

    Raises:
        ValueError: it is none of them.
    """
    names = tuple(among) if isinstance(among, list | tuple | dict | frozenset | set) else get_args(among)
    if not (isinstance(value, str) and value in names):
        raise ValueError(f"{name}: {shown(value)} is unknown; choose from {', '.join(map(str, names))}")


def size(name: str, value: object, *, least: int = 1) -> None:
    """A height and a width.

    Raises:
        ValueError: it is none.
    """
    items = list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else []
    if len(items) != 2 or not all(map(_is_whole, items)):
        raise ValueError(f"{name}: {shown(value)} is no size in pixels; give a height and a width")
    if any(side < least for side in items):
        raise ValueError(f"{name}: {shown(value)} is no size in pixels; give a height and a width from {least} on")


def numbers(name: str, value: object, *, count: int) -> None:
    """A sequence of so many finite numbers.

    Raises:
        ValueError: it is none.
    """
    items = list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else []
    real = [isinstance(item, Real) and not isinstance(item, bool) and math.isfinite(item) for item in items]
    if len(items) != count or not all(real):
        raise ValueError(f"{name}: {shown(value)} are not {count} numbers; give {count}")


def whole_numbers(name: str, value: object, *, least: int = 0, count: int | None = None) -> None:
    """A sequence of whole numbers, at least one, or just so many.

    Raises:
        ValueError: it is none.
    """
    items = list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else []
    enough = bool(items) and (count is None or len(items) == count)
    if not enough or not all(_is_whole(item) and int(item) >= least for item in items):
        many = "one or more" if count is None else str(count)
        raise ValueError(f"{name}: {shown(value)} are no whole numbers from {least} on; give {many}")


def kind(name: str, value: object, *, of: type | tuple[type, ...]) -> None:
    """An instance of a class.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, of):
        names = " or ".join(each.__name__ for each in (of if isinstance(of, tuple) else (of,)))
        raise ValueError(f"{name}: {shown(value)} is no {names}; give one")


def tensor(name: str, value: Any, shape: Sequence[int | str], *, floating: bool = True) -> None:
    """A tensor of a shape; letters stand for any length.

    Args:
        name: of the argument.
        value: what was given.
        shape: lengths of the axes, such as ``("B", 3, "H", "W")``.
        floating: whether it must hold real numbers, as networks read them.

    Raises:
        ValueError: it is none.
    """
    wanted = f"({', '.join(map(str, shape))})"
    if not hasattr(value, "is_floating_point"):
        raise ValueError(f"{name}: {shown(value)} is no tensor; give one of shape {wanted}")
    if len(value.shape) != len(shape) or any(
        isinstance(side, int) and side != have for side, have in zip(shape, value.shape, strict=True)
    ):
        raise ValueError(f"{name}: has shape {tuple(value.shape)}; give one of shape {wanted}")
    if floating and not value.is_floating_point():
        raise ValueError(f"{name}: holds {value.dtype}; convert it to float32 in [-1, 1]")
    if 0 in value.shape:
        raise ValueError(f"{name}: has shape {tuple(value.shape)}, without any element; give one of shape {wanted}")


def _is_whole(value: object) -> TypeGuard[SupportsInt]:
    if type(value).__name__ == "SymInt":  # torch's, of a size that is open while a graph is traced
        return True
    return isinstance(value, Integral) and not isinstance(value, bool)
