"""The wheel, installed into an environment of its own: `otto` works from an empty folder, and site-packages gains nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import otto

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ["skills", "examples", "prompts", "finetune", "eval"]


def run(*command: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTTO_", "PYTHON"))}
    return subprocess.run([*map(str, command)], cwd=folder, env=inherited | environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, folder=ROOT)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and an empty folder to stand in."""

    site: Path
    otto: Path
    empty: Path
    home: Path

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(self.otto, *arguments, folder=self.empty, OTTO_HOME=str(self.home), COLUMNS="160")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    assert run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", folder=folder).returncode == 0
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).stdout.strip())
    assert list(site.iterdir()) == []
    install = run(
        sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--disable-pip-version-check", wheel, folder=folder
    )
    assert install.returncode == 0, install.stdout + install.stderr
    gained = {path.name for path in site.iterdir()}
    # The dependencies are those of the environment that runs the tests. A plain path in a .pth file: the editable
    # installation of Otto that may be there has a .pth file of its own, and that one is not read.
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "tests.pth").write_text("\n".join(sorted(paths)) + "\n", encoding="utf-8")
    assert gained == {"otto", f"otto_assistant-{otto.__version__}.dist-info"}
    (folder / "empty").mkdir()
    return Installed(site, python.parent / "otto", folder / "empty", folder / "home")


def test_the_wheel_holds_every_room_and_nothing_beside_otto(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"otto", f"otto_assistant-{otto.__version__}.dist-info"}
    assert [name for name in names if "__pycache__" in name or name.endswith(".pyc")] == []
    for room in ROOMS:
        here = {path.relative_to(ROOT).as_posix() for path in (ROOT / room).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        assert here, room
        assert {name.removeprefix("otto/rooms/") for name in names if name.startswith(f"otto/rooms/{room}/")} == here
    for document in ("LICENSE", "NOTICE"):
        assert f"otto_assistant-{otto.__version__}.dist-info/licenses/{document}" in names


def test_the_installed_package_is_the_one_that_runs(installed: Installed) -> None:
    where = run(installed.otto.parent / "python", "-c", "import otto, otto.paths; print(otto.__file__, otto.paths.rooms())", folder=installed.empty)
    assert where.stdout.split() == [str(installed.site / "otto" / "__init__.py"), str(installed.site / "otto" / "rooms")]


def test_help(installed: Installed) -> None:
    help = installed("--help")
    assert (help.returncode, help.stderr) == (0, "")
    for command in ("route", "say", "hear", "listen", "skills", "models", "config", "history", "undo", "fix", "doctor", "demo"):
        assert f" {command} " in help.stdout


def test_skills_list(installed: Installed) -> None:
    listed = installed("skills", "list", "--json")
    assert (listed.returncode, listed.stderr) == (0, "")
    names = {json.loads(line)["name"] for line in listed.stdout.splitlines()}
    assert names == {path.stem for path in (ROOT / "skills").glob("*.py")}


def test_route(installed: Installed) -> None:
    route = installed("route", "--json", "what is two plus two")
    assert route.returncode == 0, route.stderr
    assert json.loads(route.stdout)["calls"] == [{"name": "math", "arguments": {"question": "2 + 2"}}]


def test_say(installed: Installed) -> None:
    said = installed("say", "what is two plus two")
    assert said.returncode == 0, said.stderr
    assert "4" in said.stdout


def test_say_stray_talk_does_nothing(installed: Installed) -> None:
    assert installed("say", "she never told me where she put the keys").returncode == 3


def test_nothing_is_written_where_the_user_stands(installed: Installed) -> None:
    installed("say", "what is two plus two")
    assert list(installed.empty.iterdir()) == []
