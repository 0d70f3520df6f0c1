"""Weights & Biases, as the command lines of eval/ and finetune/ use it beside their local files.

With WANDB_MODE=offline nothing leaves the machine and no login is needed; W&B's own files then lie in the run's folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from otto.errors import MissingExtra, NetworkError, OttoError, StoreError, UsageError

PROJECT = "otto"  # where WANDB_PROJECT names no other
PATIENCE = 30  # seconds for W&B to answer
_NO_KEY = ("W&B has no key for you on this machine", "log in with: wandb login, or set WANDB_MODE=offline")


def package() -> Any:
    """W&B's client. Raises MissingExtra where it is not installed."""
    try:
        import wandb
        from wandb import errors  # noqa: F401  a folder "wandb" of offline runs also imports, as an empty package
    except ImportError:
        raise MissingExtra("wandb", "wandb") from None
    return wandb


def is_offline() -> bool:
    """Whether nothing may leave the machine."""
    return os.environ.get("WANDB_MODE", "online") != "online"


def begin(name: str, kind: str, folder: Path, config: Mapping[str, Any], **options: Any) -> Any:
    """A run that is logged: figures and tables, and nothing about the machine or its user. To be called within `sentences`.

    Nobody is asked for a key, even where somebody could answer: the command may be one of many.

    Args:
        name: for people.
        kind: "eval".
        folder: where W&B's own files go.
        config: what the run was made from.
        options: more for `wandb.init`.

    Raises:
        OttoError: there is no key.
    """
    wandb = package()
    wandb.setup(wandb.Settings(silent=True))  # what it says outside of a run
    if not is_offline() and not wandb.login(prompt=False, verify=False):
        raise OttoError(*_NO_KEY)
    settings = wandb.Settings(
        silent=True, console="off", disable_git=True, save_code=False, init_timeout=PATIENCE,
        x_disable_stats=True, x_disable_meta=True, x_disable_machine_info=True, x_save_requirements=False, host="-",
    )  # fmt: skip
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    return wandb.init(project=project, name=name, job_type=kind, dir=str(folder), config=dict(config), settings=settings, **options)


def place(run: Any) -> str:
    """A run's address; offline, the command that uploads it."""
    return str(run.url if run.settings.mode == "online" else f"wandb sync {Path(run.dir).parent}")


def pull(address: str, instead: str) -> Path:
    """The folder with the files of an artifact, `[ENTITY/][PROJECT/]NAME:VERSION`; downloaded to the cache where it is not there yet.

    Args:
        address: the artifact's.
        instead: what else can be done offline, as the mend of an error.

    Raises:
        MissingExtra: wandb is not installed.
        UsageError: W&B is offline, which cannot read an artifact.
        NetworkError: W&B is out of reach.
        OttoError: there is no such artifact, or no key for it.
    """
    from otto.config import load_settings

    wandb = package()
    if is_offline():
        raise UsageError(f"The artifact {address} cannot be read in W&B's offline mode", f"unset WANDB_MODE, or {instead}")
    with sentences(f"check the address, or download it where it can be reached with: wandb artifact get {address}"):
        artifact = wandb.Api(timeout=PATIENCE).artifact(address)
        name = safe_name(f"{artifact.qualified_name}-{artifact.digest}")  # "latest" moves on, the digest stays
        folder = load_settings().paths.cache / "artifacts" / name
        try:
            artifact.download(root=str(folder))
        except OSError as error:
            raise StoreError(f"{folder} cannot be written ({error.strerror})", "make room on the disk") from None
    return folder


def safe_name(name: str) -> str:
    """A name that W&B and every file system takes."""
    return re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)[:128]


@contextmanager
def sentences(mend: str) -> Iterator[None]:
    """W&B's errors as Otto's.

    Args:
        mend: what helps where it is neither the key nor the login.

    Raises:
        NetworkError: W&B is out of reach.
        OttoError: it refuses, for want of a key for one.
    """
    from wandb import errors

    try:
        yield
    except errors.AuthenticationError as error:
        if "execute API request" in str(error):  # the key could not even be shown
            raise NetworkError(f"W&B cannot be reached ({_reason(error)})", mend) from None
        raise OttoError(f"W&B does not take the key ({_reason(error)})", "log in with: wandb login, or set WANDB_MODE=offline") from None
    except errors.CommError as error:
        raise NetworkError(f"W&B cannot be reached, or refuses ({_reason(error)})", mend) from None
    except errors.UsageError as error:
        if "API key" in str(error):
            raise OttoError(*_NO_KEY) from None
        raise OttoError(f"W&B refuses ({_reason(error)})", mend) from None
    except (errors.Error, ValueError) as error:
        raise OttoError(f"W&B failed ({_reason(error)})", mend) from None


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")[:200]
