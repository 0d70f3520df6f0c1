"""An adapter merged into its base, in float32, and saved as the base is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune.estimate import Sizes, gib
from finetune.export.chat import chat_template
from finetune.export.source import ADAPTER_WEIGHTS, Source
from finetune.stages import model
from finetune.stages.training import quiet
from otto.errors import ModelError, UsageError
from otto.prompt import whole_template
from otto.promptformat import TEXT, PromptFormat
from otto.router.causal import EMBEDDED

_FLOAT32 = 4  # bytes
_ROOM = 1.15  # what loading takes beside the weights


def prompt_of(source: Source, tokenizer: Any) -> PromptFormat:
    """The format that the weights were tuned with: that which they tell, else this Otto's.

    Raises UsageError where it is a text that this Otto does not have.
    """
    now = PromptFormat.of(source.family, tokenizer.get_vocab())
    then = PromptFormat.read(source.weights)
    if then and then.sha256 != now.sha256:
        what = f"The weights in {source.weights} were tuned with another text of the prompt {then.family} than this Otto's"
        raise UsageError(what, "export them with the Otto that tuned them, or tune them anew")
    return now


def load(source: Source) -> tuple[Any, Any]:
    """The base with its adapter on it, in float32, and the tokenizer. Raises ModelError."""
    _require_memory(source)
    with quiet():
        tokenizer = model.load_tokenizer(source.settings, source.family)
        network = model.load_base(source.settings, False, False)
        if source.settings.adapter:
            network = model.with_adapter(network, source.settings, tokenizer, [])
            _require_all(network, source)
    return network.eval(), tokenizer


def save_merged(network: Any, tokenizer: Any, source: Source, folder: Path) -> None:
    """Merge the adapter, and write weights, tokenizer and prompt into a folder. The network is not to be used afterwards.

    Raises:
        ModelError: the merged weights are not numbers.
    """
    from transformers import AutoConfig, GenerationConfig

    prompt = prompt_of(source, tokenizer)
    if source.settings.adapter:
        try:
            network = network.merge_and_unload(safe_merge=True)
        except ValueError as error:
            raise ModelError(f"The adapter in {source.weights} cannot be merged ({error})", "export an earlier checkpoint") from None
    _untie(network)
    ends = sorted({tokenizer.eos_token_id, model.end_token(tokenizer, source.family)})
    # a router answers greedily: how the base was to be sampled is left out
    network.generation_config = GenerationConfig(bos_token_id=tokenizer.bos_token_id, eos_token_id=ends, pad_token_id=tokenizer.pad_token_id)
    stored = AutoConfig.from_pretrained(source.settings.base, local_files_only=True).dtype
    with quiet():
        (network.to(stored) if stored else network).save_pretrained(folder, max_shard_size="4GB")
        if source.family != EMBEDDED:
            tokenizer.chat_template = chat_template(prompt, tokenizer.convert_ids_to_tokens(model.end_token(tokenizer, source.family)))
        tokenizer.save_pretrained(folder)
    (folder / TEXT).write_text(whole_template(source.family) + "\n", encoding="utf-8")


def _require_memory(source: Source) -> None:
    import psutil

    sizes = Sizes.read(source.settings.base)
    needed, there = (sizes.linear + sizes.others) * _FLOAT32 * _ROOM, psutil.virtual_memory().available
    if needed > there:
        what = f"Merging {source.settings.base.name} in full precision needs about {gib(needed)} and this machine has {gib(there)} free"
        raise ModelError(what, "close what fills it, or export on a machine with more memory")


def _require_all(network: Any, source: Source) -> None:
    """Raises ModelError where weights of the adapter found no place in the base, or the base's places for them stayed empty."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(source.weights / ADAPTER_WEIGHTS, "pt") as file:
        stored = set(file.keys())
    placed = set(get_peft_model_state_dict(network))
    odd = sorted(stored ^ placed)
    if odd:
        what = f"The adapter in {source.weights} does not fit {source.settings.base.name} ({len(odd)} of its weights, {odd[0]} for one)"
        raise ModelError(what, "name the base that it was trained on, with --base FOLDER")


def _untie(network: Any) -> None:
    """An adapter with an output layer of its own ends what it shared with the embedding."""
    given, taken = network.get_output_embeddings().weight, network.get_input_embeddings().weight
    if network.config.tie_word_embeddings and given.data_ptr() != taken.data_ptr():
        network.config.tie_word_embeddings = False
