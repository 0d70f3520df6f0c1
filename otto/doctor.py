"""Examines this installation: every dependency, folder, device, model and key. Nothing is changed or sent."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from otto.config import Settings, config_file
from otto.errors import OttoError
from otto.registry import Registry
from otto.store import DATABASE_NAME

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "otto-assistant"
DEVELOPMENT = ("test", "dev")  # extras that only who changes Otto needs
State = Literal["ok", "off", "fault"]  # off: not there, and Otto works without it


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    area: str
    name: str
    state: State
    detail: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Check]:
    """Look at one thing after another."""
    registry = Registry.load(settings.paths.skills)
    areas: list[tuple[str, Callable[[], Iterator[Check]]]] = [
        ("python", _python),
        ("packages", _packages),
        ("settings", lambda: _settings(settings)),
        ("skills", lambda: _skills(registry)),
        ("microphone", lambda: _devices(settings)),
        ("wake word", lambda: _wake(settings)),
        ("service", lambda: _service(settings)),
        ("speech", lambda: _speech(settings, registry)),
        ("voice", lambda: _voice(settings)),
        ("router", lambda: _router(settings, registry)),
        ("models", lambda: _models(settings)),
        ("keys", lambda: _keys(settings)),
    ]
    for area, checks in areas:
        try:
            yield from checks()
        except OttoError as error:
            yield Check(area, area, "fault", error.what, error.mend)
        except Exception as error:  # noqa: BLE001  a part that breaks the examination is a finding
            yield Check(area, area, "fault", f"{type(error).__name__}: {error}", "install otto-assistant anew")


def _python() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 10) <= sys.version_info[:2] <= (3, 13)
    yield Check(
        "python", "python", "ok" if fits else "fault", version, "" if fits else "install Otto with Python 3.10 to 3.13"
    )


def _packages() -> Iterator[Check]:
    """What the distribution says it needs, and what its extras would add."""
    try:
        needed = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Check(
            "packages", DISTRIBUTION, "off", "not installed, run from its folder", "install it with: pip install -e ."
        )
        return
    seen = set()
    lacking: dict[str, list[str]] = {}  # extra → its packages that are not there
    for text in needed:
        needs, extra = _requirement(text)
        if needs is None or needs.name in seen or extra in DEVELOPMENT:
            continue
        name = needs.name
        seen.add(name)
        try:
            version = metadata.version(name)
            if needs.specifier.contains(version, prereleases=True):
                yield Check("packages", name, "ok", version)
            else:
                yield Check("packages", name, "fault", f"{version}, and Otto needs {needs.specifier}", f'pip install "{name}{needs.specifier}"')
        except metadata.PackageNotFoundError:
            if extra:
                lacking.setdefault(extra, []).append(name)
            else:
                yield Check("packages", name, "fault", "not installed", f"pip install {name}")
    for extra, names in lacking.items():
        yield Check("packages", f"extra {extra}", "off", f"not installed: {', '.join(names)}", f'pip install "{DISTRIBUTION}[{extra}]"')


def _requirement(text: str) -> tuple[Requirement | None, str]:
    """What is needed and the extra that asks for it; None where this Python or system does not need it."""
    from packaging.requirements import Requirement

    requirement = Requirement(text)
    extras = re.findall(r"extra\s*==\s*['\"]([^'\"]+)", str(requirement.marker or ""))
    extra = extras[0] if extras else ""
    if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
        return None, extra
    return requirement, extra


def _settings(settings: Settings) -> Iterator[Check]:
    file = config_file()
    yield Check(
        "settings", "file", "ok", str(file) if file.exists() else f"{file} (not there: the defaults are in force)"
    )
    for name, folder in settings.paths.model_dump().items():
        yield _folder(name, folder)
    yield _database(settings.paths.data / DATABASE_NAME)


def _folder(name: str, folder: Path) -> Check:
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if place.is_dir() and os.access(place, os.W_OK):
        return Check("settings", f"folder {name}", "ok", str(folder))
    mend = f"make {place} writable, or set another: otto config set paths.{name} FOLDER"
    return Check("settings", f"folder {name}", "fault", f"{folder} cannot be written", mend)


def _database(file: Path) -> Check:
    if not file.exists():
        return Check("settings", "database", "ok", f"{file} (made with the first command)")
    try:
        with contextlib.closing(
            sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=2)
        ) as connection:
            state = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        state = str(error)
    if state == "ok":
        return Check("settings", "database", "ok", str(file))
    return Check(
        "settings",
        "database",
        "fault",
        f"{file} is damaged ({state})",
        "the next command sets it aside and begins a new one",
    )


def _skills(registry: Registry) -> Iterator[Check]:
    yield Check("skills", "installed", "ok", f"{len(registry)}: {', '.join(registry.specs)}")
    for problem in registry.problems:
        yield Check("skills", problem.where, "fault", problem.what, problem.mend)


def _devices(settings: Settings) -> Iterator[Check]:
    """PortAudio, and every microphone and loudspeaker. Without them Otto still takes files and text, and answers in text."""
    from otto.audio.devices import SETTINGS, devices, find_device

    wanted = {"microphone": settings.audio.input, "loudspeaker": settings.audio.output}
    without = {"microphone": "otto say TEXT, otto hear FILE", "loudspeaker": "the replies are shown as text"}
    for kind in SETTINGS:
        try:
            known = devices(kind)
        except OttoError as error:
            yield Check("microphone", "PortAudio", "off", error.what, error.mend)
            return
        if kind == "microphone":
            yield Check(kind, "PortAudio", "ok", "found")
        if not known:
            yield Check(kind, kind, "off", "there is none", f"plug one in; without one: {without[kind]}")
        elif wanted[kind] and find_device(kind, wanted[kind]) is None:
            mend = f"plug it in, or choose one of these: otto devices use {kind} NAME"
            yield Check(kind, kind, "fault", f"there is none called {wanted[kind]}; the default one stands in for it", mend)
        for device in known:
            about = f" ({device.about})" if device.about != device.name else ""
            name = str(device.number) if device.number is not None else device.host
            yield Check(kind, name, "ok", f"{device.name}{about}{', default' if device.default else ''}")


def _wake(settings: Settings) -> Iterator[Check]:
    from otto.audio.wakeword import WakeWords

    WakeWords(settings.wake.words, settings.wake.sensitivity, settings.paths.models / "wake")
    yield Check("wake word", "words", "ok", ", ".join(settings.wake.words) or "none: press Enter and speak")


def _service(settings: Settings) -> Iterator[Check]:
    from otto.service import open_service

    try:
        status = open_service(settings.paths.data).status()
    except OttoError as error:
        yield Check("service", "service", "off", error.what, error.mend)
        return
    mend = "" if status.installed else "to listen from login on: otto service install"
    yield Check("service", "service", "ok" if status.installed else "off", status.sentence, mend)


def _speech(settings: Settings, registry: Registry) -> Iterator[Check]:
    from otto.stt import open_engine

    engine = open_engine(settings.stt.engine, registry, settings)
    if engine.name == "closed-phrase":
        mend = f"for free speech: otto models pull {settings.stt.model}"
        yield Check("speech", "engine", "ok", "closed-phrase: limited to the phrases of the installed skills", mend)
    else:
        yield Check("speech", "engine", "ok", engine.name)
    device = getattr(engine, "device", "")
    if device:
        yield Check("speech", "computes on", "ok", "a graphics card" if device == "cuda" else "the processor")
    yield _whisper_size()


def _whisper_size() -> Check:
    """Which Whisper this processor does in time: an estimate, from how fast it multiplies now."""
    from otto.stt.device import IN_TIME, size_in_time

    name, seconds = size_in_time()
    each = ", ".join(f"{size} {needed:.1f} s" for size, needed in seconds.items())
    fits = f"{name} fits" if seconds[name] <= IN_TIME else "no size fits"
    return Check("speech", "whisper size", "ok", f"{fits} into {IN_TIME:.1f} s a sentence on the processor (estimated: {each})")


def _voice(settings: Settings) -> Iterator[Check]:
    """What would speak the replies; it is had speak, unheard."""
    from otto.tts import AUTO, NONE, Chain

    if settings.voice.engine == NONE:
        yield Check("voice", "voice", "off", "replies are not spoken", "otto config set voice.engine auto")
        return
    try:
        voice = Chain.open(settings)
        voice.synthesize("Ready.")
        yield Check("voice", "voice", "ok", voice.name)
    except OttoError as error:
        yield Check("voice", "voice", "off" if settings.voice.engine == AUTO else "fault", error.what, error.mend)


def _router(settings: Settings, registry: Registry) -> Iterator[Check]:
    from otto.router import open_router

    router = open_router(settings.router.engine, registry, settings)
    yield Check("router", "engine", "ok", router.name)


def _models(settings: Settings) -> Iterator[Check]:
    from otto.models import list_models, model_path

    models = list_models(settings)
    for model in models:
        if model.installed:
            yield Check("models", model.name, "ok", str(model_path(settings, model.name)))
        elif model.path.is_dir():
            yield Check("models", model.name, "fault", f"{model.path} is damaged", f"otto models pull {model.name}")
    wanted = settings.stt.model
    if not any(model.installed and model.name == wanted for model in models) and not Path(wanted).expanduser().is_dir():
        yield Check("models", wanted, "off", "not on this machine", f"otto models pull {wanted}")


def _keys(settings: Settings) -> Iterator[Check]:
    """Which keys are there; never what they are."""
    wanted: dict[str, str] = {settings.openai.api_key_env: "the skills openai and story"}
    if settings.router.engine == "openai":
        wanted[settings.router.api_key_env] = "the router"
    for variable, user in wanted.items():
        if not variable:
            continue
        if os.environ.get(variable):
            yield Check("keys", variable, "ok", f"set, for {user}")
        else:
            yield Check("keys", variable, "off", f"not set; it is for {user}", f"export {variable}=…")


def as_json(check: Check) -> dict[str, Any]:
    """What `otto doctor --json` prints."""
    return {"area": check.area, "name": check.name, "state": check.state, "detail": check.detail, "mend": check.mend}
