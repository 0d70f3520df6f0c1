"""The folders of large models and their adapters: where they are, and which prompt is theirs. Nothing is ever downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from otto.errors import ModelError, UsageError
from otto.prompt import FAMILIES, check_pairing, family_of

CHOOSE = "choose another with `otto config set router.{} FOLDER`"
COPY = "copy its files anew, or " + CHOOSE.format("model")

_FILES = {"model": ("config.json", "*.safetensors"), "adapter": ("adapter_config.json", "adapter_model.safetensors")}
_OF_OTHERS = ("embedded", "openai")  # prompts of other routers


def folder_of(key: str, named: str | Path, models: Path) -> Path:
    """The folder of a "model" or an "adapter", beside what Otto itself keeps or anywhere else. Raises ModelError."""
    if not named:
        raise ModelError(f"No {key} is chosen for the router", f"name its folder with `otto config set router.{key} FOLDER`")
    folder = models / Path(named).expanduser()
    files = _FILES[key]
    if not (folder / files[0]).is_file() or not any(folder.glob(files[1])):
        raise ModelError(f"There is no {key} of the router in {folder}", f"put its {' and '.join(files)} there, or {CHOOSE.format(key)}")
    return folder


def family_with(folder: Path, adapter: Path | None) -> str:
    """The prompt family of a model. Raises UsageError where its adapter was trained with that of another."""
    trained_with = _known_family(adapter) if adapter else None
    if trained_with and _known_family(folder):
        check_pairing(trained_with, folder)
    family = trained_with or _known_family(folder)
    if family is None:
        mend = f'write "otto_prompt": "…" into its config.json, with one of: {", ".join(name for name in FAMILIES if name not in _OF_OTHERS)}'
        raise ModelError(f"The prompt family of the model in {folder} is not known", mend)
    if family in _OF_OTHERS:
        raise ModelError(f"The model {folder.name} takes the prompt of the router {family}", CHOOSE.format("model"))
    return family


def _known_family(folder: Path) -> str | None:
    try:
        return family_of(folder)
    except UsageError:
        return None


def read_json(file: Path) -> dict[str, Any]:
    """What a file holds, {} where it is none that can be read."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def reason(error: BaseException) -> str:
    """An error's words on one line, shortened."""
    text = (" ".join(str(error).split()) or type(error).__name__).rstrip(".:")
    return text if len(text) <= 200 else text[:200] + " …"
