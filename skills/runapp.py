"""Starts programs from the system's own application list."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from otto import AppName, OttoError, skill, spoken

SURE, LEAD = 84.0, 4.0  # likeness, of 100, that a program needs, and its distance to the next one
NEAR = 55.0  # likeness from which on a program is named as a candidate
GENERIC, KEYWORD = 0.96, 0.9  # weights of what a program is beside what it is called
SOON = 0.3  # seconds in which a program that cannot run has ended
LAUNCHERS = {"env", "sh", "bash", "flatpak", "snap", "python", "python3", "java", "wine", "xdg-open"}  # they name no program
TERMINALS = {  # terminal → its arguments before a command
    "x-terminal-emulator": ["-e"], "gnome-terminal": ["--"], "kgx": ["--"], "konsole": ["-e"], "xfce4-terminal": ["-x"], "alacritty": ["-e"],
    "kitty": [], "foot": [], "xterm": ["-e"],
}  # fmt: skip


@dataclass(frozen=True)
class Program:
    """One entry of the application list."""

    name: str
    command: tuple[str, ...]
    names: tuple[str, ...] = ()  # its name in every form, and that of its command
    kinds: tuple[str, ...] = ()  # what it is: "Web Browser"
    keywords: tuple[str, ...] = ()
    folder: str | None = None
    terminal: bool = False
    id: str = ""  # "firefox.desktop"


@skill
def runapp(program: AppName) -> str:
    """Start a program that is installed on this computer.

    Args:
        program: the program's name, such as "firefox", or what it is, such as "text editor"
    """
    chosen = choose(program, installed())
    start(chosen)
    return f"Starting {chosen.name}."


def installed() -> list[Program]:
    """The programs that this system's own menu lists."""
    if sys.platform == "win32":
        return list(_from_start_menu())
    if sys.platform == "darwin":
        return list(_from_applications())
    return list(_from_desktop_files())


def choose(said: str, programs: Sequence[Program]) -> Program:
    """The one program that was meant.

    Raises:
        OttoError: none is near, or several are; the nearest are named.
    """
    ranked = sorted(((_likeness(said.casefold(), program), program) for program in programs), key=lambda pair: -pair[0])
    ranked = [pair for place, pair in enumerate(ranked) if pair[1].name not in {other.name for _, other in ranked[:place]}]
    near = [program.name for score, program in ranked if score >= NEAR][:3]
    if not ranked or ranked[0][0] < SURE:
        mend = f"did you mean {spoken.listing(near, 'or')}?" if near else "say its name as the system's menu has it"
        raise OttoError(f'There is no program "{said}"', mend)
    rivals = [program for score, program in ranked if score > ranked[0][0] - LEAD]
    if len(rivals) > 1:
        preferred = [program for program in rivals if program.id in _preferred_ids()]
        if len(preferred) != 1:
            names = spoken.listing([program.name for program in rivals[:4]], "or")
            raise OttoError(f'"{said}" could be {names}', "say the whole name")
        rivals = preferred
    return rivals[0]


def start(program: Program) -> None:
    """Start a program that outlives Otto, by its argument list, never through a shell.

    Raises:
        OttoError: it cannot be started, or ends in failure at once.
    """
    if sys.platform == "win32":
        os.startfile(program.command[0])  # a shortcut, which Windows resolves by itself
        return
    command = [*_terminal(program), *program.command]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        process = subprocess.Popen(command, **quiet, cwd=program.folder or Path.home(), start_new_session=True)
    except OSError as error:
        raise OttoError(f"{program.name} cannot be started ({error.strerror}: {error.filename})", "install it again, or start it by hand") from None
    try:
        code = process.wait(SOON)
    except subprocess.TimeoutExpired:
        threading.Thread(target=process.wait, daemon=True).start()  # collects its exit, or it would stay a zombie
        return
    if code:
        raise OttoError(f"{program.name} ended at once with status {code}", f"start it in a terminal to see why: {' '.join(command)}")


def _likeness(said: str, program: Program) -> float:
    """0 to 100: the best of what the program is called, what it is, and its keywords."""
    from rapidfuzz import fuzz

    def alike(name: str) -> float:
        name = name.casefold()
        joined = fuzz.ratio(said.replace(" ", ""), re.sub(r"[\s_.-]", "", name))  # "fire fox"
        words = set(said.split())
        part = 90.0 if words and words < set(re.split(r"[\s_.-]+", name)) else 0.0  # "chrome" of "Google Chrome"
        return max(fuzz.ratio(said, name), joined, part)

    called = max(map(alike, program.names), default=0.0)
    kind = GENERIC * max(map(alike, program.kinds), default=0.0)
    keyword = KEYWORD * max((100.0 for word in program.keywords if word.casefold() in (said, said.replace(" ", ""))), default=0.0)
    return max(called, kind, keyword)


def _terminal(program: Program) -> list[str]:
    if not program.terminal:
        return []
    for name, before in TERMINALS.items():
        if shutil.which(name):
            return [name, *before]
    raise OttoError(f"{program.name} runs in a terminal and no terminal program is installed", "install one, such as xterm")


def _from_desktop_files() -> Iterator[Program]:
    """The .desktop files of the freedesktop.org folders; of two with one id the first counts, even where it only hides the other."""
    seen = set()
    for folder in _application_folders():
        for file in sorted(folder.rglob("*.desktop")):
            id = "-".join(file.relative_to(folder).parts)
            if id not in seen:
                seen.add(id)
                program = _read_desktop_file(file, id)
                if program:
                    yield program


def _application_folders() -> list[Path]:
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return [Path(folder) / "applications" for folder in (home, *shared.split(":")) if folder]


def _read_desktop_file(file: Path, id: str) -> Program | None:
    """A program to show, None where the file says that it is not to be shown, or is broken."""
    try:
        entry = _desktop_entry(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    command = _command(entry, file)
    if not command or not _is_shown(entry):
        return None
    return Program(
        name=next(_values(entry, "Name"), file.stem),
        command=tuple(command),
        names=(*_values(entry, "Name"), file.stem.rpartition(".")[2], *({Path(command[0]).name} - LAUNCHERS)),
        kinds=tuple(_values(entry, "GenericName")),
        keywords=tuple(word.strip() for text in _values(entry, "Keywords") for word in text.split(";") if word.strip()),
        folder=entry.get("Path") if os.path.isdir(entry.get("Path", "")) else None,
        terminal=entry.get("Terminal") == "true",
        id=id,
    )


def _desktop_entry(text: str) -> dict[str, str]:
    """The keys of the group [Desktop Entry], with the escapes of the format undone."""
    entry: dict[str, str] = {}
    group = ""
    for line in text.splitlines():
        if line.startswith("["):
            group = line.strip()
        elif group == "[Desktop Entry]" and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            entry.setdefault(key.strip(), re.sub(r"\\([sntr\\])", lambda match: _ESCAPES[match[1]], value.strip()))
    return entry


_ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


def _is_shown(entry: dict[str, str]) -> bool:
    desktops = set(filter(None, os.environ.get("XDG_CURRENT_DESKTOP", "").split(":")))
    only, never = (set(filter(None, entry.get(key, "").split(";"))) for key in ("OnlyShowIn", "NotShowIn"))
    hidden = "true" in (entry.get("NoDisplay"), entry.get("Hidden"))
    missing = entry.get("TryExec") and not shutil.which(entry["TryExec"])
    return entry.get("Type") == "Application" and not (hidden or missing or (only and not only & desktops) or never & desktops)


def _values(entry: dict[str, str], key: str) -> Iterator[str]:
    """A key in the user's language, where it is there, and in the file's own."""
    locale = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    language = locale.partition(".")[0].partition("@")[0]
    for name in dict.fromkeys((f"{key}[{language}]", f"{key}[{language.partition('_')[0]}]", key)):
        if entry.get(name):
            yield entry[name]


_ARGUMENT = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^\s"])+')


def _command(entry: dict[str, str], file: Path) -> list[str]:
    """The Exec line as an argument list: unquoted, its field codes filled in or removed. Empty where there is none."""
    arguments: list[str] = []
    codes = {"%": "%", "c": next(_values(entry, "Name"), ""), "k": str(file)}
    for text in _ARGUMENT.findall(entry.get("Exec", "")):
        quoted = re.sub(r'"((?:\\.|[^"\\])*)"', lambda match: re.sub(r"\\(.)", r"\1", match[1]), text)
        if quoted == "%i":
            arguments += ["--icon", entry["Icon"]] if entry.get("Icon") else []
        elif not re.fullmatch("%[fFuUdDnNvm]", quoted):
            arguments.append(re.sub("%(.)", lambda match: codes.get(match[1], ""), quoted))
    return arguments


def _preferred_ids() -> set[str]:
    """The programs that the user has made the default for something ("open the browser")."""
    found = set()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for file in (config / "mimeapps.list", *(folder / "mimeapps.list" for folder in _application_folders())):
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        defaults = re.search(r"^\[Default Applications\]$(.*?)(?=^\[|\Z)", text, re.MULTILINE | re.DOTALL)
        for line in (defaults[1] if defaults else "").splitlines():
            found |= set(filter(None, line.partition("=")[2].strip().split(";")[:1]))
    return found


def _from_applications() -> Iterator[Program]:
    """The bundles of macOS's application folders."""
    for folder in (Path("/Applications"), Path("/System/Applications"), Path.home() / "Applications"):
        for bundle in sorted((*folder.glob("*.app"), *folder.glob("*/*.app"))):
            yield Program(bundle.stem, ("open", "-a", str(bundle)), names=(bundle.stem,))


def _from_start_menu() -> Iterator[Program]:
    """The shortcuts of Windows's start menu."""
    for variable in ("APPDATA", "PROGRAMDATA"):
        if os.environ.get(variable):
            for link in sorted(Path(os.environ[variable], "Microsoft", "Windows", "Start Menu", "Programs").rglob("*.lnk")):
                yield Program(link.stem, (str(link),), names=(link.stem,))
