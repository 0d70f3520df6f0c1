"""Keeps the tagger in step with the installed skills: shipped, cached, or trained anew in the background.

Run as a program it trains: `python -m otto.router.learning LESSONS.json TAGGER.npz`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from otto.errors import ModelError
from otto.paths import keep_newest
from otto.router.encoder import WEIGHTS
from otto.router.lessons import Lesson, lessons_of
from otto.router.onnx import MEND
from otto.router.tagger import FORMAT, Tagger
from otto.skill import OTHER

if TYPE_CHECKING:
    from otto.config import Settings
    from otto.registry import Registry

SHIPPED = WEIGHTS / "tagger.npz"
SHIPPED_VERSION = WEIGHTS / "tagger.version"
STALE = 900.0  # seconds after which a training that has left no result is believed dead


class TaggerSource:
    """The tagger of a registry's skills.

    With the bundled skills it is the shipped one. With others it is trained once and cached: while a training in a process of
    its own goes on, the shipped tagger answers, and what it knows of skills that are not installed counts for nothing. Skills
    that have nothing in common with the bundled ones are learnt at once.
    """

    def __init__(self, registry: Registry, settings: Settings | None = None) -> None:
        self._folder = settings.paths.cache if settings else None
        self.update(registry)

    def update(self, registry: Registry) -> None:
        """Take up changed skills."""
        self.specs = dict(registry.specs)
        self._pending: Path | None = None
        self._tagger = self._find(registry)

    @property
    def tagger(self) -> Tagger:
        """The newest that there is."""
        if self._pending and self._pending.exists():
            pending, self._pending = self._pending, None
            with suppress(ModelError):  # a damaged one is made anew at the next start
                self._tagger = Tagger.load(pending)
        return self._tagger

    @property
    def learning(self) -> bool:
        """Whether a training is still going on."""
        return self._pending is not None and not self._pending.exists()

    def _find(self, registry: Registry) -> Tagger:
        version = registry.version
        if version == shipped_version():
            return _shipped()
        if self._folder is None:
            return Tagger.train(lessons_of(registry))
        path = self._folder / f"tagger-{version}-{FORMAT}.npz"
        if path.exists():
            try:
                return Tagger.load(path)
            except ModelError:
                with suppress(OSError):
                    path.unlink()
        if shipped_version() and _share_known(registry) >= 0.5:
            _train_apart(registry, path)
            self._pending = path
            return _shipped()
        tagger = Tagger.train(lessons_of(registry))
        with suppress(OSError):  # a full disk or a read-only home costs time at the next start, nothing else
            tagger.save(path)
            keep_newest(self._folder, "tagger-*.npz")
        return tagger


@cache
def shipped_version() -> str:
    """The version of the skills that the shipped tagger was trained on; "" where there is none."""
    try:
        return SHIPPED_VERSION.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


@cache
def _shipped() -> Tagger:
    try:
        return Tagger.load(SHIPPED)
    except ModelError as error:  # unlike a cached one, it is not made anew
        raise ModelError(error.what, MEND) from None


def _share_known(registry: Registry) -> float:
    """The share of the shipped tagger's skills that are installed."""
    known = {label.skill for label in _shipped().labels} - {OTHER}
    return len(known & set(registry.specs)) / max(1, len(known))


def _train_apart(registry: Registry, path: Path) -> None:
    """Start a training that outlives this process, unless one is going on."""
    lessons = path.with_suffix(".lessons.json")
    try:
        if lessons.exists() and time.time() - lessons.stat().st_mtime < STALE:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        lessons.write_text(json.dumps([lesson.to_json() for lesson in lessons_of(registry)]), encoding="utf-8")
        command = [sys.executable, "-m", "otto.router.learning", str(lessons), str(path)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])}
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, start_new_session=True
        )
    except OSError:  # without a cache the shipped tagger and the phrases go on answering
        return


def main(lessons: Path, path: Path) -> None:
    """Train from stored lessons and store the tagger."""
    try:
        if hasattr(os, "nice"):
            os.nice(10)
        rows = json.loads(lessons.read_text(encoding="utf-8"))
        Tagger.train([Lesson.from_json(row) for row in rows]).save(path)
        keep_newest(path.parent, "tagger-*.npz")
    finally:
        lessons.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
