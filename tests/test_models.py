"""Models: found, listed, and downloaded from a hub that speaks as the real one does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from otto.config import Settings, load_settings
from otto.errors import ModelError, NetworkError, StoreError, UsageError
from otto.models import WHISPER, installed_whisper, list_models, model_path, pull_model

FILES = {
    "config.json": b"{}",
    "model.bin": b"w" * 5000,
    "tokenizer.json": b"{}",
    "vocabulary.txt": b"a\nb\n",
    "README.md": b"not needed",
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """The two addresses of the hub that a download uses."""

    files: dict[str, bytes] = FILES
    status = 200
    asked: list[str]
    tokens: list[str | None]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        self.asked.append(self.path)
        self.tokens.append(self.headers.get("Authorization"))
        content = self._content()
        self.send_response(self.status if content is not None else 404)
        if content is None:
            self.send_header("X-Error-Code", "RepoNotFound")
        content = content or b""
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def _content(self) -> bytes | None:
        repository = WHISPER["tiny.en"][0]
        if self.path == "/":
            return b"hub"
        if "/tree/" in self.path:
            return json.dumps(
                [
                    {"type": "file", "oid": "0" * 40, "size": len(content), "path": name}
                    for name, content in self.files.items()
                ]
            ).encode()
        if self.path.startswith((f"/api/models/{repository}", "/api/models/someone/base")):
            return json.dumps(
                {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in self.files]}
            ).encode()
        return self.files.get(self.path.rpartition("/")[2]) if "/resolve/" in self.path else None

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[type[Hub]]:
    class ThisHub(Hub):
        asked: list[str] = []
        tokens: list[str | None] = []
        address = ""

    server = ThreadingHTTPServer(("127.0.0.1", 0), ThisHub)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    ThisHub.address = f"http://127.0.0.1:{server.server_port}"
    yield ThisHub
    server.shutdown()  # within its poll interval
    server.server_close()


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return load_settings(environ={"OTTO_HOME": str(tmp_path)})


def installed(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def test_what_is_installed_is_found(home: Settings) -> None:
    with pytest.raises(ModelError, match="not on this machine; download it with: otto models pull tiny.en"):
        model_path(home, "tiny.en")
    folder = installed(home.paths.models / "whisper" / "tiny.en")
    assert model_path(home, "tiny.en") == folder
    assert [model.name for model in list_models(home) if model.installed] == ["tiny.en"]
    assert {model.name: model.megabytes for model in list_models(home)}["small.en"] == 486


def test_a_folder_is_a_model_too(home: Settings, tmp_path: Path) -> None:
    assert model_path(home, str(installed(tmp_path / "mine"))) == tmp_path / "mine"


def test_the_whisper_model_to_use(home: Settings, tmp_path: Path) -> None:
    assert installed_whisper(home) == ""
    installed(home.paths.models / "whisper" / "base")
    assert installed_whisper(home) == "base", "any is better than none"
    (installed(home.paths.models / "whisper" / "small.en") / "model.bin").unlink()
    assert installed_whisper(home) == "small.en", "the user is told that it is damaged"
    mine = load_settings(environ={"OTTO_HOME": str(tmp_path), "OTTO_STT_MODEL": str(installed(tmp_path / "mine"))})
    assert installed_whisper(mine) == str(tmp_path / "mine")


@pytest.mark.parametrize("lost", ["model.bin", "tokenizer.json", "vocabulary.txt", "config.json"])
def test_a_damaged_model_names_what_is_missing(home: Settings, lost: str) -> None:
    folder = installed(home.paths.models / "whisper" / "tiny.en")
    (folder / lost).write_bytes(b"")
    with pytest.raises(
        ModelError, match=r"is damaged: .* is missing .*; download it anew with: otto models pull tiny.en"
    ):
        model_path(home, "tiny.en")
    assert not any(model.installed for model in list_models(home))


@pytest.mark.parametrize("name", ["small.de", "", "../tiny", "a/../b", "a/b/c", "https://x/y"])
def test_an_unknown_model(home: Settings, name: str) -> None:
    for function in (model_path, pull_model):
        with pytest.raises(UsageError, match="There is no model"):
            function(home, name)


def test_a_download(home: Settings, hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    folder = pull_model(home, "tiny.en", hub.address)
    assert folder == home.paths.models / "whisper" / "tiny.en" == model_path(home, "tiny.en")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        name: FILES[name] for name in FILES if name != "README.md"
    }
    assert list(folder.parent.iterdir()) == [folder]
    assert not any(hub.tokens), "no key of the user's leaves the machine"
    hub.asked.clear()
    assert pull_model(home, "tiny.en", hub.address) == folder
    assert hub.asked == []


def test_a_damaged_model_is_downloaded_anew(home: Settings, hub: type[Hub]) -> None:
    (installed(home.paths.models / "whisper" / "tiny.en") / "model.bin").unlink()
    pull_model(home, "tiny.en", hub.address)
    assert (model_path(home, "tiny.en") / "model.bin").read_bytes() == FILES["model.bin"]


def test_a_base_model_for_the_router(home: Settings, hub: type[Hub]) -> None:
    hub.files = {"config.json": b"{}", "model.safetensors": b"w", "pytorch_model.bin": b"twice"}
    folder = pull_model(home, "someone/base", hub.address)
    assert folder == home.paths.models / "router" / "someone--base"
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert [model.name for model in list_models(home) if model.kind == "router"] == ["someone/base"]


def test_a_repository_that_is_something_else(home: Settings, hub: type[Hub]) -> None:
    hub.files = {"config.json": b"{}"}
    with pytest.raises(
        ModelError, match=r"is no whisper model \(model.bin, tokenizer.json, vocabulary.\* is missing\)"
    ):
        pull_model(home, "tiny.en", hub.address)
    assert not (home.paths.models / "whisper" / "tiny.en").exists()


def test_a_repository_that_is_not_there(home: Settings, hub: type[Hub]) -> None:
    with pytest.raises(NetworkError, match="has no model nobody/nothing; check the name"):
        pull_model(home, "nobody/nothing", hub.address)


def test_no_network(home: Settings) -> None:
    with pytest.raises(NetworkError, match="out of reach; check the network"):
        pull_model(home, "tiny.en", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="not on this machine"):
        model_path(home, "tiny.en")


def test_a_server_in_trouble(home: Settings, hub: type[Hub]) -> None:
    hub.status = 403
    with pytest.raises(NetworkError):
        pull_model(home, "tiny.en", hub.address)


def test_a_page_to_sign_in_to_the_network(home: Settings, hub: type[Hub]) -> None:
    hub._content = lambda self: b"<html>Welcome to our wifi</html>"  # type: ignore[method-assign]
    with pytest.raises(NetworkError, match="not as a model hub"):
        pull_model(home, "tiny.en", hub.address)


def test_nowhere_to_put_it(home: Settings) -> None:
    home.paths.models.write_text("in the way")
    with pytest.raises(StoreError, match="cannot be stored in .*otto config set paths.models FOLDER"):
        pull_model(home, "tiny.en")


def test_no_room(home: Settings, hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    from collections import namedtuple

    monkeypatch.setattr("shutil.disk_usage", lambda _: namedtuple("usage", "free")(free=3_000_000))
    with pytest.raises(StoreError, match=r"tiny.en needs 78 MB and .* has 3 MB free; make room"):
        pull_model(home, "tiny.en", hub.address)
