"""One TOML file and the environment become typed settings; nothing else in Otto reads either.

`OTTO_CONFIG` names another file, `OTTO_HOME` puts everything under one folder, `OTTO_<TABLE>_<KEY>` overrides one
setting.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from otto.errors import ConfigError, Problem, UsageError
from otto.tomlfile import TomlSource, replace_file

CONFIG_NAME = "config.toml"
OPENAI_SKILLS = ("openai", "story")  # skills that are handed the table [openai]


def _folder(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))


def _variable(name: str) -> str:
    if name and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(
            "is not the name of an environment variable; name the variable that holds the key, never the key itself"
        )
    return name


def _url(url: str) -> str:
    if url:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError("is not an address; write it as http://host:port/v1")
    return url


def _timezone(name: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name).key if name else name
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError("is not a time zone; write it as Europe/Berlin") from None


def _words(words: Any) -> Any:
    """A command line and the environment give one text, with commas between the words."""
    return tuple(word.strip() for word in words.split(",") if word.strip()) if isinstance(words, str) else words


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Folder = Annotated[Path, AfterValidator(_folder)]
Variable = Annotated[str, AfterValidator(_variable)]
Url = Annotated[str, AfterValidator(_url)]
Timezone = Annotated[str, AfterValidator(_timezone)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Paths(_Table):
    """Folders; each is made when it is first written to."""

    data: Folder  # the database and the log
    cache: Folder  # what can be made again
    models: Folder  # weights
    skills: Folder  # the user's own skills


class Stt(_Table):
    engine: Literal["auto", "whisper", "closed-phrase"] = "auto"
    model: str = "small.en"  # a Whisper size, or a folder
    language: str = "en"
    device: Literal["auto", "cpu", "cuda"] = "auto"  # what Whisper computes on; auto is a graphics card where there is one


class Router(_Table):
    engine: Literal["embedded", "phrases", "tagger", "llama", "transformers", "openai"] = "embedded"
    model: str = ""  # a folder, or a name the server knows
    adapter: str = ""  # folder of a LoRA adapter
    prompt: str = ""  # file of a prompt template, in place of the model family's
    base_url: Url = ""
    api_key_env: Variable = ""


class Audio(_Table):
    input: str = ""  # device name or number; empty is the system's default
    output: str = ""
    silence_ms: int = Field(default=500, ge=100, le=5000)  # trailing silence that ends an utterance
    keep: bool = False  # store what was heard; off unless the user asks for it


NORMAL_RATE = 175  # words a minute


class Voice(_Table):
    engine: Literal["auto", "piper", "say", "sapi", "espeak-ng", "flite", "none"] = "auto"
    name: str = ""  # the engine's own name for a voice; empty is its default
    rate: int = Field(default=NORMAL_RATE, ge=80, le=450)  # words a minute
    volume: int = Field(default=100, ge=0, le=100)  # percent


class Wake(_Table):
    """The word that wakes Otto."""

    words: Words = ("okay_nabu",)
    sensitivity: float = Field(default=0.5, ge=0, le=1)
    reply: Literal["chime", "yes", "none"] = "chime"  # what tells that it listens


class Listen(_Table):
    """How `otto listen` goes about it."""

    mode: Literal["wake", "push", "continuous"] = "wake"
    hot_key: str = ""  # opens the ears from any window, such as <ctrl>+<alt>+o
    sleep_minutes: float = Field(default=10, ge=0, le=1440)  # quiet minutes after which continuous listening sleeps; 0 is never


class User(_Table):
    location: str = ""
    timezone: Timezone = ""


class OpenAI(_Table):
    base_url: Url = "https://api.openai.com/v1"
    api_key_env: Variable = "OPENAI_API_KEY"
    model: str = ""


class Settings(_Table):
    """Everything a user can set. Made by `load_settings`."""

    paths: Paths
    stt: Stt = Stt()
    router: Router = Router()
    audio: Audio = Audio()
    wake: Wake = Wake()
    listen: Listen = Listen()
    voice: Voice = Voice()
    user: User = User()
    openai: OpenAI = OpenAI()
    skills: dict[str, dict[str, Any]] = Field(default_factory=dict)

    def for_skill(self, name: str) -> dict[str, Any]:
        """A skill's `context.settings`: [user], then [openai] for the skills that talk to it, then [skills.NAME]."""
        shared = self.user.model_dump()
        if name in OPENAI_SKILLS:
            shared |= self.openai.model_dump()
        return shared | self.skills.get(name, {})


def config_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the settings are, whether or not the file exists."""
    if environ.get("OTTO_CONFIG"):
        return _folder(Path(environ["OTTO_CONFIG"]))
    if environ.get("OTTO_HOME"):
        return _folder(Path(environ["OTTO_HOME"])) / CONFIG_NAME
    from platformdirs import user_config_path

    return user_config_path("otto", appauthor=False) / CONFIG_NAME


def load_settings(file: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `file` (default: `config_file()`), overridden by the environment.

    Raises:
        ConfigError: the file or the environment has faults; every one is named with its line or variable.
        StoreError: the file cannot be read.
    """
    source = TomlSource.read(file or config_file(environ))
    values = source.values
    variables = _variables(environ, source.problems)
    for (table, key), (_, value) in variables.items():
        if isinstance(values.setdefault(table, {}), dict):
            values[table][key] = value
    settings = _validated(values, environ, source, variables)
    if settings is None or source.problems:
        raise ConfigError(f"The settings have {_count(len(source.problems))}", sorted(source.problems, key=_by_line))
    return settings


def set_value(file: Path, key: str, value: str) -> Any:
    """Write one setting, `set_value(file, "stt.engine", "whisper")`, and keep the rest of the file as it is.

    Returns the value as it was written.

    Raises:
        UsageError: there is no such setting, or the value does not fit it.
        ConfigError: the file is not TOML.
        StoreError: the file cannot be read or written.
    """
    import tomlkit

    source = TomlSource.read(file)
    if source.problems:
        raise ConfigError(f"{file} cannot be changed before it is mended", source.problems)
    path = key.split(".")
    if path[0] == "skills" and len(path) == 3 and all(path):
        written = _literal(value)
    else:
        written = _checked_value(path, value)
    document = tomlkit.parse(source.text)
    table: Any = document
    for name in path[:-1]:
        if name not in table:
            table[name] = tomlkit.table()
        table = table[name]
    table[path[-1]] = written
    replace_file(file, tomlkit.dumps(document))
    return written


def _default_paths(environ: Mapping[str, str]) -> dict[str, Path]:
    if environ.get("OTTO_HOME"):
        home = _folder(Path(environ["OTTO_HOME"]))
        return {name: home / name for name in Paths.model_fields}
    from platformdirs import user_cache_path, user_data_path

    data = user_data_path("otto", appauthor=False)
    return {
        "data": data,
        "cache": user_cache_path("otto", appauthor=False),
        "models": data / "models",
        "skills": data / "skills",
    }


Variables = Mapping[tuple[str, str], tuple[str, str]]  # (table, key) → (variable, value)


def _variables(environ: Mapping[str, str], problems: list[Problem]) -> Variables:
    found = {}
    for variable, value in sorted(environ.items()):
        for table, model in _tables().items():
            prefix = f"OTTO_{table.upper()}_"
            if variable.startswith(prefix):
                key = variable.removeprefix(prefix).lower()
                if key in model.model_fields:
                    found[table, key] = (variable, value)
                else:
                    names = [prefix + name.upper() for name in model.model_fields]
                    problems.append(Problem(variable, "there is no such setting", _suggestion(variable, names)))
    return found


def _tables() -> dict[str, type[BaseModel]]:
    return {name: field.annotation for name, field in Settings.model_fields.items() if _is_table(field.annotation)}  # type: ignore[misc]


def _is_table(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _validated(
    values: dict[str, Any], environ: Mapping[str, str], source: TomlSource, variables: Variables
) -> Settings | None:
    paths = values.get("paths", {})
    if isinstance(paths, dict):
        values["paths"] = {
            **_default_paths(environ),
            **{key: _beside(source.file, value) for key, value in paths.items()},
        }
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        for item in error.errors(include_url=False):
            path = tuple(map(str, item["loc"]))
            where = variables[path[:2]][0] if path[:2] in variables else source.where(*path)  # type: ignore[index]
            source.problems.append(_problem(where, path, item, _at(values, path)))
        return None


def _beside(file: Path, value: Any) -> Any:
    """A relative folder in the settings is meant from where the file lies."""
    return file.parent / Path(value).expanduser() if isinstance(value, str) and value else value


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        values = values.get(name) if isinstance(values, dict) else None
    return values


def _problem(where: str, path: tuple[str, ...], item: Any, value: Any) -> Problem:
    name = ".".join(path)
    if item["type"] == "extra_forbidden":
        return Problem(
            where,
            f"there is no setting {name}",
            _suggestion(name, _all_keys() if len(path) > 1 else list(Settings.model_fields) + _all_keys()),
        )
    if item["type"] in ("model_type", "dict_type"):
        return Problem(where, f"{name} is a table", f"write [{name}] on a line of its own, its settings below it")
    if item["type"] == "value_error":
        what, _, mend = str(item["ctx"]["error"]).partition("; ")
        return Problem(where, f"{name} {what}", mend)
    needed = _NEEDED.get(item["type"].partition("_")[0]) or item["msg"].removeprefix("Input should be ")
    return Problem(where, f"{name} = {value!r} does not fit", f"it should be {needed}")


_NEEDED = {
    "int": "a whole number",
    "bool": "true or false",
    "string": "text",
    "path": "a folder",
}  # pydantic's kinds of error, in words


def _all_keys() -> list[str]:
    return [f"{table}.{key}" for table, model in _tables().items() for key in model.model_fields]


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if not close:  # a key without its table, or in another one
        close = [key for key in known if key.rpartition(".")[2] == name.rpartition(".")[2]][:1]
    return f"did you mean {close[0]}?" if close else "see `otto config show` for what there is"


def _count(number: int) -> str:
    return "one mistake" if number == 1 else f"{number} mistakes"


def _by_line(problem: Problem) -> tuple[str, int]:
    name, _, line = problem.where.rpartition(":")
    return (name, int(line)) if line.isdigit() else (problem.where, 0)


def _checked_value(path: list[str], value: str) -> Any:
    """The value as its setting takes it, as a TOML value. Raises UsageError."""
    name = ".".join(path)
    model = _tables().get(path[0])
    if len(path) != 2 or model is None or path[1] not in model.model_fields:
        raise UsageError(f"There is no setting {name}", _suggestion(name, _all_keys()))
    field = model.model_fields[path[1]]
    try:
        checked: Any = TypeAdapter[Any](Annotated[field.annotation, field]).validate_python(value)  # type: ignore[arg-type]  # a type made at run time
    except ValidationError as error:
        problem = _problem("", tuple(path), error.errors(include_url=False)[0], value)
        raise UsageError(problem.what, problem.mend) from None
    return str(checked) if isinstance(checked, Path) else checked


def _literal(value: str) -> Any:
    """A setting of a skill: a TOML number, boolean, list or quoted text; any other words are text."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.value(value).unwrap()
    except TOMLKitError:
        return value
