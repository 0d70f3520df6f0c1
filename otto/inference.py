"""Opens ONNX models the way a private assistant should: no telemetry, one thread, errors that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from otto.errors import ModelError


def open_session(path: Path, mend: str, arena: bool = True) -> Any:
    """An onnxruntime session on the CPU.

    Args:
        path: the model.
        mend: what the user can do where it is missing or damaged.
        arena: keep the memory that the longest input took.

    Raises:
        ModelError: the file is missing or damaged.
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # two threads wait for each other longer than such small models compute
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = arena
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  onnxruntime raises classes of its own native module
        reason = "it is not there" if not path.exists() else f"it is damaged: {str(error).splitlines()[0][:120]}"
        raise ModelError(f"The model {path.name} cannot be loaded, {reason}", mend) from None
