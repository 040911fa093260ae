"""all-MiniLM-L6-v2 for Ragstone: a model folder (ONNX, int8) and nothing else."""

from pathlib import Path

MODEL_FOLDER = Path(__file__).parent / "model"
"""Holds ``model.onnx``, ``tokenizer.json`` and ``config.json``."""

__all__ = ["MODEL_FOLDER"]
