"""The skills that data is made for."""

from __future__ import annotations

from pathlib import Path

from otto.errors import Problems
from otto.registry import Registry

INSTALLED = "installed"


def load_skills(skills: str = INSTALLED) -> Registry:
    """The skills of this machine (`installed`), of a folder, or of a JSON file of signatures; the equality of calls is theirs from here on.

    Raises:
        StoreError: the file cannot be read or has another format.
        Problems: a skill of the folder cannot be loaded.
    """
    path = Path(skills).expanduser()
    if skills == INSTALLED:
        from otto.config import load_settings

        registry = Registry.load(load_settings().paths.skills)
    else:
        registry = Registry.from_folder(path) if path.is_dir() else Registry.from_json(path)
    if registry.problems:
        raise Problems("Skills cannot be loaded, and data without them would teach that they are not there", registry.problems)
    registry.install()
    return registry
