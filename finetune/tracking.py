"""The local tracker: what a stage was given, what it measured, and what became of it. Files in the stage's own folder.

`run.json` says what the run is, `config.yaml` its settings; `metrics.jsonl` and `predictions.jsonl` gain a line at a time, so that a
kill costs no more than the line that was being written.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from otto.errors import OttoError, StoreError
from otto.paths import rooms
from otto.tomlfile import replace_file

RUN, CONFIG, METRICS, PREDICTIONS = "run.json", "config.yaml", "metrics.jsonl", "predictions.jsonl"
ADAPTER = "adapter"  # what a stage leaves, in its folder
RUNNING, STOPPED, FAILED, DONE = "running", "stopped", "failed", "done"
PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "accelerate")


class Sink(Protocol):
    """Where figures and answers go beside the run's own files. What it raises is an OttoError."""

    def rewind(self, step: int) -> None:
        """The steps behind this one will be taken again."""

    def metrics(self, step: int, values: Mapping[str, Any]) -> None: ...

    def predictions(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None: ...

    def finish(self, facts: Mapping[str, Any]) -> None:
        """The run has ended, and these are its facts."""


class Tracker:
    """Writes a run's files, and tells what else listens. One that does not write is that of a process beside the first."""

    def __init__(self, folder: Path, writes: bool = True, note: Callable[[str], None] = lambda text: None) -> None:
        self.folder = folder
        self.writes = writes
        self.note = note
        self._sinks: list[Sink] = []

    def open(self, sinks: Iterable[Opener]) -> None:
        """From now on, tell these too. Raises OttoError where one cannot be reached."""
        self._sinks = [sink(self) for sink in sinks]

    def start(self, stage: str, settings: str, data: Iterable[Path], facts: Mapping[str, Any] | None = None) -> None:
        """Begin, or go on with, a run.

        Args:
            stage: "sft".
            settings: all of them, as YAML.
            data: the files that it reads; their hashes are kept.
            facts: more to keep.

        Raises:
            StoreError: the folder cannot be written, or a file of data not be read.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The folder {self.folder} cannot be made ({error.strerror})", "name another with out=FOLDER") from None
        before = self.read()
        run = {
            "stage": stage,
            "state": RUNNING,
            "started": before.get("started") or time.time(),
            "resumed": before.get("resumed", 0) + 1 if before else 0,
            "data": {str(path): file_hash(path) for path in data},
            "git": git_commit(),
            "machine": machine(),
            **(facts or {}),
        }
        self._replace(CONFIG, settings)
        self._write(run)

    def read(self) -> dict[str, Any]:
        """What run.json says; {} where there is none."""
        return read_json(self.folder / RUN)

    def update(self, **facts: Any) -> None:
        """Keep more facts of the run."""
        self._write(self.read() | facts)

    def finish(self, state: str, **facts: Any) -> None:
        """Write down how it ended."""
        try:
            self.update(state=state, ended=time.time(), **facts)
        finally:
            self._tell(lambda sink: sink.finish(self.read() | {"state": state, **facts}))
            self._sinks = []

    def metrics(self, step: int, values: Mapping[str, Any]) -> None:
        """Add figures of one step."""
        self._append(METRICS, [{"step": step, "time": round(time.time(), 3), **values}])
        self._tell(lambda sink: sink.metrics(step, values))

    def predictions(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add answers: what was asked, what was wanted, what the model said."""
        self._append(PREDICTIONS, [{"step": step, **row} for row in rows])
        self._tell(lambda sink: sink.predictions(step, rows))

    def rewind(self, step: int) -> None:
        """Drop what was written of the steps behind a checkpoint: they will be taken again."""
        for name in (METRICS, PREDICTIONS):
            kept = [row for row in read_json_lines(self.folder / name) if row.get("step", 0) <= step]
            self._replace(name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))
        self._tell(lambda sink: sink.rewind(step))

    def _tell(self, what: Callable[[Sink], None]) -> None:
        """A sink that fails is told no more: the run's own files are whole, and the run goes on."""
        for sink in list(self._sinks):
            try:
                what(sink)
            except OttoError as error:
                self._sinks.remove(sink)
                self.note(str(error))

    def _append(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        if not self.writes:
            return
        try:
            with (self.folder / name).open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        except OSError as error:
            raise StoreError(f"{self.folder / name} cannot be written ({error.strerror})", "make room, and give the same command again") from None

    def _write(self, run: Mapping[str, Any]) -> None:
        self._replace(RUN, json.dumps(run, indent=2, ensure_ascii=False, default=str) + "\n")

    def _replace(self, name: str, text: str) -> None:
        if not self.writes:
            return
        try:
            replace_file(self.folder / name, text)
        except StoreError as error:
            raise StoreError(error.what, "make room or the folder writable, and give the same command again") from None


Opener = Callable[[Tracker], Sink]


@dataclass(frozen=True)
class Run:
    """A run as it was found on the disk."""

    folder: Path
    facts: dict[str, Any]
    metrics: list[dict[str, Any]]

    def curve(self, name: str) -> list[tuple[int, float]]:
        """Step and value of one figure, in order."""
        return [(row["step"], float(row[name])) for row in self.metrics if isinstance(row.get(name), int | float)]

    @property
    def figures(self) -> list[str]:
        """Names of what was measured, in the order of first appearance."""
        names = dict.fromkeys(name for row in self.metrics for name, value in row.items() if isinstance(value, int | float))
        return [name for name in names if name not in ("step", "time")]


def find_runs(folder: Path) -> list[Run]:
    """Every run in a folder and below, oldest first."""
    found = [Run(path.parent, read_json(path), list(read_json_lines(path.parent / METRICS))) for path in sorted(folder.rglob(RUN))]
    return sorted((run for run in found if run.facts.get("stage")), key=lambda run: run.facts.get("started", 0))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a file; {} where there is none, or a kill cut it short."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def read_json_lines(path: Path) -> Iterable[dict[str, Any]]:
    """The objects of a file of JSON lines, without a last one that a kill cut short."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def file_hash(path: Path) -> str:
    """sha256 of a file. Raises StoreError where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})", "check its path") from None


def git_commit() -> str:
    """Of the code that runs, with a plus behind it where files differ from it; "" for an installed wheel."""
    root = rooms()
    if not (root / ".git").exists():
        return ""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=20, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def machine() -> dict[str, Any]:
    """What the run ran on. No name of the host or of its user."""
    import psutil

    found: dict[str, Any] = {
        "system": platform.system(), "processor": platform.machine(), "python": platform.python_version(),
        "cores": os.cpu_count(), "memory_gib": round(psutil.virtual_memory().total / 2**30, 1), "packages": {},
    }  # fmt: skip
    for package in PACKAGES:
        try:
            found["packages"][package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def plot(points: Sequence[tuple[float, float]], width: int = 60, height: int = 8) -> list[str]:
    """A curve in characters, its highest and lowest value at the left; [] of no points."""
    finite = [(x, y) for x, y in points if y == y and abs(y) != float("inf")]
    if not finite:
        return []
    xs, ys = [x for x, _ in finite], [y for _, y in finite]
    left, low = min(xs), min(ys)
    across, up = (max(xs) - left) or 1, (max(ys) - low) or 1
    grid = [[" "] * width for _ in range(height)]
    for x, y in finite:
        grid[height - 1 - round((y - low) / up * (height - 1))][round((x - left) / across * (width - 1))] = "•"
    labels = [f"{max(ys):.4g}", *[""] * (height - 2), f"{low:.4g}"]
    margin = max(map(len, labels))
    lines = [f"{label:>{margin}} ┤{''.join(row).rstrip()}" for label, row in zip(labels, grid, strict=True)]
    first, last = f"{left:g}", f"{max(xs):g}"
    return [*lines, f"{'':{margin}}  {first}{last:>{max(1, width - len(first))}}"]
