"""The studies of analysis/ as modules: they are scripts, in no package."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ANALYSIS = Path(__file__).parents[1] / "analysis"
sys.path.append(str(ANALYSIS))  # studies of several files find one another, as where they are run


def load(name: str) -> ModuleType:
    """Import ``analysis/NAME.py``."""
    spec = importlib.util.spec_from_file_location(name, ANALYSIS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module
