"""Noise schemes: what is corrupted, at what level, and what is remembered."""

from atme.networks.features import Features
from atme.noise.augment import DiffAugment
from atme.noise.brownian import Brownian
from atme.noise.diffusion import Diffusion
from atme.noise.feature_diffusion import FeatureDiffusion
from atme.noise.injection import Corrupted, Game, Identity, Injection, Judged, Sequence, Verdicts
from atme.noise.memory import DecisionMemory

__all__ = [
    "Brownian",
    "Corrupted",
    "DecisionMemory",
    "DiffAugment",
    "Diffusion",
    "FeatureDiffusion",
    "Features",
    "Game",
    "Identity",
    "Injection",
    "Judged",
    "Sequence",
    "Verdicts",
]
