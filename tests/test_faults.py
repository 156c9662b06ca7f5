"""What is judged a fault, from inspections that are made up: the rules alone, without files."""

from dataclasses import replace

import numpy as np
import pytest

from atme.data.scan import Entry
from atme.images.levels import Levels
from atme.prepare.check.faults import Fault, judge
from atme.prepare.check.inspect import Half, Inspection
from atme.prepare.check.repeated import halves_of
from atme.prepare.check.similarity import look_of

FULL = Levels(bits=8, top=255, used=None)


def pictured(name: str, *, split: str = "train", shift: tuple[float, float] | None = None) -> Inspection:
    """A pair like no other, with what is to be judged."""
    rng = np.random.default_rng([*f"{split}/{name}".encode()])
    looks = [look_of(rng.integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)) for _ in "AB"]
    a, b = (
        Half((64, 64), channels=3, bits=8, blank=False, digest=f"{split}{name}{n}".encode(), look=look, levels=FULL)
        for n, look in enumerate(looks)
    )
    return Inspection(Entry(split, name, ()), halves=(a, b), shift=shift)


def kinds(inspections: list[Inspection]) -> dict[str, list[Fault]]:
    faults: dict[str, list[Fault]] = {}
    for fault in judge(inspections):
        faults.setdefault(fault.kind, []).append(fault)
    return faults


class TestMisaligned:
    @pytest.mark.parametrize(
        ("shift", "is_fault"), [((0, 2), False), ((0, -3), True), ((2.4, 0), False), ((9, 1), True)]
    )
    def test_from_three_pixels_on(self, shift: tuple[float, float], is_fault: bool) -> None:
        pairs = [pictured(str(n), shift=(0.1 * (n % 3), 0.0)) for n in range(30)]
        faults = kinds([*pairs, pictured("off", shift=shift)])
        assert ("misaligned" in faults) == is_fault

    def test_what_is_usual_in_a_dataset_is_no_fault_of_a_pair(self) -> None:
        rng = np.random.default_rng(0)
        pairs = [pictured(str(n), shift=tuple(rng.normal(0, 1.5, 2))) for n in range(200)]
        faults = kinds([*pairs, pictured("off", shift=(12.0, 0.0))])
        assert [fault.entry.name for fault in faults["misaligned"]] == ["off"]

    def test_pairs_all_off_the_same_way_are_all_at_fault(self) -> None:
        assert len(kinds([pictured(str(n), shift=(5.0, 0.2)) for n in range(40)])["misaligned"]) == 40

    def test_few_pairs_do_not_tell_what_is_usual(self) -> None:
        assert len(kinds([pictured(str(n), shift=(3.0 * n, 0.0)) for n in range(4)])["misaligned"]) == 3

    def test_the_way_is_said(self) -> None:
        (fault,) = kinds([pictured("off", shift=(-4.2, 3.1))])["misaligned"]
        assert fault.detail == "B lies on A when it is moved 4 px left and 3 px down"
        assert fault.shift == (-4, 3)


def with_levels(inspection: Inspection, levels: Levels, *, blank: bool) -> Inspection:
    """The pair with other values in B."""
    a, b = halves_of(inspection)
    return replace(inspection, halves=(a, replace(b, levels=levels, blank=blank)))


class TestDark:
    MASK, EMPTY = Levels(8, 1, frozenset({0, 1})), Levels(8, 0, frozenset({0}))

    def test_masks_of_0_and_1_are_named_and_an_empty_one_is_blank(self) -> None:
        pairs = [with_levels(pictured(str(n)), self.MASK, blank=n % 2 == 0) for n in range(6)]
        faults = kinds([*pairs, with_levels(pictured("empty"), self.EMPTY, blank=True)])
        assert {fault.detail for fault in faults["values"]} == {"B uses 2 of 256 values, 0 and 1: multiply by 255"}
        assert len(faults["values"]) == 6
        assert [fault.entry.name for fault in faults["blank"]] == ["empty"]

    def test_twelve_bits_in_sixteen(self) -> None:
        pairs = [with_levels(pictured(str(n)), Levels(16, 4000 + n, None), blank=n < 3) for n in range(6)]
        faults = kinds(pairs)
        assert {fault.detail for fault in faults["values"]} == {"B uses 12 of 16 bits: multiply by 16"}
        assert "blank" not in faults

    def test_one_dark_picture_among_others_is_no_fault(self) -> None:
        dark = Levels(8, 40, frozenset(range(41)))
        assert kinds([*(pictured(str(n)) for n in range(6)), with_levels(pictured("night"), dark, blank=False)]) == {}

    def test_one_mask_of_0_and_1_among_others(self) -> None:
        faults = kinds([*(pictured(str(n)) for n in range(6)), with_levels(pictured("odd"), self.MASK, blank=True)])
        assert [(kind, fault.entry.name) for kind, found in faults.items() for fault in found] == [("values", "odd")]


class TestSameHalves:
    def alike(self, name: str) -> Inspection:
        a, b = halves_of(pictured(name))
        return replace(pictured(name), halves=(a, replace(b, look=a.look)))

    def test_a_few_that_look_the_same_are_at_fault(self) -> None:
        (fault,) = kinds([*(pictured(str(n)) for n in range(6)), self.alike("copy")])["same halves"]
        assert (fault.entry.name, fault.detail) == ("copy", "to the eye")

    def test_where_many_do_it_is_the_task(self) -> None:
        """Noise is taken away, resolution is added: source and target always look the same."""
        assert kinds([*(pictured(str(n)) for n in range(6)), *(self.alike(f"denoised{n}") for n in range(6))]) == {}


class TestRepeats:
    def test_a_film_is_one_group(self) -> None:
        frames = [replace(pictured("first"), entry=Entry("train", f"{n:04}", ())) for n in range(500)]
        frames = [with_digest(frame, f"{n}") for n, frame in enumerate(frames)]
        faults = kinds(frames)["duplicate"]
        assert len(faults) == 499
        assert {fault.other.name for fault in faults if fault.other} == {"0000"}

    def test_a_leak_is_told_of_every_frame_of_the_split_that_gives_way(self) -> None:
        frames = [
            replace(pictured("first"), entry=Entry(split, f"{n:04}", ()))
            for split in ("train", "test")
            for n in range(9)
        ]
        faults = kinds([with_digest(frame, f"{n}") for n, frame in enumerate(frames)])
        assert {fault.entry.split for fault in faults["leak"]} == {"train"}
        assert len(faults["leak"]) == 9
        assert len(faults["duplicate"]) == 16


def with_digest(inspection: Inspection, digest: str) -> Inspection:
    a, b = halves_of(inspection)
    return replace(inspection, halves=(replace(a, digest=f"A{digest}".encode()), replace(b, digest=digest.encode())))
