"""Otto as a service: the files as systemd's own checker and plistlib read them, and what the system's programs are asked for.

Neither systemd nor launchd can run for a user inside a container, so stand-ins write down what they are asked and answer as they are told.
"""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from otto.errors import ServiceError
from otto.service import LABEL, UNIT, Launchd, Systemd, launchd_agent, open_service, systemd_unit

STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
for refused in $REFUSES; do
    case " $* " in *" $refused "*) echo "no $refused today" >&2; exit 1;; esac
done
case "$*" in
    *is-active*) [ -e "$RUNS" ];;
    print*) [ -e "$RUNS" ] && echo "	state = running";;
    *--output=cat*) echo "Listening …"; echo "timer";;
esac
"""


class System:
    """A machine whose systemctl, journalctl and launchctl are stand-ins."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = folder / "home"
        self._calls, self._runs = folder / "calls", folder / "runs"
        self._monkeypatch = monkeypatch
        programs = folder / "programs"
        for name in ("systemctl", "journalctl", "launchctl"):
            programs.mkdir(exist_ok=True)
            (programs / name).write_text(STAND_IN)
            (programs / name).chmod(0o755)
        for variable, value in (("HOME", self.home), ("CALLS", self._calls), ("RUNS", self._runs), ("PATH", f"{programs}:/usr/bin:/bin")):
            monkeypatch.setenv(variable, str(value))
        monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    def refuses(self, words: str) -> None:
        self._monkeypatch.setenv("REFUSES", words)

    def running(self) -> None:
        self._runs.touch()

    def calls(self) -> list[str]:
        """Since this was last asked."""
        found = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return found


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    return System(tmp_path, monkeypatch)


class TestSystemd:
    def test_install_writes_the_unit_and_starts_it(self, system: System) -> None:
        file = Systemd({"OTTO_HOME": "/srv/my otto"}).install()
        assert file == system.home / ".config/systemd/user" / UNIT
        lines = file.read_text().splitlines()
        assert f'ExecStart="{sys.executable}" -m otto listen --plain' in lines
        assert 'Environment="OTTO_HOME=/srv/my otto"' in lines
        assert system.calls() == [
            "systemctl --user show-environment",
            "systemctl --user daemon-reload",
            f"systemctl --user enable {UNIT}",
            f"systemctl --user restart {UNIT}",
        ]

    def test_the_folder_of_the_settings_goes_before_the_usual_one(self, system: System, tmp_path: Path) -> None:
        assert Systemd({"XDG_CONFIG_HOME": str(tmp_path / "conf")}).install() == tmp_path / "conf/systemd/user" / UNIT

    def test_no_systemd_for_the_user(self, system: System) -> None:
        system.refuses("show-environment")
        with pytest.raises(ServiceError) as raised:
            Systemd().install()
        assert str(raised.value) == "systemd refused `systemctl --user show-environment` (no show-environment today); have your desktop start this at login: otto listen --plain."
        assert not system.home.exists()

    def test_what_cannot_be_started_leaves_nothing_behind(self, system: System) -> None:
        system.refuses("restart")
        service = Systemd()
        with pytest.raises(ServiceError, match=r"systemd refused `systemctl --user restart otto.service` \(no restart today\)"):
            service.install()
        assert not service.file.exists()
        assert system.calls()[-2:] == [f"systemctl --user disable --now {UNIT}", "systemctl --user daemon-reload"]

    def test_status(self, system: System) -> None:
        service = Systemd()
        assert (service.status().sentence, service.status().log) == ("not installed", ())
        service.install()
        assert service.status().sentence == f"installed, not running ({service.file})"
        system.running()
        found = service.status()
        assert (found.sentence, found.log) == (f"running ({service.file})", ("Listening …", "timer"))

    def test_remove_undoes_install(self, system: System) -> None:
        service = Systemd()
        assert service.remove() is False
        service.install()
        system.calls()
        assert service.remove() is True
        assert not service.file.exists()
        assert system.calls() == [f"systemctl --user disable --now {UNIT}", "systemctl --user daemon-reload"]
        assert service.status().installed is False


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", ["plain", "a folder with spaces", "100%h $HOME ${PATH}", "Zoë"])
def test_systemd_understands_the_unit(tmp_path: Path, name: str) -> None:
    """Its checker looks for the program that the command names, so a path that is quoted wrongly is not found."""
    python = tmp_path / name / "python"
    python.parent.mkdir()
    unit = tmp_path / UNIT
    unit.write_text(systemd_unit(str(python), {"OTTO_HOME": str(python.parent)}), encoding="utf-8")

    def complaints() -> str:
        done = subprocess.run(["systemd-analyze", "--user", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)})
        return "\n".join(line for line in done.stderr.splitlines() if UNIT in line)

    assert "not executable" in complaints() or "not absolute" in complaints()  # it looks
    python.symlink_to(sys.executable)
    assert complaints() == ""


@pytest.mark.parametrize("path", ["/home/o'neill/python", '/a "b"/python', "/back\\slash/python"])
def test_a_program_that_systemd_does_not_start(path: str) -> None:
    with pytest.raises(ServiceError, match="systemd starts no program with a quote or a backslash in its path .*; install Otto into another folder"):
        systemd_unit(path, {})


def test_an_environment_is_quoted() -> None:
    assert 'Environment="OTTO_HOME=/a \\"b\\" \\\\ 100%% $HOME"' in systemd_unit("/python", {"OTTO_HOME": '/a "b" \\ 100% $HOME'}).splitlines()


class TestLaunchd:
    def test_install_writes_the_agent_and_starts_it(self, system: System, tmp_path: Path) -> None:
        file = Launchd(tmp_path / "data" / "service.log", {"OTTO_HOME": "/srv/my <otto> & co"}).install()
        assert file == system.home / "Library/LaunchAgents" / f"{LABEL}.plist"
        assert plistlib.loads(file.read_bytes()) == {
            "Label": LABEL,
            "ProgramArguments": [sys.executable, "-m", "otto", "listen", "--plain"],
            "EnvironmentVariables": {"OTTO_HOME": "/srv/my <otto> & co"},
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ProcessType": "Interactive",
            "StandardOutPath": str(tmp_path / "data/service.log"),
            "StandardErrorPath": str(tmp_path / "data/service.log"),
        }
        *_, started = system.calls()
        assert started.startswith("launchctl bootstrap gui/") and started.endswith(str(file))

    def test_an_agent_that_is_refused_is_not_left_behind(self, system: System, tmp_path: Path) -> None:
        system.refuses("bootstrap")
        service = Launchd(tmp_path / "service.log")
        with pytest.raises(ServiceError, match=r"launchd refused the agent \(no bootstrap today\); have your desktop start this"):
            service.install()
        assert not service.file.exists()

    def test_status_and_remove(self, system: System, tmp_path: Path) -> None:
        log = tmp_path / "service.log"
        service = Launchd(log)
        assert service.status().installed is False
        service.install()
        log.write_text("".join(f"line {number}\n" for number in range(30)))
        assert service.status().running is False
        system.running()
        found = service.status()
        assert (found.running, found.log) == (True, tuple(f"line {number}" for number in range(20, 30)))
        assert service.remove() is True
        assert service.remove() is False
        assert not service.file.exists()

    def test_plistlib_reads_what_is_written(self) -> None:
        text = launchd_agent("/opt/ö/python", {}, Path("/tmp/x"))
        assert plistlib.loads(text.encode())["ProgramArguments"][0] == "/opt/ö/python"


@pytest.mark.parametrize(
    ("platform", "sentence"),
    [
        ("win32", "Otto is no service on Windows; put a link to this into the folder that `shell:startup` opens: otto listen --plain."),
        ("freebsd14", "Otto knows no services of freebsd14; have your desktop start this at login: otto listen --plain."),
    ],
)
def test_systems_without(platform: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ServiceError) as raised:
        open_service(tmp_path, platform=platform)
    assert str(raised.value) == sentence


def test_linux_without_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError) as raised:
        open_service(tmp_path, platform="linux")
    assert str(raised.value) == "There is no systemd here; have your desktop start this at login: otto listen --plain."


@pytest.mark.parametrize(("platform", "kind"), [("linux", Systemd), ("darwin", Launchd)])
def test_systems_with(platform: str, kind: type, system: System, tmp_path: Path) -> None:
    assert isinstance(open_service(tmp_path, platform=platform), kind)
