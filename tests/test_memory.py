"""ATME's memory: what it remembers, under which view, and what an unseen image finds."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from atme.data import Pair
from atme.networks import PatchGAN
from atme.noise import DecisionMemory, Game, Verdicts
from atme.noise.memory import move

PATCHES = PatchGAN(3, 3, layers=2, dim=4)
GAME = Game(images=5, size=(32, 48), batch=2, verdict_shape=PATCHES.verdict_shape, verdict_stride=4)
WHOLE = torch.eye(2, 3)


def a_pair(*, index: Tensor | None, view: Tensor = WHOLE) -> Pair:
    rng = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 32, 48, generator=rng) * 2 - 1
    return Pair(image, -image, index, view.expand(2, 2, 3), ("a", "b"))


def verdicts(index: list[int], view: Tensor = WHOLE) -> Verdicts:
    rng = torch.Generator().manual_seed(sum(index))
    maps = torch.randn(len(index), 1, *PATCHES.verdict_shape(32, 48), generator=rng)
    return Verdicts((-maps,), (maps,), torch.tensor(index), view.expand(len(index), 2, 3))


def test_each_image_gets_back_its_own_verdict() -> None:
    memory = DecisionMemory(GAME)
    first, second = verdicts([3, 1]), verdicts([0])
    memory.remember(first)
    memory.remember(second)
    assert torch.equal(memory.decisions[[3, 1]], first.kept)
    assert torch.equal(memory.decisions[0], second.kept[0])
    assert not memory.decisions[[2, 4]].any()


def test_the_noise_is_x_times_1_plus_w_and_the_level_its_mean() -> None:
    memory = DecisionMemory(GAME, level_scale=1000.0)
    memory.remember(verdicts([1, 3]))
    pair = a_pair(index=torch.tensor([1, 3]))
    corrupted = memory(pair)
    w = memory.network(memory.decisions[[1, 3]], size=(32, 48))
    assert w.abs().max() < 1
    assert torch.equal(corrupted.map, w)
    assert torch.equal(corrupted.image, pair.source * (1 + w))
    torch.testing.assert_close(corrupted.level, 1000 * w.mean(dim=(1, 2, 3)))


def test_what_is_remembered_is_data_and_w_learns() -> None:
    memory = DecisionMemory(GAME)
    memory.remember(verdicts([1, 3]))
    memory(a_pair(index=torch.tensor([1, 3]))).image.square().mean().backward()
    assert all(parameter.grad is not None for parameter in memory.parameters())
    assert not memory.decisions.requires_grad


def test_the_memory_travels_in_the_state() -> None:
    memory, other = DecisionMemory(GAME, align=True), DecisionMemory(GAME, align=True)
    memory.remember(verdicts([2], view=torch.tensor([[-0.5, 0, 0.1], [0, 0.5, 0.2]])))
    other.load_state_dict(memory.state_dict())
    assert torch.equal(other.decisions, memory.decisions)
    assert torch.equal(other.views, memory.views)


def test_w_is_float32_whatever_the_precision() -> None:
    memory = DecisionMemory(GAME)
    memory.remember(verdicts([1, 3]))
    pair = a_pair(index=torch.tensor([1, 3]))
    exact = memory(pair).map
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(memory(pair).map, exact)


def test_initial_maps() -> None:
    torch.manual_seed(0)
    published = DecisionMemory(GAME, initial="published").decisions
    assert 0 <= float(published.min()) < 0.1 < 0.9 < float(published.max()) < 1
    assert not DecisionMemory(GAME, initial="equilibrium").decisions.any()


def test_unseen_images_find_no_memory() -> None:
    memory = DecisionMemory(GAME)
    memory.remember(verdicts([0, 1, 2]))
    unseen, seen = memory(a_pair(index=None)), memory(a_pair(index=torch.tensor([0, 1])))
    assert not torch.equal(unseen.map, seen.map)
    flat = memory.network(torch.zeros(2, 1, *PATCHES.verdict_shape(32, 48)), size=(32, 48))
    assert torch.equal(unseen.map, flat)


def test_the_published_ripple_is_that_of_its_seed_alone() -> None:
    pair = a_pair(index=None)
    maps = []
    for seed in (0, 0, 1):
        torch.manual_seed(7)
        memory = DecisionMemory(GAME, translate_with="published", ripple_seed=seed)
        torch.rand(3)  # what others draw makes no difference
        maps.append(memory(pair).map)
    assert torch.equal(maps[0], maps[1])
    assert not torch.equal(maps[0], maps[2])
    assert torch.equal(maps[0][0], maps[0][1])


def test_a_verdict_at_hand_is_read_in_place_of_the_memory() -> None:
    memory = DecisionMemory(GAME, translate_with="refine")
    given = verdicts([0, 1]).kept
    again = memory(a_pair(index=None), verdict=given)
    assert torch.equal(again.map, memory.network(given, size=(32, 48)))
    assert memory.passes == 2


def crop_view(left: int, top: int, side: int, whole: int, *, flip: bool = False) -> Tensor:
    """View of a square crop, from the pixels of a square picture."""
    scale, center = side / whole, [(2 * start + side) / whole - 1 for start in (left, top)]
    return torch.tensor([[-scale if flip else scale, 0, center[0]], [0, scale, center[1]]])


@pytest.mark.parametrize("flip", [False, True])
def test_moving_is_shifting_by_whole_cells(flip: bool) -> None:
    """A crop that moved by 8 pixels, 2 cells, finds its map 2 cells further; the rest is unseen, logit 0."""
    maps = torch.arange(64.0).reshape(1, 1, 8, 8) + 1
    then, now = crop_view(0, 0, 32, 64), crop_view(8, 4, 32, 64, flip=flip)
    moved = move(maps, then=then[None], now=now[None], size=(32, 32), stride=4)
    expected = F.pad(maps, (0, 2, 0, 1))[:, :, 1:, 2:]
    torch.testing.assert_close(moved, expected.flip(3) if flip else expected, atol=2e-4, rtol=0)


def test_moving_to_the_same_view_changes_nothing() -> None:
    maps = torch.randn(2, 1, 7, 9, generator=torch.Generator().manual_seed(0))
    view = torch.stack([crop_view(3, 5, 32, 64), crop_view(1, 2, 32, 64, flip=True)])
    torch.testing.assert_close(move(maps, then=view, now=view, size=(40, 40), stride=4), maps, atol=2e-5, rtol=0)


def test_maps_are_moved_as_exactly_in_half_precision() -> None:
    """So a training in bfloat16 calls it; a matrix of that precision misplaces cells, and has no inverse on a GPU."""
    maps = torch.randn(2, 1, 30, 30, generator=torch.Generator().manual_seed(0))
    then, now = (torch.stack([crop_view(a, b, 256, 286), crop_view(b, a, 256, 286)]) for a, b in ((3, 29), (17, 6)))
    told = {"then": then, "now": now, "size": (256, 256), "stride": 8}
    with torch.autocast("cpu", torch.bfloat16):
        moved = move(maps, **told)
    assert torch.equal(moved, move(maps, **told))


def test_aligned_verdicts_are_those_that_the_discriminator_would_give() -> None:
    """A patch discriminator without norms is shift-equivariant: moving its map is judging the moved crop."""
    torch.manual_seed(0)
    judge = PatchGAN(1, 1, layers=2, dim=4, norm="none").double()
    picture = torch.randn(1, 1, 128, 128, dtype=torch.float64)
    crops = [picture[:, :, 0:80, 0:80], picture[:, :, 8:88, 12:92]]
    maps = [judge(crop, crop) for crop in crops]
    then, now = crop_view(0, 0, 80, 128), crop_view(12, 8, 80, 128)
    moved = move(maps[0], then=then[None], now=now[None], size=(80, 80), stride=4)
    interior = (..., slice(3, 12), slice(3, 11))  # cells that see no padding in either crop
    torch.testing.assert_close(moved[interior], maps[1][interior], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("width", range(80, 88))
@pytest.mark.parametrize("layers", [1, 2])
def test_mirrored_verdicts_at_sizes_that_are_halved_unevenly(layers: int, width: int) -> None:
    """Layers that halve an odd side leave its last pixel out: the map lies off the sample's middle, and is moved so.

    A discriminator that sees no difference between left and right judges a mirrored crop; its cells lie where those of
    the plain crop do if the mirrored one begins ``off`` pixels further right.
    """
    torch.manual_seed(0)
    judge = PatchGAN(1, 1, layers=layers, dim=4, norm="none").double()
    for convolution in judge.convolutions():
        convolution.weight.data += convolution.weight.data.flip(3)
    stride, start = judge.verdict_stride, judge.verdict_start
    off = int(2 * start - width) % stride
    picture = torch.randn(1, 1, 128, 128, dtype=torch.float64)
    plain, mirrored = picture[..., :80, :width], picture[..., :80, off : off + width].flip(3)
    maps = [judge(crop, crop) for crop in (plain, mirrored)]
    views = [view_of(left, (80, width), 128, flip=flip) for left, flip in ((0, False), (off, True))]
    moved = move(maps[0], then=views[0][None], now=views[1][None], size=(80, width), stride=stride, start=start)
    inner = (..., slice(4, -4), slice(4, -4))  # cells that see no padding in either crop
    torch.testing.assert_close(moved[inner], maps[1][inner], atol=1e-4, rtol=1e-4)


def test_mirrored_maps_at_a_size_that_is_halved_unevenly() -> None:
    """At 260 pixels the map of 30×30 cells ends 12 pixels before the right edge and begins 8 after the left one."""
    judge = PatchGAN(3, 3)
    assert judge.verdict_shape(260, 260) == judge.verdict_shape(256, 256) == (30, 30)
    assert judge.verdict_start == 12
    cells = torch.zeros(1, 1, 30, 30)
    cells[..., 10] = 1  # its middle lies at 12 + 10 · 8 = 92 pixels, after mirroring at 168: 19.5 cells after the first
    whole, mirrored = torch.eye(2, 3)[None], torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]])
    moved = move(cells, then=whole, now=mirrored, size=(260, 260), stride=8, start=judge.verdict_start)
    assert moved[0, 0, 15, 19] == pytest.approx(0.5, abs=1e-4)
    assert moved[0, 0, 15, 20] == pytest.approx(0.5, abs=1e-4)


def test_where_a_map_lies_is_where_gradients_come_from() -> None:
    """The middle of what a verdict depends on, against ``verdict_start``; of the whole network, not of its numbers."""
    for layers in (0, 1, 2, 3):
        judge = PatchGAN(1, 1, layers=layers, dim=4, norm="none")
        image = torch.rand(1, 1, 101, 99, requires_grad=True)
        logits = judge(image, image)
        row, column = (side // 2 for side in logits.shape[-2:])
        logits[0, 0, row, column].backward()
        for axis, cell in ((2, row), (3, column)):
            seen = image.grad[0, 0].abs().sum(dim=3 - axis).nonzero()
            middle = (seen.min() + seen.max() + 1) / 2
            assert middle == judge.verdict_start + cell * judge.verdict_stride


def view_of(left: int, size: tuple[int, int], whole: int, *, flip: bool) -> Tensor:
    """View of a crop (height, width) at a square picture's upper edge, from the picture's pixels."""
    (height, width), x, y = size, (2 * left + size[1]) / whole - 1, size[0] / whole - 1
    return torch.tensor([[(-1 if flip else 1) * width / whole, 0, x], [0, height / whole, y]], dtype=torch.float64)


def test_align_reads_the_map_in_its_new_place() -> None:
    """Aligned and plain memories agree while the view stays, and differ once it moves."""
    torch.manual_seed(0)
    aligned = DecisionMemory(GAME, align=True)
    plain = DecisionMemory(GAME)
    plain.load_state_dict({k: v for k, v in aligned.state_dict().items() if k != "views"})
    index, moved = torch.tensor([1, 3]), torch.tensor([[1.0, 0, 0.5], [0, 1, 0]])
    for memory in (aligned, plain):
        memory.remember(verdicts([1, 3]))
    pair = a_pair(index=index)
    torch.testing.assert_close(aligned(pair).map, plain(pair).map, atol=1e-3, rtol=0)
    elsewhere = replace(pair, view=moved.expand(2, 2, 3))
    assert not torch.allclose(aligned(elsewhere).map, plain(elsewhere).map, atol=1e-2)


def test_w_may_be_computed_in_the_runs_precision_but_for_its_end() -> None:
    torch.manual_seed(0)
    exact = DecisionMemory(GAME)
    torch.manual_seed(0)
    rough, pair = DecisionMemory(GAME, w_precision="run"), a_pair(index=torch.tensor([3, 1]))
    for memory in (exact, rough):
        memory.remember(verdicts([3, 1]))
    assert torch.equal(rough(pair).map, exact(pair).map)
    with torch.autocast("cpu", torch.bfloat16):
        w, wanted = rough(pair).map, exact(pair).map
    assert w.dtype == torch.float32
    assert not torch.equal(w, wanted)
    assert (w - wanted).abs().max() < 0.05
    with pytest.raises(ValueError, match=r"noise\.w_precision"):
        DecisionMemory(GAME, w_precision="bf16")  # type: ignore[arg-type]


def test_w_may_move_with_a_share_of_the_rate() -> None:
    slow, usual = DecisionMemory(GAME, w_rate=0.1), DecisionMemory(GAME)
    assert (slow.network.share_of_rate, usual.network.share_of_rate) == (0.1, 1)
    with pytest.raises(ValueError, match=r"noise\.w_rate: 0 is no number above 0"):
        DecisionMemory(GAME, w_rate=0)
