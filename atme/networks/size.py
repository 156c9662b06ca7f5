"""Which image sizes a network accepts, said before a layer deep inside it fails on them."""

from torch import Tensor

from atme import require


def shrunk(side: int, by: int) -> int:
    """How many pixels are left of a side that is made so many times smaller, rounded up.

    No negative number is divided, as -(-side // by) would do it: ONNX rounds those towards zero.
    """
    return (side + by - 1) // by


def require_judged(source: Tensor, image: Tensor, level: Tensor | None, *, channels: tuple[int, int]) -> None:
    """Check what a discriminator is given: images beside their sources, of one size, and perhaps a level of each.

    Args:
        source: (B, C, H, W).
        image: (B, C', H, W).
        level: (B,), or None.
        channels: C and C'.

    Raises:
        ValueError: if one of them is none.
    """
    require.tensor("source", source, ("B", channels[0], "H", "W"))
    require.tensor("image", image, (source.shape[0], channels[1], *source.shape[-2:]))
    if level is not None:
        require.tensor("level", level, (image.shape[0],), floating=False)


def require_size(image: Tensor, *, channels: int, stride: int, network: str, smallest: int | None = None) -> None:
    """Check a batch of images: that it is one, its channels, height and width.

    Args:
        image: (B, C, H, W).
        channels: C.
        stride: H and W must be multiples of it.
        network: the name that the error gives.
        smallest: the least H and W; the stride itself if left out.

    Raises:
        ValueError: if it is no such batch, or if H or W does not fit; it names both, and the next size that fits.
    """
    require.tensor("image", image, ("B", channels, "H", "W"))
    height, width = image.shape[-2:]
    smallest = smallest or stride
    if height % stride == 0 and width % stride == 0 and height >= smallest and width >= smallest:
        return
    fitting = [max(smallest, shrunk(side, stride) * stride) for side in (height, width)]
    raise ValueError(
        f"an image of height {height} and width {width}: {network} needs multiples of {stride}"
        f" from {smallest} on; pad it to {fitting[0]}×{fitting[1]}, or crop it"
    )
