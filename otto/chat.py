"""A conversation with an OpenAI-compatible server, streamed; for skills that answer in free words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from otto.errors import NetworkError, OttoError

if TYPE_CHECKING:
    from openai import OpenAI

DEFAULT_URL = "https://api.openai.com/v1"
LOCAL_URL = "http://localhost:11434/v1"  # where Ollama listens
_CONNECT_SECONDS, _SILENT_SECONDS = 5.0, 30.0


def stream(settings: Mapping[str, Any], system: str, prompt: str, cancelled: Event) -> Iterator[str]:
    """The answer of the server in `settings` (base_url, api_key_env, model), piece by piece as it arrives.

    What is wrong with the settings is raised at once, what goes wrong on the way while iterating.

    Raises:
        OttoError: the key or the model is missing or refused.
        NetworkError: the server is out of reach, too slow, broken, or stopped in the middle of its answer.
    """
    server = _Server.of(settings)
    return server.answer([{"role": "system", "content": system}, {"role": "user", "content": prompt}], cancelled)


class _Server:
    """One endpoint, as the settings name it."""

    def __init__(self, client: OpenAI, model: str, key_name: str) -> None:
        self._client = client
        self._model = model
        self._key_name = key_name
        self._host = urlsplit(str(client.base_url)).netloc

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> _Server:
        url = settings.get("base_url") or DEFAULT_URL
        key_name = settings.get("api_key_env") or "OPENAI_API_KEY"
        key = os.environ.get(key_name, "")
        if not key and url.rstrip("/") == DEFAULT_URL:
            mend = f"put it in the environment variable {key_name}, or use a server of your own: `otto config set openai.base_url {LOCAL_URL}`"
            raise OttoError("OpenAI needs a key and there is none", mend)
        if not settings.get("model"):
            raise OttoError("No model is chosen to answer", "name one with `otto config set openai.model NAME`")
        try:
            import openai
        except ImportError:
            raise OttoError("The package openai is not installed", "install it with: pip install openai") from None
        timeout = openai.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS)
        client = openai.OpenAI(base_url=url, api_key=key or "none", timeout=timeout, max_retries=0)
        return cls(client, settings["model"], key_name)

    def answer(self, messages: list[Any], cancelled: Event) -> Iterator[str]:
        import openai

        said = False
        try:
            with self._client, self._client.chat.completions.create(model=self._model, messages=messages, stream=True) as chunks:
                for chunk in chunks:
                    if cancelled.is_set():
                        return
                    piece = chunk.choices[0].delta.content if chunk.choices and chunk.choices[0].delta else None
                    if piece:
                        yield _text(piece)
                        said = True
        except openai.APIStatusError as error:
            raise self._refusal(error.status_code) from None
        except openai.APITimeoutError:
            raise NetworkError(f"{self._host} took too long", "try again, or choose a smaller model") from None
        except Exception as error:
            if said:
                raise NetworkError(f"{self._host} stopped in the middle of its answer", "try again") from error
            if isinstance(error, openai.APIConnectionError):
                raise NetworkError(f"{self._host} is out of reach", "check the network and `otto config show` openai.base_url") from None
            raise NetworkError(f"{self._host} gave an answer that cannot be read", "try again, or check openai.base_url") from error
        if not said:
            raise NetworkError(f"{self._host} gave an empty answer", "try again, or choose another model")

    def _refusal(self, status: int) -> OttoError:
        if status in (401, 403):
            return OttoError(f"{self._host} refused the key", f"put a valid one in the environment variable {self._key_name}")
        if status == 404:
            mend = "see `otto config show` for openai.base_url, or choose another with `otto config set openai.model NAME`"
            return OttoError(f"{self._host} has no model {self._model}", mend)
        if status == 429:
            return NetworkError(f"{self._host} allows no more requests for now", "wait a little, or check the account's limits")
        return NetworkError(f"{self._host} failed with status {status}", "try again later")


def _text(piece: object) -> str:
    """The SDK does not check what a server sends."""
    if not isinstance(piece, str):
        raise TypeError("a piece of an answer is text")
    return piece
