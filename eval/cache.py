"""What large models answered before, so that a run again costs nothing: keyed by model, prompt, grammar and case.

Only for routers whose answer is the model's and takes long: `openai` and `transformers`. The small ones are quicker than a look-up is worth, and
what they answer depends on the code around them.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from otto.call import Call
from otto.config import Settings
from otto.errors import StoreError, UsageError
from otto.messages import Route
from otto.paths import room
from otto.registry import Registry

FILE = "eval-answers.sqlite"  # in the folder paths.cache
CACHED = ("openai", "transformers")


class AnswerCache:
    """Answers by key, in one SQLite file that several runs may share."""

    def __init__(self, path: Path) -> None:
        """Raises StoreError where the file cannot be used."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=30, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID")
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from None

    def get(self, key: str) -> dict[str, Any] | None:
        """What was put there, None where nothing was."""
        try:
            found = self._database.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
            return dict(json.loads(found[0])) if found else None
        except (sqlite3.Error, ValueError) as error:
            raise self._failed(error) from None

    def put(self, key: str, answer: dict[str, Any]) -> None:
        try:
            self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, json.dumps(answer)))
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def close(self) -> None:
        self._database.close()

    def _failed(self, error: Exception) -> StoreError:
        return StoreError(f"The cache {self._path} cannot be used ({error})", "delete it, or run with --no-cache")


class Keys:
    """The keys of one router's answers."""

    def __init__(self, engine: str, settings: Settings) -> None:
        """Raises UsageError where the prompt cannot be read."""
        from otto import __version__

        self._engine = engine
        own = read_prompt(settings.router.prompt)
        templates = "".join(file.read_text(encoding="utf-8") for file in sorted(room("prompts").glob("*.txt")))
        identity = {"engine": engine, "prompt": own or templates, "otto": __version__, **_model(engine, settings)}
        self._identity = json.dumps(identity, sort_keys=True)

    def key(self, registry: Registry, text: str) -> str:
        """Of a text routed with these skills."""
        from otto.grammar import answer_schema, call_grammar
        from otto.prompt import render

        grammar = json.dumps(answer_schema(registry)) if self._engine == "openai" else call_grammar(registry, several=True)
        # The list of skills as the prompts of all families have it.
        parts = (self._identity, render("openai", registry, ""), grammar, text)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def read_prompt(file: str) -> str:
    """The text of the user's own prompt, "" where there is none. Raises UsageError where the file cannot be read."""
    try:
        return Path(file).expanduser().read_text(encoding="utf-8-sig") if file else ""
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"The prompt {file} cannot be read ({reason})", "name another with --prompt-file") from None


def route_to_json(route: Route) -> dict[str, Any]:
    """A route as the cache holds it."""
    return {
        "calls": [str(call) for call in route.calls],
        "confidence": route.confidence,
        "engine": route.engine,
        "ms": route.ms,
        "alternatives": [[str(call), confidence] for call, confidence in route.alternatives],
        "invalid": route.invalid,
    }


def route_from_json(text: str, stored: dict[str, Any]) -> Route:
    return Route(
        text=text,
        calls=tuple(Call.parse(call) for call in stored["calls"]),
        confidence=stored["confidence"],
        engine=stored["engine"],
        ms=stored["ms"],
        alternatives=tuple((Call.parse(call), confidence) for call, confidence in stored["alternatives"]),
        invalid=stored["invalid"],
    )


def _model(engine: str, settings: Settings) -> dict[str, Any]:
    """What tells one model from another: a server's by its address and name, a folder by its files."""
    own = settings.router
    if engine == "openai":
        return {"url": own.base_url or settings.openai.base_url, "model": own.model or settings.openai.model}
    folders = [settings.paths.models / Path(name).expanduser() for name in (own.model, own.adapter) if name]
    return {str(folder): [_file_state(file) for file in sorted(folder.glob("*")) if file.is_file()] for folder in folders}


def _file_state(file: Path) -> list[Any]:
    """Small files by their bytes, weights by name, size and time: hashing gigabytes would take longer than a run."""
    state = file.stat()
    small = state.st_size < 1 << 20
    return [file.name, state.st_size, hashlib.sha256(file.read_bytes()).hexdigest() if small else state.st_mtime_ns]
