"""At which size pictures are loaded, and how large the crops are."""

from atme.data.shapes import Size
from atme.metrics import metric
from atme.planning.fingerprint import Fingerprint
from atme.planning.pictures import scaled
from atme.planning.rule import Chosen, Decision, Facts, Setting, rule

LOST = 0.15
"""Share of a target's L1 about its mean that may be lost by loading it smaller."""
LEAST = 144
"""Pixels of the shorter side below which nothing is shrunk."""
CROPS = {0: 128, 192: 192, 385: 256}
"""Pixels of a crop, by the fewest that the shorter side is loaded with."""
FEW, QUARTER, LOCAL = 50, 4, 0.2
"""Pairs below which crops are a quarter of the shorter side, if a target that is shrunk to that loses this much."""
_COARSE, _FINE, _TINY = 32, 4, 64  # crops are multiples of what generators halve; below the last, of the lesser one
MANY = ": of few pairs they are many"
_PART = 0.25  # of the memory that can be had, for decoded pictures


@rule(
    after=("splits",),
    measured="Maps at 144 of 286 pixels loses 0.17 to 0.20 of the map, and streets are 2 to 3 pixels wide; at 192, "
    "0.13. From nothing, 1,570 updates of as many pixels: mean IoU 0.525 with crops of 128 of 144, 0.524 and 0.529 "
    "with crops of 192 of 208, streets within two pixels (F1) 0.74, 0.79 and 0.78; from a start at 144, 800 updates: "
    "0.526, 0.544, and 0.537 with crops of 256 (docs/evening.md). Sixteen pairs, 1,500 updates of the distance alone, "
    "L1 with crops of 64 pixels and of most of a picture: earth, three draws, whose targets lose 46 % at a quarter, "
    "0.126 and 0.131, 0.127 and 0.133, 0.128 and 0.131 (of 500 updates); Maps, 30 %, 0.060 and 0.061; labels "
    "to photographs, 23 %, 0.420 and 0.444; edges, 13 %, 0.300 and 0.256 (docs/plan.md).",
)
def view(facts: Facts, _: Chosen) -> Decision:
    """A target is loaded as small as it can be without losing its details: what it loses is measured by shrinking it
    and enlarging it again. Small pictures make for more updates, and crops that see more. Few pairs are learned by
    heart as wholes; where details are small, and what a pixel is lies near it, crops of a quarter of the side are
    many."""
    pairs = facts.pairs
    native = min(pairs.size)
    side = _side(pairs)
    load = _load(pairs, side)
    short = min(load) if load else native
    crop = _multiple(min(short, next(crop for least, crop in reversed(CROPS.items()) if short >= least)))
    if small := _small(pairs, short):
        crop = small
    if crop < 2 * _FINE:
        raise ValueError(f"{pairs.root}: pictures of {native} pixels are too small to plan for; give larger ones")
    settings = {
        "data.load_size": Setting(list(load) if load else None, _why(pairs, side, load)),
        "data.crop_size": Setting(crop, f"{_seen(crop, load, pairs)}{MANY if small else ''}"),
        "data.test_size": Setting(list(load) if load else None, "as in training"),
    }
    if short < (least := metric("ssim").smallest):
        settings["training.evaluate_scores"] = Setting("l1,psnr", f"SSIM needs {least} pixels each way")
    needed = sum(count * bits // 8 for count, bits in zip(pairs.channels, pairs.bits, strict=True)) * pairs.pairs
    height, width = load or pairs.largest
    fits = needed * height * width < _PART * facts.machine.memory
    settings["data.cache"] = Setting("ram" if fits else "none", f"{needed * height * width / 1e6:,.0f} MB decoded")
    reads = "nothing is decoded twice" if fits else "one process decodes while another trains"
    settings["data.workers"] = Setting(0 if fits else 1, reads)
    why = f", a quarter of the side{MANY}" if small else ""
    return Decision(settings, f"{settings['data.load_size'].comment}; crops of {crop}{why}")


def _side(pairs: Fingerprint) -> int:
    """The shorter side at which the target stops losing; of several sizes one odd picture does not decide."""
    most = min(pairs.size) if pairs.one_size else pairs.usual
    enough = next((side for side, lost in pairs.detail if lost <= LOST), most)
    return min(max(enough, LEAST), most)


def _small(pairs: Fingerprint, short: int) -> int | None:
    """The side of crops that make many of few pairs; None: there are enough, or a part of a picture says too little."""
    lost = next((lost for side, lost in pairs.detail if side >= min(pairs.size) / QUARTER), 0.0)
    crop = _multiple(max(_TINY, short // QUARTER))
    return crop if pairs.pairs < FEW and lost >= LOCAL and crop <= short // 2 else None


def _load(pairs: Fingerprint, side: int) -> Size | None:
    """(height, width) to load at; None: as they are."""
    if pairs.one_size:
        return None if side >= 0.9 * min(pairs.size) else scaled(pairs.size, side)
    return None if max(pairs.largest) <= 2 * min(side, *pairs.size) else (side, side)


def _seen(crop: int, load: Size | None, pairs: Fingerprint) -> str:
    """How much of a picture a crop sees."""
    if load is None and not pairs.one_size:
        return f"of pictures from {min(pairs.size)} pixels on"
    height, width = load or pairs.size
    share = crop**2 / (height * width)
    return "the whole picture" if share == 1 else f"of {width}×{height} pixels: a crop sees {share:.0%} of a picture"


def _multiple(side: int) -> int:
    step = _COARSE if side >= _TINY else _FINE
    return side // step * step


def _why(pairs: Fingerprint, side: int, load: Size | None) -> str:
    width, height = pairs.size[1], pairs.size[0]
    if load is None:
        return f"{width}×{height} as they are" if pairs.one_size else "of several sizes, as they are"
    lost = dict(pairs.detail).get(side, 0.0)
    if not pairs.one_size:
        return f"of several sizes, all squeezed to {side}×{side}, where targets lose {lost:.0%} of their detail"
    return f"{width}×{height} shrunk to {load[1]}×{load[0]}: targets lose {lost:.0%} of their detail"
