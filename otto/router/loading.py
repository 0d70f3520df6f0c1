"""A large language model from a folder, loaded once, and the LoRA adapters that are put on it: 4-bit where there is a CUDA GPU.

Nothing is ever downloaded.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

from otto.errors import ModelError
from otto.grammar import answer_grammar
from otto.registry import Registry
from otto.router.modelfiles import CHOOSE, COPY, family_with, read_json, reason

_TURN_ENDS = ("<|eot_id|>", "<|im_end|>")  # end an answer as well as the tokenizer's own end of text


@dataclass(frozen=True)
class Speech:
    """How the base, or an adapter on it, is written to and read."""

    family: str  # of its prompt
    tokenizer: Any
    ends: tuple[int, ...]  # each of these tokens ends an answer
    grammar_tokens: Any  # llguidance's tokenizer

    def matcher(self, registry: Registry) -> Any:
        """What holds an answer to the grammar of the skills; a copy of it is for one answer. Raises ModelError."""
        from llguidance import LLMatcher

        matcher = LLMatcher(self.grammar_tokens, LLMatcher.grammar_from_lark(answer_grammar(registry)))
        if matcher.is_error():
            raise ModelError(f"The skills do not make a grammar ({matcher.get_error()})", "run `otto skills check`")
        return matcher


class LargeModel:
    """The base's weights, and the adapters that were put on it. One of them, or none, is in use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._adapted: Any = None  # PEFT's model around the base, where an adapter is on it
        self._names: dict[Path, str] = {}  # folder of an adapter that is on the base → its name there
        self._only_one = False  # it takes no other beside it
        self._numbers = count()
        self._speech: dict[Path | None, Speech] = {}
        self._used: Path | None = None

    @cached_property
    def _base(self) -> Any:
        base = _load_network(self.folder)
        self._vocabulary = base.get_input_embeddings().num_embeddings  # as it is stored
        return base

    @property
    def network(self) -> Any:
        """The model of transformers, or of PEFT around it."""
        return self._adapted or self._base

    @property
    def limit(self) -> int | None:
        """Tokens that it reads, where it tells."""
        limit: int | None = getattr(self._base.config, "max_position_embeddings", None)
        return limit

    def use(self, adapter: Path | None) -> Speech:
        """Answer with an adapter from now on, or with the base alone. The base is loaded once.

        Raises:
            ModelError: the base is damaged or too large, the adapter is damaged or of another base; the one that was in use stays.
            UsageError: it was trained with another prompt than the base's.
        """
        speech = self.speech(adapter)
        try:
            self._switch(adapter)
        except ModelError:
            self._switch(self._used)
            raise
        self._used = adapter
        return speech

    def speech(self, adapter: Path | None) -> Speech:
        """How the base, or an adapter on it, is written to and read; no weights are loaded for it. Raises as `use`."""
        if adapter not in self._speech:
            self._speech[adapter] = self._speech_of(adapter)
        return self._speech[adapter]

    def width(self, speech: Speech) -> int:
        """How many of the logits are this speech's: another adapter on the same base may have brought tokens of its own."""
        stored: int = self._vocabulary
        return max(stored, len(speech.tokenizer))

    def _speech_of(self, adapter: Path | None) -> Speech:
        own = adapter is not None and (adapter / "tokenizer.json").is_file()
        tokenizer = _load_tokenizer(adapter if adapter and own else self.folder)
        ends = _end_tokens(tokenizer, self.folder)
        return Speech(family_with(self.folder, adapter), tokenizer, ends, _grammar_tokens(tokenizer, ends, self.folder))

    def _switch(self, adapter: Path | None) -> None:
        if adapter:
            if adapter not in self._names:
                self._put_on(adapter)
            self._adapted.base_model.enable_adapter_layers()
            self._adapted.set_adapter(self._names[adapter], inference_mode=True)
        elif self._adapted:
            self._adapted.base_model.disable_adapter_layers()
        self.network.eval()

    def _put_on(self, adapter: Path) -> None:
        """Put an adapter beside those that are on the base.

        PEFT mixes up adapters that hold more than low-rank matrices, such as the rows of new tokens: one of those is on the base alone.
        """
        from peft import PeftConfig, PeftModelForCausalLM

        name = f"adapter{next(self._numbers)}"
        try:
            config = PeftConfig.from_pretrained(str(adapter))
            config.inference_mode = True
            more = bool(getattr(config, "modules_to_save", None) or getattr(config, "trainable_token_indices", None))
            if more or self._only_one:
                self._take_off()
            self._grow(len(self._speech[adapter].tokenizer))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of no use to a user
                if not self._adapted:
                    self._adapted, self._only_one = PeftModelForCausalLM(self._base, config, name), more
                missing = self._adapted.load_adapter(str(adapter), name).missing_keys
            if missing:  # they would do nothing
                raise ValueError(f"it lacks {len(missing)} of its weights, {missing[0]} for one")
        except Exception as error:  # as for the tokenizer
            self._drop(name)
            mend = f"use the model that it was trained on, or {CHOOSE.format('adapter')}"
            raise ModelError(f"The adapter in {adapter} does not fit the model ({reason(error)})", mend) from error
        self._names[adapter] = name

    def _grow(self, vocabulary: int) -> None:
        """Give the base rows for the tokens of an adapter's own tokenizer."""
        if vocabulary > self._base.get_input_embeddings().weight.shape[0]:
            self._take_off()
            self._base.resize_token_embeddings(vocabulary)

    def _drop(self, name: str) -> None:
        """Take off an adapter that could not be put on."""
        if not self._names:
            self._take_off()
        elif name in self._adapted.peft_config:
            self._adapted.delete_adapter(name)

    def _take_off(self) -> None:
        """Leave the base alone."""
        if self._adapted:
            self._adapted.unload()
        self._adapted, self._names, self._only_one = None, {}, False


def _load_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a damaged file fails in as many ways as it has formats
        raise ModelError(f"The tokenizer in {folder} cannot be loaded ({reason(error)})", COPY) from error


def _load_network(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it names kernels for Intel CPUs that it does not find
    try:
        network, found = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, output_loading_info=True, **_placing(folder))
    except torch.OutOfMemoryError:
        raise ModelError(f"The model {folder.name} does not fit into the GPU's memory", CHOOSE.format("model")) from None
    except Exception as error:  # as for the tokenizer
        raise ModelError(f"The model in {folder} cannot be loaded ({reason(error)})", COPY) from error
    if found["missing_keys"]:  # they would be random
        missing = sorted(found["missing_keys"])
        raise ModelError(f"The model in {folder} lacks {len(missing)} of its weights, {missing[0]} for one", COPY)
    mend_cpu_quantisation(network)
    return network


def mend_cpu_quantisation(network: Any) -> None:
    """On CPUs with AVX512_BF16, bitsandbytes 0.50 repacks 4-bit weights in the first evaluation, and an adapter put on after it answers wrongly."""
    for module in network.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _placing(folder: Path) -> dict[str, Any]:
    """Where the weights go, and as what: 4-bit on a CUDA GPU, as they are stored elsewhere."""
    import torch

    if not torch.cuda.is_available():
        return {"dtype": "auto", "device_map": {"": "mps" if torch.backends.mps.is_available() else "cpu"}}
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    placing = {"dtype": dtype, "device_map": {"": 0}}
    if find_spec("bitsandbytes") and "quantization_config" not in read_json(folder / "config.json"):
        from transformers import BitsAndBytesConfig

        placing["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    return placing


def _end_tokens(tokenizer: Any, folder: Path) -> tuple[int, ...]:
    """Every token that ends an answer."""
    named = [read_json(folder / name).get("eos_token_id") for name in ("generation_config.json", "config.json")]
    found = {tokenizer.eos_token_id, *(token for ends in named for token in (ends if isinstance(ends, list) else [ends]))}
    known = tokenizer.get_vocab()
    found |= {known.get(token) for token in _TURN_ENDS}
    return tuple(sorted(token for token in found if token is not None))


def _grammar_tokens(tokenizer: Any, ends: Sequence[int], folder: Path) -> Any:
    from llguidance.hf import from_tokenizer

    try:
        if not ends:
            raise ValueError("it has no token that ends a text")
        return from_tokenizer(tokenizer, eos_token=list(ends))
    except ValueError as error:
        what = f"The tokenizer of the model {folder.name} cannot be held to a grammar ({reason(error)})"
        raise ModelError(what, CHOOSE.format("model")) from error
