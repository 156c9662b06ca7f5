"""Noise schemes: what is corrupted, at what level, and what is remembered."""

from atme.noise.brownian import Brownian
from atme.noise.diffusion import Diffusion
from atme.noise.injection import Corrupted, Features, Game, Identity, Injection, Judged, Sequence, Verdicts
from atme.noise.memory import DecisionMemory

__all__ = [
    "Brownian",
    "Corrupted",
    "DecisionMemory",
    "Diffusion",
    "Features",
    "Game",
    "Identity",
    "Injection",
    "Judged",
    "Sequence",
    "Verdicts",
]
