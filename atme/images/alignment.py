"""Does the second half of a pair lie where the first one does? Phase correlation of the orientation of edges.

A photograph and its label map share hardly any gray values; what they share is where edges run. So each half
is turned into its orientation field, a complex number per pixel: the angle of the gradient, doubled, so that
a step from dark to bright and one from bright to dark agree, and of unit length, so that faint edges count as
much as strong ones. The two fields are correlated by phase, and the highest peak within reach is the shift:

    z = (∂x + i ∂y)² / |∂x + i ∂y|²        S = F⁻¹ [ F(z_a) F(z_b)* / |F(z_a) F(z_b)*| ]

Along a single straight edge, such as a bridge, and across a grid of streets S has many high places, and where tall
houses lean in the photograph, some edges are off while the streets are not. A half that was shifted as a whole is
shifted in all of its parts, so the parts of the picture vote, each by how much better the edges in it agree,
Re z_a z_b*, after the shift than before.

Source: orientation correlation, Fitch, Kadyrov, Christmas, Kittler, BMVC 2002; the doubled angle is that of
the structure tensor; the vote is ours. With the magnitude of the gradient in place of its orientation half as many of
earth's shifted pairs would be found. What is found and missed of five datasets stands in docs/your-data.md.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from atme.images.pixels import Pixels

Field = NDArray[np.float32]

_REACH = 8  # shifts are sought up to this fraction of the side
_WINDOW = 1024  # larger pictures are compared in their middle
_FAINT = 1e-3  # squared gradients below this share of the largest one are noise
_BLUR = 1.5  # pixels; a real peak is a few pixels wide, a chance one is a single pixel
_SIGNIFICANT = 7.5  # robust standard deviations of the surface; unrelated halves hardly ever reach it
_NEAR = 3  # pixels; a peak that lies nearer is told as it is, one farther off must also win against no shift
_CLEAR = 0.45  # share of the peak that must stand above what is found at no shift
_PARTS = 4  # squared: parts of the picture that vote
_WON = 0.9  # share of what the parts prefer by that must be for the shift


def shift_of(a: Pixels, b: Pixels) -> tuple[float, float] | None:
    """How far B lies from A.

    Args:
        a: (H, W, C) uint8 or uint16.
        b: The same size; channels and bits may differ.

    Returns:
        (right, down) in pixels and parts of them, the way in which B must be moved to lie on A; None if the halves
        do not show where they belong.
    """
    reach = min(_WINDOW, *a.shape[:2]) // _REACH
    if reach < _NEAR:
        return None  # too small to tell
    of_a, of_b = _orientation(_middle(a)), _orientation(_middle(b))
    near = _around_center(_surface(of_a, of_b), reach)
    y, x = (int(i) for i in np.unravel_index(near.argmax(), near.shape))
    right, down = x - reach, y - reach
    peak, unshifted = near.max(), _around_center(near, 1).max()
    if not peak > _SIGNIFICANT:
        return None
    is_far = max(abs(right), abs(down)) >= _NEAR
    if is_far and (peak - unshifted <= _CLEAR * peak or _won(of_a, of_b, right, down) < _WON):
        return None
    return right + _between(near[y], x), down + _between(near[:, x], y)


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


def _between(line: Field, place: int) -> float:
    """How far beside the highest place of a line its peak lies, from -0.5 to 0.5: that of a parabola through three."""
    if not 0 < place < len(line) - 1:
        return 0.0
    before, top, after = (float(value) for value in line[place - 1 : place + 2])
    return 0.5 * (before - after) / min(before - 2 * top + after, -1e-6)


def _won(a: Field, b: Field, right: int, down: int) -> float:
    """What the parts of the picture prefer the shift by, as a share of what they prefer either by."""
    shifted, unshifted = (_agreement(a, np.roll(b, way, (0, 1))) for way in ((down, right), (0, 0)))
    better = shifted - unshifted
    return float(np.maximum(better, 0).sum() / (np.abs(better).sum() + 1e-12))


def _agreement(a: Field, b: Field) -> Field:
    """(parts, parts): the mean of Re z_a z_b* in each part, at the best of the nine shifts by up to a pixel."""
    moved = [cv2.multiply(a, np.roll(b, (y, x), (0, 1))).sum(axis=2) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    parts = [cv2.resize(product, (_PARTS, _PARTS), interpolation=cv2.INTER_AREA) for product in moved]
    return np.asarray(np.max(parts, axis=0))
