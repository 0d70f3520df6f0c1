"""Whether a device is there, looked at now and then without disturbing the sound of this process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import IO, TYPE_CHECKING

from otto.audio.devices import Kind, on_server, pactl_environment, server_command

if TYPE_CHECKING:
    from typing_extensions import Self

EVERY = 10.0  # seconds between two looks


class Watch:
    """Looks in another process: PortAudio cannot look again in this one without interrupting its streams. Waits for nothing.

    Args:
        kind: of device.
        device: name, part of a name, or number; empty for none, of which there is no news.
        of_server: the sound server alone is asked, which costs some milliseconds; everything costs some tenths of a second.
    """

    def __init__(self, kind: Kind, device: str, of_server: bool = False) -> None:
        self._kind, self._device, self._of_server = kind, device, of_server
        self._process: subprocess.Popen[bytes] | None = None
        self._answer: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed with the watch
        self._next = time.monotonic() + EVERY

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._answer.close()

    def news(self) -> bool | None:
        """Whether it is there, when a look has just ended; else None."""
        if self._process is None:
            if self._device and time.monotonic() >= self._next:
                self._look()
            return None
        code = self._process.poll()
        if code is None:
            return None
        self._process, self._next = None, time.monotonic() + EVERY
        if not self._of_server:
            return code == 0
        self._answer.seek(0)
        return on_server(self._kind, self._device, self._answer.read()) if code == 0 else None

    def _look(self) -> None:
        if self._of_server:
            command = server_command(self._kind)
        else:
            command = [sys.executable, "-m", "otto.audio.devices", self._kind, self._device]
        self._answer.seek(0)
        self._answer.truncate()
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._answer, stderr=subprocess.DEVNULL, env=pactl_environment()
        )
