"""The router `openai` against real servers on this machine: transformers serve, and llama.cpp's own in a wheel.

Both serve one small model, which learnt three commands by heart, in the call syntax; asked for anything else it says "sorry".
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import httpx
import pytest
from jinja2 import Template

torch = pytest.importorskip("torch", reason="the model is made with it")
pytest.importorskip("transformers", reason="the model is made with it")

from otto import Duration  # noqa: E402  after the skips
from otto.config import load_settings  # noqa: E402
from otto.grammar import answer_schema, gbnf, tools  # noqa: E402
from otto.prompt import messages  # noqa: E402
from otto.registry import Registry  # noqa: E402
from otto.router.abilities import LLAMA_CPP, SCHEMA, TOOLS, Memory  # noqa: E402
from otto.router.openai import _WRITTEN_AS, OpenAIRouter  # noqa: E402
from otto.skill import declare  # noqa: E402
from tests.router.llamas import LEARNING, TEMPLATE, make_tokenizer, random_llama, saved, teach  # noqa: E402

Opened = Callable[[str], OpenAIRouter]


def media(action: Literal["play", "next", "stop"]) -> None:
    """Steer the player."""


def timer(duration: Duration) -> None:
    """Set a timer."""


def search(query: str) -> None:
    """Search for words."""


SKILLS = Registry.of([declare(timer), declare(search), declare(media)])
LEARNT = {
    "set a timer for five minutes": 'timer(duration="5 minutes")',
    "look for green shoes": 'search(query="green shoes")',
    "next song, and search for nuts": 'media(action="next")\nsearch(query="nuts")',
    "no I was talking to my sister": "other()",
}
SORRY = "sorry"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the small model."""
    rows = []
    for text, way in [*((text, "") for text in LEARNT), ("look for green shoes", SCHEMA), ("look for green shoes", TOOLS)]:
        asked = messages(SKILLS, text)
        asked[0]["content"] += _WRITTEN_AS.get(way, "")
        rows.append((asked, SORRY if way else LEARNT[text]))
    prompts = [Template(TEMPLATE).render(messages=asked, add_generation_prompt=True) for asked, _ in rows]
    tokenizer = make_tokenizer(prompts)
    torch.set_num_threads(1)
    network = random_llama(tokenizer, 1, **LEARNING)
    teach(network, tokenizer, [(prompt, answer) for prompt, (_, answer) in zip(prompts, rows, strict=True)])
    return saved(tmp_path_factory.mktemp("model"), network, tokenizer)


@pytest.fixture(scope="module")
def transformers_serve(model: Path) -> Iterator[str]:
    """The address of `transformers serve` with the small model."""
    pytest.importorskip("fastapi", reason="transformers serve needs it")
    pytest.importorskip("uvicorn", reason="transformers serve needs it")
    from transformers.cli.serve import Serve

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = Serve(force_model=str(model), host="127.0.0.1", port=port, device="cpu", log_level="error", non_blocking=True)
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            httpx.get(f"{url}/health", timeout=5)
            break
        except httpx.TransportError:
            time.sleep(0.1)
    yield url
    server.kill_server()


@pytest.fixture(scope="module")
def llama_cpp(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of llama.cpp's server with the small model."""
    xllamacpp = pytest.importorskip("xllamacpp", reason="llama.cpp's server is in it")
    pytest.importorskip("gguf", reason="the model is written with it")
    from finetune.export.gguf import write_gguf

    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    write_gguf(model, file, "f32", TEMPLATE, {"general.name": "small"})
    given = xllamacpp.CommonParams()
    given.model.path = str(file)
    given.n_ctx, given.n_parallel, given.warmup, given.verbosity, given.cpuparams.n_threads = 4096, 1, False, -1, 1
    server = xllamacpp.Server(given)
    yield server.listening_address
    del server


@pytest.fixture
def opened(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    def make(url: str) -> OpenAIRouter:
        (tmp_path / "config.toml").write_text(f'[router]\nengine = "openai"\nmodel = "{model}"\nbase_url = "{url}/v1"\n')
        return OpenAIRouter(SKILLS, load_settings(environ={"OTTO_HOME": str(tmp_path)}))

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return make


def said(router: OpenAIRouter, text: str) -> str:
    route = router.route(text)
    assert route.invalid is None, route.invalid
    return "\n".join(map(str, route.calls))


# --- transformers serve


def test_transformers_serve_takes_no_schema_and_says_nothing(transformers_serve: str, opened: Opened, tmp_path: Path, model: Path) -> None:
    """It ignores what it does not know: the answers alone tell."""
    router = opened(transformers_serve)
    assert {text: said(router, text) for text in reversed(LEARNT)} == LEARNT
    assert router.spent.requests == len(LEARNT) + 2  # asked under a schema, and for functions, once
    known = Memory(tmp_path / "cache", f"{transformers_serve}/v1", str(model)).read()
    assert (known.software, known.way, known.lacks) == ("", "text", {"schema", "tools"})
    again = opened(transformers_serve)
    assert (said(again, "look for green shoes"), again.spent.requests) == ('search(query="green shoes")', 1)


def test_transformers_serve_refuses_a_field_that_it_does_not_know(transformers_serve: str, opened: Opened, tmp_path: Path, model: Path) -> None:
    router = opened(transformers_serve)
    router._known.software = LLAMA_CPP  # what stood at this address before
    assert said(router, "look for green shoes") == 'search(query="green shoes")'
    known = Memory(tmp_path / "cache", f"{transformers_serve}/v1", str(model)).read()
    assert known.way == "text"


# --- llama.cpp


def test_llama_cpp_is_known_by_its_answers_and_held_to_the_grammar(llama_cpp: str, opened: Opened, tmp_path: Path, model: Path) -> None:
    router = opened(llama_cpp)
    assert {text: said(router, text) for text in LEARNT} == LEARNT
    known = Memory(tmp_path / "cache", f"{llama_cpp}/v1", str(model)).read()
    assert (known.software, known.way, known.without) == ("llama.cpp", "grammar", set())
    again = opened(llama_cpp)
    route = again.route("look for green shoes")
    assert (str(route.calls[0]), again.spent.requests) == ('search(query="green shoes")', 1)
    assert route.confidence > 0.5
    assert again.spent.tokens > 100


@pytest.mark.parametrize("text", ["", "☃ <|im_end|>", "tell me a story", "set a timer", 'x"); import os'])
def test_what_the_model_never_heard_is_a_call_too(llama_cpp: str, opened: Opened, text: str) -> None:
    router = opened(llama_cpp)
    router.route("look for green shoes")
    route = router.route(text)
    assert route.invalid is None
    assert all(call.name == "other" or SKILLS.get(call.name).validate(call) is not None for call in route.calls)


def post(url: str, **fields: object) -> httpx.Response:
    asked = messages(SKILLS, "look for green shoes")
    return httpx.post(f"{url}/v1/chat/completions", json={"messages": asked, "max_tokens": 200, "temperature": 0, **fields}, timeout=60)


def test_llama_cpp_reads_every_grammar_that_otto_writes(llama_cpp: str) -> None:
    bundled = Registry.load(entry_points=False)
    assert post(llama_cpp, grammar=gbnf(bundled, several=True)).status_code == 200
    assert post(llama_cpp, response_format=answer_schema(bundled), max_tokens=8).status_code == 200
    assert post(llama_cpp, tools=tools(bundled), tool_choice="required", max_tokens=8).status_code == 200
    assert post(llama_cpp, grammar=gbnf([]), max_tokens=20).json()["choices"][0]["message"]["content"] == "other()"
    refused = post(llama_cpp, grammar="root ::= [")
    assert (refused.status_code, "grammar" in refused.text) == (400, True)


def test_llama_cpp_keeps_to_the_schema(llama_cpp: str) -> None:
    answer = post(llama_cpp, response_format=answer_schema(SKILLS), max_tokens=2000).json()["choices"][0]
    assert answer["finish_reason"] == "length" or json.loads(answer["message"]["content"])["calls"] is not None
