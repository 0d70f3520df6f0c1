"""Otto's routers, opened and at rest. One that cannot be is a line in the report, not the end of the benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from otto.call import Call
from otto.config import Settings, load_settings
from otto.messages import Route
from otto.registry import Registry
from otto.router import ENGINES as ROUTERS
from otto.router import open_router
from otto.words import split_words
from tests.bench.figures import Memory, Score, Warm
from tests.bench.measure import Answer, Answerer, children_end, reason, rest

ENGINES = ("phrases", "tagger", "llama", "embedded")
_WARM_UP = ("set a timer for eleven minutes", "i would like to hear how the weather is in Lisbon", "that was a long day", "what is it", "hm")


def settings_in(home: Path) -> Settings:
    """The defaults, with everything that Otto keeps under one folder."""
    return load_settings(environ={"OTTO_HOME": str(home)})


def forget() -> None:
    """Empty what the engines share, so that none finds a sentence split already."""
    split_words.cache_clear()


def open_all(
    registry: Registry, settings: Settings, peers: Mapping[str, Answerer]
) -> tuple[dict[str, Answerer], list[Warm]]:
    """Every engine that can be opened, warm and at rest, and a row for each. Peers are other recognisers, open already."""
    routes: dict[str, Answerer] = {}
    rows = []
    for name in (*ENGINES, *peers):
        started = time.perf_counter()
        try:
            route = peers.get(name) or open_router(name, registry, settings).route
            ready = _warmed(route, started)
        except Exception as error:  # noqa: BLE001  whatever it is, the other engines are still to be measured
            rows.append(Warm(len(registry), name, 0.0, missing=reason(error)))
            continue
        routes[name] = route
        rows.append(Warm(len(registry), name, ready))
    return routes, rows


def _warmed(route: Answerer, started: float) -> float:
    """Seconds until the engine has answered and what it trains is trained; then it is asked some more."""
    route(_WARM_UP[0])
    children_end()
    ready = time.perf_counter() - started
    rest()
    for text in _WARM_UP:
        route(text)
    return ready


def score(engine: str, answers: Iterable[tuple[str, Call, Answer]], commands: str, stray: str) -> Score:
    """What the answers are worth: (kind of sentence, expected call, given call or route)."""
    counts = dict.fromkeys(("commands", "exact", "skill", "missed", "stray", "acted"), 0)
    for kind, expected, given in answers:
        calls = given.calls if isinstance(given, Route) else (given,)
        acts = any(call.name != "other" for call in calls)
        if kind == commands:
            counts["commands"] += 1
            counts["exact"] += calls == (expected,)
            counts["skill"] += len(calls) == 1 and calls[0].name == expected.name
            counts["missed"] += not acts
        elif kind == stray:
            counts["stray"] += 1
            counts["acted"] += acts
    return Score(engine, **counts)


def memory(home: Path) -> tuple[Memory, ...]:
    """Each engine with the bundled skills, and the whole assistant, in a process of its own."""
    return tuple(_memory(what, home) for what in ("registry", *ENGINES, "assistant"))


def _memory(what: str, home: Path) -> Memory:
    command = [sys.executable, "-m", "tests.bench", "--hold", what, "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return Memory(what, missing=(done.stderr.strip().splitlines() or ["no message"])[-1])
    return Memory(what, **json.loads(done.stdout))


def hold(what: str, home: Path) -> dict[str, float]:
    """Open one thing in this process, use it, and say how much memory it keeps (MiB)."""
    import psutil

    settings = settings_in(home)
    if what == "assistant":
        from tests.bench.speech import hear_all

        hear_all(settings, passes=1)
    else:
        registry = Registry.load(entry_points=False)
        registry.install()
        if what in ROUTERS:
            _warmed(open_router(what, registry, settings).route, time.perf_counter())
    found = psutil.Process().memory_full_info()
    return {"resident": found.rss / 2**20, "own": found.uss / 2**20}
