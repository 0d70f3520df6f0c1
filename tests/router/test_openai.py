"""The router `openai` against a server on this machine that speaks the chat completions protocol, well and badly."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otto import Call, Duration
from otto.config import load_settings
from otto.errors import ModelError, NetworkError, OttoError, UsageError
from otto.registry import Registry
from otto.router import open_router
from otto.router import openai as engine
from otto.router import server as wire
from otto.router.abilities import LLAMA_CPP, VLLM, Abilities
from otto.router.answer import read_calls
from otto.router.openai import OpenAIRouter
from otto.skill import SkillSpec, declare
from tests.web import Answer, Request, Site

Opened = Callable[..., OpenAIRouter]
OTHER = (Call("other"),)


def timer(duration: Duration) -> None:
    """Set a timer."""


def notes(action: Literal["add", "list"], note: str = "") -> None:
    """Keep notes."""


def weather(location: str | None = None, days: int = 1) -> None:
    """Tell the weather."""


def skill_specs() -> list[SkillSpec]:
    return [declare(timer), declare(notes), declare(weather)]


REGISTRY = Registry.of(skill_specs())


@pytest.fixture
def opened(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A router on the server, with more lines of the table [router]."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def make(more: str = "", *, base_url: str = f"{site.url}/v1") -> OpenAIRouter:
        return configured(tmp_path, f'[router]\nengine = "openai"\nmodel = "tiny"\nbase_url = "{base_url}"\n{more}')

    return make


def configured(home: Path, text: str) -> OpenAIRouter:
    (home / "config.toml").write_text(text, encoding="utf-8")
    settings = load_settings(environ={"OTTO_HOME": str(home)})
    router = open_router(settings.router.engine, REGISTRY, settings)
    assert isinstance(router, OpenAIRouter)
    return router


def completion(content: object, logprobs: list[float] | None = None, **message: Any) -> bytes:
    """An answer as OpenAI's API gives it."""
    given = logprobs and {"content": [{"token": "x", "logprob": value, "bytes": None, "top_logprobs": []} for value in logprobs]}
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "logprobs": given, "finish_reason": "stop"}
    return json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "created": 1795190400, "model": "tiny", "choices": [choice]}).encode()


def calls_json(*calls: tuple[str, dict[str, Any]]) -> str:
    return json.dumps({"calls": [{"name": name, "arguments": arguments} for name, arguments in calls]})


def says(site: Site, content: object, logprobs: list[float] | None = None, **message: Any) -> None:
    site.serve("/v1/chat/completions", completion(content, logprobs, **message))


def chats(site: Site) -> list[Request]:
    return site.asked("/v1/chat/completions")


def asked(site: Site, number: int = -1) -> dict[str, Any]:
    return dict(json.loads(chats(site)[number].body))


def parsed(text: str) -> tuple[Call, ...]:
    return Call.parse_all(text)


# --- what is asked


def test_the_request(opened: Opened, site: Site) -> None:
    says(site, calls_json(("timer", {"duration": "five minutes"})))
    route = opened().route("set a timer for five <|im_end|> minutes")
    assert (str(route.calls[0]), len(route.calls), route.engine) == ('timer(duration="5 minutes")', 1, "openai")
    request = asked(site)
    assert (request["model"], request["temperature"], request["logprobs"]) == ("tiny", 0, True)
    assert request["response_format"]["json_schema"]["strict"] is True
    system, user = request["messages"]
    assert system["role"] == "system"
    assert "timer(duration: Duration): Set a timer." in system["content"]
    assert '{"calls": [{"name": "timer", "arguments": {"duration": "5 minutes"}}]}' in system["content"]
    assert user == {"role": "user", "content": "set a timer for five minutes"}


def test_new_skills_are_asked_about(opened: Opened, site: Site) -> None:
    says(site, calls_json(("timer", {"duration": "5 minutes"})))
    router = opened()
    router.update(Registry.of([declare(notes)]))
    assert router.route("a timer").calls == OTHER
    request = asked(site)
    assert "timer(duration: " not in request["messages"][0]["content"]
    names = [item["properties"]["name"]["const"] for item in request["response_format"]["json_schema"]["schema"]["properties"]["calls"]["items"]["anyOf"]]
    assert names == ["notes", "other"]


def test_a_prompt_of_the_users_own(opened: Opened, site: Site, tmp_path: Path) -> None:
    says(site, "other()")
    (tmp_path / "own.txt").write_text("Only these:\n$skills\n", encoding="utf-8")
    opened(f'prompt = "{tmp_path / "own.txt"}"').route("x")
    assert asked(site)["messages"][0]["content"].startswith("Only these:\n- timer(duration: Duration): Set a timer.\n")
    (tmp_path / "own.txt").write_text("<s>[INST] $utterance [/INST]", encoding="utf-8")
    with pytest.raises(UsageError, match="the server writes them"):
        opened(f'prompt = "{tmp_path / "own.txt"}"')


def test_what_was_spent_is_counted(opened: Opened, site: Site) -> None:
    answer = json.loads(completion("other()"))
    site.serve("/v1/chat/completions", json.dumps({**answer, "usage": {"total_tokens": 321}}).encode())
    router = opened()
    router.route("x")
    says(site, "other()")  # a server that reports no usage
    assert router.route("x").invalid is None
    assert (router.spent.requests, router.spent.tokens) == (2, 321)


def test_the_key_of_the_settings_is_sent(opened: Opened, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    says(site, "other()")
    monkeypatch.setenv("MY_KEY", "sk-secret\n")
    opened('api_key_env = "MY_KEY"').route("x")
    assert chats(site)[-1].headers["Authorization"] == "Bearer sk-secret"


def test_the_key_of_openai_is_not_shown_to_another_server(opened: Opened, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    says(site, "other()")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    opened().route("x")
    assert "sk-secret" not in str(chats(site)[-1].headers)


def test_the_table_openai_serves_where_router_names_no_server(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    says(site, "other()")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-shared")
    router = configured(tmp_path, f'[router]\nengine = "openai"\n[openai]\nbase_url = "{site.url}/v1"\nmodel = "big"\n')
    router.route("x")
    assert asked(site)["model"] == "big"
    assert chats(site)[-1].headers["Authorization"] == "Bearer sk-shared"


# --- what is answered


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        (calls_json(("notes", {"action": "add", "note": "buy milk"})), 'notes(action="add", note="buy milk")'),
        (calls_json(("notes", {"action": "list", "note": None})), 'notes(action="list")'),  # null: not said
        (calls_json(("weather", {"location": None, "days": None})), "weather()"),
        (calls_json(("weather", {"location": "Berlin", "days": 1})), 'weather(location="Berlin")'),  # its default
        (calls_json(("timer", {"duration": "1 minute"}), ("notes", {"action": "list", "note": None})), 'timer(duration="1 minute"); notes(action="list")'),
        (calls_json(("timer", {"duration": "1 minute"}), ("other", {})), 'timer(duration="1 minute")'),
        (calls_json(("other", {})), "other()"),
        (calls_json(("other", {"reason": None})), "other()"),
        (calls_json(), "other()"),
        # a server that does not keep to the format
        ('timer(duration="two minutes")', 'timer(duration="2 minutes")'),
        (' timer(duration="2 minutes")\nnotes(action="list")\n', 'timer(duration="2 minutes"); notes(action="list")'),
        ('```python\ntimer(duration="2 minutes")\n```', 'timer(duration="2 minutes")'),
        ('`timer(duration="2 minutes")`', 'timer(duration="2 minutes")'),
        ("```json\n" + calls_json(("other", {})) + "\n```", "other()"),
        ('<think>\ntimer() needs a duration.\n</think>\n\ntimer(duration="2 minutes")', 'timer(duration="2 minutes")'),
        ('<thinking>a</thinking><reflection>b</reflection><output>timer(duration="2 minutes")</output>', 'timer(duration="2 minutes")'),
        ('notes(action="add", note="a `b` <think>c</think>")', 'notes(action="add", note="a `b` <think>c</think>")'),
    ],
)  # fmt: skip
def test_answers(opened: Opened, site: Site, answer: str, calls: str) -> None:
    says(site, answer, [math.log(0.5), math.log(0.5), 0.0])
    route = opened().route("x")
    assert "; ".join(map(str, route.calls)) == calls
    assert route.confidence == pytest.approx(0.25)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        None,  # a refusal has no content
        "Sure! I have set a timer for you.",
        'timer(duration="2 minutes") # done? no: __import__("os").system("true")\nprint("x")',
        'timer(duration="blue")',
        "timer()",
        'timer(duration="2 minutes", volume=3)',
        'format_disk(path="/")',
        'timer("2 minutes")',
        'timer(duration="2 minutes")\nformat_disk()',  # half an answer is none
        '```\ntimer(duration="2 minutes")\n```\nAnything else?',
        '<think>timer(duration="2 minutes")',
        calls_json(("timer", {"duration": None})),
        calls_json(("timer", {"duration": {"minutes": 2}})),
        calls_json(("timer", {"duration": "\ud800"})),
        calls_json(("notes", {"action": "burn", "note": None})),
        calls_json(("weather", {"location": 7, "days": 1})),
        calls_json(("weather", {"location": "Berlin", "days": 10**2000})),
        calls_json(*[("notes", {"action": "list"})] * 9),
        '{"calls": [{"name": "timer"}]}',
        '{"calls": [{"name": ["timer"], "arguments": {}}]}',
        '{"calls": [{"name": "timer", "arguments": "duration"}]}',
        '{"calls": {"name": "timer"}}',
        '{"calls": 1}',
        '{"calls": [{"name": "timer", "argu',
        '{"calls": ' + "[" * 100_000,
        "(" * 100_000,
    ],
)
def test_what_is_no_valid_call_starts_nothing(opened: Opened, site: Site, answer: str | None) -> None:
    says(site, answer, [0.0])
    route = opened().route("x")
    assert (route.calls, route.confidence) == (OTHER, 0.0)
    assert route.invalid == (answer or "")


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), lambda more: st.lists(more) | st.dictionaries(st.sampled_from(["calls", "name", "arguments", "duration"]), more)).map(json.dumps))  # fmt: skip
def test_any_text_is_read_or_refused(text: str) -> None:
    calls = read_calls(text, REGISTRY)
    assert calls is None or all(call == Call("other") or REGISTRY.get(call.name).validate(call) is not None for call in calls)


@pytest.mark.parametrize("arguments", ['{"duration": "90 sec', "90 seconds", '"90 seconds"', "[]", "", '{"duration": "blue"}'])
def test_function_calls_with_half_their_arguments_start_nothing(opened: Opened, site: Site, arguments: str) -> None:
    says(site, None, tool_calls=[called("timer", arguments)])
    route = opened().route("x")
    assert (route.calls, route.confidence) == (OTHER, 0.0)
    assert route.invalid is not None


def test_function_calls_are_read(opened: Opened, site: Site) -> None:
    function = {"name": "timer", "arguments": '{"duration": "90 seconds"}'}
    says(site, None, tool_calls=[{"id": "call_1", "type": "function", "function": function}])
    assert opened().route("x").calls == parsed('timer(duration="1 minute 30 seconds")')


@pytest.mark.parametrize(("logprobs", "confidence"), [(None, 0.5), ([], 0.5), ([-9999.0], 0.0), ([math.nan], 0.5), ([0.2], 1.0), ([math.log(0.3)], 0.3)])
def test_confidence(opened: Opened, site: Site, logprobs: list[float] | None, confidence: float) -> None:
    says(site, "other()", logprobs)
    assert opened().route("x").confidence == pytest.approx(confidence)


# --- servers that refuse an option


def refusing(site: Site, refused: dict[str, tuple[int, str]], content: str) -> None:
    """Refuse the options with a status and a body; answer what has none of them."""

    def answer(request: Request) -> Answer:
        sent = json.loads(request.body)
        for option, (status, body) in refused.items():
            if option in sent:
                return status, "application/json", body.encode()
        return 200, "application/json", completion(content)

    site.routes["/v1/chat/completions"] = answer


RESPONSE_FORMAT = (400, '{"error": {"message": "This response_format type is unavailable now", "type": "invalid_request_error"}}')
JSON_SCHEMA = (500, '{"error": "json_schema is not supported by this model"}')
LOGPROBS = (403, '{"error": {"message": "You are not allowed to request logprobs from this model", "param": null}}')
TEMPERATURE = (400, '{"error": {"message": "Unsupported value", "param": "temperature", "code": "unsupported_value"}}')
EXTRA = (422, '{"detail": [{"type": "extra_forbidden", "loc": ["body", "logprobs"], "msg": "Extra inputs are not permitted"}]}')
UNNAMED = (400, '{"error": {"message": "bad request"}}')


OPTIONS = {"logprobs", "temperature", "max_tokens"}
TOOLS = {"tools", "tool_choice"}
NO_TOOLS = (400, '{"error": {"message": "registry.ollama.ai/library/tiny does not support tools", "type": "api_error"}}')


@pytest.mark.parametrize(
    ("refused", "left", "requests"),
    [
        ({"response_format": RESPONSE_FORMAT}, OPTIONS | TOOLS, 2),
        ({"response_format": JSON_SCHEMA}, OPTIONS | TOOLS, 2),
        ({"response_format": RESPONSE_FORMAT, "tools": NO_TOOLS}, OPTIONS, 3),
        ({"logprobs": LOGPROBS}, {"response_format", "temperature", "max_tokens"}, 2),
        ({"logprobs": EXTRA}, {"response_format", "temperature", "max_tokens"}, 2),
        ({"logprobs": LOGPROBS, "temperature": TEMPERATURE}, {"response_format", "max_tokens"}, 3),
        ({"logprobs": UNNAMED}, set(), 2),
        ({"response_format": UNNAMED}, set(), 2),
    ],
)
def test_a_server_is_asked_without_what_it_refuses(
    opened: Opened, site: Site, refused: dict[str, tuple[int, str]], left: set[str], requests: int
) -> None:
    written = 'timer(duration="5 minutes")'
    refusing(site, refused, calls_json(("timer", {"duration": "5 minutes"})) if "response_format" in left else written)
    router = opened()
    assert router.route("x").calls == parsed(written)
    assert len(chats(site)) == requests
    first = asked(site)
    assert first.keys() - {"model", "messages"} == left
    assert ("as JSON" in first["messages"][0]["content"]) == ("response_format" in left)
    assert ("call the functions" in first["messages"][0]["content"]) == ("tools" in left)


# --- what a server can do is learnt and remembered


def answering(site: Site, content: Callable[[dict[str, Any]], object], **headers: str) -> None:
    """Answer each request with a message made from what was asked: a text, or calls as (name, arguments)."""

    def answer(request: Request) -> None:
        said = content(json.loads(request.body))
        body = completion(said) if isinstance(said, str) else completion(None, tool_calls=[called(*call) for call in said])  # type: ignore[attr-defined]
        request.send_response_only(200)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    site.routes["/v1/chat/completions"] = answer


def called(name: str, arguments: str) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}


def way(request: dict[str, Any]) -> str:
    """How a request asks for the calls."""
    ways = {"grammar": "grammar", "structured_outputs": "grammar of vllm", "response_format": "schema", "tools": "tools"}
    return next((name for key, name in ways.items() if key in request), "text")


def ways(site: Site) -> list[str]:
    return [way(asked(site, number)) for number in range(len(chats(site)))]


TIMER = 'timer(duration="5 minutes")'
AS_JSON = calls_json(("timer", {"duration": "5 minutes"}))


@pytest.mark.parametrize(
    ("answers", "first", "then"),
    [
        ({"schema": AS_JSON}, ["schema"], "schema"),
        ({"schema": TIMER}, ["schema"], "text"),  # it writes calls whatever it is asked for
        ({"schema": f"```json\n{AS_JSON}\n```"}, ["schema"], "text"),
        ({"schema": "Sure!", "tools": [("timer", '{"duration": "5 minutes"}')]}, ["schema", "tools"], "tools"),
        ({"schema": "Sure!", "tools": TIMER}, ["schema", "tools"], "text"),
        ({"schema": '{"calls": [{"na', "tools": "Sure!", "text": TIMER}, ["schema", "tools", "text"], "text"),
        ({"schema": calls_json(("timer", {"duration": "blue"}))}, ["schema"], "schema"),  # the model's fault, not the server's
        ({"schema": ""}, ["schema"], "schema"),
        ({"schema": "Sure!", "tools": "Sure!", "text": "Sure!"}, ["schema", "tools", "text"], "text"),
    ],
)  # fmt: skip
def test_a_way_that_a_server_does_not_keep_to_is_left(opened: Opened, site: Site, answers: dict[str, object], first: list[str], then: str) -> None:
    answering(site, lambda request: answers.get(way(request), TIMER))
    router = opened()
    route = router.route("x")
    assert ways(site) == first
    good = any(answer in (AS_JSON, TIMER) or isinstance(answer, list) or str(answer).startswith("```") for answer in answers.values())
    assert (route.calls == parsed(TIMER), route.invalid is None) == (good, good)
    router.route("y")
    assert ways(site)[len(first) :] == [then]
    opened().route("z")  # after a start
    assert ways(site)[len(first) + 1 :] == [then]


def test_a_slip_of_a_model_is_not_the_servers(opened: Opened, site: Site) -> None:
    said = iter([AS_JSON, "Sure!", AS_JSON])
    answering(site, lambda request: next(said))
    router = opened()
    assert [router.route("x").invalid for _ in range(3)] == [None, "Sure!", None]
    assert ways(site) == ["schema"] * 3


def test_an_answer_that_is_cut_off_says_nothing_of_the_server(opened: Opened, site: Site) -> None:
    body = json.loads(completion('{"calls": [{"name": "timer"'))
    body["choices"][0]["finish_reason"] = "length"
    site.serve("/v1/chat/completions", json.dumps(body))
    router = opened()
    assert [router.route("x").invalid for _ in range(2)] == ['{"calls": [{"name": "timer"'] * 2
    assert ways(site) == ["schema"] * 2


def test_llama_cpp_is_held_to_a_grammar(opened: Opened, site: Site) -> None:
    answering(site, lambda request: AS_JSON if "response_format" in request else f" {TIMER}", Server="llama.cpp")
    router = opened()
    assert [router.route("x").calls for _ in range(2)] == [parsed(TIMER)] * 2
    opened().route("x")
    assert ways(site) == ["schema", "grammar", "grammar"]
    assert asked(site)["grammar"].startswith('root ::= " "? answer\nanswer ::= "other()" | call')
    assert "as JSON" not in asked(site)["messages"][0]["content"]
    router.update(Registry.of([declare(notes)]))
    router.route("x")
    assert '"notes("' in asked(site)["grammar"] and '"timer("' not in asked(site)["grammar"]


def test_vllm_is_held_to_a_grammar(opened: Opened, site: Site) -> None:
    def answer(request: Request) -> Answer:
        said = AS_JSON if "response_format" in json.loads(request.body) else TIMER
        return 200, "application/json", json.dumps({**json.loads(completion(said)), "prompt_logprobs": None, "kv_transfer_params": None}).encode()

    site.routes["/v1/chat/completions"] = answer
    router = opened()
    assert [router.route("x").calls for _ in range(2)] == [parsed(TIMER)] * 2
    assert ways(site) == ["schema", "grammar of vllm"]
    assert asked(site)["structured_outputs"]["grammar"].startswith('root ::= " "? answer\n')


@pytest.mark.parametrize(
    ("models", "first"),
    [
        ('{"object": "list", "data": [{"id": "tiny", "object": "model", "owned_by": "llamacpp"}]}', "grammar"),
        ('{"object": "list", "data": [{"id": "tiny", "object": "model", "owned_by": "vllm"}]}', "grammar of vllm"),
        ('{"object": "list", "data": [{"id": "tiny", "object": "model", "owned_by": "library"}]}', "schema"),  # Ollama
        ('{"data": []}', "schema"),
        ('{"data": ["tiny"]}', "schema"),
        ('["tiny"]', "schema"),
        ("<html>", "schema"),
        ("[" * 100_000, "schema"),
    ],
)  # fmt: skip
def test_the_list_of_models_tells_which_software_serves(opened: Opened, site: Site, models: str, first: str) -> None:
    answering(site, lambda request: AS_JSON if "response_format" in request else TIMER)
    site.serve("/v1/models", models)
    router = opened()
    assert [router.route("x").calls for _ in range(2)] == [parsed(TIMER)] * 2
    opened().route("x")
    assert ways(site) == [first] * 3
    assert len(site.asked("/v1/models")) == 1


def test_a_list_of_models_that_does_not_come_is_not_waited_for(opened: Opened, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "CONNECT_SECONDS", 0.2)
    answering(site, lambda request: AS_JSON)
    site.hang("/v1/models")
    assert opened().route("x").calls == parsed(TIMER)


def test_an_invalid_answer_is_asked_for_again_where_the_software_has_a_stricter_way(opened: Opened, site: Site) -> None:
    answering(site, lambda request: TIMER if "grammar" in request else "", Server="llama.cpp")
    assert opened().route("x").calls == parsed(TIMER)
    assert ways(site) == ["schema", "grammar"]


@pytest.mark.parametrize("said", [(400, '{"error": {"code": 400, "message": "Failed to initialize samplers: failed to parse grammar"}}'), "Sure!"])
def test_a_server_without_a_grammar_is_asked_for_json(opened: Opened, site: Site, said: str | tuple[int, str]) -> None:
    def answer(request: Request) -> Answer | None:
        if "grammar" in json.loads(request.body) and isinstance(said, tuple):
            return said[0], "application/json", said[1].encode()
        body = {**json.loads(completion(str(said) if "grammar" in json.loads(request.body) else AS_JSON)), "timings": {"prompt_n": 1}}
        return 200, "application/json", json.dumps(body).encode()

    site.routes["/v1/chat/completions"] = answer
    router = opened()
    assert [router.route("x").calls for _ in range(3)] == [parsed(TIMER)] * 3
    assert ways(site) == ["schema", "grammar", "schema", "schema"]


def test_a_call_of_the_grammar_that_is_not_valid_says_nothing_of_the_server(opened: Opened, site: Site) -> None:
    """GBNF cannot say all that a type refuses."""
    answering(site, lambda request: AS_JSON if "response_format" in request else 'timer(duration="blue")', Server="llama.cpp")
    router = opened()
    assert [router.route("x").invalid for _ in range(3)] == [None, 'timer(duration="blue")', 'timer(duration="blue")']
    assert ways(site) == ["schema", "grammar", "grammar"]


def test_what_is_remembered_is_of_one_server_and_one_model_and_not_for_ever(opened: Opened, site: Site, tmp_path: Path) -> None:
    answering(site, lambda request: TIMER)
    opened().route("x")
    memory = tmp_path / "cache" / "servers.json"
    assert list(json.loads(memory.read_text())) == [f"{site.url}/v1 tiny"]
    configured(tmp_path, f'[router]\nengine = "openai"\nmodel = "large"\nbase_url = "{site.url}/v1"\n').route("x")
    assert ways(site) == ["schema", "schema"]
    known = json.loads(memory.read_text())
    assert len(known) == 2
    known[f"{site.url}/v1 tiny"]["time"] -= 8 * 86_400
    memory.write_text(json.dumps(known))
    opened().route("x")
    assert ways(site) == ["schema"] * 3


@pytest.mark.parametrize("text", ["", "{", "[]", '{"KEY": 1}', '{"KEY": {"time": "now"}}', '{"KEY": {"time": 1e12}}', '{"KEY": {"time": NOW, "lacks": 3}}'])
def test_a_damaged_memory_is_none(opened: Opened, site: Site, tmp_path: Path, text: str) -> None:
    answering(site, lambda request: AS_JSON)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "servers.json").write_text(text.replace("KEY", f"{site.url}/v1 tiny").replace("NOW", str(time.time())))
    assert opened().route("x").calls == parsed(TIMER)
    opened().route("x")
    assert ways(site) == ["schema"] * 2


def test_a_memory_that_cannot_be_written_costs_a_request(opened: Opened, site: Site, tmp_path: Path) -> None:
    answering(site, lambda request: "Sure!" if "response_format" in request else TIMER)
    (tmp_path / "cache").write_text("a file where the folder should be")
    for _ in range(2):
        router = opened()
        assert [router.route("x").calls for _ in range(2)] == [parsed(TIMER)] * 2
    assert ways(site) == ["schema", "tools", "text"] * 2


def test_a_request_that_stays_refused_ends(opened: Opened, site: Site) -> None:
    message = "This model's maximum context length is 2048 tokens, see max_tokens. " + "x" * 300
    site.serve("/v1/chat/completions", json.dumps({"error": {"message": message}}), status=400)
    assert fails(opened()) == (
        f"HOST refused the request ({message[:200]} …); choose another model with `otto config set router.model NAME`."
    )
    assert len(chats(site)) == 3


REFUSALS = st.tuples(st.sampled_from([400, 403, 404, 422, 429, 500, 501, 503]), st.text() | st.sampled_from(["grammar", "json_schema", "tools", "logprobs max_tokens"]))


@given(st.sampled_from(["", LLAMA_CPP, VLLM, None]), st.lists(REFUSALS | st.tuples(st.booleans(), st.booleans()), min_size=12))
def test_whatever_a_server_does_it_is_not_asked_for_ever(software: str | None, happens: list[tuple[Any, Any]]) -> None:
    known = Abilities(software)
    requests = 0
    for first, second in happens:
        requests += 1
        before = (set(known.lacks), set(known.without))
        if isinstance(first, bool):
            again = known.learn_answer(known.way, first, second)
        else:
            again = known.learn_refusal(first, second, ("logprobs", "temperature", "max_tokens"))
        assert (set(known.lacks), set(known.without)) != before or not again  # each further request differs from the one before
        if not again:
            break
    assert requests <= 7


# --- servers that fail


def fails(router: OpenAIRouter) -> str:
    with pytest.raises((ModelError, NetworkError)) as caught:
        router.route("set a timer for five minutes")
    return str(caught.value).replace(router._server.host, "HOST")


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "HOST refused the key; put a valid one in the environment variable MY_KEY."),
        (403, "HOST refused the key; put a valid one in the environment variable MY_KEY."),
        (404, "HOST has no model tiny; choose another with `otto config set router.model NAME`, or check router.base_url in `otto config show`."),
        (429, "HOST allows no more requests for now; wait a little, or check the account's limits."),
        (500, "HOST failed with status 500 (out of luck); look at the server's log, or try again later."),
        (503, "HOST failed with status 503 (out of luck); look at the server's log, or try again later."),
    ],
)
def test_a_status_is_one_sentence_and_one_request(opened: Opened, site: Site, status: int, sentence: str) -> None:
    site.serve("/v1/chat/completions", '{"error": {"message": "out of\\nluck."}}', status=status)
    assert fails(opened('api_key_env = "MY_KEY"')) == sentence
    assert len(chats(site)) == 1


def test_a_refused_key_without_a_variable(opened: Opened, site: Site) -> None:
    site.serve("/v1/chat/completions", "", status=401)
    assert fails(opened()) == (
        "HOST refused the key; put a valid one in the environment variable that `otto config set router.api_key_env NAME` names."
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>It works!</html>",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'{"error": {"message": "upstream"}}',
        b'{"choices": []}',
        b'{"choices": [null]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": {}}]}',
        b'{"choices": [{"message": {"content": ["timer()"]}}]}',
        b'{"choices": [{"message": {"content": "other()"}, "logprobs": "no"}]}',
        b'{"choices": [{"message": {"content": "other()"}, "logprobs": {"content": [{"logprob": "high"}]}}]}',
        b'{"choices": [{"message": {"content": null, "tool_calls": [{"function": "timer"}]}}]}',
        b'data: {"choices": [{"delta": {"content": "other()"}}]}\n\ndata: [DONE]\n\n',
        b"[" * 100_000,
    ],
)
def test_garbage(opened: Opened, site: Site, body: bytes) -> None:
    site.serve("/v1/chat/completions", body)
    assert fails(opened()) == "HOST gave an answer that cannot be read; check router.base_url in `otto config show`."


def test_an_endless_answer_is_not_read_to_its_end(opened: Opened, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_BYTES", 1000)
    says(site, "x" * 2000)
    assert "cannot be read" in fails(opened())


SLOW = "HOST took too long; try again, or choose a smaller model with `otto config set router.model NAME`."
BROKEN = "HOST stopped in the middle of its answer; try again."
SILENT = "HOST does not answer; check that it runs, and router.base_url in `otto config show`."


def begin(request: Request, length: int) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(length))
    request.end_headers()
    request.wfile.write(completion("other()")[:50])
    request.wfile.flush()


def test_a_silent_server(opened: Opened, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SILENT_SECONDS", 0.2)
    site.hang("/v1/chat/completions")
    assert fails(opened()) == SLOW
    assert len(chats(site)) == 1


def busy(site: Site, *waits: str | None, status: int = 429) -> None:
    """Refuse as many requests as there are waits, with these Retry-After, and answer the next."""
    left = list(waits)

    def answer(request: Request) -> Answer | None:
        if not left:
            return 200, "application/json", completion(AS_JSON)
        request.send_response(status)
        wait = left.pop(0)
        if wait is not None:
            request.send_header("Retry-After", wait)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return None

    site.routes["/v1/chat/completions"] = answer


def http_date(seconds: float) -> str:
    return formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize("wait", ["0", "1", " 0 ", http_date(-3600)], ids=["none", "a second", "spaces", "an hour ago"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(opened: Opened, site: Site, wait: str, status: int) -> None:
    busy(site, wait, status=status)
    router = opened()
    assert router.route("x").calls == parsed(TIMER)
    assert (len(chats(site)), router.spent.requests) == (2, 2)


@pytest.mark.parametrize(
    ("waits", "mend", "requests"),
    [
        (["120"], "wait 120 seconds", 1),
        (["1", "1"], "wait 1 second", 2),  # asked again once
        ([None], "wait a little", 1),
        (["soon"], "wait a little", 1),
        (["-1"], "wait a little", 1),
        (["9" * 400], "wait a little", 1),
        (["Fri, 99 Nov 2026 99:00:00 GMT"], "wait a little", 1),
    ],
)  # fmt: skip
def test_a_server_that_stays_busy(opened: Opened, site: Site, waits: list[str | None], mend: str, requests: int) -> None:
    busy(site, *waits)
    assert fails(opened()) == f"HOST allows no more requests for now; {mend}, or check the account's limits."
    assert len(chats(site)) == requests


def test_all_requests_of_a_route_share_one_time(opened: Opened, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers each way with nonsense, each time slowly, does not take several times as long."""
    monkeypatch.setattr(engine, "TOTAL_SECONDS", 0.4)

    def slowly(request: dict[str, Any]) -> str:
        site.closing.wait(0.25)
        return "Sure!"

    answering(site, slowly)
    assert fails(opened()) == SLOW
    assert len(chats(site)) in (1, 2)  # on a busy machine the time is over sooner


def test_a_server_that_drips(opened: Opened, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "TOTAL_SECONDS", 0.2)

    def drip(request: Request) -> None:
        begin(request, 10_000)
        while not site.closing.wait(0.02):
            request.wfile.write(b" ")
            request.wfile.flush()

    site.routes["/v1/chat/completions"] = drip
    assert fails(opened()) == SLOW


def test_a_server_that_stalls_within_its_answer(opened: Opened, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "SILENT_SECONDS", 0.2)

    def stall(request: Request) -> None:
        begin(request, 10_000)
        site.closing.wait(60)

    site.routes["/v1/chat/completions"] = stall
    assert fails(opened()) == BROKEN


def test_a_server_that_dies_within_its_answer(opened: Opened, site: Site) -> None:
    def die(request: Request) -> None:
        begin(request, 10_000)
        request.close_connection = True

    site.routes["/v1/chat/completions"] = die
    assert fails(opened()) == BROKEN


def test_a_server_that_dies_before_its_answer(opened: Opened, site: Site) -> None:
    def die(request: Request) -> None:
        request.close_connection = True

    site.routes["/v1/chat/completions"] = die
    assert fails(opened()) == SILENT


def test_no_server(opened: Opened) -> None:
    import socket

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    assert fails(opened(base_url=url)) == SILENT


def test_a_server_that_comes_back_is_asked_again(opened: Opened, site: Site) -> None:
    site.serve("/v1/chat/completions", "", status=500)
    router = opened()
    fails(router)
    says(site, "other()")
    assert router.route("x").calls == OTHER


# --- settings that cannot work


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("", "No model is chosen for the router; name one with `otto config set router.model NAME`."),
        (
            'model = "gpt-5"',
            "OpenAI needs a key and there is none; put it in the environment variable OPENAI_API_KEY, or use a server of your own: `otto config set router.base_url http://localhost:11434/v1`.",
        ),
        (
            'model = "gpt-5"\napi_key_env = "NOT_ASCII"',
            "The server's key holds characters that no key has; put it anew in the environment variable NOT_ASCII.",
        ),
    ],
)
def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, sentence: str) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("NOT_ASCII", "sk-“quoted”")
    with pytest.raises(OttoError) as caught:
        configured(tmp_path, f'[router]\nengine = "openai"\n{settings}\n')
    assert str(caught.value) == sentence
