"""One folder with all that the speech engine needs, made of the published weights and checked against them."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from pathlib import Path

from otto.errors import MissingExtra
from otto.moonshine.check import check
from otto.moonshine.convert import convert
from otto.moonshine.source import DECODER, ENCODER, EXTRA, LICENCE, PACKAGE, VERSION, VOCABULARY, published_files

VOCABULARY_FILE = "vocabulary.bin"
_NOTICE = f"""Moonshine base, English: speech to text. Copyright (c) 2025 Moonshine AI. MIT licence, see LICENSE.

From the package {PACKAGE} {VERSION} (pypi.org/project/moonshine_cpp, github.com/moonshine-ai/moonshine.cpp).
Changed: the weights were quantised anew, the graphs of encoder and decoder rewritten. vocabulary.bin is tokenizer.bin, unchanged.
"""


def build(folder: Path) -> None:
    """Fill an empty folder. Takes about 15 seconds.

    Raises:
        MissingExtra: the converter's library is not installed.
        NetworkError, ModelError, OttoError: as `published_files` does; ModelError too where the result does not hear what the original does.
    """
    if importlib.util.find_spec("onnx") is None:
        raise MissingExtra("onnx", EXTRA)
    with tempfile.TemporaryDirectory() as place:
        files = published_files(Path(place))
        convert(files[ENCODER], files[DECODER], folder)
        check(files, folder)
        shutil.copyfile(files[VOCABULARY], folder / VOCABULARY_FILE)
        shutil.copyfile(files[LICENCE], folder / "LICENSE")
    (folder / "NOTICE").write_text(_NOTICE, encoding="utf-8")
