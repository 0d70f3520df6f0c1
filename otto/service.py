"""Otto from login on: a user service of systemd (Linux) or launchd (macOS) that runs `otto listen --plain`."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from otto.errors import ServiceError
from otto.tomlfile import replace_file

UNIT = "otto.service"
LABEL = "org.otto-assistant.listen"
COMMAND = ("-m", "otto", "listen", "--plain")
LOG_LINES = 10
_CARRIED = ("OTTO_HOME", "OTTO_CONFIG")  # where the settings are, if they are not where they would be
_ANSWERS = 30.0  # seconds for systemctl and launchctl
_BY_HAND = "have your desktop start this at login: otto listen --plain"


@dataclass(frozen=True)
class Status:
    """What there is to say about the service."""

    installed: bool
    running: bool
    file: Path
    log: tuple[str, ...] = ()  # its last lines

    @property
    def sentence(self) -> str:
        if not self.installed:
            return "not installed"
        return f"running ({self.file})" if self.running else f"installed, not running ({self.file})"


class Service(Protocol):
    """What starts Otto at login. Every method raises ServiceError where the system refuses."""

    def install(self) -> Path:
        """Start it now and at each login; one that is there already is written anew. Returns its file."""

    def status(self) -> Status: ...

    def remove(self) -> bool:
        """Stop it and undo all that `install` did; False where there was none."""


def open_service(log: Path, environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Service:
    """The one of this system; `log` is where launchd writes what Otto prints. Raises ServiceError: this system has none that Otto knows."""
    if platform.startswith("linux"):
        if shutil.which("systemctl") is None:
            raise ServiceError("There is no systemd here", _BY_HAND)
        return Systemd(environ)
    if platform == "darwin":
        return Launchd(log, environ)
    if platform == "win32":
        raise ServiceError("Otto is no service on Windows", "put a link to this into the folder that `shell:startup` opens: otto listen --plain")
    raise ServiceError(f"Otto knows no services of {platform}", _BY_HAND)


class Systemd:
    """A unit in the user's own folder (man 5 systemd.unit)."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        home = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        self.file = Path(home) / "systemd" / "user" / UNIT

    def install(self) -> Path:
        self._systemctl("show-environment")  # before anything is written: is there a systemd for this user?
        replace_file(self.file, systemd_unit(sys.executable, _carried(self._environ)))
        try:
            self._systemctl("daemon-reload")
            self._systemctl("enable", UNIT)
            self._systemctl("restart", UNIT)
        except ServiceError:
            self.remove()
            raise
        return self.file

    def status(self) -> Status:
        if not self.file.exists():
            return Status(False, False, self.file)
        running = _run(["systemctl", "--user", "is-active", "--quiet", UNIT]).returncode == 0
        shown = _run(["journalctl", "--user", f"--unit={UNIT}", f"--lines={LOG_LINES}", "--no-pager", "--output=cat"])
        return Status(True, running, self.file, _lines(shown.stdout) if shown.returncode == 0 else ())

    def remove(self) -> bool:
        there = self.file.exists()
        if there:
            _run(["systemctl", "--user", "disable", "--now", UNIT])  # where no systemd runs, nothing of ours does
            self.file.unlink()
            _run(["systemctl", "--user", "daemon-reload"])
        return there

    def _systemctl(self, *words: str) -> None:
        done = _run(["systemctl", "--user", *words])
        if done.returncode:
            reason = (_lines(done.stderr) or (f"exit code {done.returncode}",))[0]
            raise ServiceError(f"systemd refused `systemctl --user {' '.join(words)}` ({reason})", _BY_HAND)


class Launchd:
    """An agent in the user's own folder (man 5 launchd.plist)."""

    def __init__(self, log: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._log = log
        self._domain = f"gui/{os.getuid() if hasattr(os, 'getuid') else 0}"
        self.file = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    def install(self) -> Path:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._bootout()
        replace_file(self.file, launchd_agent(sys.executable, _carried(self._environ), self._log))
        done = _run(["launchctl", "bootstrap", self._domain, str(self.file)])
        if done.returncode:
            self.file.unlink()
            raise ServiceError(f"launchd refused the agent ({(_lines(done.stderr) or ('no reason given',))[0]})", _BY_HAND)
        return self.file

    def status(self) -> Status:
        if not self.file.exists():
            return Status(False, False, self.file)
        shown = _run(["launchctl", "print", f"{self._domain}/{LABEL}"]).stdout
        log = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        return Status(True, "state = running" in shown, self.file, _lines(log)[-LOG_LINES:])

    def remove(self) -> bool:
        there = self.file.exists()
        self._bootout()
        self.file.unlink(missing_ok=True)
        return there

    def _bootout(self) -> None:
        _run(["launchctl", "bootout", f"{self._domain}/{LABEL}"])  # fails where it is not loaded, and that is what is wanted


def systemd_unit(python: str, environment: Mapping[str, str]) -> str:
    """The text of the unit; quoting as in man 5 systemd.service, "COMMAND LINES". Raises ServiceError: systemd starts no program of that name."""
    if set(python) & set("'\"\\"):
        raise ServiceError(f"systemd starts no program with a quote or a backslash in its path ({python})", "install Otto into another folder")
    lines = [
        "[Unit]",
        "Description=Otto, a voice assistant",
        "After=pipewire-pulse.service pulseaudio.service",
        "",
        "[Service]",
        f"ExecStart={_quoted(python)} {' '.join(COMMAND)}",
        *(f"Environment={_quoted(f'{name}={value}')}" for name, value in environment.items()),
        "KillSignal=SIGINT",
        "SuccessExitStatus=130",
        "Restart=on-failure",
        "RestartSec=5",
        "",
        "[Install]",
        "WantedBy=default.target",
    ]
    return "\n".join(lines) + "\n"


def launchd_agent(python: str, environment: Mapping[str, str], log: Path) -> str:
    """The text of the property list."""
    agent = {
        "Label": LABEL,
        "ProgramArguments": [python, *COMMAND],
        "EnvironmentVariables": dict(environment),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ProcessType": "Interactive",
        "StandardOutPath": str(log),
        "StandardErrorPath": str(log),
    }
    return plistlib.dumps(agent).decode()


def _quoted(text: str) -> str:
    """`$` is a letter here: variables are expanded in the arguments of a command alone."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


def _carried(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: os.path.abspath(os.path.expanduser(environ[name])) for name in _CARRIED if environ.get(name)}


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_ANSWERS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.strip().splitlines())
