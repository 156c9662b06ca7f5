"""Passes over whole maps and weights in C++ (cpp/): what each computes, and how it is called.

For maps on a CPU, and only where `kernels.take`. Numbers of a channel are (B, C), in float32 at least. What is computed
has no gradient: the files that call these have the derivatives. Those of fused.py are in normalization_passes.py, of
attention in attention_passes.py.
"""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.profiler import record_function

from atme.networks import kernels

_NAMES = {torch.float32: "float", torch.float64: "double", torch.bfloat16: "bfloat16"}


def channel_sums(image: Tensor) -> Tensor:
    """Σ over images and pixels of (B, C, H, W): (C,)."""
    image = beside_each_other(image)
    total = torch.empty(image.shape[1], dtype=precise_kind(image))
    call("sums", [image.dtype], image, total, *sizes(image))
    return total


def between(weight: Tensor) -> Tensor:
    """Weights of four results between pixels, (C', C, 3, 3) to (2·2·C', C, 2, 2), as doubled.py says."""
    weight = beside_each_other(weight)
    rows, channels = weight.shape[:2]
    result = weight.new_empty(4 * rows, 2, 2, channels).permute(0, 3, 1, 2)
    call("between", [weight.dtype], weight, result, rows, channels)
    return result


def between_slope(gradient: Tensor) -> Tensor:
    """The derivative of `between`, (2·2·C', C, 2, 2) to (C', C, 3, 3)."""
    gradient = beside_each_other(gradient)
    rows, channels = len(gradient) // 4, gradient.shape[1]
    result = gradient.new_empty(rows, 3, 3, channels).permute(0, 3, 1, 2)
    call("between_slope", [gradient.dtype], gradient, result, rows, channels)
    return result


def interleaved(image: Tensor) -> Tensor:
    """Four results between pixels, as channels, to where they belong: (B, 4 C, H+1, W+1) to (B, C, 2H, 2W).

    The first two are those above, the first and the third those to the left; the outermost have no place.
    """
    batch, channels, height, width = image.shape
    return _interleaved(image, (batch, channels // 4, 2 * height - 2, 2 * width - 2), back=False)


def parted(image: Tensor) -> Tensor:
    """Back, (B, C, 2H, 2W) to (B, 4 C, H+1, W+1); the outermost are 0."""
    batch, channels, height, width = image.shape
    return _interleaved(image, (batch, 4 * channels, height // 2 + 1, width // 2 + 1), back=True)


def _interleaved(image: Tensor, size: tuple[int, ...], *, back: bool) -> Tensor:
    image = beside_each_other(image)
    result = torch.empty(size, dtype=image.dtype, memory_format=torch.channels_last)
    parts = image if not back else result
    bytes_of = parts.shape[1] // 4 * image.element_size()
    call("interleaved", [], image, result, len(image), parts.shape[2], parts.shape[3], bytes_of, int(back))
    return result


def enlarged(image: Tensor, *, place: int) -> Tensor:
    """(B, C, H, W) to (B, C, 2H, 2W), as enlarged.py says."""
    image = beside_each_other(image)
    batch, channels, height, width = image.shape
    size = batch, channels, 2 * height, 2 * width
    result = torch.empty(size, dtype=image.dtype, memory_format=torch.channels_last)
    call("enlarged", [image.dtype], image, result, batch, height, width, channels, place)
    return result


def enlarged_slope(gradient: Tensor, *, place: int) -> Tensor:
    """The derivative of `enlarged`, (B, C, 2H, 2W) to (B, C, H, W)."""
    gradient = beside_each_other(gradient)
    batch, channels, height, width = gradient.shape
    size = batch, channels, height // 2, width // 2
    result = torch.empty(size, dtype=gradient.dtype, memory_format=torch.channels_last)
    call("enlarged_slope", [gradient.dtype], gradient, result, batch, height // 2, width // 2, channels, place)
    return result


def normalized(
    pixels: Tensor, scale: Tensor, *, start: Tensor | None = None, residual: Tensor | None = None, eps: float
) -> Tensor:
    """Each pixel plus `start`, normalized over its channels; times `scale`, plus `residual`.

    Args:
        pixels: (B, H, W, C), and the residual likewise.
        scale: (C,), and `start` likewise.
        start: None is 0.
        residual: None is 0.
        eps: added to the variance.

    Returns:
        (B, H, W, C).
    """
    pixels, residual = pixels.contiguous(), None if residual is None else residual.contiguous()
    result = torch.empty_like(pixels)
    numbers = _of_channels(start, pixels), _of_channels(scale, pixels)
    call("normalized", [pixels.dtype], pixels, *numbers, residual, result, *_rows(pixels), float(eps))
    return result


def normalized_slope(
    gradient: Tensor,
    pixels: Tensor,
    scale: Tensor,
    *,
    start: Tensor | None = None,
    more: Tensor | None = None,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """From the gradient of `normalized` to that of the pixels, (B, H, W, C), of `start` and of `scale`, (C,) each.

    Args:
        gradient: of the result, (B, H, W, C).
        pixels: as there.
        scale: as there.
        start: as there.
        more: (B, H, W, C), added to the gradient of the pixels; None is 0.
        eps: as there.
    """
    pixels, gradient = pixels.contiguous(), gradient.contiguous()
    more = None if more is None else more.contiguous()
    result = torch.empty_like(pixels)
    of_start, of_scale = (torch.empty(pixels.shape[-1], dtype=precise_kind(pixels)) for _ in range(2))
    numbers = _of_channels(start, pixels), _of_channels(scale, pixels)
    sizes = *_rows(pixels), float(eps)
    call("normalized_slope", [pixels.dtype], gradient, pixels, *numbers, more, result, of_start, of_scale, *sizes)
    return result, of_start, of_scale


def exponentials_(k: Tensor) -> Tensor:
    """e^(k − its maximum over pixels) in place of k, (B, H, W, F); returns the sums over pixels, (B, F)."""
    total = torch.empty(len(k), k.shape[3], dtype=precise_kind(k))
    call("exponentials", [k.dtype], k, total, len(k), k[0, ..., 0].numel(), k.shape[3])
    return total


def centered_(of_k: Tensor, e: Tensor, same: Tensor) -> Tensor:
    """e (k̄ − Σ k k̄) in place of k̄, (B, H, W, F), with the sums (B, F)."""
    call(
        "centered", [e.dtype], e, of_k, same.to(precise_kind(e)).contiguous(), len(e), e[0, ..., 0].numel(), e.shape[3]
    )
    return of_k


def softmax_(rows: Tensor, width: int) -> Tensor:
    """The softmax of each `width` numbers that lie beside each other, in their place."""
    call("softmax", [rows.dtype], rows, rows.numel() // width, width)
    return rows


def softmax_slope_(gradient: Tensor, q: Tensor, width: int) -> Tensor:
    """The derivative of `softmax_` with the result q, in place of the gradient of q."""
    call("softmax_slope", [q.dtype], q, gradient, q.numel() // width, width)
    return gradient


def standardized(
    weight: Tensor, split: Sequence[int], kind: torch.dtype, *, eps: float
) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """Standardized rows of weights (C', C, k, k) in another precision, and m and r of each, (C', 2).

    Args:
        weight: (C', C, k, k).
        split: channels of one or two maps, C in all: each gets weights of its own.
        kind: one of those that `kernels.WEIGHTS` pairs with that of the weights.
        eps: added to the variance.
    """
    weight = beside_each_other(weight)
    rows, _, height, width = weight.shape
    made = [
        torch.empty(rows, channels, height, width, dtype=kind, memory_format=torch.channels_last) for channels in split
    ]
    statistics = torch.empty(rows, 2, dtype=weight.dtype)
    sizes = rows, height * width, sum(split), split[0]
    call("standardized", (weight.dtype, kind), weight, made[0], made[-1], statistics, *sizes, float(eps))
    return made, (statistics,)


def standardized_slope(gradients: Sequence[Tensor], weight: Tensor, statistics: tuple[Tensor, ...]) -> Tensor:
    """∂w (C', C, k, k) from the gradients of what `standardized` made, which may be overwritten."""
    gradients, weight = [beside_each_other(each) for each in gradients], beside_each_other(weight)
    in_place = len(gradients) == 1 and gradients[0].dtype == weight.dtype
    result = gradients[0] if in_place else torch.empty_like(weight)
    rows, _, height, width = weight.shape
    sizes = rows, height * width, weight.shape[1], gradients[0].shape[1]
    kinds = weight.dtype, gradients[0].dtype
    call("standardized_slope", kinds, gradients[0], gradients[-1], weight, statistics[0], result, *sizes)
    return result


def beside_each_other(image: Tensor) -> Tensor:
    """A map whose channels lie beside each other in memory."""
    return image.contiguous(memory_format=torch.channels_last)


def precise_kind(values: Tensor) -> torch.dtype:
    """The precision that sums of these are taken in."""
    return torch.promote_types(values.dtype, torch.float32)


def _of_channels(numbers: Tensor | None, pixels: Tensor) -> Tensor | None:
    """(C,), in the precision of sums."""
    return None if numbers is None else numbers.to(precise_kind(pixels)).contiguous()


def _rows(pixels: Tensor) -> tuple[int, int]:
    """Pixels of all images, channels."""
    return pixels.numel() // pixels.shape[-1], pixels.shape[-1]


def sizes(image: Tensor) -> tuple[int, int, int]:
    """Images, pixels, channels."""
    return image.shape[0], image.shape[2] * image.shape[3], image.shape[1]


def call(name: str, kinds: Sequence[torch.dtype], *arguments: Tensor | float | None) -> None:
    """Call a pass in its form for one or two precisions; whole numbers are sizes. PyTorch's profiler sees it."""
    pass_over = getattr(kernels.library(), "_".join((name, *(_NAMES[kind] for kind in kinds))))
    if pass_over.argtypes is None:
        pass_over.argtypes = [*map(_kind, arguments), ctypes.c_int]
    given = [each.data_ptr() if isinstance(each, Tensor) else each for each in arguments]
    if not torch.autograd.profiler._is_profiler_enabled:
        pass_over(*given, torch.get_num_threads())
        return
    with record_function(f"atme::{name}"):
        pass_over(*given, torch.get_num_threads())


def _kind(value: Tensor | float | None) -> type[ctypes.c_void_p | ctypes.c_int64 | ctypes.c_double]:
    """What a pass takes there: where there may be a tensor, None is none."""
    if value is None or isinstance(value, Tensor):
        return ctypes.c_void_p
    return ctypes.c_int64 if isinstance(value, int) else ctypes.c_double
