"""One run from what was asked to its summary: `otto eval run`, and what other commands call."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from eval.bfcl import BFCL, verdict
from eval.cache import CACHED, FILE, AnswerCache, Keys, read_prompt
from eval.cases import Case, sampled
from eval.journal import Journal, write_json
from eval.reading import Read, read_cases, sha256
from eval.runner import Ear, Judge, Pace, Runner
from eval.runs import SUMMARY, read_rows
from eval.scoring import Verdict, judge_route
from eval.skillset import INSTALLED, Skillset, load_skills, relaxed, require_candidates, taught
from eval.summary import summarise
from otto.config import Settings
from otto.errors import OttoError, Problems, StoreError, UsageError
from otto.messages import Route
from otto.registry import Registry
from otto.router.base import Router
from otto.skill import SkillSpec

RUN = "run.json"
PROMPT = "prompt.txt"
FOLDER = "eval-runs"
LARGE = CACHED  # routers that take a model and a prompt
CALLS = "calls"  # the scorer of eval/scoring.py
Opener = Callable[[Registry, Settings], Router]


@dataclass(frozen=True)
class Options:
    """What a run measures. Two runs of the same options and data ask the same of the same router."""

    cases: tuple[str, ...]
    skills: str = INSTALLED  # or a file of signatures
    train: str = ""  # a file of cases that teach the router
    router: str = "embedded"
    model: str = ""  # "" is the settings' own
    adapter: str = ""
    prompt: str = ""  # the text of a prompt
    prompt_file: str = ""
    candidates: int | None = None
    limit: int | None = None
    seed: int = 0
    skip_bad: bool = False
    stt: str = ""
    noise: str = ""
    snr: tuple[float | None, ...] = ()  # dB; None is without noise
    scorer: str = CALLS


@dataclass
class Watcher:
    """Whoever looks on. What it does not want to know it leaves as it is."""

    note: Callable[[str], None] = lambda sentence: None
    start: Callable[[int, Sequence[Mapping[str, Any]]], None] = lambda total, rows: None  # all cases, and the rows of an earlier start
    row: Callable[[Mapping[str, Any]], None] = lambda row: None
    end: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Measured:
    """What came of a run."""

    folder: Path
    summary: dict[str, Any]
    stopped: OttoError | None = None  # what ended it before the last case


@dataclass
class _Prepared:
    """All that a run needs, checked."""

    options: Options
    settings: Settings  # of the user
    skillset: Skillset
    cases: list[Case]
    data: dict[str, str]  # file → SHA-256
    judge: Judge = judge_route
    about: dict[str, Any] = field(default_factory=dict)  # for the summary


def measure(
    options: Options,
    settings: Settings,
    folder: Path,
    *,
    pace: Pace | None = None,
    use_cache: bool = True,
    watcher: Watcher | None = None,
    command: Sequence[str] = (),
    opener: Opener | None = None,
) -> Measured:
    """Run a router over cases; where the folder holds this very run already, go on with it.

    `opener` opens a router that is none of Otto's own; `options.router` is its name then.

    Raises:
        UsageError: the options do not fit one another, the router, or the run that the folder holds.
        Problems: cases are bad; nothing was run.
        OttoError: the router cannot be opened; a file cannot be read or written.
        KeyboardInterrupt: the user has stopped it; the summary is of what was answered.
    """
    watcher = watcher or Watcher()
    pace = pace or Pace()
    _require_fit(options, pace, own=opener is None)
    prepared = _prepare(options, settings, watcher)
    ear = _open_ear(prepared)
    with closing(Journal(folder)) as journal:
        own = _own_settings(prepared, folder)
        _begin(prepared, folder, journal, own, command)
        cache = (AnswerCache(settings.paths.cache / FILE), Keys(options.router, own)) if use_cache and options.router in CACHED else None
        open_own = _opener(prepared, own, opener)
        runner = Runner(open_own, prepared.skillset, journal, pace=pace, ear=ear, cache=cache, judge=prepared.judge)
        stopped: OttoError | None = None
        asked = {case.id for case in prepared.cases}
        watcher.start(len(asked), [row for row in journal.rows if row["id"] in asked])
        try:
            stopped = runner.run(prepared.cases, watcher.row)
        finally:
            watcher.end()
            if cache:
                cache[0].close()
            rows = [row for row in read_rows(journal.path) if row["id"] in asked]  # what is on the disk, wherever Ctrl-C came
            summary = summarise(rows, len(asked), prepared.about)
            if rows:
                write_json(folder / SUMMARY, summary)
    return Measured(folder, summary, stopped)


def earlier_options(folder: Path) -> Options:
    """What the run in a folder was asked. Raises StoreError where there is none."""
    try:
        stored = json.loads((folder / RUN).read_text(encoding="utf-8"))["options"]
        return Options(**{**stored, "cases": tuple(stored["cases"]), "snr": tuple(stored["snr"])})
    except FileNotFoundError:
        raise StoreError(f"{folder} holds no run to go on with", "name the cases: otto eval run CASES --out DIR") from None
    except (OSError, ValueError, KeyError, TypeError):
        raise StoreError(f"{folder / RUN} cannot be read", "start anew with another --out") from None


def _require_fit(options: Options, pace: Pace, own: bool) -> None:
    """Raises UsageError where an option does not fit the router, which is one of Otto's `own`, or the scorer."""
    from otto.router import ENGINES

    if options.scorer not in (CALLS, BFCL):
        raise UsageError(f"There is no scorer {options.scorer}", f"use one of: {CALLS}, {BFCL}")
    if options.scorer == BFCL and (options.skills != INSTALLED or options.train or options.candidates or options.stt or options.noise):
        raise UsageError("BFCL's files bring their own functions and are texts", "leave out --skills, --train, --candidates, --stt and --noise")
    if own and options.router not in ENGINES:
        raise UsageError(f"There is no router {options.router}", f"use one of: {', '.join(ENGINES)}")
    for name, value in (("--model", options.model), ("--prompt", options.prompt), ("--prompt-file", options.prompt_file)):
        if value and options.router not in LARGE:
            raise UsageError(f"{name} does not fit the router {options.router}, which has its own", f"use --router {' or --router '.join(LARGE)}")
    if options.adapter and options.router != "transformers":
        raise UsageError(f"--adapter does not fit the router {options.router}", "use --router transformers")
    if options.prompt and options.prompt_file:
        raise UsageError("--prompt and --prompt-file both give the prompt", "leave one of them out")
    if options.router != "openai" and (pace.concurrency > 1 or pace.requests is not None or pace.tokens is not None):
        raise UsageError(f"--concurrency and a budget are for servers, and {options.router} is none", "use --router openai, or leave them out")
    if options.snr and not options.noise:
        raise UsageError("--snr says how loud a noise is, and there is none", "give it with --noise FILE")
    if options.noise and not options.snr:
        raise UsageError("--noise needs to know how loud", "give decibels with --snr clean,24,12,6")


def _prepare(options: Options, settings: Settings, watcher: Watcher) -> _Prepared:
    """Read the skills and all cases; what is wrong is said before anything runs."""
    if options.scorer == BFCL:
        return _prepare_bfcl(options, settings, watcher)
    registry = load_skills(options.skills, settings)
    for problem in registry.problems:
        watcher.note(f"A skill is left out: {problem}")
    skill_file = Path(options.skills).expanduser()
    data = {options.skills: sha256(skill_file)} if options.skills != INSTALLED and skill_file.is_file() else {}
    read = read_cases(options.cases, registry)
    lessons = read_cases([options.train], registry) if options.train else Read()
    if lessons.lost or (lessons.problems and not options.skip_bad):
        found = [*lessons.lost, *lessons.problems, *read.lost, *read.problems]
        raise Problems("The training file has problems, and nothing was run; these are all that were found", found)
    read.require(skip_bad=options.skip_bad)
    registry, optional = relaxed(registry, read.cases)
    if optional:
        watcher.note(f"{len(optional)} required parameters are taken as optional, since cases leave them out: {_listed(optional)}.")
    if options.train:
        overlap = len({case.text for case in read.cases} & {lesson.text for lesson in lessons.cases})
        watcher.note(f"The router learns from {len(lessons.cases):,} sentences; {overlap} of the texts to be tested are among them.")
        if lessons.problems:
            watcher.note(f"Bad rows of the training file that are left out: {lessons.bad_rows:,}, the first: {lessons.problems[0]}")
        registry = taught(registry, lessons.cases)
    require_candidates(options.candidates, registry)
    for problem in read.problems:
        watcher.note(f"Skipped: {problem}")
    registry.install()
    recordings = [case.audio for case in read.cases if case.audio]
    if recordings:
        data["recordings"] = hashlib.sha256("".join(map(sha256, recordings)).encode()).hexdigest()
    prepared = _Prepared(
        options,
        settings,
        Skillset(registry, options.candidates, options.seed),
        _with_noise(sampled(read.cases, options.limit, options.seed), options),
        {**read.data, **lessons.data, **data, **({options.noise: sha256(Path(options.noise).expanduser())} if options.noise else {})},
    )
    prepared.about = {"skipped": read.bad_rows, "optional": optional}
    return prepared


def _prepare_bfcl(options: Options, settings: Settings, watcher: Watcher) -> _Prepared:
    """The same of BFCL's files: each case has its own functions and answers."""
    from eval.bfcl_files import read_bfcl

    read = read_bfcl(options.cases)
    read.require(skip_bad=options.skip_bad)
    for problem in read.problems:
        watcher.note(f"Skipped: {problem}")
    cases = sampled(read.cases, options.limit, options.seed)
    impossible = len({case.id for case in cases} & set(read.impossible))
    if impossible:
        watcher.note(f"{impossible} of {len(cases):,} cases need a dictionary or a list of lists, which no call has here: they count as wrong.")
    skillset = Skillset(read.skills[cases[0].id], own=read.skills)

    def judge_bfcl(case: Case, route: Route, specs: Mapping[str, SkillSpec]) -> Verdict:
        return verdict(read.entries[case.id], route)

    return _Prepared(options, settings, skillset, cases, read.data, judge_bfcl, {"skipped": read.bad_rows, "optional": []})


def _with_noise(cases: list[Case], options: Options) -> list[Case]:
    recordings = any(case.audio for case in cases)
    if (options.stt or options.noise) and not recordings:
        raise UsageError("--stt and --noise are for recordings, and no case has one", "leave them out, or give a folder with labels.jsonl")
    if not options.noise:
        return cases
    from eval.speech import with_noise

    return with_noise(cases, Path(options.noise).expanduser(), options.snr)


def _open_ear(prepared: _Prepared) -> Ear | None:
    if not any(case.audio for case in prepared.cases):
        return None
    from eval.speech import open_ear

    options = prepared.options
    noise = Path(options.noise).expanduser() if options.noise else None
    return open_ear(options.stt or prepared.settings.stt.engine, prepared.skillset.registry, prepared.settings, noise, options.seed)


def _own_settings(prepared: _Prepared, folder: Path) -> Settings:
    """The user's settings with what the options say of the router. A prompt given as text is kept in the run's folder."""
    options, settings = prepared.options, prepared.settings
    router: dict[str, str] = {"engine": options.router}
    if options.model:
        router |= {"model": _model(options, settings), "adapter": ""}  # an adapter of the settings belongs to their model
    if options.adapter:
        router["adapter"] = str(Path(options.adapter).expanduser().absolute())
    if options.prompt:
        try:
            (folder / PROMPT).write_text(options.prompt + "\n", encoding="utf-8")
        except OSError as error:
            raise StoreError(f"{folder / PROMPT} cannot be written ({error.strerror})", "choose another folder with --out") from None
        router["prompt"] = str(folder / PROMPT)
    if options.prompt_file:
        router["prompt"] = options.prompt_file
    return settings.model_copy(update={"router": settings.router.model_copy(update=router)})


def _model(options: Options, settings: Settings) -> str:
    from otto.models import model_path

    return str(model_path(settings, options.model).absolute()) if options.router == "transformers" else options.model


def _opener(prepared: _Prepared, settings: Settings, opener: Opener | None) -> Callable[[], Router]:
    from otto.router import open_router

    if opener is not None:
        return lambda: opener(prepared.skillset.registry, settings)
    return lambda: open_router(prepared.options.router, prepared.skillset.registry, settings)


def _begin(prepared: _Prepared, folder: Path, journal: Journal, settings: Settings, command: Sequence[str]) -> None:
    """Write down what is asked, or find that the folder's run was asked the same. Raises UsageError where it was another."""
    from otto import __version__

    options = prepared.options
    prompt = read_prompt(settings.router.prompt) if options.router in LARGE else ""
    asked = {
        "options": json.loads(json.dumps(asdict(options))),
        "data": prepared.data,
        "skills_version": prepared.skillset.registry.version,
        "router": _router(options, settings, prompt),
        "otto": __version__,
    }
    path = folder / RUN
    earlier: dict[str, Any] = {}
    if path.is_file():
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise StoreError(f"{path} cannot be read", "start anew with another --out") from None
    if journal.rows and not earlier:
        raise UsageError(f"{folder} holds results, and not what they are of", "choose another folder with --out")
    differing = [name for name in asked if earlier and earlier.get(name) != asked[name]]
    if journal.rows and differing:
        what = ", ".join(_differences(earlier, asked, differing))
        raise UsageError(f"{folder} holds another run ({what})", "choose another folder with --out, or give the same options to go on with it")
    if not earlier or differing:
        earlier = {}
        write_json(path, {**asked, "command": list(command), "started": datetime.now(timezone.utc).isoformat(timespec="seconds")})
    command = earlier.get("command") or list(command)  # the first, also where it goes on by --out alone
    prepared.about |= {
        "versions": versions(options, prepared.skillset.registry),
        "data": prepared.data,
        "command": command,
        "seed": options.seed,
        "router": asked["router"],
        "options": asked["options"],
    }


def _differences(earlier: Mapping[str, Any], asked: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    found = []
    for name in names:
        old, new = earlier.get(name), asked[name]
        if isinstance(old, dict) and isinstance(new, dict):
            found += [key for key in {**old, **new} if old.get(key) != new.get(key)]
        else:
            found.append(name)
    return list(dict.fromkeys(found))


def _router(options: Options, settings: Settings, prompt: str) -> dict[str, str]:
    """What is measured, as the summary names it."""
    from otto.paths import room

    large = options.router in LARGE
    templates = [(room("prompts") / name).read_text(encoding="utf-8") for name in sorted(file.name for file in room("prompts").glob("*.txt"))]
    model = settings.router.model or (settings.openai.model if options.router == "openai" else "")
    return {
        "engine": options.router,
        "model": model if large else "",
        "adapter": settings.router.adapter if options.router == "transformers" else "",
        "prompt_sha256": hashlib.sha256((prompt or "".join(templates)).encode()).hexdigest() if large else "",
    }


def versions(options: Options, registry: Registry) -> dict[str, str]:
    """What a figure may depend on: Otto, Python, the skills, the shipped weights and the packages that this router uses."""
    from importlib.metadata import PackageNotFoundError, version

    from otto import __version__

    packages = {
        "openai": ["openai"],
        "transformers": ["torch", "transformers", "peft", "bitsandbytes", "llguidance"],
        **{name: ["onnxruntime", "scikit-learn", "python-crfsuite", "llguidance", "numpy"] for name in ("embedded", "tagger", "llama")},
    }.get(options.router, [])
    found = {"otto": __version__, "python": platform.python_version(), "machine": f"{sys.platform} {platform.machine()}", "skills": registry.version}
    if options.router in ("embedded", "tagger", "llama"):
        found["router_weights"] = _weights()
    for package in [*packages, *(["faster-whisper", "pocketsphinx"] if options.stt else [])]:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _weights() -> str:
    """A hash of the shipped weights."""
    from otto.router.encoder import WEIGHTS

    digest = hashlib.sha256()
    for file in sorted(WEIGHTS.glob("*")):
        if file.suffix in (".onnx", ".npz", ".json"):
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def new_folder(router: str) -> Path:
    """Where the results of a run go that names no folder; nothing is there yet."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
    folder = Path(FOLDER) / f"{stamp}-{router}"
    count = 1
    while folder.exists():  # another run of this second
        count += 1
        folder = Path(FOLDER) / f"{stamp}-{router}-{count}"
    return folder


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
