"""Data as a W&B artifact: files go up with their hashes and counts, and come down as they were."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from finetune.rows import read_lines
from finetune.tracking import file_hash
from otto.cli import wandb as weights_and_biases
from otto.cli.wandb import safe_name, sentences
from otto.errors import OttoError, StoreError, UsageError


def push(files: Sequence[Path], name: str) -> str:
    """Log files as a version of the artifact `name`; the run's address, or offline the command that uploads it.

    Raises:
        StoreError: a file cannot be read.
        UsageError: two files have one name.
        OttoError: W&B is not installed, out of reach, or has no key.
    """
    from otto.config import load_settings

    twice = {file.name for file in files if sum(other.name == file.name for other in files) > 1}
    if twice:
        raise UsageError(f"Two files are called {min(twice)}, and an artifact holds one", "rename one")
    about = {file.name: {"sha256": file_hash(file), "rows": sum(bool(line.strip()) for line in read_lines(file))} for file in files}
    wandb = weights_and_biases.package()
    folder = load_settings().paths.cache
    folder.mkdir(parents=True, exist_ok=True)
    with sentences("nothing was uploaded; give the same command again"), weights_and_biases.begin(name, "data", folder, {"files": about}) as run:
        artifact = wandb.Artifact(safe_name(name), type="dataset", metadata={"files": about})
        for file in files:
            artifact.add_file(str(file), name=file.name)
        run.log_artifact(artifact)
        return weights_and_biases.place(run)


def pull(address: str, folder: Path) -> list[Path]:
    """The files of an artifact, `[ENTITY/][PROJECT/]NAME:VERSION`, put into a folder.

    Raises:
        StoreError: another file of that name lies there, or the folder cannot be written.
        OttoError: W&B is not installed, offline, out of reach, has no key, or no such artifact.
    """
    came = weights_and_biases.pull(address, "name the file that was pushed")
    files = sorted(path for path in came.rglob("*") if path.is_file())
    if not files:
        raise OttoError(f"The artifact {address} holds no files", "push some with: otto finetune data push FILES")
    targets = [folder / path.relative_to(came) for path in files]
    for path, target in zip(files, targets, strict=True):
        if target.exists() and file_hash(target) != file_hash(path):
            raise StoreError(f"{target} is there already, and is another file", "name another folder with --to FOLDER")
    for path, target in zip(files, targets, strict=True):
        _copy(path, target)
    return targets


def _copy(path: Path, target: Path) -> None:
    """Whole or not at all. Raises StoreError."""
    import shutil

    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, draft)
        os.replace(draft, target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StoreError(f"{target} cannot be written ({error.strerror})", "make room, or name another folder with --to FOLDER") from None
