"""The peers' own environment: their dependencies never touch Otto's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from otto.config import Settings
from otto.errors import OttoError

REQUIREMENTS = Path(__file__).parent / "requirements.txt"


def peers_python(settings: Settings) -> Path:
    """The Python of the peers' environment, which may not be there yet."""
    folder = settings.paths.cache / "peers"
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def install_peers(settings: Settings, note: Callable[[str], None]) -> list[str]:
    """Make the environment and install each peer into it. Returns what could not be installed, a sentence each.

    Raises:
        OttoError: no environment can be made.
    """
    python = peers_python(settings)
    if not os.path.exists(python):  # which never raises
        note("Making an environment for the peers …")
        done = _run([sys.executable, "-m", "venv", str(python.parent.parent)])
        if done is not None:
            raise OttoError(f"No environment can be made for the peers ({done})", "on Debian: apt-get install python3-venv")
    failed = []
    for requirement, remark in requirements():
        note(f"Installing {requirement} …")
        reason = _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement])
        if reason is not None:
            failed.append(f"{requirement} cannot be installed: {reason}" + (f" ({remark})" if remark else ""))
    return failed


def requirements() -> list[tuple[str, str]]:
    """(requirement, what is to be known of it) of each peer."""
    lines = [line.partition("#") for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines()]
    return [(line.strip(), remark.strip()) for line, _, remark in lines if line.strip()]


def remark_on(package: str) -> str:
    """What is to be known of a package before it can be installed."""
    return next((remark for requirement, remark in requirements() if requirement.split("==")[0] == package), "")


def _run(command: list[str]) -> str | None:
    """None where it succeeds, else its last telling line."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{command[0]} cannot be run: {error.strerror}"
    if not done.returncode:
        return None
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"(\w*Error|\w*Exception|ERROR):", line)]
    return (telling or lines or [f"exit code {done.returncode}"])[0]
