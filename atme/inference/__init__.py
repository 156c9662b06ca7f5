"""From a trained run to pictures and scores."""

from atme.inference.batches import translate_files
from atme.inference.evaluation import Evaluation, evaluate
from atme.inference.files import Jobs, Plan, jobs, plan
from atme.inference.inside import Inside
from atme.inference.loading import Source
from atme.inference.published import load_published
from atme.inference.tiling import Tiling
from atme.inference.translator import Translator

__all__ = [
    "Evaluation",
    "Inside",
    "Jobs",
    "Plan",
    "Source",
    "Tiling",
    "Translator",
    "evaluate",
    "jobs",
    "load_published",
    "plan",
    "translate_files",
]
