"""How many samples an update sees."""

from atme.planning.rule import Chosen, Decision, Facts, Setting, rule

MOST = 16
"""Samples of an update, of 128 × 128 pixels."""
PIXEL = 4096
"""Bytes that a pixel of a batch takes while an update is made, at most."""


@rule(
    after=("view", "generator"),
    measured="Maps in batches of 16 crops of 128 pixels (docs/evening.md) and of 7 of 192, 0.4 GiB "
    "(options/maps_quick.yaml); batches of 8 at the same rate (docs/speed.md, Pretrained weights). Other sizes were "
    "not measured.",
)
def batch(facts: Facts, chosen: Chosen) -> Decision:
    """Sixteen crops of 128 pixels, or as many pixels in fewer ones; at most half of the pairs, so that updates differ,
    and as many as fit into memory."""
    area = chosen["data.crop_size"] ** 2
    by_pixels = max(1, min(MOST, MOST * 128**2 // area))
    by_pairs = max(1, facts.pairs.pairs // 2)
    by_memory = max(1, int(facts.machine.memory / 2 / (area * PIXEL)))
    count = min(by_pixels, by_pairs, by_memory)
    few = "half of the pairs" if facts.pairs.pairs > 1 else "there is one pair"
    why = "pixels" if count == by_pixels else few if count == by_pairs else "as many as memory holds"
    crops = "one crop an update" if count == 1 else f"{count} crops an update"
    words = crops if why == "pixels" else f"{crops}: {why}"
    comment = "measured with 16 of 128 pixels" if why == "pixels" else why
    settings = {"training.batch_size": Setting(count, comment)}
    taken = facts.said.get("training.batch_size", count)
    processes = facts.processes(taken)
    if processes > taken:
        raise ValueError(
            f"--processes: {processes}, and a batch of this plan has {taken} pictures; give so many or fewer"
        )
    if processes > 1:
        words = f"{words}, shared by {processes} processes"
        settings["training.share_batch"] = Setting(True, f"the run is one process's, up to rounding; {processes} here")
    return Decision(settings, words)
