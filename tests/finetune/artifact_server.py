"""A server on loopback that answers W&B's own client as W&B's does when it reads an artifact: who asks, what the artifact is, its files."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

VIEWER = {"id": "1", "entity": "team", "username": "somebody", "email": "", "flags": "{}", "admin": False, "teams": {"edges": []}}
PROJECT = {"__typename": "Project", "id": "2", "internalId": "2", "name": "otto", "entity": {"name": "team"}}
WHEN = "2026-11-01T00:00:00"


@contextmanager
def serve(name: str, files: list[Path]) -> Iterator[str]:
    """The address of a server that has the artifact team/otto/NAME:v0 and no other."""
    contents = {file.name: file.read_bytes() for file in files}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here = f"http://{self.headers['Host']}"
            self._answer(_manifest(contents) if self.path == "/manifest" else contents[self.path.removeprefix("/files/")], here)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            here = f"http://{self.headers['Host']}"
            asked = json.loads(body) if self.path == "/graphql" else {"query": ""}
            self._answer(json.dumps({"data": _found(asked, name, contents, here)}).encode(), here)

        def _answer(self, body: bytes, here: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _found(asked: dict[str, Any], name: str, contents: dict[str, bytes], here: str) -> dict[str, Any]:
    query = asked["query"]
    if "serverInfo" in query:
        return {"serverInfo": {"features": []}}
    if "artifactCollectionMembership" in query:
        return {"project": {"artifactCollectionMembership": _membership(name) if asked["variables"]["name"] == f"{name}:v0" else None}}
    if "currentManifest" in query:
        return {"artifact": {"currentManifest": {"__typename": "ArtifactManifest", "file": {"directUrl": f"{here}/manifest"}}}}
    if "artifactMembership(" in query:
        edges = [{"node": {"__typename": "File", "name": path, "directUrl": f"{here}/files/{path}"}} for path in contents]
        files = {"edges": edges, "pageInfo": {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}}
        return {"project": {"artifactCollection": {"__typename": "ArtifactSequence", "artifactMembership": {"files": files}}}}
    return {"viewer": VIEWER}


def _membership(name: str) -> dict[str, Any]:
    sequence = {"__typename": "ArtifactSequence", "name": name, "project": PROJECT}
    artifact = {
        "__typename": "Artifact", "id": "3", "artifactSequence": sequence, "versionIndex": 0, "artifactType": {"name": "dataset"},
        "description": None, "metadata": "{}", "ttlDurationSeconds": -1, "ttlIsInherited": True, "tags": [], "historyStep": None,
        "state": "COMMITTED", "size": 1, "digest": "d1", "commitHash": "c1", "fileCount": 1, "createdAt": WHEN, "updatedAt": WHEN, "aliases": [],
    }  # fmt: skip
    return {
        "__typename": "ArtifactCollectionMembership", "id": "4", "versionIndex": 0, "createdAt": WHEN, "aliases": [],
        "artifactCollection": sequence, "artifact": artifact,
    }  # fmt: skip


def _manifest(contents: dict[str, bytes]) -> bytes:
    entries = {
        path: {"digest": base64.b64encode(hashlib.md5(data).digest()).decode(), "size": len(data), "birthArtifactID": "3"}
        for path, data in contents.items()
    }
    policy = {"storagePolicy": "wandb-storage-policy-v1", "storagePolicyConfig": {"storageLayout": "V2"}}
    return json.dumps({"version": 1, **policy, "contents": entries}).encode()
