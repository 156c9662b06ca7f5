"""What is judged a fault, from inspections that are made up: the rules alone, without files."""

import numpy as np
import pytest

from atme.data.scan import Entry
from atme.prepare.check.faults import Fault, judge
from atme.prepare.check.inspect import Half, Inspection
from atme.prepare.check.similarity import look_of


def pictured(name: str, *, split: str = "train", shift: tuple[float, float] | None = None) -> Inspection:
    """A pair like no other, with what is to be judged."""
    rng = np.random.default_rng(abs(hash((split, name))))
    looks = [look_of(rng.integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)) for _ in "AB"]
    a, b = (
        Half(size=(64, 64), channels=3, bits=8, blank=False, digest=f"{split}{name}{n}".encode(), look=look)
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
