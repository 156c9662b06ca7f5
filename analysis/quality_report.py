"""The table, the curves and the grid of a race (quality_per_hour.py), as far as it has come."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from PIL import Image

from atme import Translator
from atme.data.tested import read_tested
from atme.images.grids import grid
from atme.metrics import metric
from atme.run_folder import read_log

if TYPE_CHECKING:
    from quality_per_hour import Entrant, Race

Line = dict[str, Any]
"""What is known of a run: its setting, seed, updates, minutes, objective, and scores."""


def report(told: "Race", entrants: "Sequence[Entrant]", output: Path) -> None:
    """Write what is known so far."""
    done = [entrant for entrant in entrants if entrant.is_scored(told.split)]
    lines = [line(entrant, told) for entrant in done]
    (output / "race.json").write_text(json.dumps(lines, indent=1))
    (output / "race.md").write_text(table(told, lines))
    if done:
        curves(told, done).savefig(output / "curves.png", dpi=110)
        Image.fromarray(examples(told, done)).save(output / "grid.png")


def line(entrant: "Entrant", told: "Race") -> Line:
    """What is known of a finished run."""
    log = read_log(entrant.run)
    scores = json.loads((entrant.run / "evaluation" / f"{told.split}.json").read_text())
    objective = [each["objective"] for each in log if "objective" in each]
    return {
        "setting": entrant.setting,
        "seed": entrant.seed,
        "updates": log[-1]["step"],
        "minutes": log[-1]["seconds"] / 60,
        "objective": fmean(objective[-max(1, len(objective) // 10) :]) if objective else None,
        **{name: scores[name] for name in told.scores},
    }


def table(told: "Race", lines: Sequence[Line]) -> str:
    """One row a setting, in the order of the race: means over its seeds, ± standard deviation if there are several."""
    titles = [metric(name).title for name in told.scores]
    head = ["setting", "seeds", "updates", "minutes", "objective at the end", *titles]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for setting in told.settings:
        of = [each for each in lines if each["setting"] == setting]
        if of:
            means = [f"{fmean(each['updates'] for each in of):.0f}", f"{fmean(each['minutes'] for each in of):.1f}"]
            rows.append([setting, str(len(of)), *means, over_seeds(of, "objective", 2)])
            rows[-1] += [over_seeds(of, name, 1 if name == "psnr" else 3) for name in told.scores]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def over_seeds(lines: Sequence[Line], name: str, digits: int) -> str:
    """A mean and its spread."""
    values = [each[name] for each in lines if each[name] is not None]
    if not values:
        return "–"
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{spread}"


def curves(told: "Race", done: "Sequence[Entrant]") -> Figure:
    """The first score that looks at a validation split recorded, or the objective, over minutes of processor time."""
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    logs = {entrant: read_log(entrant.run) for entrant in done}
    looked = f"val_{told.scores[0]}"
    key = looked if any(looked in each for log in logs.values() for each in log) else "objective"
    settings = list(told.settings)
    for entrant, log in logs.items():
        points = [(each["seconds"] / 60, each[key]) for each in log if key in each]
        which = settings.index(entrant.setting)
        label = entrant.setting if entrant.seed == told.seeds[0] and points else None
        axes.plot(
            *zip(*points, strict=True) if points else ((), ()), f"C{which % 10}{LINES[which // 10 % 4]}", label=label
        )
    axes.set_xlabel("minutes of one core")
    axes.set_ylabel(metric(told.scores[0]).title if key == looked else "objective, nats")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure


def examples(told: "Race", done: "Sequence[Entrant]") -> Any:
    """Some pairs of the split, evenly spaced, and what each setting's first run makes of them."""
    first = {entrant.setting: entrant for entrant in reversed(done)}
    first = {setting: first[setting] for setting in told.settings if setting in first}
    pairs = read_tested(next(iter(first.values())).run, root=None).open_test(told.split)
    chosen = [pairs[i * len(pairs) // told.pictures] for i in range(min(told.pictures, len(pairs)))]
    columns = {"source": [pair.source for pair in chosen], "target": [pair.target for pair in chosen]}
    for setting, entrant in first.items():
        translator = Translator.from_run(entrant.run, device="cpu", trust=True)
        columns[setting] = [translator.tensor(pair.source[None])[0] for pair in chosen]
    return grid(list(zip(*columns.values(), strict=True)), columns=list(columns))


LINES = ("-", "--", ":", "-.")
