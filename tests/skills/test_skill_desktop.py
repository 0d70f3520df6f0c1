"""runapp, volume, media, search and system: real .desktop files, real programs, a real sound server where there is one."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from desk import Desk, wait_for

from otto import OttoError
from otto.registry import Registry

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the desktop of Linux")
Command = Callable[..., Callable[[], list[str]]]


def parts(registry: Registry, skill: str) -> dict[str, Any]:
    """What a skill's file defines."""
    return dict(registry.get(skill).target.__globals__)  # type: ignore[union-attr]


@pytest.fixture
def menu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """An application list of its own; returns a function that adds a .desktop file."""
    for name in ("XDG_CURRENT_DESKTOP", "LANG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_DATA_DIRS", f"{tmp_path / 'local'}:{tmp_path / 'shared'}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def add(id: str, folder: str = "shared", **keys: str) -> Path:
        file = tmp_path / folder / "applications" / id
        file.parent.mkdir(parents=True, exist_ok=True)
        entry = {"Type": "Application", "Exec": "true", **keys}
        lines = ["# made by a test", "[Desktop Entry]", *(f"{key}={value}" for key, value in entry.items()), "[Desktop Action new]", "Name=New Window", "Exec=false"]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    return add


@pytest.fixture
def desktop(menu: Callable[..., Path]) -> Callable[..., Path]:
    """Programs as a desktop has them."""
    menu("firefox.desktop", Name="Firefox", GenericName="Web Browser", Keywords="Internet;WWW;Browser;")
    menu("google-chrome.desktop", Name="Google Chrome", GenericName="Web Browser", Exec="google-chrome-stable %U")
    menu("org.gnome.gedit.desktop", Name="gedit", GenericName="Text Editor", Exec="gedit %U", Keywords="Text;Editor;Notepad;")
    menu("org.gnome.Calculator.desktop", Name="Calculator", Exec="gnome-calculator", Keywords="calculation;arithmetic;")
    menu("org.gnome.Nautilus.desktop", Name="Files", GenericName="File Manager", Exec="nautilus --new-window %U", Keywords="folder;explore;")
    menu("libreoffice-writer.desktop", Name="LibreOffice Writer", GenericName="Word Processor", Exec="libreoffice --writer %U")
    menu("libreoffice-calc.desktop", Name="LibreOffice Calc", GenericName="Spreadsheet", Exec="libreoffice --calc %U")
    menu("code.desktop", Name="Visual Studio Code", GenericName="Text Editor", Exec='"/usr/share/code/code" %F', Keywords="vscode;")
    menu("spotify.desktop", Name="Spotify", GenericName="Music Player", Exec="spotify %U")
    menu("vlc.desktop", Name="VLC media player", GenericName="Media player", Exec="/usr/bin/vlc --started-from-file %U")
    menu("gimp.desktop", Name="GNU Image Manipulation Program", GenericName="Image Editor", Exec="gimp-2.10 %U")
    return menu


def chosen(registry: Registry, said: str) -> str:
    found = parts(registry, "runapp")
    return str(found["choose"](said, list(found["_from_desktop_files"]())).name)


@pytest.mark.usefixtures("desktop")
@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("firefox", "Firefox"), ("fire fox", "Firefox"), ("Firefox", "Firefox"), ("firefoxx", "Firefox"), ("chrome", "Google Chrome"),
        ("google chrome", "Google Chrome"), ("calculator", "Calculator"), ("calculater", "Calculator"), ("files", "Files"),
        ("file manager", "Files"), ("nautilus", "Files"), ("libreoffice writer", "LibreOffice Writer"), ("libre office calc", "LibreOffice Calc"),
        ("writer", "LibreOffice Writer"), ("spreadsheet", "LibreOffice Calc"), ("word processor", "LibreOffice Writer"), ("code", "Visual Studio Code"),
        ("visual studio code", "Visual Studio Code"), ("vs code", "Visual Studio Code"), ("vscode", "Visual Studio Code"), ("gedit", "gedit"),
        ("spotify", "Spotify"), ("music player", "Spotify"), ("vlc", "VLC media player"), ("media player", "VLC media player"),
        ("image editor", "GNU Image Manipulation Program"), ("gimp", "GNU Image Manipulation Program"), ("notepad", "gedit"),
    ],
)  # fmt: skip
def test_the_program_that_is_meant(registry: Registry, said: str, name: str) -> None:
    assert chosen(registry, said) == name


@pytest.mark.usefixtures("desktop")
@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("web browser", '"web browser" could be Firefox or Google Chrome; say the whole name.'),
        ("libreoffice", '"libreoffice" could be LibreOffice Calc or LibreOffice Writer; say the whole name.'),
        ("text editor", '"text editor" could be Visual Studio Code or gedit; say the whole name.'),
        ("zzzyx", 'There is no program "zzzyx"; say its name as the system\'s menu has it.'),
        ("spotter", 'There is no program "spotter"; did you mean Spotify?'),
        ("firestorm", 'There is no program "firestorm"; did you mean Firefox or Files?'),
        ("firefocks", 'There is no program "firefocks"; did you mean Firefox or Files?'),
    ],
)
def test_no_program_is_started_on_a_guess(registry: Registry, said: str, sentence: str) -> None:
    with pytest.raises(OttoError) as error:
        chosen(registry, said)
    listed = re.sub(r"could be (.*) or (.*);", lambda match: f"could be {' or '.join(sorted(match.groups()))};", str(error.value))
    assert listed == sentence


def test_the_users_default_decides_between_two(registry: Registry, desktop: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    text = "[Added Associations]\ntext/html=firefox.desktop;\n\n[Default Applications]\nx-scheme-handler/https=google-chrome.desktop;firefox.desktop\n"
    (tmp_path / "config" / "mimeapps.list").write_text(text)
    assert chosen(registry, "web browser") == "Google Chrome"


def test_what_the_menu_does_not_show_is_not_there(registry: Registry, menu: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    menu("shown.desktop", Name="Shown")
    menu("no-display.desktop", Name="No Display", NoDisplay="true")
    menu("hidden.desktop", Name="Hidden", Hidden="true")
    menu("not-installed.desktop", Name="Not Installed", TryExec="surely-not-a-program")
    menu("installed.desktop", Name="Installed", TryExec="sh")
    menu("kde-only.desktop", Name="Kde Only", OnlyShowIn="KDE;")
    menu("not-kde.desktop", Name="Not Kde", NotShowIn="KDE;")
    menu("link.desktop", Name="A Link", Type="Link")
    menu("no-exec.desktop", Name="No Exec", Exec="")
    menu("system.desktop", Name="Overridden", folder="shared")
    menu("system.desktop", Name="Mine", folder="own")
    menu("gone.desktop", Name="Gone", folder="shared")
    menu("gone.desktop", Name="Gone", folder="local", Hidden="true")
    menu("sub/folder.desktop", Name="In A Folder")
    (menu("broken.desktop", Name="x")).write_bytes(b"\xff\xfe\x00 no group\n=\n[")
    listed = parts(registry, "runapp")["_from_desktop_files"]
    assert {program.name for program in listed()} == {"Shown", "Installed", "Not Kde", "Mine", "In A Folder"}
    assert "sub-folder.desktop" in {program.id for program in listed()}
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "X:KDE")
    assert {program.name for program in listed()} == {"Shown", "Installed", "Kde Only", "Mine", "In A Folder"}


def test_names_in_the_users_language_count_beside_the_others(registry: Registry, menu: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    menu("calc.desktop", **{"Name": "Calculator", "Name[de]": "Taschenrechner", "Name[pt_BR]": "Calculadora", "Keywords[de]": "Rechnen;"})
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    assert chosen(registry, "taschenrechner") == "Taschenrechner"
    assert chosen(registry, "calculator") == "Taschenrechner"
    assert chosen(registry, "rechnen") == "Taschenrechner"
    monkeypatch.setenv("LANG", "pt_BR.UTF-8")
    assert chosen(registry, "calculadora") == "Calculadora"


@pytest.mark.parametrize(
    ("line", "command"),  # by the Desktop Entry Specification, "The Exec key"
    [
        ("firefox %u", ["firefox"]),
        ("vlc --started-from-file %U", ["vlc", "--started-from-file"]),
        ('"/opt/My App/run" --flag %F', ["/opt/My App/run", "--flag"]),
        ('app "a \\\\"quoted\\\\" word" \\\\$HOME', ["app", 'a "quoted" word', "\\$HOME"]),
        ("app --title=%c --file=%k", ["app", "--title=The Name", "--file=FILE"]),
        ("app %i %c", ["app", "--icon", "the-icon", "The Name"]),
        ("app 100%% %d %m %v %n", ["app", "100%"]),
        ("env A=b app; rm -rf / && echo `id` $(id) | cat > x", ["env", "A=b", "app;", "rm", "-rf", "/", "&&", "echo", "`id`", "$(id)", "|", "cat", ">", "x"]),
    ],
)
def test_an_exec_line_becomes_an_argument_list(registry: Registry, menu: Callable[..., Path], line: str, command: list[str]) -> None:
    file = menu("app.desktop", Name="The Name", Icon="the-icon", Exec=line)
    (program,) = parts(registry, "runapp")["_from_desktop_files"]()
    assert list(program.command) == [part.replace("FILE", str(file)) for part in command]


@linux_only
def test_a_real_program_is_started_and_outlives_the_skill(desk: Desk, menu: Callable[..., Path], tmp_path: Path) -> None:
    mark = tmp_path / "started"
    script = "import os, sys, time; open(sys.argv[1], 'w').write(f'{os.getpid()} {os.getsid(0)} {os.getcwd()} {sys.argv[2]}'); time.sleep(60)"
    program = tmp_path / "a program.py"
    program.write_text(script)
    menu("clock.desktop", Name="Wall Clock", Exec=f'"{sys.executable}" "{program}" "{mark}" "$(touch {tmp_path}/shell)" %U', Path=str(tmp_path))
    assert desk.says('runapp(program="the wall clock app")') == "Starting Wall Clock."
    pid, session, folder, argument = wait_for(lambda: mark.exists() and mark.read_text()).split(maxsplit=3)
    try:
        assert session == pid != str(os.getsid(0))  # its own session: it does not die with the terminal
        assert folder == str(tmp_path)
        assert argument == f"$(touch {tmp_path}/shell)"
        assert not (tmp_path / "shell").exists()
    finally:
        os.kill(int(pid), signal.SIGKILL)


@linux_only
@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/no/such/program", "Broken cannot be started (No such file or directory: /no/such/program); install it again, or start it by hand."),
        ('sh -c "exit 3"', "Broken ended at once with status 3; start it in a terminal to see why: sh -c exit 3."),
    ],
)
def test_a_program_that_does_not_start(desk: Desk, menu: Callable[..., Path], line: str, sentence: str) -> None:
    menu("broken.desktop", Name="Broken", Exec=line)
    assert desk.fails('runapp(program="broken")') == sentence


@linux_only
def test_a_terminal_program_gets_a_terminal(desk: Desk, menu: Callable[..., Path], command: Command) -> None:
    menu("top.desktop", Name="Task Viewer", Exec="top -d 1", Terminal="true")
    assert desk.fails('runapp(program="task viewer")') == "Task Viewer runs in a terminal and no terminal program is installed; install one, such as xterm."
    calls = command("konsole")
    assert desk.says('runapp(program="task viewer")') == "Starting Task Viewer."
    assert wait_for(calls) == ["-e|top|-d|1"]


def test_there_are_no_programs_at_all(desk: Desk, menu: Callable[..., Path], registry: Registry) -> None:
    with pytest.raises(OttoError, match="There is no program"):
        parts(registry, "runapp")["choose"]("firefox", [])


def test_windows_and_mac_lists(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = parts(registry, "runapp")
    links = tmp_path / "Microsoft" / "Windows" / "Start Menu" / "Programs" / "Tools"
    links.mkdir(parents=True)
    (links / "Paint.lnk").touch()
    monkeypatch.setenv("APPDATA", str(tmp_path))
    monkeypatch.delenv("PROGRAMDATA", raising=False)
    assert [(program.name, program.command) for program in found["_from_start_menu"]()] == [("Paint", (str(links / "Paint.lnk"),))]
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "Applications" / "Safari.app").mkdir(parents=True)
    assert ("Safari", ("open", "-a", str(tmp_path / "Applications" / "Safari.app"))) in [(program.name, program.command) for program in found["_from_applications"]()]


# --- volume -------------------------------------------------------------------------------------------------------------


@linux_only
def test_the_volume_through_wireplumber(desk: Desk, command: Command) -> None:
    calls = command("wpctl", '[ "$1" != get-volume ] || echo "Volume: 0.95"')
    assert desk.says('volume(action="up")') == "Volume 100 percent."
    assert desk.says('volume(action="set", level=40)') == "Volume 40 percent."
    assert desk.says('volume(action="down", level="twenty")') == "Volume 75 percent."
    assert desk.says('volume(action="mute")') == "Muted."
    sets = [call for call in calls() if not call.startswith("get")]
    assert sets == [
        "set-volume|@DEFAULT_AUDIO_SINK@|100%",
        "set-volume|@DEFAULT_AUDIO_SINK@|40%",
        "set-volume|@DEFAULT_AUDIO_SINK@|75%",
        "set-mute|@DEFAULT_AUDIO_SINK@|1",
    ]


@linux_only
def test_the_volume_through_alsa(desk: Desk, command: Command) -> None:
    calls = command("amixer", '[ "$1" != sget ] || echo "  Mono: Playback 30 [35%] [-10.50dB] [off]"')
    result = desk.run('volume(action="up")')
    assert result.speech == "Volume 45 percent."
    assert [call for call in calls() if call.startswith("-q")] == ["-q|sset|Master|unmute", "-q|sset|Master|45%"]  # louder means that it is to be heard
    assert desk.dispatcher.undo("volume", result.undo).speech == "Volume 35 percent, muted."
    assert calls()[-2:] == ["-q|sset|Master|35%", "-q|sset|Master|mute"]


@linux_only
def test_a_mixer_without_a_sound_server_gives_way_to_the_next(desk: Desk, command: Command) -> None:
    command("wpctl", "echo 'Could not connect to PipeWire' >&2; exit 2")
    assert desk.fails('volume(action="up")') == "There is no sound output whose volume can be set; start PipeWire or PulseAudio, or plug in a sound device."
    command("amixer", 'echo "[50%] [on]"')
    assert desk.says('volume(action="up")') == "Volume 60 percent."


@linux_only
@pytest.mark.usefixtures("command")
def test_no_mixer_at_all(desk: Desk) -> None:
    assert desk.fails('volume(action="mute")') == "There is no mixer to set the volume with; install one of wireplumber, pulseaudio-utils or alsa-utils."


@pytest.mark.parametrize("call", ['volume(action="set", level=101)', 'volume(action="set", level=-1)', 'volume(action="set", level="loud")', 'volume(action="explode")'])
def test_levels_that_are_none(desk: Desk, call: str) -> None:
    assert not desk.run(call).ok


def test_set_needs_a_level(desk: Desk) -> None:
    assert desk.fails('volume(action="set")') == 'A volume needs a level; say it again with one, such as "set the volume to 40 percent".'


@pytest.fixture
def pulseaudio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A sound server of its own with a sink that goes nowhere."""
    if not (shutil.which("pulseaudio") and shutil.which("pactl")):
        pytest.skip("pulseaudio and pactl are not installed")
    runtime = tmp_path / "pulse"
    runtime.mkdir(mode=0o700)
    for name, value in (("XDG_RUNTIME_DIR", tmp_path), ("PULSE_RUNTIME_PATH", runtime), ("HOME", tmp_path), ("LC_ALL", "C")):
        monkeypatch.setenv(name, str(value))
    modules = ["-L", "module-native-protocol-unix", "-L", "module-null-sink sink_name=quiet"]
    server = subprocess.Popen(["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", *modules], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: subprocess.run(["pactl", "get-sink-volume", "quiet"], capture_output=True, check=False).returncode == 0)
        yield
    finally:
        server.terminate()
        server.wait()


@linux_only
@pytest.mark.usefixtures("pulseaudio")
def test_the_volume_of_a_real_sound_server(desk: Desk) -> None:
    def heard() -> tuple[str, str]:
        volume = subprocess.run(["pactl", "get-sink-volume", "quiet"], capture_output=True, text=True, check=True).stdout
        muted = subprocess.run(["pactl", "get-sink-mute", "quiet"], capture_output=True, text=True, check=True).stdout
        return re.findall(r"\d+%", volume)[0], muted.split()[-1]

    assert desk.says('volume(action="set", level=40)') == "Volume 40 percent."
    assert heard() == ("40%", "no")
    louder = desk.run('volume(action="up", level=25)')
    assert heard() == ("65%", "no")
    assert desk.dispatcher.undo("volume", louder.undo).ok
    assert heard() == ("40%", "no")
    desk.says('volume(action="mute")')
    assert heard() == ("40%", "yes")
    desk.says('volume(action="down")')
    assert heard() == ("30%", "yes")  # quieter does not switch it on
    desk.says('volume(action="unmute")')
    assert heard() == ("30%", "no")
    desk.says('volume(action="up", level=100)')
    assert heard() == ("100%", "no")  # never above


# --- media --------------------------------------------------------------------------------------------------------------


@linux_only
@pytest.mark.parametrize("action", ["play", "pause", "next", "previous", "stop"])
def test_media_through_playerctl(desk: Desk, command: Command, action: str) -> None:
    calls = command("playerctl")
    desk.says(f'media(action="{action}")')
    assert calls() == [action]


@linux_only
def test_media_without_a_player(desk: Desk, command: Command) -> None:
    assert desk.fails('media(action="play")') == "There is nothing to control a player with; install playerctl."
    command("playerctl", "echo 'No players found' >&2; exit 1")
    assert desk.fails('media(action="play")') == "No music or video player is running; start one first."


BUS = """
case "$*" in
  *ListNames*|*list*) echo org.mpris.MediaPlayer2.idle; echo org.mpris.MediaPlayer2.vlc.instance7; echo org.freedesktop.Notifications;;
  *vlc.instance7*PlaybackStatus*) echo Playing;;
  *idle*PlaybackStatus*) echo Paused;;
esac
"""


@linux_only
@pytest.mark.parametrize(
    ("client", "action", "last"),
    [
        ("busctl", "pause", "--user|call|org.mpris.MediaPlayer2.vlc.instance7|/org/mpris/MediaPlayer2|org.mpris.MediaPlayer2.Player|Pause"),
        ("busctl", "play", "--user|call|org.mpris.MediaPlayer2.idle|/org/mpris/MediaPlayer2|org.mpris.MediaPlayer2.Player|Play"),
        ("dbus-send", "next", "--session|--print-reply|--dest=org.mpris.MediaPlayer2.vlc.instance7|/org/mpris/MediaPlayer2|org.mpris.MediaPlayer2.Player.Next"),
    ],
)
def test_media_goes_to_the_player_that_is_meant(desk: Desk, command: Command, client: str, action: str, last: str) -> None:
    calls = command(client, BUS)
    desk.says(f'media(action="{action}")')
    assert calls()[-1] == last


@linux_only
@pytest.mark.skipif(not (shutil.which("dbus-daemon") and shutil.which("dbus-send")), reason="D-Bus is not installed")
def test_media_on_a_real_bus_without_players(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    address = f"unix:path={tmp_path}/bus"
    daemon = subprocess.Popen(["dbus-daemon", "--session", "--nofork", f"--address={address}"], stderr=subprocess.DEVNULL)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "dbus-send").symlink_to(str(shutil.which("dbus-send")))
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    try:
        wait_for((tmp_path / "bus").exists)
        assert desk.fails('media(action="play")') == "No music or video player is running; start one first."
    finally:
        daemon.terminate()
        daemon.wait()
    assert desk.fails('media(action="play")') == "There is no desktop session to find a player in; run otto inside your desktop session."


# --- search and system --------------------------------------------------------------------------------------------------


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """A browser that writes down what it was given."""
    program, log = tmp_path / "browser", tmp_path / "opened"
    program.write_text(f'#!/bin/sh\nprintf "%s" "$1" > {log}\n')
    program.chmod(0o755)
    monkeypatch.setattr("webbrowser._tryorder", None)
    monkeypatch.setattr("webbrowser._browsers", {})
    monkeypatch.setenv("BROWSER", f"{program} %s")
    return log.read_text


@linux_only
@pytest.mark.parametrize(
    ("engine", "query", "url"),
    [
        ("", "red pandas", "https://duckduckgo.com/?q=red+pandas"),
        ("google", "c++ & c#?", "https://www.google.com/search?q=c%2B%2B+%26+c%23%3F"),
        ("https://search.example/?q={query}&x=1", "größe; rm -rf", "https://search.example/?q=gr%C3%B6%C3%9Fe%3B+rm+-rf&x=1"),
    ],
)
def test_a_search_opens_the_browser(desk: Desk, browser: Callable[[], str], engine: str, query: str, url: str) -> None:
    if engine:
        desk.configure(f'[skills.search]\nengine = "{engine}"\n')
    assert desk.says(f'search(query="{query}")') == f"Searching the web for {query}."
    assert browser() == url


@linux_only
def test_a_search_without_a_screen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    assert desk.fails('search(query="red pandas")') == "No web browser can be opened here; open this address on another screen: https://duckduckgo.com/?q=red+pandas."


def test_an_engine_that_is_none(desk: Desk) -> None:
    desk.configure('[skills.search]\nengine = "file:///etc/{query}"\n')
    assert desk.fails('search(query="x")').startswith("file:///etc/{query} is not a search engine; set skills.search.engine to one of duckduckgo, google")


@pytest.mark.parametrize(
    ("battery", "sentence"),
    [
        (None, "This computer has no battery."),
        (SimpleNamespace(percent=81.6, power_plugged=True, secsleft=-2), "The battery is at 82 percent and plugged in."),
        (SimpleNamespace(percent=40, power_plugged=False, secsleft=8_130), "The battery is at 40 percent with 2 hours 15 minutes left."),
        (SimpleNamespace(percent=40, power_plugged=None, secsleft=-1), "The battery is at 40 percent."),
    ],
)
def test_the_battery(desk: Desk, monkeypatch: pytest.MonkeyPatch, battery: Any, sentence: str) -> None:
    monkeypatch.setattr("psutil.sensors_battery", lambda: battery, raising=False)
    assert desk.says('system(what="battery")') == sentence


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("cpu", r"The processor is \d+ percent busy, over \d+ cores?\."),
        ("memory", r"\d+ percent of [\d.]+ gigabytes of memory is in use; [\d.]+ gigabytes is available\."),
        ("disk", r"[\d.]+ (giga|tera)bytes of [\d.]+ (giga|tera)bytes is free on the disk\."),
        ("network", r"Connected through \S+ with the address [\d.]+.*\.|This computer is not connected to a network\."),
    ],
)
def test_the_state_of_this_computer(desk: Desk, what: str, pattern: str) -> None:
    assert re.fullmatch(pattern, desk.says(f'system(what="{what}")'))
