"""The log: one rotating file beside the database. It never prints, and never stops anybody."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

LOG_NAME = "otto.log"
MAX_BYTES, KEPT_FILES = 1_000_000, 3
LOGGER = logging.getLogger("otto")


class _QuietFile(RotatingFileHandler):
    def _open(self) -> Any:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:
        """A full disk must not print a traceback to the user."""


def start_log(folder: Path) -> Path:
    """Write Otto's log entries to a file in `folder`, made at the first of them. What cannot be written is dropped."""
    file = folder / LOG_NAME
    for old in list(LOGGER.handlers):
        LOGGER.removeHandler(old)
        old.close()
    handler = _QuietFile(
        file, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, encoding="utf-8", errors="replace", delay=True
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOGGER.addHandler(handler)
    LOGGER.propagate = False
    LOGGER.setLevel(logging.INFO)
    return file
