"""The trained model as faster-whisper loads it: CTranslate2's format, the matrices in int8 and the rest in float16."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.whisper.tokens import save_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import WhisperForConditionalGeneration

FILES = ("model.bin", "config.json", "vocabulary.json", "tokenizer.json", "preprocessor_config.json")


def export_whisper(model: WhisperForConditionalGeneration, tokenizer: Tokenizer, folder: Path) -> None:
    """Write `FILES` into the folder."""
    from ctranslate2.converters import TransformersConverter
    from transformers import WhisperFeatureExtractor

    with tempfile.TemporaryDirectory() as source:
        model.save_pretrained(source)
        save_tokenizer(tokenizer, Path(source))
        WhisperFeatureExtractor(feature_size=80).save_pretrained(source)
        converter = TransformersConverter(source, copy_files=["tokenizer.json", "preprocessor_config.json"])
        converter.convert(str(folder), quantization="int8_float16", force=True)
