"""Opens ONNX models the way a private assistant should: no telemetry, one thread, errors that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otto.errors import ModelError

MEND = "install otto-assistant anew: pip install --force-reinstall --no-deps otto-assistant"


def open_session(path: Path) -> Any:
    """An onnxruntime session on the CPU. Raises ModelError where the file is missing or damaged."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # two threads wait for each other longer than such small models compute
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  onnxruntime raises classes of its own native module
        reason = "it is not there" if not path.exists() else f"it is damaged: {str(error).splitlines()[0][:120]}"
        raise ModelError(f"The model {path.name} cannot be loaded, {reason}", MEND) from None
