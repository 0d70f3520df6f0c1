"""Push to talk from any window: a key combination where the desktop hands keys to programs, and `otto press` where it does not."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from otto.errors import HotKeyError, MissingExtra, UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

_MEND = "bind this in the keyboard settings of your desktop: otto press"
_PRESSED = b"press"
_ANSWERS = 2.0  # seconds
_STOPS = 0.2  # seconds


class HotKey:
    """Watches for a key combination in all windows. A context manager; the two functions are called in a thread of its own.

    Args:
        combination: as pynput writes it: `<ctrl>+<alt>+o`, `<f9>`.
        on_press: the last key of the combination went down; once, however long it is held.
        on_release: one of its keys came up again.
    """

    def __init__(self, combination: str, on_press: Callable[[], None], on_release: Callable[[], None] = lambda: None) -> None:
        self._combination = combination
        self._on_press, self._on_release = on_press, on_release
        self._wanted: frozenset[Any] = frozenset()
        self._down: set[Any] = set()
        self._pressed = False
        self._listener: Any = None

    def __enter__(self) -> Self:
        """Begin to watch.

        Raises:
            HotKeyError: this desktop hands no keys to programs.
            MissingExtra: pynput is not installed.
            UsageError: there is no such combination.
        """
        keyboard = _keyboard(os.environ)
        try:
            self._wanted = frozenset(keyboard.HotKey.parse(self._combination))
        except ValueError:
            raise UsageError(f"{self._combination!r} is no key combination", "write it as <ctrl>+<alt>+o or <f9>") from None
        self._listener = keyboard.Listener(on_press=self._went_down, on_release=self._came_up)
        self._listener.start()
        self._listener.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.stop()
        self._listener.join(_STOPS)  # under X its thread may only see the end at the next key, and is left behind as a daemon

    def _went_down(self, key: Any) -> None:
        self._down.add(self._listener.canonical(key))
        if not self._pressed and self._wanted <= self._down:
            self._pressed = True
            self._on_press()

    def _came_up(self, key: Any) -> None:
        self._down.discard(self._listener.canonical(key))
        if self._pressed and not self._wanted <= self._down:
            self._pressed = False
            self._on_release()


class Doorbell:
    """What `otto press` rings, on any desktop: a socket that only this user can reach. A context manager.

    Args:
        data: the folder of this Otto's data, which tells it from another.
        on_press: called in a thread of its own.
    """

    def __init__(self, data: Path, on_press: Callable[[], None]) -> None:
        self._path = _socket_path(data)
        self._on_press = on_press
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._answer, name="otto-doorbell", daemon=True)

    def __enter__(self) -> Self:
        """Raises HotKeyError: another Otto listens already, or this system has no such sockets."""
        bell = _socket()
        if _rings(self._path):
            bell.close()
            raise HotKeyError("Another otto listens already", "end that one, or see: otto service status")
        self._path.unlink(missing_ok=True)  # of one that was killed
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        bell.bind(str(self._path))
        bell.listen()
        self._socket = bell
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._socket is not None
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._socket.close()
        self._thread.join()
        self._path.unlink(missing_ok=True)

    def _answer(self) -> None:
        assert self._socket is not None
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            with visitor, contextlib.suppress(OSError):
                visitor.settimeout(_ANSWERS)
                if visitor.recv(len(_PRESSED)) == _PRESSED:
                    self._on_press()


def press(data: Path) -> None:
    """Ring at the Otto that listens. Raises HotKeyError: none does."""
    if not _rings(_socket_path(data), _PRESSED):
        raise HotKeyError("No otto is listening", "start it with: otto listen")


def _rings(path: Path, what: bytes = b"") -> bool:
    """Whether somebody answers there."""
    with _socket() as visitor:
        visitor.settimeout(_ANSWERS)
        try:
            visitor.connect(str(path))
            visitor.sendall(what)
        except OSError:
            return False
    return True


def _socket() -> socket.socket:
    family = getattr(socket, "AF_UNIX", None)
    if family is None:
        raise HotKeyError("Windows needs no otto press", "set a key instead: otto config set listen.hot_key '<ctrl>+<alt>+o'")
    return socket.socket(family, socket.SOCK_STREAM)


def _socket_path(data: Path) -> Path:
    """In the folder for such things, which only the user can enter; the path of a socket may be no longer than 100 letters."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or os.path.join(tempfile.gettempdir(), f"otto-{os.getuid()}")
    return Path(folder) / f"otto-{hashlib.sha256(str(data).encode()).hexdigest()[:12]}.sock"


def _keyboard(environ: Mapping[str, str]) -> Any:
    """The module pynput.keyboard."""
    if sys.platform.startswith("linux"):
        if environ.get("WAYLAND_DISPLAY") or environ.get("XDG_SESSION_TYPE") == "wayland":
            raise HotKeyError("A Wayland desktop hands no keys to programs", _MEND)
        if not environ.get("DISPLAY"):
            raise HotKeyError("There is no desktop whose keys could be watched", _MEND)
    try:
        from pynput import keyboard
    except ModuleNotFoundError:
        raise MissingExtra("pynput", "hotkey") from None
    except Exception as error:  # noqa: BLE001  pynput looks for the desktop when it is imported, and raises what its backend does
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise HotKeyError(f"The keys cannot be watched ({reason})", _MEND) from None
    return keyboard
