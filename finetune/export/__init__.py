"""From a tuned adapter to weights that a runtime loads: merged, ONNX and GGUF, each with its card and its prompt."""
