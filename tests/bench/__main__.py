"""`python -m tests.bench [--quick]`, from the repository's root. With --quick it measures little and prints, and writes no file."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from datetime import date
from importlib import metadata
from pathlib import Path

from otto import __version__
from otto.config import Settings
from otto.paths import rooms
from otto.registry import Registry
from tests.bench import corpus, engines, retrieval, speech
from tests.bench.figures import Cited, Rate, Report, Score, Start, Warm
from tests.bench.measure import reason, side_by_side, start
from tests.bench.peer import Hassil
from tests.bench.report import written

PACKAGES = "hassil llguidance numpy onnxruntime pocketsphinx pydantic python-crfsuite scikit-learn scipy tokenizers".split()
SIZES = (10, 50, 200)
CARD = rooms() / "otto" / "router" / "weights" / "card.json"
NEW_SENTENCE = "i would love a timer that runs for some eleven minutes"


def main() -> None:
    """Measure and write."""
    options = _options()
    if options.hold:
        _hold(options.hold, options.home)
        return
    machine = _machine()  # before this loads it
    with tempfile.TemporaryDirectory(prefix="otto-bench-") as folder:
        report = _measured(Path(folder), machine, options.quick, options.data)
    text = written(report).replace(f"{rooms()}{os.sep}", "")  # an error may name a file of this machine
    if options.quick:
        sys.stdout.write(text)
    else:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")
        _say(f"Written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure Otto on this machine and write docs/benchmarks.md.")
    parser.add_argument("--quick", action="store_true", help="a few measurements, printed: to try the benchmark, not to quote")
    parser.add_argument("--out", type=Path, default=rooms() / "docs" / "benchmarks.md", metavar="FILE")
    parser.add_argument("--data", type=Path, default=rooms().parent / "shared" / "data", metavar="FOLDER", help="public data for the skills beyond the bundled ones")
    parser.add_argument("--hold", help=argparse.SUPPRESS)  # the child that measures memory
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _hold(what: str, home: Path) -> None:
    """The child that measures memory: JSON, or one line that says why there is none."""
    try:
        sys.stdout.write(json.dumps(engines.hold(what, home)))
    except Exception as error:  # noqa: BLE001  whatever it is, it becomes a line of the report
        sys.exit(reason(error))


def _measured(home: Path, machine: Mapping[str, str], quick: bool, data: Path) -> Report:
    settings = engines.settings_in(home)
    _say("starting …")
    starts = _starts(home, 3 if quick else 15)
    warm, scores, templates = _routes(settings, quick, data)
    _say("retriever …")
    recalls = retrieval.recalls(data, 50 if quick else None)
    _say("memory …")
    memory = engines.memory(home)
    _say("speech …")
    heard = speech.measured(settings, 1 if quick else 5)
    corpora = "the skills come from SNIPS, HWU64 and CLINC150 (signatures, with some of their training sentences as examples)"
    return Report(
        date=f"{date.today():%Y-%m-%d}",
        command="make bench",
        machine=machine,
        versions={"otto": __version__, **{name: _version(name) for name in PACKAGES}},
        origin=corpora if corpus.has_corpora(data) else "the skills are made up",
        starts=starts,
        warm=tuple(warm),
        templates=templates,
        scores=tuple(scores),
        card=cited(CARD),
        recalls=tuple(recalls),
        memory=memory,
        speech=heard,
    )


def _starts(home: Path, runs: int) -> tuple[Start, ...]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTTO_")} | {"OTTO_HOME": str(home)}
    known, new = ["route", "set a timer for five minutes"], ["route", NEW_SENTENCE]
    return (
        start("`otto --help`", ["--help"], environ, runs),
        start("`otto route`, the first in a new home", new, environ, 1, warm_up=0),
        start("`otto route`, a known phrase", known, environ, runs),
        start("`otto route`, a new sentence", new, environ, runs),
    )


def _routes(settings: Settings, quick: bool, data: Path) -> tuple[list[Warm], list[Score], dict[str, int]]:
    bundled, split = corpus.without_held_out(Registry.load(entry_points=False))
    found = corpus.cases(split, 15 if quick else None)
    sentences = [case.sentence for case in found]
    warm: list[Warm] = []
    scores: list[Score] = []
    templates: dict[str, int] = {}
    for size in SIZES[:2] if quick else SIZES:
        _say(f"{size} skills …")
        ten = size == len(corpus.TEN)
        registry = Registry.of(map(bundled.get, corpus.TEN)) if ten else corpus.many(bundled, size, data, 8 if quick else 30)
        registry.install()
        hassil = {f"hassil, {name}": Hassil(registry, closed) for name, closed in (("lists", True), ("wildcards", False))} if ten else {}
        templates |= {name: peer.templates for name, peer in hassil.items()}
        routes, rows = engines.open_all(registry, settings, {name: peer.route for name, peer in hassil.items()})
        answers = side_by_side(routes, sentences, engines.forget)
        for row in rows:
            given = answers.get(row.engine, [])
            warm.append(Warm(size, row.engine, row.ready, tuple(sample for sample, _ in given), row.missing))
            if ten and given:
                triples = [(case.sentence.kind, case.call, answer) for case, (_, answer) in zip(found, given, strict=True)]
                scores.append(engines.score(row.engine, triples, corpus.COMMAND, corpus.STRAY))
    return warm, scores, templates


def cited(path: Path) -> tuple[Cited, ...]:
    """The scores in the router's model card; none where there is no card."""
    try:
        sets = json.loads(path.read_text(encoding="utf-8"))["scores"].values()
        return tuple(
            Cited(scores["what"], engine, **{name: Rate(**rates[name]) for name in ("exact", "skill", "missed", "false_calls")})
            for scores in sets
            for engine, rates in scores.items()
            if engine != "what"
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


def _machine() -> dict[str, str]:
    import psutil

    cores = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else os.cpu_count() or 1
    return {
        "processor": _processor(),
        "cores": str(cores),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "load before the run": f"{psutil.getloadavg()[0]:.1f} processes, the average of a minute",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")


if __name__ == "__main__":
    main()
