"""ATME's noise: the generator reads x·(1 + W), with W made from the verdict on the same image one epoch ago.

Solano-Carrillo et al., CVPRW 2023, arXiv 2304.09024:

    W_t = W(D_{t−1}[n]) ∈ (−1, 1),    x_t = x (1 + W_t),    ŷ = G(x_t, level),    level = mean(W_t),

where D_t[n] are the logits of D(x_n, ŷ_n), as the generator's update saw them at epoch t. Flattening W
flattens D, so the entropy of D's decisions is regularized through the game itself.

Decisions, and departures from the published code:

- *The memory holds logits*, so its state of maximum entropy is 0. The published first epoch reads U[0, 1) as
  if it held probabilities (``initial: published``); ``equilibrium`` starts at 0.
- *Unseen images* have no memory. The published code translates with a ripple 0.5 + 0.001·N(0, 1), which W's
  normalizations blow up to full size: each seed is another translation. ``translate_with`` chooses between
  that (``published``), a flat map (``equilibrium``) and two passes, the second reading the verdict on the
  first (``refine``).
- *Views.* Crop and flip are drawn anew at each visit, while the published memory knows only the image's
  index. ``align: true`` stores the view with the verdict and moves the map into the new view.
- *W is computed in float32*, also in mixed precision, since the steps of W are what the process studies;
  ``w_precision: run`` is for runs that are made for their translations.
- *Amplitude*: x·(1 + a W) with an a that moves while the run trains, which the paper has not: ``amplitude``.
- *Mean*: nothing keeps W from becoming one factor for a whole image. What its last layer adds up is positive on the
  whole, so that any gain by more or less contrast moves all of its weights one way, which Adam does at full speed
  however small the gain is. ``amplitude`` bounds W, and ``w_rate`` slows it down: docs/which-noise.md.
- *Level*: mean(W) in an embedding made for 0 … 1000 hardly turns most of its frequencies; ``level_scale``
  multiplies it, and 1 is the published value.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from atme import require
from atme.data import Pair
from atme.data.pair import square
from atme.networks import WNet
from atme.noise.injection import Corrupted, Game, Injection, Verdicts, require_known
from atme.ramp import Ramp


class DecisionMemory(Injection):
    """ATME's decision memory, with the network W that turns verdicts into multiplicative noise.

    Args:
        game: number of training images, their size, and the geometry of the verdicts.
        align: move the remembered map into the view of this visit; parts that were unseen get logit 0.
        initial: what an image finds before its first visit: ``equilibrium`` (0) or ``published`` (U[0, 1)).
        translate_with: what an image outside the training set finds: ``equilibrium`` (0), ``published``
            (0.5 + 0.001·N(0, 1), seeded) or ``refine`` (two passes; the second reads D's verdict on the
            first).
        ripple_seed: seed of the published ripple.
        level_scale: factor from mean(W) to the level that the generator embeds.
        widths: channels of W's three stages.
        w_rate: share of the learning rate that W moves with.
        w_precision: ``float32``, or ``run``: W's blocks in the run's precision and its end in float32.
        amplitude: a factor of W that moves with the training, such as ``{start: 0, end: 1, at: [0, 0.2]}``; the
            state keeps it, so that a checkpoint translates with the one that it was trained with. null is 1.
    """

    decisions: Tensor
    factor: Tensor
    views: Tensor
    of_each_image = ("decisions", "views")

    def __init__(
        self,
        game: Game,
        *,
        align: bool = False,
        initial: Literal["equilibrium", "published"] = "equilibrium",
        translate_with: Literal["equilibrium", "published", "refine"] = "equilibrium",
        ripple_seed: int = 0,
        level_scale: float = 1.0,
        widths: tuple[int, int, int] = (32, 64, 32),
        w_precision: Literal["float32", "run"] = "float32",
        amplitude: Ramp | None = None,
        w_rate: float = 1.0,
    ) -> None:
        super().__init__()
        require.kind("game", game, of=Game)
        require.choice("noise.initial", initial, ("equilibrium", "published"))
        require.choice("noise.translate_with", translate_with, ("equilibrium", "published", "refine"))
        require.whole("noise.ripple_seed", ripple_seed)
        require.number("noise.level_scale", level_scale)
        require.choice("noise.w_precision", w_precision, ("float32", "run"))
        self.game, self.align, self.level_scale = game, align, level_scale
        self.translate_with, self.ripple_seed, self.w_precision = translate_with, ripple_seed, w_precision
        self.passes = 2 if translate_with == "refine" else 1
        require.number("noise.w_rate", w_rate, above=0)
        self.network, self.amplitude = WNet(widths=widths), amplitude
        self.network.share_of_rate = w_rate  # a group of its own in the optimizer
        shape = (game.images, 1, *game.verdict_shape(*game.size))
        self.register_buffer("decisions", torch.rand(shape) if initial == "published" else torch.zeros(shape))
        if align:
            self.register_buffer("views", torch.eye(2, 3).repeat(game.images, 1, 1))
        if amplitude is not None:
            require.kind("noise.amplitude", amplitude, of=Ramp)
            self.register_buffer("factor", torch.tensor(amplitude(0.0)))

    def advance(self, progress: float) -> None:
        """Set W's amplitude."""
        if self.amplitude is not None:
            self.factor.fill_(self.amplitude(progress))

    def before_generator(self, pair: Pair, *, verdict: Tensor | None = None) -> Corrupted:
        """x → x·(1 + W); the level is mean(W)·level_scale."""
        require_known(pair, self.game)
        if verdict is not None:
            require.tensor("verdict", verdict, (pair.source.shape[0], 1, "h", "w"))
        decision = self._recall(pair) if verdict is None else verdict  # (B, 1, h, w)
        with self._precision(pair.source.device.type):
            w = self.network(decision.float(), size=pair.source.shape[-2:])  # (B, 1, H, W)
            w = w if self.amplitude is None else self.factor * w
        return Corrupted(pair.source * (1 + w), w.mean(dim=(1, 2, 3)) * self.level_scale, w)

    def _precision(self, device: str) -> AbstractContextManager[object]:
        return nullcontext() if self.w_precision == "run" else torch.autocast(device, enabled=False)

    @torch.no_grad()
    def remember(self, verdicts: Verdicts) -> None:
        """Keep the verdicts on the translations until these images are visited again."""
        self.decisions[verdicts.index] = verdicts.kept.to(self.decisions.dtype)
        if self.align:
            self.views[verdicts.index] = verdicts.view.to(self.views.dtype)

    def _recall(self, pair: Pair) -> Tensor:
        """What the memory holds for these samples: (B, 1, h, w) logits."""
        if pair.index is None:
            return self.unseen((pair.source.shape[-2], pair.source.shape[-1])).expand(pair.source.shape[0], -1, -1, -1)
        decision = self.decisions[pair.index]
        if not self.align:
            return decision
        return move(
            decision,
            then=self.views[pair.index],
            now=pair.view,
            size=self.game.size,
            stride=self.game.verdict_stride,
            start=self.game.verdict_start,
        )

    def unseen(self, size: tuple[int, int]) -> Tensor:
        """What an image (height, width) outside the training set finds: (1, 1, h, w) logits, the same for every one."""
        shape = (1, 1, *self.game.verdict_shape(*size))
        if self.translate_with != "published":
            return self.decisions.new_zeros(shape)
        rng = torch.Generator().manual_seed(self.ripple_seed)
        return 0.5 + 0.001 * torch.randn(shape, generator=rng).to(self.decisions)


def move(
    decision: Tensor, *, then: Tensor, now: Tensor, size: tuple[int, int], stride: int, start: float | None = None
) -> Tensor:
    """Move maps of verdicts from the views they were made in into other views.

    Cells of a map lie ``stride`` pixels apart, the middle of the first ``start`` pixels from a sample's edges. With S
    as the affine map from a map's normalized coordinates to its sample's, and the views M as affine maps from the
    sample to the whole picture, a cell now at p was then at S⁻¹ M_then⁻¹ M_now S p.

    Args:
        decision: (B, 1, h, w) logits.
        then: (B, 2, 3) views of the maps.
        now: (B, 2, 3) views wanted.
        size: height and width of a sample, in pixels.
        stride: pixels from cell to cell.
        start: pixels to the middle of the first cell; None: the map lies in the middle of the sample.

    Returns:
        (B, 1, h, w) logits, interpolated bilinearly; 0, the state of maximum entropy, where nothing was seen.

    Raises:
        ValueError: an argument of another shape, or a number out of its range.
    """
    require.tensor("decision", decision, ("B", 1, "h", "w"))
    require.tensor("then", then, (len(decision), 2, 3))
    require.tensor("now", now, (len(decision), 2, 3))
    require.size("size", size)
    require.whole("stride", stride, least=1)
    if start is not None:
        require.number("start", start)
    place = _place(tuple(decision.shape[-2:]), size, stride, start).to(now)
    with torch.autocast(decision.device.type, enabled=False):  # bf16 would place cells to 1 of 256
        path = torch.linalg.inv(square(then.to(now)) @ place) @ square(now) @ place  # (B, 3, 3)
        grid = F.affine_grid(path[:, :2].to(decision), list(decision.shape), align_corners=False)  # (B, h, w, 2)
        return F.grid_sample(decision, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _place(cells: tuple[int, ...], size: tuple[int, int], stride: int, start: float | None) -> Tensor:
    """S, (3, 3): from normalized coordinates of a map of h×w cells to those of its sample."""
    (height, width), (h, w) = size, cells
    off = [0.0, 0.0]
    if start is not None:
        off = [(2 * start + (count - 1) * stride) / side - 1 for count, side in ((w, width), (h, height))]
    return torch.tensor([[w * stride / width, 0, off[0]], [0, h * stride / height, off[1]], [0, 0, 1.0]])
