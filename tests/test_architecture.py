"""Imports go one way, from the errors up to the command line, and a start loads nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import otto

ROOT = Path(__file__).resolve().parent.parent

# From the ground up. A module imports from its own layer and from those before it, never from those after it.
# A name stands for a module or for a package with all that is in it.
LAYERS: dict[str, list[str]] = {
    "errors": ["errors"],
    "helpers that know no call": ["fillers", "log", "paths", "ranges", "spoken", "tomlfile", "words"],
    "messages and call": ["call", "control", "messages"],
    "types": ["types"],
    "skill": ["parameters", "skill"],
    "declarations and what is kept": [
        "align", "chat", "check", "choices", "config", "examples", "grammar", "history", "jsgf", "models", "phrases", "prompt", "promptformat",
        "registry", "scaffold", "store", "templates",
    ],
    "stages": ["audio", "stt", "router", "tts"],
    "dispatch": ["context", "dispatch", "execute", "isolation", "reply", "scheduler", "worker"],
    "assistant": ["assistant", "demo", "doctor", "hotkey", "service"],
    "listening": ["listening"],
    "cli": ["cli", "__main__"],
}
STAGES = LAYERS["stages"]
RANK = {name: rank for rank, names in enumerate(LAYERS.values()) for name in names}

# What skills may import from `otto`: the names of the face, and two modules that exist for them.
FOR_SKILLS = {*otto.__all__, "chat", "spoken"}

# Of `otto` itself, the rest of the package takes the version alone: the face is for skills and users.
FROM_FACE = {"__version__"}

HEAVY = ["torch", "transformers", "onnxruntime", "ctranslate2"]

Import = tuple[str, str, int]  # module, name taken from it or "", line


@cache
def imports(source: str) -> list[Import]:
    """Every import of a file, those inside functions and of type checking too."""
    found: list[Import] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, "", node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: relative import"
            found += [(node.module or "", alias.name, node.lineno) for alias in node.names]
    return found


def module_name(path: Path) -> str:
    """`otto.stt.whisper` of otto/stt/whisper.py, `otto.stt` of its __init__.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


MODULES = {module_name(path): path for path in files("otto")}


def top(module: str) -> str:
    """The part of `otto` that a module belongs to: `stt` of otto.stt.whisper, "" of otto."""
    return [*module.split("."), ""][1]


def rank(module: str) -> int:
    assert top(module) in RANK, f"{module} has no layer: name {top(module)} in LAYERS"
    return RANK[top(module)]


def targets(source: str) -> Iterator[tuple[str, str, int]]:
    """The modules of `otto` that a file imports; where it is `otto` itself, the name that is taken from it."""
    for module, name, line in imports(source):
        if module.split(".")[0] == "otto":
            within = f"{module}.{name}"
            yield (within, "", line) if within in MODULES else (module, name, line)


def faults(module: str, source: str) -> list[str]:
    """What the imports of a module of `otto` break."""
    found = []
    for target, name, line in targets(source):
        if target == "otto":
            if name not in FROM_FACE:
                found.append(f"{module}:{line} takes {name or 'otto'} from the face")
        elif rank(target) > rank(module):
            found.append(f"{module}:{line} imports {target}, which stands above it")
        elif top(module) in STAGES and top(target) in STAGES and top(module) != top(target):
            found.append(f"{module}:{line} imports the stage {target}")
    for target, _, line in imports(source):
        if target.split(".")[0] in {"skills", "finetune", "eval", "tests"}:
            found.append(f"{module}:{line} imports the room {target}")
    return found


def test_every_file_of_otto_has_a_layer() -> None:
    assert sorted({top(module) for module in MODULES} - {""} - RANK.keys()) == []
    # and every name of the table is there
    assert sorted(RANK.keys() - {top(module) for module in MODULES}) == []


def test_otto_imports_go_one_way() -> None:
    assert [fault for module, path in MODULES.items() if module != "otto" for fault in faults(module, path.read_text("utf-8"))] == []


def test_the_face_imports_declarations_alone() -> None:
    limit = RANK["registry"]
    above = [target for target, _, _ in targets(MODULES["otto"].read_text("utf-8")) if rank(target) > limit]
    assert above == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module: {target for target, _, _ in targets(path.read_text("utf-8"))} - {module} for module, path in MODULES.items()}
    graph["otto"] = set()  # what it imports lazily, equality needs only after everything is loaded
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way[way.index(module) :], module))
        if module not in done:
            for target in sorted(graph[module]):
                visit(target, (*way, module))
            done.add(module)

    for module in graph:
        visit(module, ())


@pytest.mark.parametrize(
    ("module", "source", "says"),
    [
        ("otto.errors", "from otto.call import Call", "stands above it"),
        ("otto.call", "def f():\n    from otto.skill import skill", "otto.call:2 imports otto.skill"),
        ("otto.config", "from otto import dispatch", "stands above it"),
        ("otto.skill", "import otto.cli.app", "stands above it"),
        ("otto.stt.whisper", "from otto.audio.vad import utterances", "imports the stage otto.audio.vad"),
        ("otto.router", "import otto.stt", "imports the stage otto.stt"),
        ("otto.dispatch", "from otto import Call", "takes Call from the face"),
        ("otto.cli.app", "import finetune", "imports the room finetune"),
        ("otto.cli.app", "def f():\n    from eval.report import html", "imports the room eval.report"),
        ("otto.types.dates", "from otto.parameters import Parameter", "stands above it"),
    ],
)
def test_a_forbidden_import_is_named(module: str, source: str, says: str) -> None:
    (fault,) = faults(module, source)
    assert says in fault


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("otto.call", "from otto.errors import CallSyntaxError"),
        ("otto.stt.whisper", "from otto.stt.base import Engine"),
        ("otto.assistant", "def f():\n    from otto.router import open_router"),
        ("otto.cli.app", "from otto import __version__, scheduler"),
        ("otto.types.dates", "from otto.types.words import number"),
    ],
)
def test_an_allowed_import_is_allowed(module: str, source: str) -> None:
    assert faults(module, source) == []


@pytest.mark.parametrize("path", files("skills"), ids=lambda path: path.stem)
def test_skills_import_only_the_public_face(path: Path) -> None:
    for module, name, line in imports(path.read_text("utf-8")):
        root = module.split(".")[0]
        assert root not in {"skills", "finetune", "eval", "tests"}, f"{path.name}:{line}"
        assert root != "otto" or (module == "otto" and name in FOR_SKILLS), f"{path.name}:{line} imports {name or module}"


@pytest.mark.parametrize(("room", "other"), [("finetune", "eval"), ("eval", "finetune")])
def test_finetune_and_eval_know_otto_and_not_each_other(room: str, other: str) -> None:
    for path in files(room):
        for module, _, line in imports(path.read_text("utf-8")):
            assert module.split(".")[0] not in {other, "skills", "tests"}, f"{path}:{line} imports {module}"


@pytest.mark.parametrize("command", ["import otto", "from otto.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"])
def test_a_start_loads_nothing_heavy(command: str) -> None:
    code = f"import sys\n{command}\nprint('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "loaded: []"
