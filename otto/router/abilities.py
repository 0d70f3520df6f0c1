"""What an OpenAI-compatible server can do for a router: learnt from its answers and refusals, and remembered between starts.

An answer may be asked for in four ways, the strictest first: held to a grammar of the calls (llama.cpp and vLLM), to a JSON schema, as calls of
functions, as plain text. Which software serves, its own answers tell.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otto.errors import StoreError
from otto.grammar import answer_schema, gbnf, tools
from otto.registry import Registry
from otto.tomlfile import replace_file

GRAMMAR, SCHEMA, TOOLS, TEXT = WAYS = ("grammar", "schema", "tools", "text")
LLAMA_CPP, VLLM = "llama.cpp", "vllm"
KEPT_SECONDS = 7 * 86_400  # then a server is tried anew: it may have been updated
FILE = "servers.json"  # in the folder paths.cache
MOST_SERVERS = 50

_NAMES = {  # what a refusal calls each way
    GRAMMAR: ("grammar", "structured_outputs", "structured outputs"),
    SCHEMA: ("response_format", "json_schema", "json schema"),
    TOOLS: ("tools", "tool_choice", "tool choice", "function"),
}
_PASSING = (401, 429, 502, 503, 504)  # refusals that say nothing of what it can do
_WITH_GRAMMAR = (LLAMA_CPP, VLLM)


@dataclass
class Abilities:
    """What is known of one server with one model."""

    software: str | None = None  # LLAMA_CPP, VLLM, "" for any other, None where nobody looked
    lacks: set[str] = field(default_factory=set)  # ways that it refused or did not keep to
    keeps: set[str] = field(default_factory=set)  # ways in which it has answered
    without: set[str] = field(default_factory=set)  # options that it refused

    @property
    def way(self) -> str:
        """How it is asked: in the strictest way that it is not known to lack."""
        ways = WAYS if self.software in _WITH_GRAMMAR else WAYS[1:]
        return next((way for way in ways if way not in self.lacks), TEXT)

    def learn_refusal(self, status: int, words: str, options: Iterable[str]) -> bool:
        """Take up what a refusal says; False where the request cannot be made in another way.

        Args:
            status: of HTTP.
            words: the server's.
            options: what was asked for beside the answer, "logprobs" for one.
        """
        if status in _PASSING:
            return False
        words = words.casefold()
        if any(name in words for name in _NAMES.get(self.way, ())):
            self.lacks.add(self.way)
            return True
        sent = set(options) - self.without
        named = {option for option in sent if option in words}
        if not named and status in (400, 422, 501) and (sent or self.way != TEXT):
            self._take_text_alone()  # it does not say what it refuses: the barest request may pass
            self.without |= sent
            return True
        self.without |= named
        return bool(named)

    def learn_answer(self, way: str, kept: bool, valid: bool) -> bool:
        """Take up an answer; True where it is worth asking again, since the server did not keep to what was asked.

        Args:
            way: how it was asked for.
            kept: it has the form that was asked for.
            valid: it is made of valid calls.
        """
        if kept or way in self.keeps:
            self.keeps.add(way)
            return False
        if way == TEXT:
            return False
        self.lacks.add(way)
        if valid:  # calls as plain text, though something else was asked for
            self._take_text_alone()
        return not valid

    def _take_text_alone(self) -> None:
        self.lacks.update(way for way in WAYS if way != TEXT)


def request_fields(way: str, software: str | None, registry: Registry) -> dict[str, Any]:
    """The fields of a request for calls of the skills; what the SDK has no name for is in `extra_body`."""
    if way == GRAMMAR:
        # Many models begin an answer with a space.
        grammar = gbnf(registry, several=True).replace("root ::=", 'root ::= " "? answer\nanswer ::=', 1)
        return {"extra_body": {"structured_outputs": {"grammar": grammar}} if software == VLLM else {"grammar": grammar}}
    if way == SCHEMA:
        return {"response_format": answer_schema(registry)}
    if way == TOOLS:
        return {"tools": tools(registry), "tool_choice": "required"}
    return {}


def software_of(headers: Mapping[str, str], body: Any) -> str:
    """Which software answered with a chat completion or its list of models, as far as it matters here."""
    if headers.get("server", "").casefold().startswith("llama.cpp"):
        return LLAMA_CPP
    if not isinstance(body, Mapping):
        return ""
    models = body.get("data")
    owner = models[0].get("owned_by") if isinstance(models, list) and models and isinstance(models[0], Mapping) else ""
    if owner == "llamacpp" or "timings" in body:
        return LLAMA_CPP
    return VLLM if owner == "vllm" or ("prompt_logprobs" in body and "kv_transfer_params" in body) else ""


class Memory:
    """What is known of the servers, in one file that can be lost without harm."""

    def __init__(self, folder: Path, url: str, model: str) -> None:
        self._file = folder / FILE
        self._key = f"{url} {model}"

    def read(self) -> Abilities:
        """What is known of the server; nothing where it was never asked, or long ago."""
        known = self._rows().get(self._key) or {}
        try:
            if not 0 <= time.time() - known["time"] <= KEPT_SECONDS:
                return Abilities()
            sets = {name: set(map(str, known[name])) for name in ("lacks", "keeps", "without")}
            return Abilities(known["software"] and str(known["software"]), **sets)
        except (KeyError, TypeError, AttributeError):
            return Abilities()

    def write(self, abilities: Abilities) -> None:
        """Keep what is known of the server; where the file cannot be written, it is learnt again next time."""
        row = {
            "software": abilities.software, "lacks": sorted(abilities.lacks), "keeps": sorted(abilities.keeps),
            "without": sorted(abilities.without), "time": time.time(),
        }  # fmt: skip
        rows = {key: value for key, value in self._rows().items() if key != self._key}
        kept = [*list(rows.items())[1 - MOST_SERVERS :], (self._key, row)]
        with suppress(StoreError):
            replace_file(self._file, json.dumps(dict(kept), indent=1) + "\n")

    def _rows(self) -> dict[str, Any]:
        try:
            rows = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return rows if isinstance(rows, dict) else {}
