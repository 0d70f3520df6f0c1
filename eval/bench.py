"""`otto eval bench`: public suites, Otto's engines and peers side by side.

Every engine of every suite is a run as `otto eval run` makes it, in a folder of its own: it goes on after a break, and two of them can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from eval.barista import acceptance
from eval.measure import Opener, Options, Watcher, measure
from eval.peers import ASSIST, PEERS
from eval.peers.client import PeerRouter, peer_opener
from eval.peers.install import peers_python
from eval.runs import RESULTS, read_rows
from eval.skillset import INSTALLED
from eval.suites import BARISTA_PLUGIN, ENGINES, PLUGIN, RETRIEVER, SUITES, Suite, desk_files
from eval.summary import rates
from otto.call import Call
from otto.config import Settings, load_settings
from otto.errors import OttoError, Problem, Problems, StoreError, UsageError
from otto.messages import Route
from otto.registry import Registry
from otto.skill import OTHER

EVERY = "every engine"  # in a row of a suite that cannot be run


@dataclass(frozen=True)
class Plan:
    """What is to be measured."""

    data: Path | None
    suites: tuple[str, ...]
    engines: tuple[str, ...]  # of Otto
    peers: tuple[str, ...]
    limit: int | None
    seed: int
    runs: Path
    plugin: Path = BARISTA_PLUGIN  # the skills of the suite barista

    @classmethod
    def of(
        cls, data: Path | None, suites: str, engines: str, peers: str, limit: int | None, seed: int, runs: Path, plugin: Path | None = None
    ) -> Plan:
        """From a command's options. Raises UsageError for a name that there is not, and for a named suite whose data are missing."""
        if plugin is not None and not plugin.is_dir():
            raise UsageError(f"--barista-plugin {plugin} is no folder", "name the folder of the coffee skill")
        everything = tuple(name for name in SUITES if data is not None or not SUITES[name].is_public)
        plan = cls(
            data,
            _named("suite", suites, SUITES, everything),
            _named("engine", engines, (*ENGINES, RETRIEVER), (*ENGINES, RETRIEVER)),
            () if peers == "none" else _named("peer", peers, PEERS, tuple(PEERS)),
            limit,
            seed,
            runs,
            plugin or BARISTA_PLUGIN,
        )
        for suite in (SUITES[name] for name in plan.suites if suites.strip()):
            plan._require_data(suite)
        return plan

    def lacks(self, suite: Suite) -> str:
        """Why a suite cannot be run; "" where it can."""
        missing = self._missing_data(suite)
        if missing is not None:
            return f"{missing} is not there"
        if suite.skills == PLUGIN and not self.plugin.is_dir():
            return "its coffee skill is part of Otto's repository and of no installed Otto; name its folder with --barista-plugin DIR"
        return ""

    def _missing_data(self, suite: Suite) -> Path | None:
        folder = self.data or Path()
        return next((folder / name for name in suite.files if not (folder / name).exists()), None)

    def _require_data(self, suite: Suite) -> None:
        if suite.is_public and self.data is None:
            raise UsageError(f"The suite {suite.name} needs its data", "name their folder with --data DIR; docs/eval.md says what is in it")
        missing = self._missing_data(suite)
        if missing is not None:
            raise UsageError(f"The suite {suite.name} needs {missing}, which is not there", "docs/eval.md says what the folder holds")


@dataclass(frozen=True)
class Row:
    """One engine on one suite."""

    engine: str
    summary: dict[str, Any] | None = None
    commands: dict[str, Any] = field(default_factory=dict)  # the rates of the cases where something was to be done
    acceptance: dict[str, Any] = field(default_factory=dict)  # of recordings, by level of noise (eval/barista.py)
    missing: str = ""  # why there is no summary
    note: str = ""


@dataclass
class Report:
    """All that was measured."""

    plan: Plan
    rows: dict[str, list[Row]] = field(default_factory=dict)  # suite → rows
    versions: dict[str, str] = field(default_factory=dict)

    def require_figures(self) -> None:
        """Raises Problems where nothing at all was measured, with every reason."""
        if any(row.summary for rows in self.rows.values() for row in rows):
            return
        reasons = [Problem(f"{suite}, {row.engine}", row.missing) for suite, rows in self.rows.items() for row in rows]
        empty = [suite for suite, rows in self.rows.items() if not rows]
        reasons += [Problem(suite, "none of the engines takes part", f"use some of: {', '.join(SUITES[suite].engines)}") for suite in empty]
        raise Problems("Nothing was measured, and there is no page", reasons)

    def to_json(self) -> dict[str, Any]:
        return {"versions": self.versions, "suites": {suite: [asdict(row) for row in rows] for suite, rows in self.rows.items()}}


class RetrieverRouter:
    """The sentence encoder alone: the skill whose examples or description lie nearest. It knows no arguments and always acts."""

    name = RETRIEVER

    def __init__(self, registry: Registry) -> None:
        self.update(registry)

    def route(self, text: str) -> Route:
        import time

        started = time.perf_counter()
        (name,) = self._retriever.nearest(text, 1)
        return Route(text, (Call(name),), 1.0, self.name, (time.perf_counter() - started) * 1000)

    def update(self, registry: Registry) -> None:
        from otto.router.retriever import Retriever

        self._retriever = Retriever([spec for spec in registry if spec.name != OTHER])


def run_bench(plan: Plan, settings: Settings, watcher: Watcher) -> Report:
    """Measure everything; what cannot be measured is a row that says why. Raises KeyboardInterrupt: what was measured is in the runs' folders."""
    # A home of its own: what this user has taught Otto, or set, is no part of a benchmark.
    own = load_settings(environ={"OTTO_HOME": str(settings.paths.cache / "bench")})
    report = Report(plan)
    for name in plan.suites:
        suite = SUITES[name]
        lacking = plan.lacks(suite)
        report.rows[name] = [Row(EVERY, missing=lacking)] if lacking else []
        for engine in () if lacking else (*[engine for engine in suite.engines if engine in plan.engines], *plan.peers):
            watcher.note(f"{name}: {engine} …")
            report.rows[name].append(_row(plan, suite, engine, own, peers_python(settings), watcher, report.versions))
    return report


def _row(
    plan: Plan, suite: Suite, engine: str, settings: Settings, python: Path, watcher: Watcher, versions: dict[str, str]
) -> Row:
    opened: list[PeerRouter] = []
    try:
        missing = _inexpressible(suite, engine)
        if missing:
            return Row(engine, missing=missing)
        folder = plan.runs / suite.name / engine
        measured = measure(_options(plan, suite, engine, folder), settings, folder, watcher=watcher, opener=_opener(engine, python, opened))
        stopped = f"stopped: {measured.stopped}" if measured.stopped else ""
        if not measured.summary["n"]:
            return Row(engine, missing=stopped)
        if engine in PEERS:
            _remember(folder, opened)
        note = _note(folder, engine, measured.summary["skipped"])
        versions.update({name: version for name, version in measured.summary["versions"].items() if name != "skills"} | _peer_versions(folder))
        rows = read_rows(folder / RESULTS)
        commands = {name: rate.to_json() for name, rate in rates([row for row in rows if not row["stray"]]).items()}
        heard = acceptance(rows) if suite.stt else {}
        return Row(engine, measured.summary, commands, heard, note="; ".join(part for part in (note, stopped) if part))
    except OttoError as error:
        told = str(error).replace("--out", "--runs")  # a run's own option, and here that of all runs
        watcher.note(f"{suite.name}: {engine} is left out: {told}")
        return Row(engine, missing=told)
    finally:
        for peer in opened:
            peer.close()


def _inexpressible(suite: Suite, engine: str) -> str:
    """Why an engine cannot take part in a suite at all; "" where it can."""
    if engine not in PEERS:
        return ""
    if suite.stt:
        return "it takes text, and these are recordings"
    if engine == ASSIST:
        return "" if not suite.is_public else "its own sentences know none of these skills, and it learns no others"
    return "" if suite.teaches else "it is made from sentences, and these skills have none"


def _options(plan: Plan, suite: Suite, engine: str, folder: Path) -> Options:
    data = plan.data or Path()
    cases = tuple(str(data / name) for name in suite.cases) if suite.is_public else desk_files()
    if engine == ASSIST:
        cases = (str(_expressible(cases, folder)),)
    return Options(
        cases,
        skills=_skills(plan, suite),
        train=str(data / suite.train) if suite.train else "",
        router=engine,
        candidates=suite.candidates,
        limit=plan.limit,
        seed=plan.seed,
        skip_bad=suite.skip_bad,
        stt=suite.stt,
        noise=str(data / suite.noise) if suite.noise else "",
        snr=suite.snr,
    )


def _skills(plan: Plan, suite: Suite) -> str:
    if suite.skills == PLUGIN:
        return str(plan.plugin)
    return str((plan.data or Path()) / suite.skills) if suite.is_public else INSTALLED


def _expressible(cases: Sequence[str], folder: Path) -> Path:
    """The cases that Home Assistant's sentences have a call for, and all stray talk, as a file in the run's folder."""
    from eval.peers.assist import expresses
    from eval.reading import read_cases

    registry = Registry.load(entry_points=False)
    rows = [
        {"id": case.id, "text": case.text, "group": case.group, "call": None if case.stray else [str(call) for call in case.gold[0]]}
        for case in read_cases(cases, registry).cases
        if all(expresses(call) for call in case.gold[0])
    ]
    path = folder / "cases.jsonl"
    _write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror})", "choose another folder with --runs") from None


def _opener(engine: str, python: Path, opened: list[PeerRouter]) -> Opener | None:
    if engine == RETRIEVER:
        return lambda registry, settings: RetrieverRouter(registry)
    return peer_opener(engine, python, opened) if engine in PEERS else None


def _remember(folder: Path, opened: Sequence[PeerRouter]) -> None:
    """What only an open peer knows, for a later start that runs nothing anew."""
    for peer in opened:
        about = {"versions": dict(peer.versions), "examples": peer.lesson.examples, "unused": peer.lesson.unused}
        _write(folder / "peer.json", json.dumps(about) + "\n")


def _about_peer(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "peer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _peer_versions(folder: Path) -> dict[str, str]:
    return dict(_about_peer(folder).get("versions", {}))


def _note(folder: Path, engine: str, skipped: int) -> str:
    about = _about_peer(folder)
    unused, examples = about.get("unused", 0), about.get("examples", 0)
    parts = [
        "asked only about what it can express" if engine == ASSIST else "",
        f"{unused:,} of {examples:,} training rows are no template" if unused and engine != ASSIST else "",
        f"{skipped:,} rows with skills or parameters that the signatures lack are left out" if skipped else "",
    ]
    return "; ".join(part for part in parts if part)


def _named(kind: str, given: str, known: Mapping[str, Any] | Sequence[str], default: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in given.split(",") if part.strip()))
    for name in names:
        if name not in known:
            raise UsageError(f"There is no {kind} {name}", f"use some of: {', '.join(known)}")
    return names or default
