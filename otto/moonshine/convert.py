"""From the weights as they are published to two graphs that are quick on a processor.

The published decoder keeps 8-bit weights and makes floating-point numbers of all of them at each step: 150 ms a token. Here the numbers are
made once and the matrix products quantised anew for onnxruntime's own 8-bit kernels: 7 ms a token on one core. Of its two branches only the one with
a cache is kept, since it also takes an empty cache; what it needs of the sound is worked out by the encoder's graph.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from onnx import GraphProto, ModelProto, NodeProto

    Values = dict[str, npt.NDArray[np.generic]]

ENCODER, DECODER = "encoder.onnx", "decoder.onnx"
LAYERS, HEADS, HEAD_SIZE = 8, 8, 52
MEMORY = "memory"  # what the decoder needs of the sound: (2 x layers, 1, heads, frames, head size), keys and values in turn
_OPSET, _IR = 14, 8
_FOLDED = {"Cast", "Mul", "Add", "Transpose"}  # what the published graphs do to their weights


def convert(encoder: Path, decoder: Path, target: Path) -> None:
    """Write ENCODER and DECODER and their weights into a folder, from the two published .ort files."""
    merged = _read(decoder)
    weights, nodes = _fold(merged.graph)
    branch = next(node for node in nodes if node.op_type == "If")
    first, cached = (next(item.g for item in branch.attribute if item.name == name) for name in ("else_branch", "then_branch"))
    _write(target / ENCODER, *_encoder(_read(encoder).graph, _memory_weights(first, weights)), quantised=["MatMul"])
    _write(target / DECODER, *_decoder(cached, merged.graph, weights), quantised=["MatMul", "Gather"])


Graph = tuple["list[NodeProto]", "Sequence[Any]", "Sequence[Any]", "Values"]  # nodes, inputs, outputs, weights


def _encoder(graph: GraphProto, memory_weights: npt.NDArray[np.generic]) -> Graph:
    """Sound to memory: the published encoder, and the keys and values of all the decoder's layers in one product."""
    import numpy as np
    from onnx import TensorProto, helper

    weights, nodes = _fold(graph)
    weights |= {
        "memory_weights": memory_weights,
        "memory_parts": np.array([0, 0, 2 * LAYERS, HEADS, HEAD_SIZE], np.int64),
    }
    nodes += [
        helper.make_node("MatMul", [graph.output[0].name, "memory_weights"], ["memory_flat"], name="memory_product"),
        helper.make_node("Reshape", ["memory_flat", "memory_parts"], ["memory_split"]),
        helper.make_node("Transpose", ["memory_split"], [MEMORY], perm=[2, 0, 3, 1, 4]),
    ]
    output = helper.make_tensor_value_info(MEMORY, TensorProto.FLOAT, [2 * LAYERS, 1, HEADS, "frames", HEAD_SIZE])
    return nodes, graph.input, [output], weights


def _memory_weights(first: GraphProto, weights: Values) -> npt.NDArray[np.generic]:
    """The projections of the sound to keys and values, one beside the other in the order of MEMORY."""
    import numpy as np

    makers = {name: node for node in first.node for name in node.output}
    inner = weights | _initialisers(first)
    found = []
    for layer in range(LAYERS):
        for part in ("key", "value"):
            node = makers[f"present.{layer}.encoder.{part}"]
            while node.op_type != "MatMul":
                node = makers[node.input[0]]
            found.append(inner[node.input[1]])
    return np.concatenate(found, axis=1)


def _decoder(cached: GraphProto, merged: GraphProto, weights: Values) -> Graph:
    """Tokens, cache and memory to logits and the longer cache."""
    inner = weights | _initialisers(cached)
    made = {name for node in cached.node for name in node.output}
    outputs = [output for output in cached.output if output.name in made]  # not the memory, which it hands through
    values, nodes = _fold_nodes(list(cached.node), inner)
    needed = _names(nodes)
    return nodes, [item for item in merged.input if item.name in needed], outputs, values


def _read(path: Path) -> ModelProto:
    """A graph in onnxruntime's own format, as ONNX."""
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "model.onnx")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.optimized_model_filepath = copy
        options.add_session_config_entry("session.save_model_format", "ONNX")
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return onnx.load(copy)


def _fold(graph: GraphProto) -> tuple[Values, list[NodeProto]]:
    return _fold_nodes(list(graph.node), _initialisers(graph))


def _fold_nodes(nodes: Iterable[NodeProto], weights: Values) -> tuple[Values, list[NodeProto]]:
    """Work out what depends on weights alone; the nodes that are left."""
    import numpy as np

    values, left = dict(weights), []
    for node in nodes:
        if node.op_type not in _FOLDED or not all(name in values for name in node.input):
            left.append(node)
            continue
        operands = [values[name] for name in node.input]
        if node.op_type == "Cast":
            values[node.output[0]] = operands[0].astype(_numpy_type(node))
        elif node.op_type == "Transpose":
            values[node.output[0]] = operands[0].transpose(next((list(item.ints) for item in node.attribute), None))
        else:
            values[node.output[0]] = np.multiply(*operands) if node.op_type == "Mul" else np.add(*operands)
    return values, left


def _numpy_type(cast: NodeProto) -> npt.DTypeLike:
    from onnx import helper

    return helper.tensor_dtype_to_np_dtype(next(item.i for item in cast.attribute if item.name == "to"))


def _initialisers(graph: GraphProto) -> Values:
    from onnx import numpy_helper

    return {item.name: numpy_helper.to_array(item) for item in graph.initializer}


def _names(nodes: Iterable[NodeProto]) -> set[str]:
    return {name for node in nodes for name in node.input}


def _write(path: Path, nodes: list[NodeProto], inputs: Sequence[Any], outputs: Sequence[Any], weights: Values, quantised: list[str]) -> None:
    """Quantise the products with weights to 8 bits, a scale a column, and write the graph."""
    import numpy as np
    from onnx import helper, numpy_helper
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # a copy with np.array: np.ascontiguousarray would make a scalar one-dimensional
    tensors = [numpy_helper.from_array(np.array(weights[name], order="C"), name) for name in sorted(_names(nodes) & weights.keys())]
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})  # or it logs that this step was left out
    quantize_dynamic(
        model,
        path,
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=quantised,
        use_external_data_format=True,  # the weights lie in a file beside, from which onnxruntime maps them
        extra_options={"MatMulConstBOnly": True},
    )
