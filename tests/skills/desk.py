"""What the tests of the skills stand on: one user's machine, and a web server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from otto import Call
from otto.config import Settings, load_settings
from otto.dispatch import Dispatcher
from otto.messages import Result
from otto.registry import Registry
from otto.store import DATABASE_NAME, Database


@dataclass
class Listener:
    """A host that remembers what it was told and says yes to nothing."""

    said: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.said.append(text)

    def ask(self, question: str) -> str | None:
        return None

    def confirm(self, question: str) -> bool:
        return False


class Desk:
    """One user's machine: a home, its settings and its database."""

    def __init__(self, home: Path, registry: Registry) -> None:
        self.home = home
        self.registry = registry
        self.listener = Listener()
        self.settings: Settings = load_settings(environ={"OTTO_HOME": str(home)})
        self.database = Database(self.settings.paths.data / DATABASE_NAME)

    def configure(self, text: str) -> None:
        """Write config.toml and read it again."""
        (self.home / "config.toml").write_text(text, encoding="utf-8")
        self.settings = load_settings(environ={"OTTO_HOME": str(self.home)})

    @property
    def dispatcher(self) -> Dispatcher:
        return Dispatcher(self.registry, self.listener, self.database, self.settings)

    def run(self, call: str) -> Result:
        return self.dispatcher.run(Call.parse(call))

    def says(self, call: str) -> str:
        """The words of a call that must succeed."""
        result = self.run(call)
        assert result.ok, result.speech
        return result.speech

    def fails(self, call: str) -> str:
        """The sentence of a call that must fail by a skill's own decision, not by an accident in it."""
        result = self.run(call)
        assert not result.ok, result.speech
        assert "skill" not in result.speech.partition(";")[0], result.speech
        return result.speech


Answer = tuple[int, str, bytes]  # status, content type, body
Route = Callable[["Request"], Answer | None]  # None where the route wrote its answer itself


class Request(BaseHTTPRequestHandler):
    """What a route is given: the request, and the wire to answer on."""

    server: Any

    def do_GET(self) -> None:  # http.server's name
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.site.requests.append(self)
        route = self.server.site.routes.get(self.path.partition("?")[0])
        answer = route(self) if route else (404, "text/plain", b"not here")
        if answer is not None:
            status, kind, body = answer
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *arguments: Any) -> None:
        pass


class Site:
    """A web server on this machine."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.site = self  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def serve(self, path: str, body: bytes | str, status: int = 200, kind: str = "application/json") -> str:
        """Answer a path with this; returns its address."""
        content = body.encode() if isinstance(body, str) else body
        self.routes[path] = lambda request: (status, kind, content)
        return self.url + path

    def hang(self, path: str) -> str:
        """Never answer a path."""

        def wait(request: Request) -> Answer:
            self.closing.wait(60)
            return 200, "text/plain", b"late"

        self.routes[path] = wait
        return self.url + path

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


def wait_for(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true value of the condition."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("it did not happen")
