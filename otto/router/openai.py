"""Any OpenAI-compatible server as a router: vLLM, llama.cpp, Ollama, OpenAI.

What was said goes to the server of the table [router], or of [openai] where that names none. Structured output is
asked for; a server that refuses it is asked for the call syntax. Either way the answer is checked here.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from otto.chat import DEFAULT_URL, LOCAL_URL
from otto.errors import ModelError, NetworkError, OttoError
from otto.grammar import answer_schema
from otto.messages import Route
from otto.prompt import messages, read_own
from otto.registry import Registry
from otto.router.answer import read_calls
from otto.router.base import NOTHING

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

    from otto.config import Settings

CONNECT_SECONDS = 5.0
SILENT_SECONDS = 30.0  # without a byte from the server
TOTAL_SECONDS = 60.0  # for a whole answer
MAX_TOKENS = 256  # of an answer
MAX_BYTES = 2_000_000  # of an answer with all that stands around it
UNKNOWN = 0.5  # the confidence where the server does not tell

_AS_JSON = """

Write the calls as JSON: timer(duration="5 minutes") is {"calls": [{"name": "timer", "arguments": {"duration": "5 minutes"}}]}, \
with null for an argument that was not said."""


@dataclass
class Spent:
    """What a router has asked of its server since it was opened."""

    requests: int = 0
    tokens: int = 0  # of prompts and answers, as the server reports them; 0 where it does not


class OpenAIRouter:
    """Asks a server for the calls."""

    name = "openai"

    def __init__(self, registry: Registry, settings: Settings) -> None:
        """Raises ModelError where the settings lack a model or a key, UsageError where the user's own prompt cannot be used."""
        own, shared = settings.router, settings.openai
        self._url = own.base_url or shared.base_url
        self._model = own.model or shared.model
        # The key of [openai] belongs to its own server and is not shown to another one.
        self._key_name = own.api_key_env or ("" if own.base_url else shared.api_key_env)
        self._key = os.environ.get(self._key_name, "").strip() if self._key_name else ""
        self._host = urlsplit(self._url).netloc.rpartition("@")[2]
        if not self._model:
            raise ModelError("No model is chosen for the router", "name one with `otto config set router.model NAME`")
        if not self._key and self._url.rstrip("/") == DEFAULT_URL:
            mend = f"or use a server of your own: `otto config set router.base_url {LOCAL_URL}`"
            raise ModelError("OpenAI needs a key and there is none", f"put it in {self._key_place}, {mend}")
        if not (self._key.isascii() and self._key.isprintable()):
            raise ModelError("The server's key holds characters that no key has", f"put it anew in {self._key_place}")
        self._own_prompt = read_own(settings.router.prompt, "openai", self._model)
        self.spent = Spent()
        self.update(registry)

    def update(self, registry: Registry) -> None:
        """Take up changed skills."""
        self._registry = registry
        self._options: dict[str, Any] = {  # what a server may refuse and can do without
            "response_format": answer_schema(registry),
            "logprobs": True,
            "temperature": 0,
            "max_tokens": MAX_TOKENS,
        }

    def route(self, text: str) -> Route:
        """The calls that the server finds; `other()` with confidence 0 where it says what is not a valid call.

        Raises:
            ModelError: the server does not know the model, or refuses the key.
            NetworkError: the server is out of reach, slow or broken, or does not speak the protocol.
        """
        started = time.perf_counter()
        said, confidence = self._read(self._ask(text))
        calls = read_calls(said, self._registry)
        ms = (time.perf_counter() - started) * 1000
        if calls is None:
            return Route(text, (NOTHING,), 0.0, self.name, ms, invalid=said)
        return Route(text, calls, confidence, self.name, ms)

    @property
    def _key_place(self) -> str:
        return f"the environment variable {self._key_name or 'that `otto config set router.api_key_env NAME` names'}"

    @cached_property
    def _client(self) -> OpenAI:
        import openai

        timeout = openai.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
        return openai.OpenAI(base_url=self._url, api_key=self._key or "none", timeout=timeout, max_retries=0)

    def _ask(self, text: str) -> bytes:
        """The server's answer, asked for again without the options that it refuses, which it is then spared."""
        import openai

        options = self._options
        while True:
            try:
                body = self._request(text, options)
            except openai.APIStatusError as error:
                refused = _refused(error, options)
                if not refused:
                    raise self._failure(error) from None
                options = {name: value for name, value in options.items() if name not in refused}
            else:
                self._options = options
                return body

    def _request(self, text: str, options: Mapping[str, Any]) -> bytes:
        import openai

        asked: Any = messages(self._registry, text, own=self._own_prompt)
        if "response_format" in options:
            asked[0]["content"] += _AS_JSON
        until = time.monotonic() + TOTAL_SECONDS
        self.spent.requests += 1
        completions = self._client.chat.completions.with_streaming_response
        try:
            with completions.create(model=self._model, messages=asked, **options) as response:
                return self._body(response.iter_bytes(), until)
        except (OttoError, openai.APIStatusError):
            raise
        except openai.APITimeoutError:
            raise self._slow() from None
        except openai.APIConnectionError:
            raise NetworkError(f"{self._host} does not answer", "check that it runs, and router.base_url in `otto config show`") from None
        except Exception as error:  # what breaks while a body is read is an error of the http library below the SDK
            raise NetworkError(f"{self._host} stopped in the middle of its answer", "try again") from error

    def _body(self, chunks: Iterable[bytes], until: float) -> bytes:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if time.monotonic() > until:
                raise self._slow()
            if len(body) > MAX_BYTES:
                raise self._unreadable()
        return bytes(body)

    def _read(self, body: bytes) -> tuple[str, float]:
        """What the model said, and how sure it is."""
        try:
            answer = json.loads(body)
            choice = answer["choices"][0]
            self.spent.tokens += int((answer.get("usage") or {}).get("total_tokens") or 0)
            return _content(choice["message"]), _confidence(choice)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise self._unreadable() from None

    def _slow(self) -> NetworkError:
        return NetworkError(f"{self._host} took too long", "try again, or choose a smaller model with `otto config set router.model NAME`")

    def _unreadable(self) -> NetworkError:
        return NetworkError(f"{self._host} gave an answer that cannot be read", "check router.base_url in `otto config show`")

    def _failure(self, error: APIStatusError) -> OttoError:
        status, reason = error.status_code, _reason(error)
        if status in (401, 403):
            return ModelError(f"{self._host} refused the key", f"put a valid one in {self._key_place}")
        if status == 404:
            mend = "choose another with `otto config set router.model NAME`, or check router.base_url in `otto config show`"
            return ModelError(f"{self._host} has no model {self._model}", mend)
        if status == 429:
            return NetworkError(f"{self._host} allows no more requests for now", "wait a little, or check the account's limits")
        if status < 500:
            return NetworkError(f"{self._host} refused the request ({reason})", "choose another model with `otto config set router.model NAME`")
        return NetworkError(f"{self._host} failed with status {status} ({reason})", "look at the server's log, or try again later")


def _refused(error: APIStatusError, options: Iterable[str]) -> set[str]:
    """The options that the server names in its refusal; all of them where it refuses a request and names none."""
    text = _message(error).casefold().replace("json_schema", "response_format")
    named = {name for name in options if name in text}
    return named or (set(options) if error.status_code in (400, 422, 501) else set())


def _message(error: APIStatusError) -> str:
    return json.dumps(error.body) if error.body else error.message


def _reason(error: APIStatusError) -> str:
    """The server's own words, on one line."""
    message = error.body.get("message") if isinstance(error.body, dict) else error.body
    text = " ".join(str(message or "without a reason").split()).rstrip(".")
    return text if len(text) <= 200 else text[:200] + " …"


def _content(message: Mapping[str, Any]) -> str:
    """The text of a message; function calls, which some servers make of it unasked, as JSON."""
    if message.get("tool_calls"):
        functions = [item["function"] for item in message["tool_calls"]]
        return json.dumps({"calls": [{"name": item["name"], "arguments": json.loads(item["arguments"])} for item in functions]})
    content = message["content"]
    if not isinstance(content, str | None):
        raise TypeError("content is text")
    return content or ""


def _confidence(choice: Mapping[str, Any]) -> float:
    """The probability of the whole answer: the product of its tokens'."""
    tokens = (choice.get("logprobs") or {}).get("content")
    if not tokens:
        return UNKNOWN
    total = sum(float(token["logprob"]) for token in tokens)
    return UNKNOWN if math.isnan(total) else math.exp(min(0.0, total))
