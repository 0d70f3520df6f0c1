"""The export: the int8 model that onnxruntime runs says what the float32 model of torch says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the Llama is made with torch")
pytest.importorskip("transformers", reason="the Llama is made with transformers")
pytest.importorskip("onnx", reason="the export needs onnx")

from finetune.embedded.export import export_llama  # noqa: E402  after the skips
from finetune.embedded.train import train_tokenizer  # noqa: E402
from otto.errors import MissingExtra, ModelError  # noqa: E402
from otto.prompt import embedded_prefix, embedded_suffix  # noqa: E402
from otto.router.causal import EOS, CausalModel  # noqa: E402
from otto.router.llama import LlamaReader  # noqa: E402
from tests.finetune import tiny  # noqa: E402


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama: larger weights than the usual ones, so that its logits differ from each other."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    folder, settings = tmp_path_factory.mktemp("model"), tiny.SETTINGS
    tokenizer = train_tokenizer([tiny.SOURCE], settings)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=settings.hidden,
        intermediate_size=settings.feed_forward,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.key_value_heads,
        max_position_embeddings=settings.context,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=tokenizer.token_to_id(EOS),
        pad_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime_genai", reason="the export needs the model builder of onnxruntime-genai")
    folder = tmp_path_factory.mktemp("weights") / "new"
    assert export_llama(checkpoint, folder) == folder / "llama.onnx"
    return folder


TEXTS = ["> will it rain in berlin\n", "> stop\ntimer(duration=\" five minutes\")", embedded_prefix(tiny.SPECS) + embedded_suffix("set a timer for five minutes")]  # fmt: skip


def logits(checkpoint: Path, ids: list[int]) -> Any:
    """float32[vocabulary] after the last token, of torch."""
    from transformers import LlamaForCausalLM

    with torch.no_grad():
        return LlamaForCausalLM.from_pretrained(checkpoint).eval()(torch.tensor([ids])).logits[0, -1].numpy()


def far(one: Any, other: Any) -> float:
    """The error of logits as a share of how much they differ from each other."""
    return float((one - other).std() / other.std())


@pytest.mark.parametrize("text", TEXTS, ids=["a sentence", "a call", "a whole prompt"])
def test_the_logits_are_those_of_torch(text: str, checkpoint: Path, exported: Path) -> None:
    """Weights of 8 bits: steps of a 127th of the largest in a block, which may move a logit by a few hundredths of their spread."""
    model = CausalModel(exported)
    ids = model.encode(text)
    found, _ = model.run(ids, 0, model.empty_cache())
    wanted = logits(checkpoint, ids)
    assert found.shape == wanted.shape
    assert 0 < far(found, wanted) < 0.05
    assert far(logits(checkpoint, ids[:-1]), wanted) > 0.2, "the measure tells one prompt from another"


def test_the_cached_prefix_changes_nothing(exported: Path) -> None:
    model = CausalModel(exported)
    ids = model.encode(TEXTS[2])
    whole, _ = model.run(ids, 0, model.empty_cache())
    _, cache = model.run(ids[:50], 0, model.empty_cache())
    rest, _ = model.run(ids[50:], 50, cache)
    assert far(rest, whole) < 1e-3


def test_it_is_two_files(checkpoint: Path, exported: Path) -> None:
    import onnx

    assert sorted(path.name for path in exported.iterdir()) == ["llama.json", "llama.onnx"]
    stored = json.loads((exported / "llama.json").read_text())
    assert stored == {"sizes": {"layers": 2, "key_value_heads": 1, "head_size": 16}, "tokenizer": json.loads((checkpoint / "tokenizer.json").read_text())}
    model = onnx.load(str(exported / "llama.onnx"), load_external_data=False)
    assert all(item.data_location != onnx.TensorProto.EXTERNAL for item in model.graph.initializer)


def test_the_word_vectors_are_stored_in_8_bits(exported: Path) -> None:
    import onnx

    stored = {item.name: item for item in onnx.load(str(exported / "llama.onnx")).graph.initializer}
    assert stored["embed_small"].data_type == onnx.TensorProto.INT8
    assert list(stored["embed_small"].dims) == [320, 32]
    assert list(stored["embed_scale"].dims) == [320, 1]
    assert not any(list(item.dims) == [320, 32] and item.data_type == onnx.TensorProto.FLOAT for item in stored.values())


def test_a_model_that_knows_nothing_still_writes_one_of_the_calls(exported: Path) -> None:
    reader = LlamaReader(tiny.SPECS, exported)
    for text in ("set a timer for five minutes", "hello", "turn it up"):
        assert reader.write(text).skill in {spec.name for spec in tiny.SPECS}


def test_without_the_builder(monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime_genai", None)
    with pytest.raises(MissingExtra, match=r'^onnxruntime-genai is not installed; install it with: pip install "otto-assistant\[finetune\]"'):
        export_llama(checkpoint, tmp_path)


def test_a_checkpoint_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime_genai", reason="the export needs the model builder of onnxruntime-genai")
    (tmp_path / "model").mkdir()
    with pytest.raises(ModelError, match=r"^The export of .*model failed \(.+\); ") as caught:
        export_llama(tmp_path / "model", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert "above" not in str(caught.value), "nothing of the builder's log is shown"
    assert not (tmp_path / "out").exists()
