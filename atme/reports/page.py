"""How a page of a report is made: a template, with everything that it shows inside."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib import colormaps
from matplotlib.colors import to_hex

from atme.reports.figures import IN_THE_DARK


def rendered(template: str, *, colors: Sequence[str] = (), **values: object) -> str:
    """The page as HTML.

    Args:
        template: Its file's name below `templates/`.
        colors: Names of matplotlib's color maps that its scales show.
        values: What the template reads.
    """
    environment = Environment(
        loader=PackageLoader("atme.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    gradients = {name: _gradient(name) for name in colors}
    return environment.get_template(template).render(gradients=gradients, in_the_dark=IN_THE_DARK, **values)


def write_html(path: Path, page: str) -> None:
    """Write a page; of a name, bytes that are no text show as �.

    Raises:
        OSError: If it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(page.encode("utf-8", "xmlcharrefreplace"))


def _gradient(name: str) -> str:
    """A color map as a CSS gradient."""
    return "linear-gradient(90deg, " + ", ".join(to_hex(c) for c in colormaps[name](np.linspace(0, 1, 9))) + ")"
