"""A web server on this machine whose answers a test writes, well and badly. The fixture `site` opens one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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
    """The server: its pages are in `routes`, what was asked of it in `requests`."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self._server.handle_error = lambda *arguments: None  # type: ignore[method-assign]  # a client that gave up or was killed
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.site = self  # type: ignore[attr-defined]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def asked(self, path: str) -> list[Request]:
        """The requests for a path."""
        return [request for request in self.requests if request.path == path]

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
