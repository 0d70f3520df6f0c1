"""Exports the trained Llama to int8 ONNX with a key-value cache, as onnxruntime runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otto.errors import MissingExtra, ModelError


def require_builder() -> None:
    """Raises MissingExtra where the builder is not installed."""
    try:
        import onnxruntime_genai  # noqa: F401
    except ImportError:
        raise MissingExtra("onnxruntime-genai", "finetune") from None


def export_llama(model: Path, folder: Path, about: Mapping[str, Any] | None = None) -> Path:
    """Write `llama.onnx` and `llama.json` (its tokenizer, its sizes, and what else there is to tell) of a transformers checkpoint into a folder.

    The builder of onnxruntime-genai quantises the weights to 8 bits in blocks (MatMulNBits), which scores as the float
    weights do; it is needed here only, not where the model runs.

    Raises:
        MissingExtra: the builder is not installed.
        ModelError: it fails; the sentence has its last line.
    """
    require_builder()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "onnx"
        command = [
            sys.executable,
            "-m",
            "onnxruntime_genai.models.builder",
            "-m",
            str(model),
            "-o",
            str(out),
            "-p",
            "int8",
            "-e",
            "cpu",
            "-c",
            scratch,
        ]
        done = subprocess.run([*command, "--extra_options", "hf_remote=false"], capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise ModelError(f"The export of {model} failed ({reason})", "install what it needs: pip install -c constraints.txt -e '.[finetune]'")
        _one_file(out / "model.onnx", folder / "llama.onnx")
        shape = json.loads((out / "genai_config.json").read_text())["model"]["decoder"]
    sizes = {"layers": shape["num_hidden_layers"], "key_value_heads": shape["num_key_value_heads"], "head_size": shape["head_size"]}
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    (folder / "llama.json").write_text(json.dumps({"sizes": sizes, "tokenizer": tokenizer, **(about or {})}, separators=(",", ":")))
    return folder / "llama.onnx"


def _one_file(source: Path, target: Path) -> None:
    """Put the weights, which the builder writes beside the graph, inside it."""
    import onnx

    model = onnx.load(str(source))
    _quantise_embeddings(model)
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(target.with_suffix(".part")), save_as_external_data=False)
    shutil.move(target.with_suffix(".part"), target)


def _quantise_embeddings(model: Any) -> None:
    """Store the word vectors as int8 with a scale a word: the builder leaves them in float32, half of the file."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    gather = next(node for node in graph.node if node.op_type == "Gather" and "embed_tokens" in node.input[0])
    stored = next(item for item in graph.initializer if item.name == gather.input[0])
    weights = numpy_helper.to_array(stored).astype(np.float32)
    scale = np.abs(weights).max(axis=1, keepdims=True) / 127 + 1e-12
    graph.initializer.remove(stored)
    graph.initializer.append(numpy_helper.from_array(np.round(weights / scale).astype(np.int8), "embed_small"))
    graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), "embed_scale"))
    ids, out = gather.input[1], gather.output[0]
    nodes = [
        helper.make_node("Gather", ["embed_small", ids], ["embed_rows"], name="embed_rows"),
        helper.make_node("Gather", ["embed_scale", ids], ["embed_row_scale"], name="embed_row_scale"),
        helper.make_node("Cast", ["embed_rows"], ["embed_float"], name="embed_float", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["embed_float", "embed_row_scale"], [out], name="embed_scaled"),
    ]
    place = list(graph.node).index(gather)
    graph.node.remove(gather)
    for offset, node in enumerate(nodes):
        graph.node.insert(place + offset, node)
