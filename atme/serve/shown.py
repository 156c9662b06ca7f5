"""A run as its page names it."""

from dataclasses import dataclass
from pathlib import Path

from atme.inference import Translator


@dataclass(frozen=True)
class Shown:
    """A run that is on the page."""

    run: Path
    """As the user gave it."""
    translator: Translator
    """Of the run."""

    @property
    def name(self) -> str:
        """The run as the user gave it, which tells it from the others."""
        return str(self.run)

    @property
    def in_words(self) -> str:
        """Which weights translate, and at which size."""
        source = self.translator.source
        kind = "averaged weights" if source.weights == "average" else "weights"
        return f"{kind} after {source.step:,} updates; pictures {self.translator.knows.scale_in_words}"

    @property
    def draws(self) -> bool:
        """Whether a picture has several answers."""
        return not self.translator.one_answer
