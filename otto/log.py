"""The log: one rotating file beside the database. It never prints, and never stops anybody."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

LOG_NAME = "otto.log"
MAX_BYTES, KEPT_FILES = 1_000_000, 3
LOGGER = logging.getLogger("otto")


class _QuietFile(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk must not print a traceback to the user."""


def start_log(folder: Path) -> Path:
    """Write Otto's log entries to `folder`; returns the file. Where that fails they are dropped."""
    file = folder / LOG_NAME
    for handler in list(LOGGER.handlers):
        LOGGER.removeHandler(handler)
        handler.close()
    LOGGER.propagate = False
    LOGGER.setLevel(logging.INFO)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = _QuietFile(
            file, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, encoding="utf-8", errors="replace", delay=True
        )
    except OSError:
        LOGGER.addHandler(logging.NullHandler())
        return file
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOGGER.addHandler(handler)
    return file
