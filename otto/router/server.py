"""One question to an OpenAI-compatible server: sent, waited for within limits, and read. Everything that goes wrong is one sentence."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from otto.errors import ModelError, NetworkError, OttoError
from otto.router.abilities import software_of

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

CONNECT_SECONDS = 5.0
SILENT_SECONDS = 30.0  # without a byte from the server
BUSY_SECONDS = 5.0  # a busy server that asks for no longer wait is asked again, once
MAX_BYTES = 2_000_000  # of an answer with all that stands around it
UNKNOWN = 0.5  # the confidence where the server does not tell


class Refused(Exception):
    """The server refused the request: it may take another."""

    def __init__(self, status: int, words: str, sentence: OttoError) -> None:
        super().__init__(status, words)
        self.status = status
        self.words = words  # the server's
        self.sentence = sentence  # for the user, where no other request is made


@dataclass(frozen=True)
class Answer:
    """What a model said."""

    text: str  # calls of functions as the JSON of `grammar.answer_schema`
    called: bool  # it called functions
    whole: bool  # it was not cut off at the limit of tokens
    confidence: float  # the product of its tokens' probabilities, UNKNOWN where the server does not tell
    software: str


@dataclass
class Spent:
    """What a router has asked of its server since it was opened."""

    requests: int = 0
    tokens: int = 0  # of prompts and answers, as the server reports them; 0 where it does not


class ChatServer:
    """A server and one of its models."""

    def __init__(self, url: str, model: str, key: str, key_place: str) -> None:
        self._url, self._model, self._key, self._key_place = url, model, key, key_place
        self.host = urlsplit(url).netloc.rpartition("@")[2]
        self.spent = Spent()

    @cached_property
    def _client(self) -> OpenAI:
        import openai

        return openai.OpenAI(base_url=self._url, api_key=self._key or "none", max_retries=0)

    def software(self, until: float) -> str:
        """Which software serves, as its list of models tells; "" where that tells nothing."""
        import openai

        left = min(CONNECT_SECONDS, until - time.monotonic())
        try:
            with self._client.models.with_streaming_response.list(timeout=openai.Timeout(left)) as response:
                return software_of(response.headers, json.loads(self._body(response.iter_bytes(), time.monotonic() + left)))
        except Exception:  # noqa: BLE001  whatever is wrong with the server, the question itself will tell
            return ""

    def chat_template(self, until: float) -> str:
        """What llama.cpp makes a prompt of messages with; "" where it does not tell."""
        import httpx

        left = max(0.1, min(CONNECT_SECONDS, until - time.monotonic()))
        try:
            root = self._url.rstrip("/").removesuffix("/v1")
            answer = httpx.get(f"{root}/props", headers={"Authorization": f"Bearer {self._key}"} if self._key else {}, timeout=left)
            return str(answer.json()["chat_template"])
        except Exception:  # noqa: BLE001  as above
            return ""

    def ask(self, messages: Any, options: Mapping[str, Any], until: float) -> Answer:
        """The model's answer.

        Args:
            messages: of the chat.
            options: more fields of the request.
            until: when to give up, on the clock of time.monotonic.

        Raises:
            Refused: the request as it is.
            NetworkError: the server is out of reach, slow or broken, or does not speak the protocol.
        """
        import openai

        waited = False
        while True:
            self.spent.requests += 1
            try:
                return self._ask(messages, options, until)
            except openai.APIStatusError as error:
                wait = _wait_asked(error)
                if waited or wait is None or wait > min(BUSY_SECONDS, until - time.monotonic()):
                    raise Refused(error.status_code, _message(error), self._failure(error, wait)) from None
                time.sleep(wait)
                waited = True
            except openai.APITimeoutError:
                raise self._slow() from None
            except openai.APIConnectionError:
                raise NetworkError(f"{self.host} does not answer", "check that it runs, and router.base_url in `otto config show`") from None
            except OttoError:
                raise
            except Exception as error:  # what breaks while a body is read is an error of the http library below the SDK
                raise NetworkError(f"{self.host} stopped in the middle of its answer", "try again") from error

    def _ask(self, messages: Any, options: Mapping[str, Any], until: float) -> Answer:
        import openai

        left = until - time.monotonic()
        if left <= 0:
            raise self._slow()
        timeout = openai.Timeout(min(SILENT_SECONDS, left), connect=min(CONNECT_SECONDS, left))
        completions = self._client.chat.completions.with_streaming_response
        with completions.create(model=self._model, messages=messages, timeout=timeout, **options) as response:
            return self._read(self._body(response.iter_bytes(), until), response.headers)

    def _body(self, chunks: Iterable[bytes], until: float) -> bytes:
        body = bytearray()
        for chunk in chunks:
            body += chunk
            if time.monotonic() > until:
                raise self._slow()
            if len(body) > MAX_BYTES:
                raise self._unreadable()
        return bytes(body)

    def _read(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            answer = json.loads(body)
            choice = answer["choices"][0]
            self.spent.tokens += int((answer.get("usage") or {}).get("total_tokens") or 0)
            called = bool(choice["message"].get("tool_calls"))
            whole = choice.get("finish_reason") != "length"
            return Answer(_content(choice["message"]), called, whole, _confidence(choice), software_of(headers, answer))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise self._unreadable() from None

    def _slow(self) -> NetworkError:
        return NetworkError(f"{self.host} took too long", "try again, or choose a smaller model with `otto config set router.model NAME`")

    def _unreadable(self) -> NetworkError:
        return NetworkError(f"{self.host} gave an answer that cannot be read", "check router.base_url in `otto config show`")

    def _failure(self, error: APIStatusError, wait: float | None) -> OttoError:
        status, reason = error.status_code, _reason(error)
        if status in (401, 403):
            return ModelError(f"{self.host} refused the key", f"put a valid one in {self._key_place}")
        if status == 404:
            mend = "choose another with `otto config set router.model NAME`, or check router.base_url in `otto config show`"
            return ModelError(f"{self.host} has no model {self._model}", mend)
        if status == 429:
            seconds = round(wait or 0)
            mend = f"wait {seconds:,} second{'s'[: seconds > 1]}" if seconds else "wait a little"
            return NetworkError(f"{self.host} allows no more requests for now", f"{mend}, or check the account's limits")
        if status < 500:
            return NetworkError(f"{self.host} refused the request ({reason})", "choose another model with `otto config set router.model NAME`")
        return NetworkError(f"{self.host} failed with status {status} ({reason})", "look at the server's log, or try again later")


def _wait_asked(error: APIStatusError) -> float | None:
    """Seconds that a busy server asks to wait (RFC 9110, Retry-After: seconds or a date); None where it asks for none."""
    asked = error.response.headers.get("retry-after", "").strip() if error.status_code in (429, 503) else ""
    try:
        if asked.isascii() and asked.isdigit():
            return float(asked) if len(asked) < 10 else None
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _message(error: APIStatusError) -> str:
    return json.dumps(error.body) if error.body else error.message


def _reason(error: APIStatusError) -> str:
    """The server's own words, on one line."""
    message = error.body.get("message") if isinstance(error.body, dict) else error.body
    text = " ".join(str(message or "without a reason").split()).rstrip(".")
    return text if len(text) <= 200 else text[:200] + " …"


def _content(message: Mapping[str, Any]) -> str:
    """The text of a message; function calls as JSON."""
    if message.get("tool_calls"):
        functions = [item["function"] for item in message["tool_calls"]]
        return json.dumps({"calls": [{"name": item["name"], "arguments": _arguments(item["arguments"])} for item in functions]})
    content = message["content"]
    if not isinstance(content, str | None):
        raise TypeError("content is text")
    return content or ""


def _arguments(said: Any) -> Any:
    """The arguments of a function call, as the model wrote them where that is no JSON."""
    try:
        return json.loads(said or "{}") if isinstance(said, str | None) else said
    except ValueError:
        return said


def _confidence(choice: Mapping[str, Any]) -> float:
    """The probability of the whole answer: the product of its tokens'."""
    tokens = (choice.get("logprobs") or {}).get("content")
    if not tokens:
        return UNKNOWN
    total = sum(float(token["logprob"]) for token in tokens)
    return UNKNOWN if math.isnan(total) else math.exp(min(0.0, total))
