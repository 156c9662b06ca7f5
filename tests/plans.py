"""Plans without a look at pairs or a clock: facts as tests say them; and the table of rules in the docs.

Write the table anew after a change: python tests/plans.py
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from atme.planning.decide import all_rules
from atme.planning.fingerprint import Fingerprint, Splits
from atme.planning.rule import Facts
from atme.planning.speed import Clock, Machine, Speed
from atme.planning.upright import Upright
from atme.prepare.palette import Palette

PAIRS = Fingerprint(
    root="my_pairs",
    layout="auto",
    direction="AtoB",
    splits=Splits("train", "val", "test", {"train": 1000, "val": 100, "test": 100}),
    pairs=1000,
    looked_at=300,
    size=(286, 286),
    largest=(286, 286),
    usual=286,
    channels=(3, 3),
    bits=(8, 8),
    palettes=(None, None),
    distance=0.5,
    correlation=0.2,
    floor=0.2,
    detail=((64, 0.5), (128, 0.22), (144, 0.2), (192, 0.15)),
    upright=Upright(0.95, 0.5, 300),
    checked=300,
    faults={},
    remarks=(),
)
"""A thousand photographs with an upright and no left."""

LABELS = Palette(((255, 255, 255), (0, 0, 255), (9, 99, 9)), (0.7, 0.295, 0.005), 0.97, False)
"""Three colors in noise, the last one rare."""


class Told(Clock):
    """A clock that is told how long updates take, in seconds, by their precision."""

    def __init__(self, *, float32: float = 1.0, bf16: float = 0.5, look: float = 1.0) -> None:
        super().__init__()
        self.seconds, self.seen = {"float32": float32, "bf16": bf16}, look

    def few(self, sections: Mapping[str, Any]) -> float:
        return self.seconds[sections["training"]["precision"]]

    def whole(self, sections: Mapping[str, Any], *, processes: int = 1) -> Speed:
        return Speed(self.few(sections) / processes, ready=5.0, read=0.01, look=self.seen, grid=1.0)


def facts(*, hours: float = 2.0, clock: Clock | None = None, memory: int = 16 * 2**30, **pairs: Any) -> Facts:
    machine = Machine("cpu, 2 threads", "cpu", 2, memory)
    return Facts(replace(PAIRS, **pairs), machine, 3600 * hours, clock or Told())


PAGE = Path(__file__).parents[1] / "docs" / "plan.md"
_BEGIN, _END = "## Rules\n", "What is expected is told by comparison"


def table() -> str:
    """All rules, with their reasons and what they rest on, by their names."""
    rows = [f"| `{each.name}` | {each.why} | {each.measured} |" for each in sorted(all_rules(), key=lambda r: r.name)]
    return "\n".join(["| rule | what it does, and why | what it rests on |", "|---|---|---|", *rows])


def with_table(page: str) -> str:
    """The page of plans with this table in its place."""
    before, _, rest = page.partition(_BEGIN)
    head, _, _ = rest.partition("\n|")
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{head}\n{table()}\n\n{_END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), encoding="utf-8")
