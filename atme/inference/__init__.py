"""From a trained run to pictures and scores."""

from atme.inference.evaluation import Evaluation, evaluate
from atme.inference.files import jobs, translate_files
from atme.inference.published import load_published
from atme.inference.translator import Translator

__all__ = ["Evaluation", "Translator", "evaluate", "jobs", "load_published", "translate_files"]
