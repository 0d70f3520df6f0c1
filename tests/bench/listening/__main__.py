"""`python -m tests.bench.listening [--quick]`, from the repository's root. Writes docs/benchmarks-listen.md whole."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from otto.paths import rooms
from tests.bench.__main__ import _machine
from tests.bench.engines import settings_in
from tests.bench.listening import device, hours
from tests.bench.report import figure, table
from tests.sound import SoundServer, sound_server_at

ENGINE = "closed-phrase"


def main() -> None:
    """Measure and write."""
    options = _options()
    parts = _parts(options.quick, options.data)
    found = [_kept(name, options.work, measure, options.only is None or name in options.only) for name, measure in parts.items()]
    text = "\n\n".join(found) + "\n"
    if options.quick:
        sys.stdout.write(text)
    else:
        options.out.write_text(text.replace(f"{rooms()}{os.sep}", ""), encoding="utf-8")


def _parts(quick: bool, data: Path) -> dict[str, Callable[[], str]]:
    """Each section of the page and what measures it, in order."""
    passes, seconds, day, talk = (1, 10, 2.0, 0.1) if quick else (3, 60, 24.0, 2.0)
    parts: dict[str, Callable[[], str]] = {
        "head": lambda: _head(_machine()),
        "device": lambda: _with_home(lambda home: _at_the_device([_turns_at(home, ENGINE, passes)])),
        "waiting": lambda: _with_home(lambda home: _waiting(_waiting_at(home, seconds))),
        "day": lambda: _with_home(lambda home: _day(hours.day(settings_in(home), day))),
        "talk": lambda: _with_home(lambda home: _others(hours.others(settings_in(home), ENGINE, data, talk))),
    }
    for name, title, command in () if quick else _scripts(data):
        parts[name] = lambda title=title, command=command: _printed(title, command)  # type: ignore[misc]
    return parts


def _kept(name: str, folder: Path | None, measure: Callable[[], str], wanted: bool) -> str:
    """A section; where a folder is given, one that was measured before is taken from there. One that is not wanted says so."""
    file = folder / f"{name}.md" if folder else None
    if file and file.is_file():
        return file.read_text(encoding="utf-8")
    if not wanted:
        return f"## {name.capitalize().replace('-', ' ')}\n\nNot measured in this run."
    text = measure()
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return text


def _with_home(measure: Callable[[Path], str]) -> str:
    with tempfile.TemporaryDirectory(prefix="otto-listening-") as folder:
        return measure(Path(folder))


@contextmanager
def _sound(home: Path) -> Iterator[SoundServer]:
    (home / "sound").mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch, sound_server_at(home / "sound", patch) as server:
        yield server


def _turns_at(home: Path, stt: str, passes: int) -> device.Turns:
    with _sound(home) as server:
        return device.turns(server, home, stt, passes)


def _waiting_at(home: Path, seconds: float) -> float:
    with _sound(home):
        return device.waiting(home, seconds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.listening", description="Measure how Otto listens, on this machine.")
    parser.add_argument("--quick", action="store_true", help="a few measurements, printed: to try the benchmark, not to quote")
    parser.add_argument("--out", type=Path, default=rooms() / "docs" / "benchmarks-listen.md", metavar="FILE")
    parser.add_argument("--data", type=Path, default=rooms().parent / "shared" / "data", metavar="FOLDER", help="the public recordings")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep the sections there, and take from there those that were measured before")
    parser.add_argument("--only", nargs="+", metavar="PART", help="measure these parts; of the others the page says that they were not")
    return parser.parse_args()


def _scripts(data: Path) -> list[tuple[str, str, Sequence[str]]]:
    """Name, title and command of the measurements that are programs of their own."""
    return [
        ("wake-words", "Wake words", ["tests.measure_wakewords", str(data)]),
        ("echo", "Its own replies", ["tests.measure_echo", str(data), "own"]),
        ("barge-in", "Speaking over a reply", ["tests.measure_echo", str(data), "barge", "3"]),
        ("barista", "Coffee orders by people", ["tests.measure_barista", str(data), "barista"]),
        ("desk", "Coffee orders that start a skill of the desktop", ["tests.measure_barista", str(data), "desk"]),
    ]


def _head(machine: dict[str, str]) -> str:
    return (
        "# Benchmarks of listening\n\n"
        f"Written whole by `make bench-listen` on {date.today()}; change tests/bench/listening/, not this file. p50 is the median, p95 the 95th "
        "percentile, n the number of measurements. The sound device is PulseAudio with null sinks, opened through PortAudio.\n\n"
        f"{table(('machine', ''), machine.items())}"
    )


def _at_the_device(found: Sequence[device.Turns]) -> str:
    heads = ("speech engine", "n", "right skill", "read ahead", "response p50, ms", "p95, ms", "recognition p50, ms", "start, ms", "resident, MiB", "Ctrl-C, ms", "overflows")
    return (
        "## At the device\n\n"
        "The demo's recorded commands, played into the microphone of `otto listen --continuous --json --silent`, one turn each. Response is from the "
        "last sound of speech, as the voice activity detector saw it, to the moment the skill starts: end-pointing, recognition and routing. "
        "Read ahead: recognition began before the silence was over and could be used. Start: until it listens, caches warm. Resident: all of its processes.\n\n"
        + table(heads, [_turns(item) for item in found])
    )


def _turns(found: device.Turns) -> list[str]:
    p50, p95 = np.percentile(found.responses, [50, 95]) if found.responses else (float("nan"), float("nan"))
    cells = [found.stt, str(len(found.responses)), f"{found.right} of {found.sentences}", str(found.early), figure(p50), figure(p95)]
    return [*cells, figure(float(np.median(found.recognition or [0]))), figure(found.start), figure(found.resident), figure(found.stop), str(found.overflows)]


def _waiting(share: float) -> str:
    return f"## Waiting for the wake word\n\n{100 * share:.1f} % of one core, over a minute with the microphone open."


def _day(found: hours.Day) -> str:
    return (
        "## A day of turns\n\n"
        f"{found.hours:.0f} hours of sound time, sped up: {found.turns} turns of recorded speech with given words, each after its wake word; the device was lost "
        f"{found.losses} times. Timers set {found.wanted}, announced {found.announced}. Resident {found.resident[0]:.0f} MiB after the first hour and "
        f"{found.resident[1]:.0f} MiB at the end; threads {found.threads[0]} and {found.threads[1]}. State at the end: {found.state.value}."
    )


def _others(found: hours.Others) -> str:
    return (
        "## Other people's talk\n\n"
        f"{found.minutes:.0f} minutes of people ordering coffee, synthetic voices and kitchen noise, end to end. Waiting for the wake word: {len(found.wakes)} false "
        f"wakes {list(found.wakes)}, {len(found.calls)} false calls {list(found.calls)}. Listening all the time ({found.continuous_minutes:.0f} minutes, closed-phrase "
        f"mode): {len(found.continuous_calls)} calls {list(found.continuous_calls)}; the synthetic talk holds requests that a bundled skill may rightly take."
    )


def _printed(title: str, command: Sequence[str]) -> str:
    ran = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    said = ran.stdout.strip() or ran.stderr.strip().splitlines()[-1]
    shown = " ".join("SHARED_DATA" if os.sep in word else word for word in command)
    return f"## {title}\n\n`python -m {shown}`\n\n```\n{said}\n```"


if __name__ == "__main__":
    main()
