"""Whether what was computed in another way is what it should be."""

from torch import Tensor


def near(ours: Tensor, wanted: Tensor, within: float) -> None:
    """Within a share of the norm."""
    assert ours.shape == wanted.shape
    assert (ours.double() - wanted.double()).norm() <= within * wanted.double().norm()
