"""A Llama or a Mistral as one GGUF file, as llama.cpp reads it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.estimate import Sizes
from finetune.export.vocabulary import MEND, Vocabulary, read_vocabulary
from otto.errors import MissingExtra, ModelError

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFWriter

KINDS = ("f32", "f16", "q8_0")
ARCHITECTURES = ("llama", "mistral")  # `model_type` of those that llama.cpp runs as its `llama`


def require_gguf() -> None:
    """Raises MissingExtra where the package that writes the files is not installed."""
    if find_spec("gguf") is None:
        raise MissingExtra("gguf", "finetune")


def write_gguf(model: Path, file: Path, kind: str, template: str, about: Mapping[str, str]) -> None:
    """Write the weights and the tokenizer of a model's folder, one matrix after the other.

    Args:
        model: its folder, of whole weights.
        file: the new file.
        kind: of its matrices, one of KINDS; vectors are always float32.
        template: the chat template, in Jinja.
        about: keys and texts for its head, "general.name" for one.

    Raises:
        MissingExtra: the package gguf is not installed.
        ModelError: it is not a Llama or a Mistral, or has a part that llama.cpp's does not have.
    """
    require_gguf()
    from gguf import GGUFWriter

    config = _config(model)
    sizes = Sizes.read(model)
    vocabulary = read_vocabulary(model, sizes.vocabulary)
    writer = GGUFWriter(file, "llama")
    try:
        for key, text in about.items():
            writer.add_string(key, text)
        _add_sizes(writer, sizes, config, kind)
        _add_vocabulary(writer, vocabulary, model, template)
        _write_tensors(writer, model, sizes, config, kind)
    finally:
        writer.close()


def _config(model: Path) -> Any:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(model, local_files_only=True)
    if config.model_type not in ARCHITECTURES:
        raise ModelError(f"A model of the type {config.model_type} cannot be written as GGUF", MEND)
    if config.hidden_act != "silu" or config.rope_parameters["rope_type"] not in ("default", "linear", "llama3"):
        odd = config.hidden_act if config.hidden_act != "silu" else f"positions of the type {config.rope_parameters['rope_type']}"
        raise ModelError(f"A model with {odd} cannot be written as GGUF", MEND)
    return config


def _add_sizes(writer: GGUFWriter, sizes: Sizes, config: Any, kind: str) -> None:
    from gguf import GGML_QUANT_VERSION, LlamaFileType

    file_type = {"f32": LlamaFileType.ALL_F32, "f16": LlamaFileType.MOSTLY_F16, "q8_0": LlamaFileType.MOSTLY_Q8_0}[kind]
    writer.add_file_type(file_type)
    writer.add_quantization_version(GGML_QUANT_VERSION)
    writer.add_block_count(sizes.layers)
    # llama.cpp knows no sliding window of these models: within one window it computes the same.
    writer.add_context_length(min(config.max_position_embeddings, getattr(config, "sliding_window", None) or config.max_position_embeddings))
    writer.add_embedding_length(sizes.hidden)
    writer.add_feed_forward_length(sizes.feed_forward)
    writer.add_head_count(sizes.heads)
    writer.add_head_count_kv(sizes.key_value_heads)
    writer.add_key_length(sizes.head)
    writer.add_value_length(sizes.head)
    writer.add_vocab_size(sizes.vocabulary)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(sizes.head)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


def _add_vocabulary(writer: GGUFWriter, vocabulary: Vocabulary, model: Path, template: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    if vocabulary.merges:
        writer.add_tokenizer_pre(vocabulary.cuts)
        writer.add_token_merges(vocabulary.merges)
    else:
        writer.add_token_scores(vocabulary.scores)
        writer.add_add_space_prefix(vocabulary.space_first)
    for name in ("bos", "eos", "unk", "pad"):
        number = getattr(tokenizer, f"{name}_token_id")
        if number is not None:
            getattr(writer, f"add_{name}_token_id")(number)
    writer.add_add_bos_token(False)  # a rendered prompt holds all its special tokens
    writer.add_add_eos_token(False)
    writer.add_chat_template(template)


def _write_tensors(writer: GGUFWriter, model: Path, sizes: Sizes, config: Any, kind: str) -> None:
    """First what there is, then the numbers: one matrix at a time is in memory."""
    import numpy as np
    from gguf import GGMLQuantizationType, quant_shape_to_byte_shape
    from gguf.quants import quantize

    names = _names(model, sizes)
    factors = _rope_factors(config)
    quantised: dict[str, Any] = {}
    if factors is not None:
        writer.add_tensor_info("rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes)
    for name, (_, shape) in names.items():
        # a row of a q8_0 matrix is whole blocks of 32; llama.cpp wants its vectors as float32
        fitting = "f32" if len(shape) == 1 else "f16" if kind == "q8_0" and shape[-1] % 32 else kind
        quantised[name] = GGMLQuantizationType[fitting.upper()]
        stored = quant_shape_to_byte_shape(shape, quantised[name])
        writer.add_tensor_info(name, stored, np.dtype(np.uint8), int(np.prod(stored)), raw_dtype=quantised[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    if factors is not None:
        writer.write_tensor_data(factors)
    for name, (source, _) in names.items():
        writer.write_tensor_data(quantize(_read(model, source, sizes), quantised[name]).view(np.uint8))


def _names(model: Path, sizes: Sizes) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name in llama.cpp → name in the model's files, and shape."""
    from gguf import MODEL_ARCH, get_tensor_name_map
    from safetensors import safe_open

    known = get_tensor_name_map(MODEL_ARCH.LLAMA, sizes.layers)
    found = {}
    for path in _files(model):
        with safe_open(path, "pt") as file:
            for source in file.keys():  # noqa: SIM118  it is no dict
                name = known.get_name(source, try_suffixes=(".weight", ".bias"))
                if name is None:
                    raise ModelError(f"The weights {source} have no place in a GGUF of a Llama", MEND)
                found[name] = (source, tuple(file.get_slice(source).get_shape()))
    return found


def _files(model: Path) -> list[Path]:
    return sorted(model.glob("*.safetensors"))


def _read(model: Path, name: str, sizes: Sizes) -> np.ndarray[Any, Any]:
    """Weights as float32; rows of queries and keys as llama.cpp turns them: pairs of neighbours, where transformers turns halves of a head."""
    from safetensors import safe_open

    for path in _files(model):
        with safe_open(path, "pt") as file:
            if name in file.keys():  # noqa: SIM118
                weights: np.ndarray[Any, Any] = file.get_tensor(name).float().numpy()
    heads = next((count for part, count in (("q_proj", sizes.heads), ("k_proj", sizes.key_value_heads)) if f".{part}." in name), None)
    if heads is None:
        return weights
    halves = weights.reshape(heads, 2, sizes.head // 2, *weights.shape[1:])
    turned: np.ndarray[Any, Any] = halves.swapaxes(1, 2).reshape(weights.shape)
    return turned


def _rope_factors(config: Any) -> np.ndarray[Any, Any] | None:
    """By how much each pair of a head turns slower than it would without scaling: float32[head / 2]; None where nothing is scaled."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    kind = config.rope_parameters["rope_type"]
    if kind == "default":
        return None
    scaled, _ = ROPE_INIT_FUNCTIONS[kind](config, "cpu")
    pairs = scaled.shape[0]
    plain = config.rope_parameters["rope_theta"] ** -((1 / pairs) * scaled.new_tensor(range(pairs)))
    factors: np.ndarray[Any, Any] = (plain / scaled).float().numpy()
    return factors
