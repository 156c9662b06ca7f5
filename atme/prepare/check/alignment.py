"""Does the second half of a pair lie where the first one does? Phase correlation of the orientation of edges.

A photograph and its label map share hardly any gray values; what they share is where edges run. So each half
is turned into its orientation field, a complex number per pixel: the angle of the gradient, doubled, so that
a step from dark to bright and one from bright to dark agree, and of unit length, so that faint edges count as
much as strong ones. The two fields are correlated by phase, and the highest peak within reach is the shift:

    z = (∂x + i ∂y)² / |∂x + i ∂y|²        S = F⁻¹ [ F(z_a) F(z_b)* / |F(z_a) F(z_b)*| ]

Source: orientation correlation, Fitch, Kadyrov, Christmas, Kittler, BMVC 2002; the doubled angle is that of
the structure tensor. Measured on the 131 pairs of earth at 256 px under the thresholds below: no aligned pair
is reported; of pairs shifted by 4 to 20 px 80 to 91 % are, with the true shift (the rest is mostly water).
With the magnitude of the gradient in place of its orientation it would be half of them.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from atme.images import Pixels

Field = NDArray[np.float32]

SMALLEST = 3
"""Pixels of shift that are reported: a label map drawn by hand is off by one or two at many an edge."""

_REACH = 8  # shifts are sought up to this fraction of the side
_WINDOW = 1024  # larger pictures are compared in their middle
_FAINT = 1e-3  # squared gradients below this share of the largest one are noise
_BLUR = 1.5  # pixels; a real peak is a few pixels wide, a chance one is a single pixel
_SIGNIFICANT = 9.0  # robust standard deviations of the surface; unrelated halves hardly ever reach it
_CLEAR = 0.5  # share of the peak that must stand above what is found at no shift


def shift_of(a: Pixels, b: Pixels) -> tuple[int, int] | None:
    """How far B lies from A.

    Args:
        a: (H, W, C) uint8 or uint16.
        b: The same size; channels and bits may differ.

    Returns:
        (right, down) in pixels, the way in which B must be moved to lie on A; None if no side is off by
        `SMALLEST` px, or the halves do not show where they belong.
    """
    reach = min(_WINDOW, *a.shape[:2]) // _REACH
    if reach < SMALLEST:
        return None  # too small to tell
    surface = _surface(_orientation(_middle(a)), _orientation(_middle(b)))
    near = _around_center(surface, reach)
    down, right = (int(i) - reach for i in np.unravel_index(near.argmax(), near.shape))
    peak, unshifted = near.max(), _around_center(surface, 1).max()
    clear = peak > _SIGNIFICANT and peak - unshifted > _CLEAR * peak
    return (right, down) if clear and max(abs(right), abs(down)) >= SMALLEST else None


def _middle(image: Pixels) -> Pixels:
    top, left = (max(0, side - _WINDOW) // 2 for side in image.shape[:2])
    return image[top : top + _WINDOW, left : left + _WINDOW]


def _orientation(image: Pixels) -> Field:
    """(H, W, 2): real and imaginary part of z; 0 where there is no edge, fading to 0 at the border."""
    real = np.zeros(image.shape[:2], np.float32)
    imaginary = np.zeros_like(real)
    for plane in cv2.split(image):  # the channels' squares add up, so an edge in any of them counts
        dx, dy = cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1)
        real += dx * dx - dy * dy
        imaginary += 2 * dx * dy
    strength = cv2.magnitude(real, imaginary)
    window = cv2.createHanningWindow(real.shape[::-1], cv2.CV_32F)
    scale = 1 / (strength + _FAINT * strength.max() + 1e-6)
    parts = (part * scale for part in (real, imaginary))
    return np.asarray(cv2.merge([(part - part.mean()) * window for part in parts]))


def _surface(a: Field, b: Field) -> Field:
    """(H, W): S above, no shift in the middle, in robust standard deviations."""
    product = np.asarray(cv2.mulSpectrums(cv2.dft(a), cv2.dft(b), 0, conjB=True))
    phase = product / (cv2.magnitude(product[..., 0], product[..., 1])[..., None] + 1e-12)
    surface = np.fft.fftshift(cv2.idft(phase, flags=cv2.DFT_SCALE)[..., 0])
    smooth = cv2.GaussianBlur(surface, (0, 0), _BLUR)
    sample = smooth[::3, ::3]
    spread = 1.4826 * np.median(np.abs(sample - np.median(sample)))
    return np.asarray(smooth / (spread + 1e-12))


def _around_center(surface: Field, reach: int) -> Field:
    y, x = (side // 2 for side in surface.shape)
    return surface[y - reach : y + reach + 1, x - reach : x + reach + 1]
