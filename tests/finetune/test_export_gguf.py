"""GGUF files: llama.cpp reads the same tokens from them as transformers, and writes the same ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the models are made with torch")
pytest.importorskip("transformers", reason="the models are made with transformers")
gguf = pytest.importorskip("gguf", reason="the files are written with gguf")
pytest.importorskip("xllamacpp", reason="llama.cpp runs the files")

from finetune.data.reflect import TOKENS  # noqa: E402  after the skips
from finetune.export.gguf import write_gguf  # noqa: E402
from finetune.export.vocabulary import read_vocabulary  # noqa: E402
from otto.errors import MissingExtra, ModelError  # noqa: E402
from tests.finetune.exported import SENTENCES, LlamaCpp, greedy, save_model, tokenizer  # noqa: E402

TEMPLATE = "{{ messages[0]['content'] }}"
SCALED = {"rope_theta": 10000.0, "factor": 8.0}
VARIANTS = [
    ("digits", "llama", {}, "a Llama as SmolLM"),
    ("gpt-2", "mistral", {"head_dim": 32}, "a Mistral whose heads are wider than the model's share"),
    ("llama-3", "llama", {"tie_word_embeddings": True, "rope_parameters": {
        **SCALED, "rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
    }}, "a Llama 3.2: tied, with scaled positions"),
    ("tekken", "mistral", {"num_key_value_heads": 1}, "a Mistral Nemo"),
    ("pieces", "llama", {"num_key_value_heads": 4, "attention_bias": True, "mlp_bias": True}, "a Llama 2, with biases"),
    ("pieces first", "mistral", {"sliding_window": 256}, "a Mistral 7B"),
    ("digits", "llama", {"rope_parameters": {**SCALED, "rope_type": "linear"}}, "positions scaled by one factor"),
    ("digits", "llama", {"vocab_size": 420, "rms_norm_eps": 1e-3}, "a vocabulary with rows to spare"),
]  # fmt: skip
TEXTS = [*(f"<s>{text}" for text in SENTENCES), "<s>[INST] set a timer\n\nfor two [/INST]", "<s>one</s><s>two</s> three", " no mark before", ""]


def written(folder: Path, kind: str = "f32", **about: str) -> Path:
    file = folder / f"{kind}.gguf"
    write_gguf(folder, file, kind, TEMPLATE, {"general.name": "small", **about})
    return file


@pytest.mark.parametrize(("words", "architecture", "sizes"), [row[:3] for row in VARIANTS], ids=[row[3] for row in VARIANTS])
def test_llama_cpp_writes_what_transformers_writes(words: str, architecture: str, sizes: dict[str, Any], tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    save_model(tmp_path, words, architecture, **sizes)
    runtime, known = LlamaCpp(written(tmp_path)), AutoTokenizer.from_pretrained(tmp_path)
    first = words == "pieces first"  # llama.cpp puts a space before a text after a special token, or never
    for text in TEXTS[:-1] if first else TEXTS:
        if not (first and text.startswith(" ")):
            assert runtime.tokens(text) == known(text, add_special_tokens=False)["input_ids"], text
    prompts = TEXTS[:8]
    assert [runtime.writes(prompt) for prompt in prompts] == greedy(tmp_path, prompts)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("small"))


@pytest.mark.parametrize(("kind", "bytes_of_32"), [("f32", 128), ("f16", 64), ("q8_0", 34)])
def test_kinds(kind: str, bytes_of_32: int, small: Path) -> None:
    """q8_0 is 32 numbers of 8 bits and one scale of 16 (llama.cpp's gguf-py/gguf/constants.py)."""
    reader = gguf.GGUFReader(written(small, kind))
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    assert len(tensors) == 2 * 9 + 3, "nine in each layer; embedding, last norm and output"
    query, norm = tensors["blk.0.attn_q.weight"], tensors["blk.0.attn_norm.weight"]
    assert (query.tensor_type.name, query.n_bytes) == (kind.upper(), 64 * 64 // 32 * bytes_of_32)
    assert (norm.tensor_type.name, norm.n_bytes) == ("F32", 64 * 4)


def test_halves_and_bytes_write_almost_the_same(small: Path) -> None:
    """Random weights decide by a hair: of 15 prompts, most first tokens stay."""
    prompts = TEXTS[: len(SENTENCES)]
    wanted = greedy(small, prompts, 1)
    half, bytes_ = (LlamaCpp(written(small, kind)) for kind in ("f16", "q8_0"))
    assert sum(half.writes(prompt, 1) == right for prompt, right in zip(prompts, wanted, strict=True)) >= 14
    assert sum(bytes_.writes(prompt, 1) == right for prompt, right in zip(prompts, wanted, strict=True)) >= 12


def test_a_row_that_is_no_whole_block_is_stored_in_halves(tmp_path: Path) -> None:
    save_model(tmp_path, hidden_size=48, intermediate_size=96)
    tensors = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(written(tmp_path, "q8_0")).tensors}
    assert (tensors["blk.0.attn_q.weight"], tensors["blk.0.ffn_down.weight"]) == ("F16", "Q8_0")
    prompts = TEXTS[:4]
    assert all(LlamaCpp(tmp_path / "q8_0.gguf").writes(prompt, 1) for prompt in prompts)


def test_what_the_head_says(small: Path) -> None:
    reader = gguf.GGUFReader(written(small, **{"otto.prompt.family": "mistral-instruct"}))
    head = {name: field.contents() for name, field in reader.fields.items()}
    assert (head["general.architecture"], head["general.name"], head["otto.prompt.family"]) == ("llama", "small", "mistral-instruct")
    assert (head["llama.block_count"], head["llama.attention.head_count_kv"], head["llama.context_length"]) == (2, 2, 512)
    assert (head["tokenizer.ggml.pre"], head["tokenizer.ggml.add_bos_token"], head["tokenizer.chat_template"]) == ("smollm", False, TEMPLATE)
    assert (head["tokenizer.ggml.bos_token_id"], head["tokenizer.ggml.eos_token_id"]) == (0, 1)


def test_no_more_than_one_sliding_window_is_read(tmp_path: Path) -> None:
    reader = gguf.GGUFReader(written(save_model(tmp_path, architecture="mistral", sliding_window=128)))
    assert reader.fields["llama.context_length"].contents() == 128


def test_the_marks_of_reflection_are_part_of_the_answer(tmp_path: Path) -> None:
    """Servers leave special tokens out of what they send; these the router must see."""
    made = tokenizer("digits")
    made.add_special_tokens({"additional_special_tokens": list(TOKENS)})
    save_model(tmp_path, vocab_size=len(made))
    made.save_pretrained(tmp_path)
    vocabulary = read_vocabulary(tmp_path, len(made))
    kinds = dict(zip(vocabulary.tokens, vocabulary.kinds, strict=True))
    assert {kinds[token] for token in TOKENS} == {int(gguf.TokenType.USER_DEFINED)}
    assert {kinds[token] for token in ("<s>", "</s>")} == {int(gguf.TokenType.CONTROL)}
    runtime = LlamaCpp(written(tmp_path))
    assert runtime.tokens(f"<s>{TOKENS[0]}so") == made(f"<s>{TOKENS[0]}so", add_special_tokens=False)["input_ids"]


def test_rows_without_a_token_are_named(tmp_path: Path) -> None:
    made = tokenizer("digits")
    made.save_pretrained(tmp_path)
    vocabulary = read_vocabulary(tmp_path, len(made) + 2)
    assert vocabulary.tokens[-3:] == [made.convert_ids_to_tokens(len(made) - 1), f"[PAD{len(made)}]", f"[PAD{len(made) + 1}]"]
    assert vocabulary.kinds[-2:] == [int(gguf.TokenType.UNUSED)] * 2


def change(folder: Path, name: str, **values: Any) -> None:
    file = folder / name
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def change_model(folder: Path, **values: Any) -> None:
    stored = json.loads((folder / "tokenizer.json").read_text())
    change(folder, "tokenizer.json", model=stored["model"] | values)


OWN = "export it as merged, and convert that with llama.cpp's own convert_hf_to_gguf.py"
DAMAGES = [
    ("another architecture", lambda folder: change(folder, "config.json", model_type="gpt_neox", rope_parameters=None), "A model of the type gpt_neox cannot"),
    ("another activation", lambda folder: change(folder, "config.json", hidden_act="gelu"), "A model with gelu cannot be written as GGUF"),
    ("positions that grow", lambda folder: change(folder, "config.json", rope_parameters={
        "rope_theta": 1e4, "rope_type": "dynamic", "factor": 2.0}), "A model with positions of the type dynamic cannot"),
    ("no tokenizer", lambda folder: (folder / "tokenizer.json").unlink(), "cannot be written for llama.cpp (No such file or directory)"),
    ("a tokenizer cut short", lambda folder: (folder / "tokenizer.json").write_text('{"model": {'), "it is no byte-pair encoding"),
    ("no byte pairs", lambda folder: change(folder, "tokenizer.json", model={"type": "WordLevel", "vocab": {"a": 0}}), "(it has no 'merges')"),
    ("words cut elsewhere", lambda folder: change(folder, "tokenizer.json", pre_tokenizer={"type": "Whitespace"}), "cuts words in a way"),
    ("a space before", lambda folder: change(folder, "tokenizer.json", pre_tokenizer={
        "type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}), "cuts words in a way"),
    ("lower case", lambda folder: change(folder, "tokenizer.json", normalizer={"type": "Lowercase"}), "cuts words in a way"),
    ("whole words first", lambda folder: change_model(folder, ignore_merges=True), "does not merge as llama.cpp does"),
    ("pieces with merges of their own", lambda folder: change_model(folder, byte_fallback=True), "as llama.cpp does"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "sentence"), [row[1:] for row in DAMAGES], ids=[row[0] for row in DAMAGES])
def test_what_llama_cpp_would_read_otherwise_is_refused(damage: Any, sentence: str, tmp_path: Path) -> None:
    save_model(tmp_path)
    damage(tmp_path)
    with pytest.raises(ModelError) as caught:
        written(tmp_path)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(f"; {OWN}.")
    assert "\n" not in str(caught.value)


def test_weights_without_a_place(small: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(small, tmp_path, dirs_exist_ok=True)
    weights = load_file(small / "model.safetensors")
    save_file(weights | {"value_head.weight": weights["model.norm.weight"].clone()}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"^The weights value_head\.weight have no place in a GGUF of a Llama; "):
        written(tmp_path)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, small: Path, tmp_path: Path) -> None:
    monkeypatch.setattr("finetune.export.gguf.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r'^gguf is not installed; install it with: pip install "otto-assistant\[finetune\]"'):
        write_gguf(small, tmp_path / "x.gguf", "f32", TEMPLATE, {})
    assert list(tmp_path.iterdir()) == []
