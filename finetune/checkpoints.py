"""Checkpoints of a stage: which of them is whole, and whose it is."""

from __future__ import annotations

import re
from pathlib import Path

from finetune.tracking import read_json

_NAME = re.compile(r"checkpoint-(\d+)")
_PARTS = ("adapter_model.safetensors", "trainer_state.json")
_OPTIMISERS = ("optimizer.pt", "optimizer.bin", "latest")  # of one process or several, of FSDP, of DeepSpeed


def step_of(checkpoint: Path) -> int:
    """The step that it was written at."""
    match = _NAME.fullmatch(checkpoint.name)
    return int(match[1]) if match else -1


def last_whole(folder: Path) -> tuple[Path | None, list[Path]]:
    """The newest checkpoint that is whole, and those behind it that a kill or a full disk cut short."""
    found = sorted((path for path in folder.glob("checkpoint-*") if step_of(path) >= 0), key=step_of, reverse=True)
    broken: list[Path] = []
    for path in found:
        if _is_whole(path):
            return path, broken
        broken.append(path)
    return None, broken


def _is_whole(checkpoint: Path) -> bool:
    if not all((checkpoint / name).is_file() for name in _PARTS) or not any((checkpoint / name).is_file() for name in _OPTIMISERS):
        return False
    if read_json(checkpoint / "trainer_state.json").get("global_step") != step_of(checkpoint):
        return False
    return _loads(checkpoint)


def _loads(checkpoint: Path) -> bool:
    import torch
    from safetensors import safe_open

    try:
        with safe_open(checkpoint / "adapter_model.safetensors", "pt") as file:
            if not list(file.keys()):
                return False
        for name in ("optimizer.pt", "scheduler.pt") if (checkpoint / "optimizer.pt").is_file() else ():
            torch.load(checkpoint / name, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # noqa: BLE001  a file cut short fails in as many ways as it has formats
        return False
    return True
