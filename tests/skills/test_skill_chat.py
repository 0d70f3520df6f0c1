"""openai and story against an OpenAI-compatible server on this machine, which streams, stalls, refuses and dies."""

from __future__ import annotations

import json
import threading

import pytest
from desk import Desk

from tests.web import Answer, Request, Site

PIECES = ["Once upon ", "a time there was a fox. It ", "lived", " well.", ""]


def chunk(content: str | None, finish: str | None = None) -> bytes:
    """One event, as OpenAI's API streams it."""
    delta = {} if content is None else {"content": content}
    body = {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1795190400, "model": "tiny", "system_fingerprint": None,
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }  # fmt: skip
    return f"data: {json.dumps(body)}\n\n".encode()


def send(request: Request, *events: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "text/event-stream")
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    add(request, *events)


def add(request: Request, *events: bytes) -> None:
    for event in events:
        request.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        request.wfile.flush()


def finish(request: Request) -> None:
    request.wfile.write(b"0\r\n\r\n")


def whole_answer(request: Request) -> Answer | None:
    opening = chunk("").replace(b'"content"', b'"role": "assistant", "content"')
    send(request, opening, *map(chunk, PIECES), chunk(None, "stop"), b'data: {"choices": [], "usage": {"total_tokens": 9}}\n\n', b"data: [DONE]\n\n")
    finish(request)
    return None


@pytest.fixture
def chat_desk(desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    site.routes["/v1/chat/completions"] = whole_answer
    desk.configure(f'[openai]\nbase_url = "{site.url}/v1"\nmodel = "tiny"\n')
    return desk


def asked(site: Site) -> dict[str, object]:
    return dict(json.loads(site.requests[-1].body))


def test_an_answer_is_streamed(chat_desk: Desk, site: Site) -> None:
    assert chat_desk.says('openai(prompt="tell me of a fox")') == "Once upon a time there was a fox. It lived well."
    assert chat_desk.listener.said == ["Once upon a time there was a fox.", "It lived well."]
    request = asked(site)
    assert (request["model"], request["stream"]) == ("tiny", True)
    assert request["messages"][-1] == {"role": "user", "content": "tell me of a fox"}  # type: ignore[index]


def test_the_first_sentence_is_said_while_the_rest_is_still_to_come(chat_desk: Desk, site: Site) -> None:
    told = threading.Event()
    chat_desk.listener.say = lambda text: told.set()  # type: ignore[method-assign]

    def wait_in_between(request: Request) -> None:
        send(request, chunk("First. "), chunk("Second"))
        assert told.wait(30)
        add(request, chunk(" part."), b"data: [DONE]\n\n")
        finish(request)

    site.routes["/v1/chat/completions"] = wait_in_between
    assert chat_desk.says('openai(prompt="x")') == "First. Second part."


@pytest.mark.parametrize(("call", "wish"), [("story()", "Tell me a story."), ('story(description="a brave snail")', "Tell me a story about a brave snail.")])
def test_a_story(chat_desk: Desk, site: Site, call: str, wish: str) -> None:
    assert chat_desk.says(call).startswith("Once upon a time")
    system, user = asked(site)["messages"]  # type: ignore[misc]
    assert "stories" in system["content"]
    assert user["content"] == wish


def test_the_key_comes_from_the_variable_that_the_settings_name(chat_desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    chat_desk.configure((chat_desk.home / "config.toml").read_text() + 'api_key_env = "MY_KEY"\n')
    chat_desk.says('openai(prompt="x")')
    assert site.requests[-1].headers["Authorization"] == "Bearer sk-secret"


@pytest.mark.parametrize("call", ['openai(prompt="x")', "story()"])
def test_no_key(desk: Desk, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert desk.fails(call) == (
        "OpenAI needs a key and there is none; put it in the environment variable OPENAI_API_KEY, "
        "or use a server of your own: `otto config set openai.base_url http://localhost:11434/v1`."
    )


def test_no_model(chat_desk: Desk) -> None:
    chat_desk.configure((chat_desk.home / "config.toml").read_text().replace('"tiny"', '""'))
    assert chat_desk.fails('openai(prompt="x")') == "No model is chosen to answer; name one with `otto config set openai.model NAME`."


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "HOST refused the key; put a valid one in the environment variable OPENAI_API_KEY."),
        (404, "HOST has no model tiny; see `otto config show` for openai.base_url, or choose another with `otto config set openai.model NAME`."),
        (429, "HOST allows no more requests for now; wait a little, or check the account's limits."),
        (500, "HOST failed with status 500; try again later."),
        (503, "HOST failed with status 503; try again later."),
    ],
)
def test_refusals(chat_desk: Desk, site: Site, status: int, sentence: str) -> None:
    site.serve("/v1/chat/completions", '{"error": {"message": "no", "type": "x", "code": null}}', status=status)
    assert chat_desk.fails('openai(prompt="x")') == sentence.replace("HOST", site.url.removeprefix("http://"))
    assert len(site.requests) == 1


def test_death_in_the_middle_of_the_answer(chat_desk: Desk, site: Site) -> None:
    def die(request: Request) -> None:
        send(request, chunk("It was a dark night. And "))
        request.close_connection = True  # without the end that a chunked body needs

    site.routes["/v1/chat/completions"] = die
    said = chat_desk.fails('openai(prompt="x")')
    assert said == f"{site.url.removeprefix('http://')} stopped in the middle of its answer; try again."
    assert chat_desk.listener.said == ["It was a dark night."]


@pytest.mark.parametrize("event", [b"data: {not json\n\n", b"data: []\n\n", b'data: {"choices": [{"delta": {"content": 5}}]}\n\n', b'data: {"error": {"message": "out of memory"}}\n\n'])
def test_garbage_in_the_stream(chat_desk: Desk, site: Site, event: bytes) -> None:
    def garble(request: Request) -> None:
        send(request, event)
        finish(request)

    site.routes["/v1/chat/completions"] = garble
    assert chat_desk.fails('openai(prompt="x")').startswith(f"{site.url.removeprefix('http://')} gave an answer that cannot be read; ")


@pytest.mark.parametrize("body", ["", "<html>login</html>", "{}"])
def test_an_answer_that_is_no_stream(chat_desk: Desk, site: Site, body: str) -> None:
    site.serve("/v1/chat/completions", body, kind="text/html")
    assert chat_desk.fails('openai(prompt="x")') == f"{site.url.removeprefix('http://')} gave an empty answer; try again, or choose another model."


def test_a_server_that_falls_silent(chat_desk: Desk, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otto.chat._SILENT_SECONDS", 0.3)
    site.hang("/v1/chat/completions")
    assert chat_desk.fails('openai(prompt="x")') == f"{site.url.removeprefix('http://')} took too long; try again, or choose a smaller model."


def test_nobody_listens(desk: Desk, no_network_port: str) -> None:
    desk.configure(f'[openai]\nbase_url = "{no_network_port}/v1"\nmodel = "tiny"\n')
    host = no_network_port.removeprefix("http://")
    assert desk.fails('openai(prompt="x")') == f"{host} is out of reach; check the network and `otto config show` openai.base_url."
