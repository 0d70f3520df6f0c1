"""Asks an OpenAI-compatible server for data: a function call where it has them, JSON under a schema, or plain text."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from finetune.data.journal import BrokenAnswer, Memory
from otto.errors import ModelError, NetworkError, OttoError

if TYPE_CHECKING:
    from openai import OpenAI

RETRIES = 5  # of a request that a busy or failing server refuses; the wait is what its Retry-After says, or doubles from half a second
CONNECT_SECONDS = 5.0
SILENT_SECONDS = 90.0
MAX_TOKENS = 2048  # of an answer
MAX_BYTES = 4_000_000
_WAYS = ("tools", "schema", "text")  # how an answer can be asked for, the strictest first
_FENCED = re.compile(r"```\w*\n(.*?)```", re.DOTALL)


@dataclass
class Spent:
    """What was asked of a server."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    broken: int = 0  # answers that could not be used
    uncounted: int = 0  # answers without a word on their tokens

    def dollars(self, prompt: float, completion: float) -> float:
        """The cost at prices in dollars a million tokens."""
        return (self.prompt_tokens * prompt + self.completion_tokens * completion) / 1e6

    def add(self, other: dict[str, int]) -> None:
        """Count what an earlier run spent too."""
        for name, value in other.items():
            setattr(self, name, getattr(self, name) + value)

    def to_json(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True)
class Form:
    """What an answer must look like: a function and the JSON schema of its arguments."""

    name: str
    description: str
    schema: dict[str, Any]


@dataclass
class Server:
    """A server and one of its models."""

    url: str
    model: str
    key: str = ""
    key_name: str = ""
    temperature: float = 1.0
    spent: Spent = field(default_factory=Spent)
    memory: Memory | None = None  # of a run that was broken off
    _way: int = 0  # of _WAYS

    @classmethod
    def of(cls, model: str = "", base_url: str = "", api_key_env: str = "") -> Server:
        """The server of the settings' table [openai], or the one that is named. Its key is not shown to another server.

        Raises:
            ModelError: no model is named, or there is no key and OpenAI needs one.
        """
        from otto.chat import DEFAULT_URL, LOCAL_URL
        from otto.config import load_settings

        settings = load_settings().openai
        url = base_url or settings.base_url
        key_name = api_key_env or ("" if base_url and base_url != settings.base_url else settings.api_key_env)
        key = os.environ.get(key_name, "").strip() if key_name else ""
        if not (model or settings.model):
            raise ModelError("No model is named to ask", "name one with --model, or with `otto config set openai.model NAME`")
        if urlsplit(url).scheme not in ("http", "https"):
            raise ModelError(f"{url} is no server's address", "write it as http://host:port/v1")
        if not key and url.rstrip("/") == DEFAULT_URL:
            mend = f"put it in the environment variable {key_name}, or name a server of your own: --base-url {LOCAL_URL}"
            raise ModelError("OpenAI needs a key and there is none", mend)
        return cls(url, model or settings.model, key, key_name)

    def ask(self, system: str, prompt: str, form: Form) -> dict[str, Any]:
        """The arguments that the model fills into the form: an object, not yet checked against the schema. What the memory has is not asked again.

        Raises:
            BrokenAnswer: it answered with something else, or stopped in the middle.
            ModelError: the server does not know the model, or refuses the key.
            NetworkError: the server is out of reach, or busy for long.
        """
        if self.memory is None:
            return self._asked(system, prompt, form)
        return self.memory.recall((self.model, system, prompt), lambda: self._asked(system, prompt, form), self.spent.to_json)

    def remember(self, memory: Memory) -> None:
        """Go on with what an earlier run asked and spent."""
        self.memory = memory
        self.spent.add(memory.spent)

    def _asked(self, system: str, prompt: str, form: Form) -> dict[str, Any]:
        import openai

        while True:
            try:
                return self._answer(self._request(system, prompt, form))
            except openai.APIStatusError as error:
                if error.status_code not in (400, 404, 422, 501) or self._way + 1 == len(_WAYS):
                    raise self._failure(error.status_code, error.message) from None
                self._way += 1  # this server lacks what was asked for
            except BrokenAnswer:
                self.spent.broken += 1
                raise

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def _client(self) -> OpenAI:
        import openai

        timeout = openai.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
        return openai.OpenAI(base_url=self.url, api_key=self.key or "none", timeout=timeout, max_retries=RETRIES)

    def _request(self, system: str, prompt: str, form: Form) -> bytes:
        import openai

        options: dict[str, Any] = {"temperature": self.temperature, "max_tokens": MAX_TOKENS}
        schema = {"name": form.name, "strict": True, "schema": form.schema}
        if _WAYS[self._way] == "tools":
            function = {"name": form.name, "description": form.description, "strict": True, "parameters": form.schema}
            options |= {"tools": [{"type": "function", "function": function}]}
            options |= {"tool_choice": {"type": "function", "function": {"name": form.name}}}
        elif _WAYS[self._way] == "schema":
            options |= {"response_format": {"type": "json_schema", "json_schema": schema}}
        if _WAYS[self._way] != "tools":
            prompt += f"\n\nAnswer with JSON alone, under this schema:\n{json.dumps(form.schema, ensure_ascii=False)}"
        messages: Any = [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
        self.spent.requests += 1
        try:
            with self._client() as client:
                completions = client.chat.completions.with_streaming_response
                with completions.create(model=self.model, messages=messages, **options) as response:
                    return b"".join(_limited(response.iter_bytes()))
        except (openai.APIStatusError, BrokenAnswer):
            raise
        except openai.APITimeoutError:
            raise NetworkError(f"{self.host} took too long", "give the same command again, or choose a smaller model") from None
        except openai.APIConnectionError:
            raise NetworkError(f"{self.host} does not answer", "check that it runs, and give the same command again") from None
        except Exception as error:  # what breaks while a body is read is an error of the http library below the SDK
            raise BrokenAnswer("it stopped in the middle") from error

    def _answer(self, body: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(body)
            usage = answer.get("usage") or {}
            self.spent.uncounted += not usage
            self.spent.prompt_tokens += int(usage.get("prompt_tokens") or 0)
            self.spent.completion_tokens += int(usage.get("completion_tokens") or 0)
            message = answer["choices"][0]["message"]
            calls = message.get("tool_calls")
            text = calls[0]["function"]["arguments"] if calls else message["content"]
            value = text if isinstance(text, dict) else json.loads(_bare(text))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise BrokenAnswer("it cannot be read") from None
        if not isinstance(value, dict):
            raise BrokenAnswer("it is no object")
        return value

    def _failure(self, status: int, reason: str) -> OttoError:
        if status in (401, 403):
            place = self.key_name or "that --api-key-env names"
            return ModelError(f"{self.host} refused the key", f"put a valid one in the environment variable {place}")
        if status == 404:
            return ModelError(f"{self.host} has no model {self.model}", "name another with --model, or check --base-url")
        if status == 429:
            return NetworkError(f"{self.host} allows no more requests for now", "wait a little, and give the same command again")
        return NetworkError(f"{self.host} failed with status {status} ({' '.join(reason.split())[:200]})", "give the same command again")


def _limited(chunks: Iterator[bytes]) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > MAX_BYTES:
            raise BrokenAnswer("it does not end")
        yield chunk


def _bare(text: str) -> str:
    """The JSON in a plain answer."""
    fenced = _FENCED.search(text)
    text = fenced[1] if fenced else text
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if start >= 0 else text


def several(ask: Callable[[], dict[str, Any]], attempts: int = 3) -> dict[str, Any] | None:
    """The first answer that is not broken, None where there is none."""
    for _ in range(attempts):
        try:
            return ask()
        except BrokenAnswer:
            continue
    return None
