"""Merged weights calculate what the adapter on its base does, new tokens and output layers of its own included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the models are made with torch")
pytest.importorskip("peft", reason="the adapters are PEFT's")

from finetune.config import Sft  # noqa: E402  after the skips
from finetune.data.reflect import TOKENS  # noqa: E402
from finetune.export.run import Order, export  # noqa: E402
from finetune.export.source import Source  # noqa: E402
from finetune.stages import model  # noqa: E402
from otto.errors import ModelError, UsageError  # noqa: E402
from tests.finetune.exported import save_model  # noqa: E402


def adapter_on(folder: Path, tied: bool, new_tokens: bool, own_output: bool = False, dtype: Any = None) -> tuple[Any, Path, Any]:
    """A base and a random adapter on it: the network, the adapter's folder, and its tokenizer."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = save_model(folder / "mistral-small", architecture="mistral", tie_word_embeddings=tied)
    if dtype:
        AutoModelForCausalLM.from_pretrained(base, dtype=dtype).save_pretrained(base)
    settings = Sft(stage="sft", base=base, data=Path(), out=folder, device="cpu", quantise=False)
    tokenizer = model.load_tokenizer(settings, "mistral-instruct")
    ids: list[int] = []
    if new_tokens:
        tokenizer.add_special_tokens({"additional_special_tokens": list(TOKENS)})
        ids = tokenizer.convert_tokens_to_ids(list(TOKENS))
    loaded = model.load_base(settings, False, False)
    if own_output:
        network = get_peft_model(loaded, LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=["lm_head"], task_type="CAUSAL_LM"))
    else:
        network = model.with_adapter(loaded, settings, tokenizer, ids)
    torch.manual_seed(3)
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data.add_(torch.randn_like(parameter) * 0.05)
    network.save_pretrained(folder / "adapter")
    tokenizer.save_pretrained(folder / "adapter")
    return network.eval(), folder / "adapter", tokenizer


@pytest.mark.parametrize(
    ("tied", "new_tokens", "own_output"),
    [(False, False, False), (True, False, False), (False, True, False), (True, True, False), (True, False, True)],
    ids=["untied", "tied", "untied with new tokens", "tied with new tokens", "tied with an output layer of its own"],
)
def test_the_logits_are_the_adapters(tied: bool, new_tokens: bool, own_output: bool, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network, adapter, tokenizer = adapter_on(tmp_path, tied, new_tokens, own_output)
    (merged,) = export(Source.find(adapter), Order(tmp_path / "out"), print)
    whole = AutoModelForCausalLM.from_pretrained(merged)
    ids = torch.tensor([[0, 17, len(tokenizer) - 1, 33, len(tokenizer) - 4, 5]])
    with torch.no_grad():
        right, found = network(ids).logits, whole(ids).logits
        alone = AutoModelForCausalLM.from_pretrained(tmp_path / "mistral-small")
        without = alone(ids.clamp(max=alone.config.vocab_size - 1)).logits
    assert found.shape == right.shape
    assert (found - right).abs().max() < 1e-4
    assert (without - right[..., : without.shape[-1]]).abs().max() > 0.1, "the adapter does something"
    assert whole.config.tie_word_embeddings == (tied and not own_output)
    assert AutoTokenizer.from_pretrained(merged).get_vocab() == tokenizer.get_vocab()


def test_it_is_stored_as_the_base_is(tmp_path: Path) -> None:
    """Merged in float32, and rounded once."""
    from safetensors.torch import load_file

    network, adapter, _ = adapter_on(tmp_path, False, False, dtype=torch.bfloat16)
    (merged,) = export(Source.find(adapter), Order(tmp_path / "out"), print)
    name = "model.layers.0.self_attn.q_proj.weight"
    right = network.merge_and_unload().get_parameter(name)
    assert right.dtype == torch.float32
    assert torch.equal(load_file(merged / "model.safetensors")[name], right.bfloat16())


def test_weights_that_are_no_numbers_are_not_merged(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    _, adapter, _ = adapter_on(tmp_path, False, False)
    file = adapter / "adapter_model.safetensors"
    weights = load_file(file)
    save_file({name: tensor * float("nan") if "lora_B" in name else tensor for name, tensor in weights.items()}, file, {"format": "pt"})
    with pytest.raises(ModelError, match=r"^The adapter in .*adapter cannot be merged \(.*\); export an earlier checkpoint\.$"):
        export(Source.find(adapter), Order(tmp_path / "out"), print)
    assert not (tmp_path / "out").exists()


def test_nothing_to_compare_on(tmp_path: Path) -> None:
    _, adapter, _ = adapter_on(tmp_path, False, False)
    with pytest.raises(UsageError, match="There are no rows to compare the weights on; name some with --rows FILE"):
        export(Source.find(adapter), Order(tmp_path / "out", check=5), print)
    assert not (tmp_path / "out").exists()
