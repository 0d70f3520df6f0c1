"""Where weights live, and the only place that downloads them: when the user says so, with a progress bar."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from otto.config import Settings
from otto.errors import ModelError, NetworkError, OttoError, StoreError, UsageError

NETWORK_SECONDS = 8.0  # until a hub that does not answer is given up
MEGABYTE = 1_000_000
Kind = Literal["whisper", "router"]

WHISPER = {  # size → (repository, megabytes to download)
    "tiny.en": ("Systran/faster-whisper-tiny.en", 78),
    "tiny": ("Systran/faster-whisper-tiny", 78),
    "base.en": ("Systran/faster-whisper-base.en", 148),
    "base": ("Systran/faster-whisper-base", 148),
    "small.en": ("Systran/faster-whisper-small.en", 486),
    "small": ("Systran/faster-whisper-small", 486),
    "distil-small.en": ("Systran/faster-distil-whisper-small.en", 335),
    "medium.en": ("Systran/faster-whisper-medium.en", 1530),
    "medium": ("Systran/faster-whisper-medium", 1530),
    "large-v3": ("Systran/faster-whisper-large-v3", 3090),
    "turbo": ("mobiuslabsgmbh/faster-whisper-large-v3-turbo", 1620),
}
_FILES: dict[Kind, list[str]] = {
    "whisper": ["config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*"],
    "router": ["*.json", "*.safetensors", "tokenizer.model", "*.jinja"],
}
_NEEDED: dict[Kind, list[str]] = {  # patterns; without tokenizer.json faster-whisper asks the hub
    "whisper": ["config.json", "model.bin", "tokenizer.json", "vocabulary.*"],
    "router": ["config.json", "*.safetensors"],
}


@dataclass(frozen=True)
class Model:
    """Weights that can be had, or are on this machine."""

    name: str  # a Whisper size, or "owner/name" of a router's base model
    kind: Kind
    path: Path
    installed: bool
    megabytes: int | None  # on the disk where it is installed, else to download; None where nobody knows


def list_models(settings: Settings) -> list[Model]:
    """Every Whisper size, and the router models on this machine."""
    found = [_model(settings, name) for name in WHISPER]
    folder = settings.paths.models / "router"
    with_owner = (path for path in sorted(folder.iterdir()) if "--" in path.name) if folder.is_dir() else ()
    return found + [
        _model(settings, path.name.replace("--", "/", 1)) for path in with_owner if not path.name.startswith(".")
    ]


def model_path(settings: Settings, name: str) -> Path:
    """The folder of an installed model; `name` may be a folder itself.

    Raises:
        ModelError: it is not on this machine, or files of it are missing.
        UsageError: there is no model of that name.
    """
    if name and name not in WHISPER and Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    model = _model(settings, name)
    if not model.path.is_dir():
        raise ModelError(f"The model {name} is not on this machine", f"download it with: otto models pull {name}")
    missing = ", ".join(_missing(model.path, model.kind))
    if missing:
        raise ModelError(
            f"The model {name} is damaged: {missing} is missing in {model.path}",
            f"download it anew with: otto models pull {name}",
        )
    return model.path


def installed_whisper(settings: Settings) -> str:
    """The Whisper model to use: the one in the settings, else any on this machine; empty where there is none.

    One in the settings that is damaged is named too: whoever opens it says so.
    """
    wanted = settings.stt.model
    if wanted and Path(wanted).expanduser().is_dir():
        return wanted
    whispers = [model for model in list_models(settings) if model.kind == "whisper"]
    usable = [model.name for model in whispers if model.installed or (model.name == wanted and model.path.is_dir())]
    return wanted if wanted in usable else next(iter(usable), "")


def pull_model(settings: Settings, name: str, endpoint: str | None = None) -> Path:
    """Download a model and return its folder. One that is whole is left as it is; an interrupted download goes on.

    Args:
        settings: say where models live.
        name: a Whisper size, or "owner/name" of a base model for the transformers router.
        endpoint: another hub than huggingface.co.

    Raises:
        UsageError: there is no model of that name.
        NetworkError: the hub is out of reach or does not have it.
        StoreError: it cannot be stored.
    """
    model = _model(settings, name)
    if model.installed:
        return model.path
    partial = model.path.with_name(f".{model.path.name}.partial")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        _require_room(partial, model)
        _download(model, partial, endpoint)
        missing = ", ".join(_missing(partial, model.kind))
        if missing:
            raise ModelError(
                f"The repository of {name} is no {model.kind} model ({missing} is missing)", "see `otto models list`"
            )
        shutil.rmtree(partial / ".cache", ignore_errors=True)  # the hub's own notes on the download
        if model.path.exists():  # damaged: the new one takes its place
            shutil.rmtree(model.path)
        os.rename(partial, model.path)
    except OSError as error:
        raise StoreError(
            f"{name} cannot be stored in {model.path.parent} ({error.strerror or error})",
            "make room, or set another folder: otto config set paths.models FOLDER",
        ) from None
    return model.path


def _model(settings: Settings, name: str) -> Model:
    if name in WHISPER:
        kind: Kind = "whisper"
        path = settings.paths.models / "whisper" / name
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", name) and ".." not in name:
        kind = "router"
        path = settings.paths.models / "router" / name.replace("/", "--")
    else:
        raise UsageError(
            f"There is no model {name}", f"choose one of {', '.join(WHISPER)}, or owner/name of a base model"
        )
    installed = path.is_dir() and not list(_missing(path, kind))
    size = (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) // MEGABYTE
        if installed
        else WHISPER.get(name, (None, None))[1]
    )
    return Model(name, kind, path, installed, size)


def _missing(folder: Path, kind: Kind) -> Iterator[str]:
    for pattern in _NEEDED[kind]:
        if not any(file.stat().st_size for file in folder.glob(pattern)):
            yield pattern


def _require_room(folder: Path, model: Model) -> None:
    needed = (model.megabytes or 0) * MEGABYTE - sum(
        file.stat().st_size for file in folder.rglob("*") if file.is_file()
    )
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StoreError(
            f"{model.name} needs {needed // MEGABYTE} MB and {folder.parent} has {free // MEGABYTE} MB free",
            "make room, or set another folder: otto config set paths.models FOLDER",
        )


def _download(model: Model, folder: Path, endpoint: str | None) -> None:
    try:
        import httpx
        from huggingface_hub import constants, snapshot_download
        from huggingface_hub import errors as hub_errors
    except ImportError:
        raise OttoError("huggingface_hub is not installed", "install it with: pip install huggingface_hub") from None
    repository = WHISPER[model.name][0] if model.name in WHISPER else model.name
    hub = endpoint or constants.ENDPOINT
    unreachable = NetworkError(
        f"{hub} is out of reach",
        "check the network, or copy the model's folder from another machine to " + str(model.path),
    )
    try:
        httpx.head(hub, timeout=NETWORK_SECONDS)  # the hub's own client tries again for long
        snapshot_download(
            repository,
            local_dir=folder,
            allow_patterns=_FILES[model.kind],
            token=False,  # these are public; a token on this machine stays on it
            endpoint=hub,
            etag_timeout=NETWORK_SECONDS,
        )
    except hub_errors.GatedRepoError:
        raise NetworkError(
            f"{repository} is given out only to people who accepted its licence",
            f"accept it at {hub}/{repository} and download it by hand",
        ) from None
    except hub_errors.RepositoryNotFoundError:
        raise NetworkError(f"{hub} has no model {repository}", "check the name") from None
    except hub_errors.HfHubHTTPError as error:
        raise NetworkError(
            f"{hub} refused to give {repository} (HTTP {error.response.status_code})", "try again later"
        ) from None
    except (httpx.HTTPError, hub_errors.LocalEntryNotFoundError, ConnectionError):
        raise unreachable from None
    except (ValueError, TypeError, LookupError):  # a page to sign in to the network, say
        raise NetworkError(f"{hub} answers, but not as a model hub", "check the network") from None
    except OSError as error:
        if error.errno is not None:  # the disk's
            raise
        raise unreachable from None
