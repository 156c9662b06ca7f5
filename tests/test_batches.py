"""The order of samples: every image once an epoch, for every process its share, from any step on."""

from pathlib import Path

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from atme.data.augment import Augmentation
from atme.data.batches import Batches, loader
from atme.data.pairs import PairedImages

SIZES = {
    "images": st.integers(1, 200),
    "batch_size": st.integers(1, 9),
    "accumulate": st.integers(1, 4),
    "world": st.integers(1, 4),
    "seed": st.integers(0, 2**40),
}


def by_process(images: int, *, world: int, share: bool = False, **options: int) -> list[list[list[tuple[int, int]]]]:
    """For each process the micro-batches of two epochs."""
    return [list(Batches(images, epochs=2, rank=rank, world=world, share=share, **options)) for rank in range(world)]


class TestLaws:
    @settings(max_examples=200)
    @given(**SIZES)
    def test_every_epoch_visits_each_image_once(
        self, images: int, batch_size: int, accumulate: int, world: int, seed: int
    ) -> None:
        assume(images >= batch_size * accumulate * world)
        options = {"batch_size": batch_size, "accumulate": accumulate, "seed": seed}
        parts = [part for process in by_process(images, world=world, **options) for part in process]
        visited = sorted(key for part in parts for key in part)
        assert visited == [(epoch, index) for epoch in range(2) for index in range(images)]

    @settings(max_examples=200)
    @given(**SIZES)
    def test_micro_batches_are_equal_but_for_one(
        self, images: int, batch_size: int, accumulate: int, world: int, seed: int
    ) -> None:
        assume(images >= batch_size * accumulate * world)
        options = {"batch_size": batch_size, "accumulate": accumulate, "seed": seed}
        sizes = [len(part) for process in by_process(images, world=world, **options) for part in process]
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= 1
        assert max(sizes) <= max(batch_size, 2)
        if images % (accumulate * world) == 0 or batch_size > 1:
            assert max(sizes) <= batch_size

    @settings(max_examples=100)
    @given(**SIZES, start=st.integers(0, 30))
    def test_going_on_at_any_step(
        self, images: int, batch_size: int, accumulate: int, world: int, seed: int, start: int
    ) -> None:
        assume(images >= batch_size * accumulate * world)
        options = {"batch_size": batch_size, "accumulate": accumulate, "world": world, "seed": seed}
        whole = Batches(images, epochs=3, rank=world - 1, **options)
        rest = Batches(images, epochs=3, rank=world - 1, start_step=start, **options)
        assert list(rest) == list(whole)[start * accumulate :]
        assert len(rest) == len(list(rest))
        assert len(whole) == whole.steps * accumulate
        assert whole.steps == 3 * whole.steps_per_epoch

    def test_the_number_of_processes_does_not_change_a_step(self) -> None:
        """Two processes with one micro-batch see in a step what one process with two sees."""
        one = list(Batches(50, batch_size=4, accumulate=2, epochs=2, seed=3))
        two = [list(Batches(50, batch_size=4, epochs=2, seed=3, rank=rank, world=2)) for rank in range(2)]
        assert one == [part for step in zip(*two, strict=True) for part in step]

    @settings(max_examples=200)
    @given(**SIZES)
    def test_a_shared_batch_is_the_same_for_any_number_of_processes(
        self, images: int, batch_size: int, accumulate: int, world: int, seed: int
    ) -> None:
        assume(images >= batch_size * accumulate)
        assume(batch_size >= world)
        options = {"batch_size": batch_size, "accumulate": accumulate, "seed": seed}
        one = list(Batches(images, epochs=2, **options))
        shared = by_process(images, world=world, share=True, **options)
        together = [[key for part in parts for key in part] for parts in zip(*shared, strict=True)]
        assert sorted(key for part in together for key in part) == sorted(key for part in one for key in part)
        assert all(max(sizes) - min(sizes) <= 1 for parts in zip(*shared, strict=True) if (sizes := [*map(len, parts)]))
        if min(len(part) for part in one) >= world:
            assert together == one

    def test_a_batch_of_fewer_images_than_processes_cannot_be_shared(self) -> None:
        with pytest.raises(ValueError, match=r"share_batch: 3 processes cannot share a batch of 2; .* of at least 3"):
            Batches(9, batch_size=2, share=True, world=3, epochs=1)

    @settings(max_examples=100)
    @given(**SIZES, share=st.booleans())
    def test_all_images_of_a_step_weigh_the_same(
        self, images: int, batch_size: int, accumulate: int, world: int, seed: int, share: bool
    ) -> None:
        assume(images >= batch_size * accumulate * (1 if share else world))
        assume(batch_size >= world)
        options = {"batch_size": batch_size, "accumulate": accumulate, "seed": seed, "share": share}
        every = [Batches(images, epochs=2, rank=rank, world=world, **options) for rank in range(world)]
        drawn = [list(batches) for batches in every]
        for step in range(every[0].steps):
            taken = [process[step * accumulate : (step + 1) * accumulate] for process in drawn]
            each = [
                weight / len(part)
                for batches, parts in zip(every, taken, strict=True)
                for weight, part in zip(batches.weights(step), parts, strict=True)
            ]
            total = sum(len(part) for parts in taken for part in parts)
            assert each == pytest.approx([accumulate * world / total] * (accumulate * world))

    def test_epochs_and_seeds_differ(self) -> None:
        orders = {
            tuple(index for part in Batches(20, batch_size=1, epochs=2, seed=seed) for _, index in part)
            for seed in range(3)
        }
        assert len(orders) == 3
        assert all(order[:20] != order[20:] for order in orders)

    def test_epoch_of(self) -> None:
        batches = Batches(7, batch_size=2, epochs=2)
        assert batches.steps_per_epoch == 4
        assert [batches.epoch_of(step) for step in range(8)] == [0, 0, 0, 0, 1, 1, 1, 1]
        assert [{epoch for epoch, _ in part} for part in batches] == [{batches.epoch_of(s)} for s in range(8)]

    @pytest.mark.parametrize(
        ("options", "remedy"),
        [
            ({"batch_size": 8}, {"batch_size": 7}),
            ({"batch_size": 2, "accumulate": 2, "world": 2}, {"batch_size": 1}),
            ({"batch_size": 4, "accumulate": 2, "world": 2, "share": True}, {"batch_size": 3}),
        ],
    )
    def test_too_few_images(self, options: dict[str, int], remedy: dict[str, int]) -> None:
        told = rf"too few for a batch: 7, and a step takes 8 .*; choose .* at most {remedy['batch_size']}, or"
        with pytest.raises(ValueError, match=told):
            Batches(7, epochs=1, **options)
        assert Batches(7, epochs=1, **options | remedy).steps == 1


class TestLoader:
    @pytest.fixture
    def pairs(self, pairs_folder: Path) -> PairedImages:
        return PairedImages(pairs_folder, augment=Augmentation(load_size=40, crop_size=32), seed=5)

    @pytest.mark.parametrize("workers", [1, 2])
    def test_the_same_bits_with_any_number_of_workers(self, pairs: PairedImages, workers: int) -> None:
        batches = Batches(len(pairs), batch_size=2, epochs=2, seed=1)
        alone, helped = (list(loader(pairs, batches, workers=count)) for count in (0, workers))
        assert len(alone) == len(helped) == 8
        for a, b in zip(alone, helped, strict=True):
            assert a.name == b.name
            for field in ("source", "target", "index", "view"):
                assert torch.equal(getattr(a, field), getattr(b, field)), field

    def test_batches_are_what_the_order_says(self, pairs: PairedImages) -> None:
        batches = Batches(len(pairs), batch_size=3, epochs=2)
        for pair, keys in zip(loader(pairs, batches), batches, strict=True):
            assert pair.source.shape == (len(keys), 3, 32, 32)
            assert pair.index is not None
            assert pair.index.tolist() == [index for _, index in keys]
            assert all(torch.equal(pair.source[i], pairs[key].source) for i, key in enumerate(keys))

    def test_draws_nothing_from_the_global_generator(self, pairs: PairedImages) -> None:
        before = torch.get_rng_state()
        list(loader(pairs, Batches(len(pairs), batch_size=2, epochs=1)))
        assert torch.equal(before, torch.get_rng_state())

    def test_a_damaged_file_is_named(self, pairs_folder: Path, tmp_path: Path) -> None:
        for path in (pairs_folder / "train").iterdir():
            (tmp_path / "train").mkdir(exist_ok=True)
            (tmp_path / "train" / path.name).write_bytes(path.read_bytes())
        pairs = PairedImages(tmp_path)
        (tmp_path / "train" / "train_3.png").write_bytes(b"gone")
        with pytest.raises(ValueError, match=r"train_3\.png: not an image"):
            list(loader(pairs, Batches(len(pairs), batch_size=2, epochs=1), workers=1))
