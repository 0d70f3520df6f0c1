"""Any OpenAI-compatible server as a router: vLLM, llama.cpp, Ollama, OpenAI.

What was said goes to the server of the table [router], or of [openai] where that names none. It is asked for calls in the
strictest way that it is known to keep to (see `otto.router.abilities`); whatever it answers is checked here.
"""

from __future__ import annotations

import copy
import json
import os
import time
from functools import cache, partial
from typing import TYPE_CHECKING

from otto.call import Call
from otto.chat import DEFAULT_URL, LOCAL_URL
from otto.errors import ModelError, OttoError, UsageError
from otto.messages import Route
from otto.prompt import messages, read_own
from otto.promptformat import PromptFormat
from otto.registry import Registry
from otto.router.abilities import LLAMA_CPP, SCHEMA, TOOLS, Abilities, Memory, request_fields
from otto.router.answer import read_calls
from otto.router.base import NOTHING
from otto.router.server import Answer, ChatServer, Refused, Spent

if TYPE_CHECKING:
    from otto.config import Settings

TOTAL_SECONDS = 60.0  # for a route, however often the server is asked for it
MAX_TOKENS = 256  # of an answer

_WRITTEN_AS = {  # added to the instructions, which ask for the call syntax
    SCHEMA: """

Write the calls as JSON: timer(duration="5 minutes") is {"calls": [{"name": "timer", "arguments": {"duration": "5 minutes"}}]}, \
with null for an argument that was not said.""",
    TOOLS: """

Do not write the calls: call the functions, with null for an argument that was not said.""",
}
_OPTIONS = {"logprobs": True, "temperature": 0, "max_tokens": MAX_TOKENS}  # what a server may refuse and can do without


class OpenAIRouter:
    """Asks a server for the calls."""

    name = "openai"

    def __init__(self, registry: Registry, settings: Settings) -> None:
        """Raises ModelError where the settings lack a model or a key, UsageError where the user's own prompt cannot be used."""
        own, shared = settings.router, settings.openai
        url, model = own.base_url or shared.base_url, own.model or shared.model
        # The key of [openai] belongs to its own server and is not shown to another one.
        key_name = own.api_key_env or ("" if own.base_url else shared.api_key_env)
        key = os.environ.get(key_name, "").strip() if key_name else ""
        key_place = f"the environment variable {key_name or 'that `otto config set router.api_key_env NAME` names'}"
        if not model:
            raise ModelError("No model is chosen for the router", "name one with `otto config set router.model NAME`")
        if not key and url.rstrip("/") == DEFAULT_URL:
            mend = f"or use a server of your own: `otto config set router.base_url {LOCAL_URL}`"
            raise ModelError("OpenAI needs a key and there is none", f"put it in {key_place}, {mend}")
        if not (key.isascii() and key.isprintable()):
            raise ModelError("The server's key holds characters that no key has", f"put it anew in {key_place}")
        self._own_prompt = read_own(own.prompt, "openai", model)
        self._server = ChatServer(url, model, key, key_place)
        self._memory = Memory(settings.paths.cache, url, model)
        self._known = self._memory.read()
        self._prompt_fits = False  # nobody looked yet
        self.update(registry)

    @property
    def spent(self) -> Spent:
        """What was asked of the server."""
        return self._server.spent

    def update(self, registry: Registry) -> None:
        """Take up changed skills."""
        self._registry = registry
        self._fields = cache(partial(request_fields, registry=registry))

    def route(self, text: str) -> Route:
        """The calls that the server finds; `other()` with confidence 0 where it says what is not a valid call.

        Raises:
            ModelError: the server does not know the model, or refuses the key.
            NetworkError: the server is out of reach, slow or broken, or does not speak the protocol.
            UsageError: its model, which Otto exported, was tuned with another prompt.
        """
        started = time.perf_counter()
        answer, calls = self._ask(text, time.monotonic() + TOTAL_SECONDS)
        ms = (time.perf_counter() - started) * 1000
        if calls is None:
            return Route(text, (NOTHING,), 0.0, self.name, ms, invalid=answer.text)
        return Route(text, calls, answer.confidence, self.name, ms)

    def _ask(self, text: str, until: float) -> tuple[Answer, tuple[Call, ...] | None]:
        """The server's answer and its calls; asked for again where it refuses the way, or does not keep to it."""
        known = copy.deepcopy(self._known)  # what is learnt counts once an answer came
        if known.software is None:
            known.software = self._server.software(until)
        if known.software == LLAMA_CPP and not self._prompt_fits:
            self._require_prompt(self._server.chat_template(until))
        while True:
            way = known.way
            options = {name: value for name, value in _OPTIONS.items() if name not in known.without}
            try:
                answer = self._server.ask(self._messages(text, way), options | self._fields(way, known.software), until)
            except Refused as refused:
                if not known.learn_refusal(refused.status, refused.words, _OPTIONS):
                    raise refused.sentence from None
                continue
            calls = read_calls(answer.text, self._registry)
            known.software = answer.software or known.software
            again = known.learn_answer(way, _kept(answer, way), calls is not None)
            if calls is None and known.way != way:  # its software has a stricter one
                again = True
            if not again:
                self._learn(known)
                return answer, calls

    def _require_prompt(self, chat_template: str) -> None:
        """Raises UsageError where the model was tuned with another prompt than the messages become."""
        tuned_with = PromptFormat.of_template(chat_template)
        if tuned_with and tuned_with.sha256 != PromptFormat.of(tuned_with.family, {}, self._own_prompt).sha256:
            what = f"The model on the server {self._server.host} was tuned with another text of the prompt {tuned_with.family}"
            raise UsageError(f"{what} than it would be asked with", "set router.prompt as it was then, or tune it anew")
        self._prompt_fits = True

    def _messages(self, text: str, way: str) -> list[dict[str, str]]:
        asked = messages(self._registry, text, own=self._own_prompt)
        asked[0]["content"] += _WRITTEN_AS.get(way, "")
        return asked

    def _learn(self, known: Abilities) -> None:
        if known != self._known:
            self._known = known
            self._memory.write(known)


def _kept(answer: Answer, way: str) -> bool:
    """Whether an answer has the form that was asked for; of one that is cut off, or empty, nothing can be said against it."""
    if not answer.whole or not answer.text:
        return True
    if way == TOOLS:
        return answer.called
    try:
        return isinstance(json.loads(answer.text), dict) if way == SCHEMA else bool(Call.parse_all(answer.text))
    except (OttoError, ValueError, RecursionError):
        return False
