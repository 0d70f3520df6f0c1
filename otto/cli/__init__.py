"""The command line: `otto …`, one thin file a command group."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from otto.errors import EXIT_FAILED, OttoError

if TYPE_CHECKING:
    import typer

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command (default: that of the process) and return its exit code. Nothing is raised: every failure is a sentence."""

    def otto() -> typer.Typer:
        from otto.cli.app import app

        return app

    return run_app(otto, "otto", arguments)


def run_app(open_app: Callable[[], typer.Typer], name: str, arguments: Sequence[str] | None = None) -> int:
    """As `main`, of another command line, which is imported by `open_app`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows "?" where it cannot show "…"
    try:
        code = _run(open_app(), name, arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except OttoError as error:
        return _failed(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "otto"):
            return _unexpected(error)
        return _failed(
            f"The package {package} is not installed; install what Otto needs with: pip install otto-assistant."
        )
    except OSError as error:
        if error.errno in (errno.EPIPE, errno.ENOSPC):
            return _output_lost(error)
        return _unexpected(error)
    except Exception as error:  # noqa: BLE001  the last resort: no traceback reaches a user
        return _unexpected(error)


def _run(app: typer.Typer, name: str, arguments: Sequence[str] | None) -> int:
    from typer.main import get_command

    try:
        get_command(app)(args=None if arguments is None else list(arguments), prog_name=name)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_FAILED
    return 0


def _failed(sentence: str, code: int = EXIT_FAILED) -> int:
    from otto.cli.output import plain

    try:
        sys.stdout.flush()
        print(plain(sentence), file=sys.stderr)
    except OSError:
        _discard_output()
    return code


def _output_lost(error: OSError) -> int:
    """Nobody reads on (`| head`), which is no fault, or the disk is full."""
    _discard_output()
    if error.errno == errno.EPIPE:
        return EXIT_FAILED
    return _failed(f"The output cannot be written ({error.strerror}); make room on the disk.")


def _discard_output() -> None:
    """Let the interpreter's own flush at exit find no broken pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def _unexpected(error: Exception) -> int:
    """A fault of Otto's own: one sentence here, the traceback in the log."""
    reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".rstrip(": ")
    log = _log_trace()
    return _failed(
        f"Otto failed in a way that it should not ({reason}); {f'please report it with the end of {log}' if log else 'please report it'}."
    )


def _log_trace() -> str | None:
    """The file that the traceback was written to, None where it could not be."""
    try:
        from otto.config import load_settings
        from otto.log import LOGGER, start_log

        file = start_log(load_settings().paths.data)
        LOGGER.exception("the command line failed")
        return str(file) if file.exists() else None
    except Exception:  # noqa: BLE001  whatever broke Otto may break this too
        return None
