"""The router's own ONNX models, which the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otto import inference

MEND = "install otto-assistant anew: pip install --force-reinstall --no-deps otto-assistant"


def open_session(path: Path) -> Any:
    """An onnxruntime session on the CPU. Raises ModelError where the file is missing or damaged."""
    return inference.open_session(path, MEND)
