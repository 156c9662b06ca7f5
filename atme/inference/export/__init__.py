"""Trained runs as files that other programs run: ONNX, and PyTorch's exported programs."""

from atme.inference.export.command import Exported, default_place, export

__all__ = ["Exported", "default_place", "export"]
